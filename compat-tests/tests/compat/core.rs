//! core: handlers, types, charset, limits by method, If sections at request time, error log formats, options of a directory.

use compat_tests::group;

#[test]
fn types_and_handlers() {
    group("ForceType, SetHandler, AddDefaultCharset")
        .conf(
            r#"
AddDefaultCharset utf-8
<Location /force>
  ForceType text/css
</Location>
<Location /none>
  ForceType None
  AddDefaultCharset Off
</Location>
<Location /on>
  AddDefaultCharset On
</Location>
<Location /handler>
  SetHandler no-such-handler
</Location>
<Location /default>
  SetHandler default-handler
</Location>
<Location /outputfilter>
  SetOutputFilter NO-SUCH-FILTER
</Location>
"#,
        )
        .file("htdocs/force/a.txt", "a\n")
        .file("htdocs/force/b", "b\n")
        .file("htdocs/none/a.txt", "a\n")
        .file("htdocs/on/a.html", "a\n")
        .file("htdocs/on/a.png", "a\n")
        .file("htdocs/on/b", "b\n")
        .file("htdocs/handler/a.txt", "a\n")
        .file("htdocs/default/a.txt", "a\n")
        .file("htdocs/default/index.html", "a\n")
        .file("htdocs/outputfilter/a.txt", "a\n")
        .file("htdocs/plain.txt", "p\n")
        .get("/force/a.txt")
        .get("/force/b")
        .get("/none/a.txt")
        .get("/on/a.html")
        .get("/on/a.png")
        .get("/on/b")
        .get("/handler/a.txt")
        .get("/default/a.txt")
        .get("/default/")
        .get("/outputfilter/a.txt")
        .get("/plain.txt")
        .get("/nope")
        .check();
}

#[test]
fn documents_of_statuses_that_are_no_errors() {
    group("ErrorDocument of 2xx and 3xx")
        .and_modules("rewrite headers")
        .conf(
            r#"
ErrorDocument 200 "OK\n"
ErrorDocument 302 "over there"
ErrorDocument 303 /page.html
ErrorDocument 204 "nothing to see"
ErrorDocument 304 "as it was"
Redirect 200 /health
Redirect 302 /moved http://other.test/
Redirect 303 /see http://other.test/
Redirect 204 /empty
Redirect 301 /plain http://other.test/
Redirect 206 /part
<Location /page200>
  ErrorDocument 200 /page.html
  Redirect 200
</Location>
<Location /if>
  <If "%{REQUEST_METHOD} == 'GET'">
    Redirect 200 /
  </If>
</Location>
<Location /none>
  ErrorDocument 200 default
  Redirect 200
</Location>
<Location /expr>
  ErrorDocument 200 "it is %{REQUEST_URI}"
  Redirect 200
  Header always set X-Always a
  Header set X-Success b
</Location>
<Location /away>
  ErrorDocument 200 http://other.test/away
  Redirect 200
</Location>
RewriteEngine On
RewriteRule ^/rewritten - [R=200]
RewriteRule ^/nothing - [R=204]
<Location /e1>
  ErrorDocument 404 "a\nb\tc\\d\"e\'f\x41\101\0g\r\"
</Location>
<Location /e2>
  ErrorDocument 404 plain\nword
</Location>
<Location /e3>
  ErrorDocument 404 "a % b %x %{REQUEST_URI} c\nd $1 $x %%"
</Location>
<Location /e4>
  ErrorDocument 404 "\n"
</Location>
<Location /e5>
  ErrorDocument 404 '"half \n'
</Location>
<Location /e6>
  ErrorDocument 404 "/page\n.html"
</Location>
<Location /e7>
  ErrorDocument 404 "http://x.test/a\\\\d"
</Location>
<Location /e8>
  ErrorDocument 404 "$1 $0 \$ \%"
</Location>
<Location /e9>
  ErrorDocument 403 "from nine"
  ErrorDocument 404 "miss of nine"
</Location>
<Location /e10>
  ErrorDocument 404 "half open
</Location>
<Location /forbidden>
  ErrorDocument 403 /e9/x
  Redirect 403
</Location>
"#,
        )
        .get("/forbidden")
        .get("/e9/x")
        .get("/e1/")
        .get("/e2/")
        .get("/e3/")
        .get("/e4/")
        .get("/e5/")
        .get("/e6/")
        .get("/e7/")
        .get("/e8/")
        .get("/e10/")
        .file("htdocs/page.html", "<p>page</p>\n")
        .file("htdocs/part", "part\n")
        .get("/health")
        .get("/health/")
        .ask("HEAD", "/health", "")
        .get_with("/health", "Range: bytes=0-0")
        .get("/moved/x")
        .get("/see/x")
        .get("/empty")
        .get("/plain")
        .get("/part")
        .get("/page200/")
        .get("/if/x")
        .get("/none/x")
        .get("/expr/x")
        .get("/away/x")
        .get("/rewritten")
        .get("/nothing")
        .get_with("/page.html", "If-None-Match: *")
        .get("/page.html")
        .check();
}

#[test]
fn limit_sections() {
    group("Limit and LimitExcept")
        .conf(
            r#"
<Location /limit>
  <Limit POST PUT>
    Require all denied
  </Limit>
</Location>
<Location /except>
  <LimitExcept GET>
    Require all denied
  </LimitExcept>
</Location>
<Location /foo>
  <Limit FOO>
    Require all denied
  </Limit>
</Location>
<Location /order>
  <Limit GET>
    Order deny,allow
    Deny from all
  </Limit>
</Location>
"#,
        )
        .file("htdocs/limit/index.html", "a\n")
        .file("htdocs/except/index.html", "a\n")
        .file("htdocs/foo/index.html", "a\n")
        .file("htdocs/order/index.html", "a\n")
        .get("/limit/")
        .ask("POST", "/limit/", "Content-Length: 0")
        .ask("PUT", "/limit/", "")
        .ask("OPTIONS", "/limit/", "")
        .get("/except/")
        .ask("HEAD", "/except/", "")
        .ask("POST", "/except/", "Content-Length: 0")
        .ask("OPTIONS", "/except/", "")
        .get("/foo/")
        .ask("FOO", "/foo/", "")
        .ask("OPTIONS", "/foo/", "")
        .get("/order/")
        .ask("HEAD", "/order/", "")
        .ask("POST", "/order/", "Content-Length: 0")
        .check();
}

#[test]
fn expressions_at_request_time() {
    let conditions = [
        "%{REQUEST_METHOD} == 'GET'",
        "%{REQUEST_URI} =~ m#^/e[0-9]+/#",
        "%{QUERY_STRING} == 'a=b'",
        "%{HTTP_HOST} == 'www.example.test'",
        "%{HTTP:Host} == 'www.example.test'",
        "%{HTTP_USER_AGENT} =~ /cu+rl/i",
        "req('X-Test') == 'Val'",
        "http('X-Test') == 'val'",
        "tolower(req('X-Test')) == 'val'",
        "%{REMOTE_ADDR} -ipmatch '127.0.0.0/8'",
        "-R '127.0.0.1'",
        "-R '10.0.0.0/8'",
        "-n req('X-Nope')",
        "-z req('X-Nope')",
        "'abc' -strmatch 'a?c'",
        "'ABC' -strcmatch 'a?c'",
        "'b' in { 'a', 'b' }",
        "'c' in { 'a', 'b' }",
        "2 -lt 10 && 10 -gt 2 && 3 -ne 4 && 3 -le 3 && 3 -ge 3",
        "'2' < '10'",
        "'a' != 'b' && !('a' == 'b')",
        "%{HTTPS} == 'off'",
        "%{SERVER_NAME} == 'www.example.test' && %{SERVER_PORT} -gt 0",
        "%{SERVER_PROTOCOL} == 'HTTP/1.1' && %{PROTO} -strmatch '*'",
        "%{REQUEST_SCHEME} == 'http'",
        "%{IS_SUBREQ} == 'false'",
        "%{REQUEST_FILENAME} =~ /index\\.html$/",
        "-f %{REQUEST_FILENAME}",
        "-d %{DOCUMENT_ROOT}",
        "-e '/nonexistent'",
        "-s %{REQUEST_FILENAME}",
        "%{DOCUMENT_ROOT} =~ m#/htdocs$#",
        "%{SERVER_SOFTWARE} =~ m#^Apache/2#",
        "%{HANDLER} == ''",
        "%{THE_REQUEST} =~ m#^GET /e#",
        "%{REQUEST_STATUS} == '200'",
        "%{CONTENT_TYPE} == 'text/html'",
        "reqenv('NOPE') == ''",
        "osenv('PATH') =~ /bin/",
        "base64('a') == 'YQ==' && unbase64('YQ==') == 'a'",
        "md5('a') == '0cc175b9c0f1b6a831c399e269772661'",
        "sha1('a') == '86f7e437faa5a7fce15d1ddcb9eaeaea377667b8'",
        "escape('a b/c') == 'a%20b/c' && unescape('a%20b') == 'a b'",
        "toupper('aé') == 'Aé'",
        "%{TIME_YEAR} -gt 2020",
        "%{API_VERSION} -gt 20120210",
        "%{CONN_REMOTE_ADDR} == %{REMOTE_ADDR}",
        "-T 'on' && -T 'yes' && !-T 'off' && !-T '' && !-T '0'",
        "'abcdef' =~ /b(c)d/ && '$1' == 'c'",
        "'x.y' . 'z' == 'x.yz'",
        "%{ENV:NOPE} == ''",
        "true || %{NOT_EVALUATED:} == 'x' ",
        "ldap('a*b') == 'a\\2ab'",
        "resp('Server') == ''",
        "'a' == 'a' || 'b' == 'c' && false",
        "%{REMOTE_HOST} == '127.0.0.1'",
        "%{LAST_MODIFIED} == ''",
        "%{SCRIPT_FILENAME} == %{REQUEST_FILENAME}",
        "%{PATH_INFO} == ''",
        "%{HTTP_REFERER}%{HTTP_COOKIE}%{HTTP_ACCEPT}%{HTTP_FORWARDED}%{HTTP_PROXY_CONNECTION} == ''",
    ];
    let accepted: Vec<String> =
        conditions.iter().map(|c| format!("<If \"{}\">\n</If>", c.replace('\\', "\\\\"))).collect();
    group("expressions, syntax").syntax(&accepted);
    let mut g = group("expressions");
    // Each in an .htaccess of its own: a bad one spoils its own directory alone.
    g = g.conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n");
    for (number, condition) in conditions.iter().enumerate() {
        let condition = condition.replace('\\', "\\\\");
        g = g
            .file(
                &format!("htdocs/e{number}/.htaccess"),
                format!("<If \"{condition}\">\nErrorDocument 404 yes\n</If>\n<Else>\nErrorDocument 404 no\n</Else>\n"),
            )
            .file(&format!("htdocs/e{number}/index.html"), "i\n")
            .get_with(&format!("/e{number}/nope"), "X-Test: Val\nUser-Agent: Cuurl");
        g = g.get_with(&format!("/e{number}/index.html/nope?a=b"), "X-Test: Val");
    }
    g.check();
}

#[test]
fn error_log_formats() {
    for format in [
        r"[%t] [%l] [pid %P] %M",
        r"%v %V %m:%l %L [%{c}L] %E %a %A %M",
        r"[%{u}t] [%{cu}t] %-m %F: %M",
        r"%M% , %{User-Agent}i",
        r"[%l] %7F: %E: [client\ %a] %M% ,\ referer\ %{Referer}i",
    ] {
        // %L and %t differ by nature: only formats without them compare in full.
        if format.contains('L') || format.contains("%t") || format.contains("u}t") || format.contains('F') {
            continue;
        }
        group(format)
            .conf(&format!("ErrorLogFormat \"{format}\"\n<Location /d>\nRequire all denied\n</Location>\n"))
            .get("/d")
            .get_with("/d", "Referer: http://r.test/\nUser-Agent: ua\"x")
            .check();
    }
    for format in [
        "%-m|%-l|%-E|%-k|%-v|%-V|%-{X}i|%-{X}e|%-{X}n %M",
        "%k %v %V %M",
        "  %M  ",
        "%0l %M",
        "%1m %4m %5m %7m %15m %M",
        "%{u%Y}t|%{%Y %q}t|%{%%}t %M",
        "%{User-Agent}i %{Referer}i [%{Referer}i] %M",
        "%4{User-Agent}i %3{User-Agent}i %M",
        "%M\nErrorLogFormat connection \"%-{C}L|%-v|%-V|%-k\"",
        "%M\nErrorLogFormat request \"%k %v %V %+{Referer}i\"",
    ] {
        let format = format.replace("%-{C}L", "c");
        group(&format)
            .conf(&format!("ErrorLogFormat \"{}\n", format.replacen('\n', "\"\n", 1) + if format.contains('\n') { "" } else { "\"" }))
            .conf("<Location /d>\nRequire all denied\n</Location>\n<VirtualHost *:@PORT@>\nServerName a\n</VirtualHost>\n")
            .conf("<VirtualHost *:@PORT@>\nServerName b\nErrorLogFormat \"b %v %M\"\n</VirtualHost>\n")
            .get("/d")
            .get_with("/d", "Referer: http://r.test/\nUser-Agent: ua x")
            .request("GET /d HTTP/1.1\r\nHost: b\r\n\r\nGET /d HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n")
            .request("BAD\r\n\r\n")
            .check();
    }
    group("error log escapes")
        .conf("<Location /d>\nRequire all denied\n</Location>\n")
        .get("/d/%0a%1b%22%5c%c3%a9%ff")
        .get_with("/d", "Referer: http://r.test/\u{e9}\"\\")
        .check();
}

#[test]
fn log_levels() {
    for conf in [
        "LogLevel error\n",
        "LogLevel emerg\n",
        "LogLevel warn authz_core:debug\n",
        "LogLevel crit authz_core:error\n",
        "LogLevel crit\n<Directory @ROOT@/htdocs>\nLogLevel error\n</Directory>\n",
        "ErrorLog /dev/null\n",
    ] {
        group(conf)
            .conf(conf)
            .conf("<Location /d>\nRequire all denied\n</Location>\n<Directory @ROOT@/htdocs/dd>\nRequire ip 10.0.0.1\n</Directory>\n")
            .file("htdocs/dd/index.html", "x")
            .get("/d")
            .get("/dd/")
            .get("/")
            .check();
    }
}

#[test]
fn access_file_and_satisfy() {
    group("AccessFileName")
        .conf("AccessFileName acl .acl\n<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n")
        .file("htdocs/one/acl", "Require all denied\n")
        .file("htdocs/two/.acl", "Require all denied\n")
        .file("htdocs/three/.htaccess", "Require all denied\n")
        .file("htdocs/three/index.html", "three\n")
        .file("htdocs/one/sub/.acl", "Require all granted\n")
        .file("htdocs/one/sub/index.html", "sub\n")
        .get("/one/")
        .get("/two/")
        .get("/three/")
        .get("/one/sub/")
        .check();
}

#[test]
fn htaccess_changes_are_seen_at_once() {
    group("htaccess changes")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n")
        .file("htdocs/d/index.html", "d\n")
        .facts(|server| {
            let mut facts = String::new();
            let look = |facts: &mut String, server: &compat_tests::Running| {
                let answer = server.get("/d/").expect("an answer");
                facts.push_str(&String::from_utf8_lossy(answer.head.get(..12).unwrap_or_default()));
                facts.push('\n');
            };
            look(&mut facts, server);
            server.write("htdocs/d/.htaccess", "Require all denied\n");
            look(&mut facts, server);
            server.write("htdocs/d/.htaccess", "Redirect gone /d/\n");
            look(&mut facts, server);
            server.write("htdocs/d/.htaccess", "FooBar\n");
            look(&mut facts, server);
            std::fs::remove_file(server.path("htdocs/d/.htaccess")).expect("removing .htaccess");
            look(&mut facts, server);
            facts
        });
}

#[test]
fn regex_default_options() {
    for options in [
        "ICASE",
        "+ICASE -DOTALL",
        "None",
        "none",
        "ICASE DOTALL",
        "DOTALL DOLLAR_ENDONLY",
        "ICASE +DOTALL",
        "-DOLLAR_ENDONLY",
        "ICASE\nRegexDefaultOptions -ICASE",
    ] {
        group(&format!("RegexDefaultOptions {options}"))
            .conf("AliasMatch ^/EARLY/(.*)$ @ROOT@/htdocs/$1\n")
            .conf(&format!("RegexDefaultOptions {options}\n"))
            .conf(
                "AliasMatch ^/LATE/(.*)$ @ROOT@/htdocs/$1\nAliasMatch \"^/sp ace/(.*)\" @ROOT@/htdocs/$1\n\
                 RedirectMatch ^/dot.$ /found\nRedirectMatch ^/end$ /ended\nSetEnvIf Request_URI ^/SET seen=1\n\
                 <LocationMatch ^/SECTION>\nRequire all denied\n</LocationMatch>\n\
                 <If \"%{REQUEST_URI} =~ m#^/EXPR#\">\nRequire all denied\n</If>\n\
                 <Directory @ROOT@/htdocs/h>\nAllowOverride All\n</Directory>\n",
            )
            .log_format("%U %>s %{seen}e %{inner}e")
            .file("htdocs/a.txt", "a\n")
            .file("htdocs/h/.htaccess", "SetEnvIf Request_URI ^/H/ inner=1\n")
            .file("htdocs/h/a.txt", "a\n")
            .get("/early/a.txt")
            .get("/late/a.txt")
            .get("/space/a.txt")
            .get("/sp%20ace/a.txt")
            .get("/dot%0a")
            .get("/end%0a")
            .get("/set")
            .get("/section")
            .get("/expr")
            .get("/h/a.txt")
            .check();
    }
}

#[test]
fn content_digest() {
    for conf in [
        "ContentDigest On\n",
        "ContentDigest On\nFileETag None\n<Location /off>\nContentDigest Off\n</Location>\n",
        "ContentDigest On\nSetOutputFilter DEFLATE\n",
        "<Directory @ROOT@/htdocs>\nAllowOverride Options\n</Directory>\n",
    ] {
        group(&format!("ContentDigest {conf}"))
            .conf(conf)
            .file("htdocs/a.txt", "0123456789\n")
            .file("htdocs/empty.txt", "")
            .file("htdocs/off/a.txt", "off\n")
            .file("htdocs/on/.htaccess", "ContentDigest On\n")
            .file("htdocs/on/a.txt", "on\n")
            .file("htdocs/big.txt", "0123456789".repeat(50_000))
            .log_sizes_vary()
            .get("/a.txt")
            .get("/empty.txt")
            .get("/off/a.txt")
            .get("/on/a.txt")
            .get("/big.txt")
            .get("/")
            .get("/nope")
            .get_with("/a.txt", "Range: bytes=2-5")
            .get_with("/a.txt", "If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT")
            .get_with("/a.txt", "Accept-Encoding: gzip")
            .ask("HEAD", "/a.txt", "")
            .ask("POST", "/a.txt", "Content-Length: 0")
            .check();
    }
}

#[test]
fn documents_of_any_status() {
    group("ErrorDocument of any status")
        .and_modules("rewrite")
        .file("htdocs/moved.html", "moved by page\n")
        .file("htdocs/a.txt", "a\n")
        .conf(
            "ErrorDocument 200 ok\nErrorDocument 302 \"found by text\\n\"\nErrorDocument 301 /moved.html\nErrorDocument 303 http://other.test/\n\
             ErrorDocument 304 unchanged\nErrorDocument 404x numbers\nRedirect 302 /found http://x.test/\nRedirect 301 /moved http://x.test/\n\
             Redirect 303 /see http://x.test/\n",
        )
        .get("/a.txt")
        .get("/found")
        .get("/moved")
        .get("/see")
        .get("/none")
        .get_with("/a.txt", "If-Modified-Since: Tue, 02 Jan 2035 03:04:05 GMT")
        .check();
    group("ErrorDocument codes").syntax(&[
        "ErrorDocument 100 x",
        "ErrorDocument 199 x",
        "ErrorDocument 206 x",
        "ErrorDocument 300 x",
        "ErrorDocument 418 x",
        "ErrorDocument 425 x",
        "ErrorDocument 500 x",
        "ErrorDocument 600 x",
        "ErrorDocument 404x x",
        "ErrorDocument x x",
        "ErrorDocument 4040 x",
    ]);
}

/// The handler's name is the media type's while a response is made, and nobody's before and after.
#[test]
fn handlers_by_type() {
    group("handlers by type")
        .and_modules("headers actions")
        .log_format(r#"\"%r\" %>s %R %<R"#)
        .conf(
            "Header always set X-Handler expr=%{HANDLER}\nAddType text/x-action .act\nAction text/x-action /a.txt virtual\n\
             <If \"%{HANDLER} == 'text/plain'\">\nHeader set X-If yes\n</If>\n<Location /set>\nSetHandler default-handler\n</Location>\n\
             <Location /odd>\nSetHandler nobodys\n</Location>\nErrorDocument 404 /a.txt\n",
        )
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/set/a.txt", "a\n")
        .file("htdocs/odd/a.txt", "a\n")
        .file("htdocs/none", "a\n")
        .file("htdocs/x.act", "a\n")
        .file("htdocs/list/b.html", "a\n")
        .conf("<Directory @ROOT@/htdocs/list>\nOptions Indexes\n</Directory>\n")
        .get("/a.txt")
        .get_with("/a.txt", "Range: bytes=9-")
        .get_with("/a.txt", "If-None-Match: *")
        .get("/set/a.txt")
        .get("/odd/a.txt")
        .get("/none")
        .get("/x.act")
        .get("/list/")
        .get("/nope")
        .ask("PUT", "/a.txt", "")
        .check();
}

/// A virtual host begins anew, and so does a section: what is above counts for nothing.
#[test]
fn encoded_slashes_are_not_inherited() {
    for above in ["On", "Off", "NoDecode"] {
        let mut conf = format!("AllowEncodedSlashes {above}\n");
        for (name, own) in [("none", ""), ("on", "On"), ("off", "Off"), ("nodecode", "NoDecode")] {
            let own = if own.is_empty() { String::new() } else { format!("AllowEncodedSlashes {own}\n") };
            conf += &format!("<VirtualHost *:@PORT@>\nServerName {name}\n{own}</VirtualHost>\n");
        }
        let mut group = group("AllowEncodedSlashes in virtual hosts").conf(&conf).file("htdocs/sub/b.txt", "b\n");
        for host in ["none", "on", "off", "nodecode"] {
            group = group.request(format!("GET /sub%2fb.txt HTTP/1.0\r\nHost: {host}\r\n\r\n"));
        }
        group.check();
    }
}

/// What has a space in it is a text, though it begins as a path or an address does.
#[test]
fn error_documents_with_a_space() {
    for document in [
        "/a.txt x",
        "/a.txt?x y",
        "http://a b",
        "http://x/%{REQUEST_URI} a",
        "/%{REQUEST_METHOD} a",
        "/a.txt",
        "default ",
        "  /a.txt",
    ] {
        group("ErrorDocument with a space")
            .conf(&format!("ErrorDocument 404 \"{document}\"\n"))
            .file("htdocs/a.txt", "a\n")
            .get("/nope?q")
            .request("HEAD /nope HTTP/1.0\r\n\r\n")
            .check();
    }
    group("ErrorDocument 401 with a space").conf("ErrorDocument 401 \"http://a b\"\n").get("/").check();
}

#[test]
fn handlers_of_expressions_vary_nothing() {
    group("SetHandler by an expression")
        .conf("<Files a.txt>\nSetHandler \"%{req:X-H}\"\n</Files>\n")
        .file("htdocs/a.txt", "a\n")
        .get("/a.txt")
        .get_with("/a.txt", "X-H: default-handler")
        .get_with("/a.txt", "X-H: none")
        .check();
}

/// No sum of a file whose content a filter replaces.
#[test]
fn content_digest_and_filters() {
    group("ContentDigest under filters")
        .and_modules("include filter substitute deflate")
        .conf(
            "ContentDigest On\n<Location /d>\nOptions +Includes\nSetOutputFilter INCLUDES\n</Location>\n\
             <Location /z>\nSetOutputFilter DEFLATE\n</Location>\n\
             <Location /t>\nAddOutputFilterByType SUBSTITUTE text/plain\n</Location>\n",
        )
        .file("htdocs/d/a.txt", "a\n")
        .file("htdocs/z/a.txt", "a\n")
        .file("htdocs/t/a.txt", "a\n")
        .file("htdocs/t/a.png", "a\n")
        .get("/d/a.txt")
        .get("/z/a.txt")
        .get_with("/z/a.txt", "Accept-Encoding: gzip")
        .get("/t/a.txt")
        .get("/t/a.png")
        .check();
}
