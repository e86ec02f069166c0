//! core: what expressions evaluate to, seen as a text (ErrorDocument takes them), and directives whose effect shows in one answer.

use compat_tests::{Group, group};

/// One location for each expression; its 404 page is the expression's value.
fn values(name: &str, texts: &[&str]) -> Group {
    let mut g = group(name);
    let mut conf = String::from("SetEnvIf Request_URI . fromreq=1\nServerAdmin me@x.test\n");
    for (number, text) in texts.iter().enumerate() {
        conf += &format!("<Location /v{number}>\nErrorDocument 404 \"{text}\"\n</Location>\n");
        g = g.get_with(
            &format!("/v{number}/no%20pe/x%2cy?q=%41&b"),
            "X-One: a b/c\nX-One: second\nCookie: c=1\nReferer: r\nAccept: */*\nUser-Agent: Ua\nForwarded: f\nProxy-Connection: p",
        );
    }
    g.conf(&conf).file("htdocs/f.txt", "line one\nline two\n").file("htdocs/v0/readme", "x")
}

#[test]
fn variables() {
    values(
        "values of variables",
        &[
            "%{HTTP_ACCEPT} %{HTTP_COOKIE} %{HTTP_FORWARDED} %{HTTP_HOST} %{HTTP_PROXY_CONNECTION} %{HTTP_REFERER} %{HTTP_USER_AGENT}",
            "%{REQUEST_METHOD} %{REQUEST_SCHEME} %{REQUEST_URI} %{DOCUMENT_URI} %{REQUEST_FILENAME} %{SCRIPT_FILENAME}",
            "[%{LAST_MODIFIED}] [%{SCRIPT_USER}] [%{SCRIPT_GROUP}] [%{PATH_INFO}] [%{QUERY_STRING}] [%{IS_SUBREQ}]",
            "%{THE_REQUEST} %{REMOTE_ADDR} %{REMOTE_HOST} [%{REMOTE_USER}] [%{REMOTE_IDENT}]",
            "%{SERVER_NAME} %{SERVER_ADMIN} %{SERVER_PROTOCOL} %{DOCUMENT_ROOT} [%{AUTH_TYPE}] [%{CONTENT_TYPE}] [%{HANDLER}]",
            "%{HTTPS} %{HTTP2} %{IPV6} %{REQUEST_STATUS} [%{REQUEST_LOG_ID}] [%{CONN_LOG_ID}] %{CONN_REMOTE_ADDR}",
            "[%{CONTEXT_PREFIX}] [%{CONTEXT_DOCUMENT_ROOT}] %{API_VERSION} %{SERVER_SOFTWARE}",
            "%{http:x-one} %{HTTP:X-One} %{REQ:X-One} %{req_novary:x-one} %{resp:server} %{resp:Content-Type} %{reqenv:fromreq} %{env:fromreq} %{note:fromreq}",
        ],
    )
    .check();
}

#[test]
fn functions() {
    values(
        "values of functions",
        &[
            "%{tolower:ABC dÉf} %{toupper:abc def}",
            "%{escape:a b/c?d=e&f%%g} %{unescape:a%%20b%%2Fc%%zz}",
            "%{unescape:a%%00b}",
            "%{base64:hello world} %{unbase64:aGVsbG8gd29ybGQ=} %{unbase64:!!} %{unbase64:aGVs}",
            "%{md5:hello} %{sha1:hello}",
            "%{ldap:a,b+c(d)*e}",
            "%{filesize:@ROOT@/htdocs/f.txt} %{filesize:@ROOT@/nope} %{filesize:@ROOT@/htdocs}",
            "%{file:@ROOT@/htdocs/f.txt}",
            "%{file:@ROOT@/nope}",
            "%{osenv:NO_SUCH_VARIABLE}x",
            "plain $0 $1 100%% %",
            "plain 100%% %",
            "plain $a $$ $",
            "plain $1",
        ],
    )
    .check();
}

#[test]
fn functions_and_words_in_conditions() {
    let texts = [
        "file('@ROOT@/htdocs/f.txt') =~ /line two/",
        "filesize('@ROOT@/htdocs/f.txt') -eq 18",
        "filesize(%{REQUEST_FILENAME}) -eq 0",
        "-L '@ROOT@/htdocs/link'",
        "-h '@ROOT@/htdocs/f.txt'",
        "'/a/b' -fnmatch '/a/*'",
        "'/a/b' -fnmatch '/*'",
        "'/a/b' -strmatch '/*'",
        "'ab' -strmatch 'a[a-c]'",
        "'1' == 1 && '01' -eq 1 && 'x' -eq 0",
        "'-5' -lt 3",
        "'99999999999' -gt 3",
        "'a' < 'b' && 'b' > 'a' && 'a' <= 'a' && 'a' >= 'a'",
        "3 lt 4 && 4 ge 4 && 3 ne 4 && 4 gt 3 && 3 le 4 && 3 eq 3",
        "'abc' !~ /x/",
        "'abc' =~ m#B#i",
        "'a b' =~ /a.b/i",
        "'a b' =~ /^(.) (.)$/ && '$2$1$0' == 'baa b'",
        "req('x-one') in { 'a', %{HTTP:X-One}, tolower('Z') }",
        "'10.1.2.3' -ipmatch '10.1.0.0/16'",
        "'::1' -ipmatch '::/64'",
        "%{REMOTE_ADDR} -ipmatch '127.0.0.1'",
        "-T %{HTTPS}",
        "-T 'No' || -T 'False' || -T 'OFF'",
        "!(true && false) and not false",
        "true and (false or true)",
        "%{REQUEST_URI} == '/' . 'x' . 5",
        "\\\"quoted\\\" == 'quoted'",
        "'%{TIME_MON}%{TIME_DAY}%{TIME_HOUR}%{TIME_MIN}%{TIME_SEC}' =~ /^[0-9]{10}$/ && %{TIME_WDAY} =~ /^[0-6]$/ && %{TIME} =~ /^[0-9]{14}$/",
        "%{REMOTE_PORT} -gt 0",
        "MD5('a') == md5('a') && ToLower('A') == 'a'",
    ];
    let mut g = group("words in conditions");
    let mut conf = String::from(
        "<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n<Location /denied>\nRequire all denied\n</Location>\n",
    );
    for (number, text) in texts.iter().enumerate() {
        conf += &format!(
            "<Location /c{number}>\n<If \"{text}\">\nErrorDocument 404 yes\n</If>\n<ElseIf true>\nErrorDocument 404 no\n</ElseIf>\n</Location>\n"
        );
        g = g.get_with(&format!("/c{number}/x"), "X-One: a b");
        g = g.get_with(&format!("/c{number}/y?a"), "X-One: z");
    }
    g.conf(&conf).file("htdocs/f.txt", "line one\nline two\n").link("htdocs/link", "f.txt").check();
}

#[test]
fn conditions_that_fail() {
    group("conditions that fail")
        .conf(
            "<Location /require>\nRequire expr \"file('@ROOT@/nope') == ''\"\n</Location>\n\
             <Location /header>\nHeader set X y \"expr=file('@ROOT@/nope') == ''\"\n</Location>\n\
             <Location /setenvif>\nSetEnvIfExpr \"file('@ROOT@/nope') == ''\" A=b\n</Location>\n\
             <Location /target>\nErrorDocument 404 /%{file:@ROOT@/nope}\n</Location>\n",
        )
        .and_modules("headers")
        .get("/require/x")
        .get("/header/x")
        .get("/setenvif/x")
        .get("/target/x")
        .check();
}

/// Conditions that ask the server itself, in circles too; the log tells the way of a circle.
#[test]
fn conditions_with_subrequests() {
    let mut g = group("conditions with subrequests").conf(
        "<VirtualHost *:@PORT@>\nLogLevel warn core:debug\n</VirtualHost>\nRedirect /moved /a\n<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n\
         <Directory @ROOT@/htdocs/denied>\nRequire all denied\n</Directory>\n",
    );
    g = g.file("htdocs/denied/x.txt", "x\n").file("htdocs/x.txt", "x\n");
    for (name, condition, inside) in [
        ("a", "-U '/x.txt'", "Header set A yes"),
        ("b", "-U '/nothing'", "Header set A yes"),
        ("c", "-U '/denied/x.txt'", "Header set A yes"),
        ("d", "-A '/denied/x.txt'", "Header set A yes"),
        ("e", "-U '/moved'", "Header set A yes"),
        ("f", "-F '@ROOT@/htdocs/x.txt'", "Header set A yes"),
        ("g", "-F '@ROOT@/htdocs/denied/x.txt'", "Header set A yes"),
        ("h", "-F '@ROOT@/htdocs/nothing'", "Header set A yes"),
        ("i", "-U %{REQUEST_URI}", "Require all denied"),
        ("j", "! -U %{REQUEST_URI}", "Require all denied"),
        ("k", "-U '/l/x.txt'", "Header set A yes"),
        ("l", "-U '/k/x.txt'", "Require all denied"),
        ("m", "-U '%{REQUEST_URI}x'", "Header set A yes"),
        ("n", "-F %{REQUEST_FILENAME}", "Header set A yes"),
    ] {
        let text = format!("<If \"{condition}\">\n{inside}\n</If>\n<Else>\nHeader set A no\n</Else>\n");
        g = g.file(&format!("htdocs/{name}/x.txt"), "x\n").file(&format!("htdocs/{name}/.htaccess"), &text);
        g = g.get(&format!("/{name}/x.txt"));
    }
    g.check();
}

#[test]
fn internal_redirects_in_a_circle() {
    group("internal redirects in a circle")
        .conf("<VirtualHost *:@PORT@>\nLogLevel warn core:debug\n</VirtualHost>\nErrorDocument 404 /nothing\n<Location /round>\nFallbackResource /round/again\n</Location>\nLimitInternalRecursion 3 3\nRewriteEngine on\n<Directory @ROOT@/htdocs/spin>\nRewriteEngine on\nRewriteRule ^(.*)$ x$1\n</Directory>\n")
        .and_modules("rewrite")
        .dir("htdocs/spin")
        .get("/spin/a")
        .get("/round/x")
        .get("/other")
        .check();
}

/// The order of Vary tells which side of a comparison is read first.
#[test]
fn order_of_evaluation() {
    let (left, right) = ("%{HTTP_REFERER}", "%{HTTP_COOKIE}");
    let mut g = group("order of evaluation").conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n");
    let operators = ["==", "!=", "<", ">=", "-eq", "-lt", "-strmatch", "-strcmatch", "-fnmatch"];
    let mut conditions: Vec<String> = operators.iter().map(|operator| format!("{left} {operator} {right}")).collect();
    conditions.push(format!("{left} in {{ {right} }}"));
    conditions.push(format!("-z {left} && -z {right}"));
    conditions.push(format!("-n {left} || -n {right}"));
    conditions.push(format!("-z {left} || -z {right}"));
    for (number, condition) in conditions.iter().enumerate() {
        let text = format!("<If \"{condition}\">\nHeader set A yes\n</If>\n");
        g = g.file(&format!("htdocs/o{number}/x.txt"), "x\n").file(&format!("htdocs/o{number}/.htaccess"), &text);
        g = g.get(&format!("/o{number}/x.txt"));
    }
    g.check();
}

/// What -R and -ipmatch take is a string.
#[test]
fn networks_of_conditions() {
    let conditions = [
        "-R 10",
        "-R '10'",
        "-R -3",
        "-R '-3'",
        "%{REMOTE_ADDR} -ipmatch 10",
        "-R ''",
        "-R '10.0.0.0/33'",
        "-R '1' . '0'",
    ];
    group("networks of conditions").syntax(&conditions.map(|condition| format!("<If \"{condition}\">\n</If>\n")));
}

#[test]
fn if_that_fails() {
    // How often it is tried is seen in the error log alone.
    group("If that fails")
        .conf("LogLevel crit\n<Location /if>\n<If \"file('@ROOT@/nope') == ''\">\nErrorDocument 404 yes\n</If>\n<Else>\nErrorDocument 403 no\nRequire all denied\n</Else>\n</Location>\n")
        .get("/if/x")
        .get("/")
        .check();
}

#[test]
fn conditions_that_are_refused() {
    let texts: Vec<String> = [
        "nope('a') == 'b'",
        "%{NOPE} == 'b'",
        "%{nope:a} == 'b'",
        "-q 'a'",
        "'a' -nope 'b'",
        "'a' in 'b'",
        "'a' in { }",
        "'a' == ",
        "'a' =~ /(/",
        "'a' =~ 'b'",
        "'a' =~ /b/q",
        "'a' =~ /b/s",
        "'a' =~ /b/m",
        "'a",
        "'a' == 'b' &&",
        "file() == 'a'",
        "file == 'a'",
        "%{HTTP_HOST",
        "(true",
        "true)",
        "-ipmatch '1.2.3.4'",
        "'1.2.3.4' -ipmatch 'junk'",
        "-R 'junk'",
        "-R '1.2.3.4/99'",
        "a == b",
        "1 == 2 == 3",
        "!",
        "",
        " ",
        "'a' 'b'",
        "md5('a' , 'b') == 'x'",
        "'a' . == 'b'",
    ]
    .iter()
    .flat_map(|text| {
        [format!("<If \"{text}\">\n</If>"), format!("<Location /x>\nErrorDocument 404 \"%{{{text}}}\"\n</Location>")]
    })
    .collect();
    group("conditions refused").syntax(&texts);
}

#[test]
fn filters_by_configuration() {
    group("filter chains")
        .log_sizes_vary()
        .and_modules("deflate filter substitute")
        .conf(
            "<Location /two>\nSetOutputFilter SUBSTITUTE;DEFLATE\nSubstitute s/one/two/\n</Location>\n<Location /two/less>\nSetOutputFilter SUBSTITUTE\n</Location>\n\
             <Location /inflate>\nSetOutputFilter INFLATE;SUBSTITUTE\nSubstitute s/one/three/\n</Location>\n<Location /input>\nSetInputFilter DEFLATE\n</Location>\n\
             <Location /unknown>\nSetInputFilter NOPE\n</Location>\n<Location /add>\nAddOutputFilter SUBSTITUTE;DEFLATE .txt\nAddInputFilter DEFLATE .txt\nSubstitute s/one/four/\n</Location>\n\
             <Location /add/removed>\nRemoveOutputFilter txt\nRemoveInputFilter .txt\n</Location>\n<Location /none>\nSetOutputFilter None\n</Location>\n",
        )
        .file("htdocs/two/a.txt", "one\n")
        .file("htdocs/two/less/a.txt", "one\n")
        .file("htdocs/inflate/a.txt", "one\n")
        .file("htdocs/input/a.txt", "one\n")
        .file("htdocs/unknown/a.txt", "one\n")
        .file("htdocs/add/a.txt", "one\n")
        .file("htdocs/add/removed/a.txt", "one\n")
        .file("htdocs/none/a.txt", "one\n")
        .get_with("/two/a.txt", "Accept-Encoding: gzip")
        .get("/two/a.txt")
        .get_with("/two/less/a.txt", "Accept-Encoding: gzip")
        .get("/inflate/a.txt")
        .ask("POST", "/input/a.txt", "Content-Length: 0\nContent-Encoding: gzip")
        .get("/unknown/a.txt")
        .get_with("/add/a.txt", "Accept-Encoding: gzip")
        .get_with("/add/removed/a.txt", "Accept-Encoding: gzip")
        .get("/none/a.txt")
        .check();
}

#[test]
fn paths_and_methods() {
    group("paths and methods")
        .conf(
            "RegisterHttpMethod FROB Knit\nMergeSlashes Off\nLimitInternalRecursion 3 2\n<Location /frob>\n<Limit FROB>\nRequire all denied\n</Limit>\n</Location>\n\
             <Location /info/on>\nAcceptPathInfo On\n</Location>\n<Location /info/off>\nAcceptPathInfo Off\n</Location>\n\
             <Location /a/b>\nErrorDocument 404 merged\n</Location>\n<Location /loop>\nErrorDocument 404 /loop/again\n</Location>\n\
             <VirtualHost *:@PORT@>\nServerName main.test\n</VirtualHost>\n<VirtualHost *:@PORT@>\nServerName path.test\nServerPath /path\nDocumentRoot @ROOT@/htdocs/path\nMergeSlashes On\n</VirtualHost>\n",
        )
        .file("htdocs/info/on/a.txt", "on\n")
        .file("htdocs/info/off/a.txt", "off\n")
        .file("htdocs/path/path/x.txt", "under\n")
        .file("htdocs/path/x.txt", "above\n")
        .ask("FROB", "/frob/x", "")
        .ask("KNIT", "/frob/x", "")
        .ask("Knit", "/", "")
        .get("/info/on/a.txt/more")
        .get("/info/off/a.txt/more")
        .get("/a//b/c")
        .get("//a/b/c")
        .get("/loop/x")
        .request("GET /path/x.txt HTTP/1.0\r\n\r\n")
        .request("GET /path/x.txt HTTP/1.1\r\nHost: main.test\r\nConnection: close\r\n\r\n")
        .request("GET //x.txt HTTP/1.1\r\nHost: path.test\r\nConnection: close\r\n\r\n")
        .check();
}

#[test]
fn ranges_and_trailers() {
    for conf in [
        "MaxRanges none\n",
        "MaxRanges 2\nMaxRangeOverlaps 1\nMaxRangeReversals 1\n",
        "MaxRanges unlimited\nMaxRangeOverlaps none\nMaxRangeReversals none\n",
        "MaxRanges default\n<Location /a.txt>\nMaxRangeOverlaps unlimited\nMaxRangeReversals unlimited\n</Location>\n",
        "MergeTrailers On\n",
    ] {
        let mut g = group(conf).conf(conf).log_sizes_vary().file("htdocs/a.txt", "0123456789\n");
        for range in [
            "0-1",
            "0-1,2-3",
            "0-1,4-5,7-8",
            "4-6,5-8",
            "7-8,4-5,0-1",
            "0-5,1-4,2-3",
            "5-,0-3",
            "-1,-2,-3",
            "0-0,20-30",
            "20-",
        ] {
            g = g.get_with("/a.txt", &format!("Range: bytes={range}"));
        }
        g.request("POST /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Trailer: t\r\n\r\n").check();
    }
}

#[test]
fn bad_words() {
    group("core bad words").syntax(&[
        "AcceptFilter",
        "AcceptFilter http",
        "AcceptFilter http none more",
        "AcceptFilter nope nope",
        "AllowOverrideList X",
        "<Directory /x>\nAllowOverrideList NoSuchDirective\n</Directory>",
        "<Directory /x>\nAllowOverrideList Listen\n</Directory>",
        "<Directory /x>\nAllowOverrideList None More\n</Directory>",
        "<Directory /x>\nAllowOverrideList None\n</Directory>",
        "CGIMapExtension x y",
        "DefaultType text/plain",
        "DefaultType none",
        "<Directory /x>\nDefaultType text/plain\n</Directory>",
        "EnableMMAP maybe",
        "EnableSendfile maybe",
        "FlushMaxPipelined x",
        "FlushMaxPipelined -2",
        "FlushMaxPipelined 5",
        "FlushMaxThreshold x",
        "FlushMaxThreshold 0",
        "FlushMaxThreshold 99",
        "ReadBufferSize 1",
        "ReadBufferSize x",
        "ReadBufferSize 99999999999",
        "GprofDir x",
        "HostnameLookups maybe",
        "HostnameLookups Double",
        "LimitInternalRecursion 0",
        "LimitInternalRecursion x",
        "LimitInternalRecursion 1 0",
        "LimitInternalRecursion 1 2 3",
        "LimitXMLRequestBody x",
        "LimitXMLRequestBody -1",
        "LimitXMLRequestBody 0",
        "LimitRequestBody x",
        "LimitRequestBody -1",
        "LimitRequestBody 99999999999999999999",
        "MaxRanges 0",
        "MaxRanges x",
        "MaxRanges -1",
        "MaxRangeOverlaps 0",
        "MaxRangeOverlaps x",
        "MaxRangeReversals 0",
        "MaxRangeReversals none",
        "MaxRequestsPerChild x",
        "MergeSlashes maybe",
        "MergeTrailers maybe",
        "NameVirtualHost *",
        "Protocol http",
        "Protocols",
        "Protocols nope",
        "Protocols http/1.1 h2 h2c",
        "ProtocolsHonorOrder maybe",
        "QualifyRedirectURL maybe",
        "RegisterHttpMethod",
        "RegisterHttpMethod A B C",
        "ScriptInterpreterSource nope",
        "ServerPath",
        "UNCList x",
        "UnDefine",
        "UnDefine a b",
        "UnDefine a:b",
        "UseCanonicalPhysicalPort maybe",
        "UseCanonicalName dns",
        "UseCanonicalName maybe",
        "StrictHostCheck maybe",
        "CoreDumpDirectory",
        "CoreDumpDirectory /nonexistent",
        "ErrorLogFormat",
        "ErrorLogFormat \"%\"",
        "ErrorLogFormat \"%Q\"",
        "ErrorLogFormat \"%{x\"",
        "ErrorLogFormat \"%{x}\"",
        "ErrorLogFormat nope \"%M\"",
        "ErrorLogFormat request \"%M\"",
        "ErrorLogFormat connection \"%M\"",
        "ErrorLogFormat \"%t\" \"%M\" x",
        "ErrorLogFormat \"no message\"",
        "ErrorLog syslog:nope",
        "ErrorLog syslog:",
        "ErrorLog syslog:local9",
        "ErrorLog syslog:local7:tag",
        "LogLevel",
        "LogLevel nope",
        "LogLevel nope:warn",
        "LogLevel core:nope",
        "LogLevel trace9",
        "LogLevel :warn",
        "LogLevel warn core_module:debug mod_ssl.c:info core.c:trace8",
        "AddDefaultCharset",
        "AddDefaultCharset a b",
        "ForceType",
        "ForceType junk",
        "SetHandler",
        "SetHandler a b",
        "SetHandler \"expr=%{NOPE}\"",
        "SetInputFilter",
        "SetOutputFilter a b",
        "FileETag nope",
        "FileETag +INode -MTime Size",
        "FileETag All Digest",
        "AsyncFilter nope",
        "SeeRequestTail maybe",
        "AllowEncodedSlashes maybe",
        "TraceEnable maybe",
        "ContentDigest maybe",
        "KeepAliveTimeout x",
        "KeepAliveTimeout -1",
        "KeepAliveTimeout 100ms",
        "TimeOut 0",
        "TimeOut x",
        "ListenBacklog 0",
        "ReceiveBufferSize 1",
        "SendBufferSize 1",
        "HttpProtocolOptions nope",
        "HttpProtocolOptions Strict Unsafe",
        "HttpProtocolOptions Require1.0 LenientMethods",
        "ServerSignature maybe",
        "ServerTokens nope",
        "RLimitCPU x",
        "RLimitMEM max max max",
    ]);
}
