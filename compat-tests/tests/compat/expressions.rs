//! Expressions (ap_expr): every variable at three moments of a request, operators that ask for subrequests, what a failure
//! means for each directive, how directives take an expression from their line.

use compat_tests::group;

const VARIABLES: &str = "HTTP_ACCEPT HTTP_COOKIE HTTP_FORWARDED HTTP_HOST HTTP_PROXY_CONNECTION HTTP_REFERER HTTP_USER_AGENT \
    REQUEST_METHOD REQUEST_SCHEME REQUEST_URI DOCUMENT_URI REQUEST_FILENAME SCRIPT_FILENAME LAST_MODIFIED SCRIPT_USER \
    SCRIPT_GROUP PATH_INFO QUERY_STRING IS_SUBREQ THE_REQUEST REMOTE_ADDR REMOTE_HOST REMOTE_USER REMOTE_IDENT SERVER_NAME \
    SERVER_PORT SERVER_ADMIN SERVER_PROTOCOL DOCUMENT_ROOT AUTH_TYPE CONTENT_TYPE HANDLER HTTP2 HTTPS IPV6 REQUEST_STATUS \
    CONN_REMOTE_ADDR CONTEXT_PREFIX CONTEXT_DOCUMENT_ROOT TIME_YEAR SERVER_SOFTWARE API_VERSION";

#[test]
fn variables_by_phase() {
    let each = |line: &str| VARIABLES.split_whitespace().map(|name| line.replace("NAME", name)).collect::<String>();
    let header = |name: &str| format!("Header always set X-{} \"expr=<%{{{name}}}>\"\n", name.replace('_', "-"));
    let log = format!("%U {}", each("%{A_NAME}e %{B_NAME}e "));
    group("variables")
        .and_modules("headers")
        .log_format(&log)
        .conf("ServerAdmin me@x.test\nAlias /al @ROOT@/other\n")
        .conf(&each("SetEnvIfExpr \"%{NAME} =~ /^(.*)$/\" A_NAME=[$1]\n"))
        .conf(&VARIABLES.split_whitespace().map(header).collect::<String>())
        .conf("<Directory @ROOT@/htdocs>\n")
        .conf(&each("SetEnvIfExpr \"%{NAME} =~ /^(.*)$/\" B_NAME=[$1]\n"))
        .conf("</Directory>\n<Directory @ROOT@/other>\nRequire all granted\n</Directory>\n")
        .conf("<Location /auth>\nAuthType Basic\nAuthName x\nAuthUserFile @ROOT@/conf/users\nRequire valid-user\n</Location>\n")
        .conf(&each("<If \"%{NAME} == ''\">\nHeader always append X-Empty NAME\n</If>\n"))
        .file("htdocs/a.txt", "a\n")
        .file("other/b.html", "b\n")
        .file("htdocs/auth/x.txt", "x")
        .file("conf/users", "joe:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .get("/")
        .get("/a.txt")
        .get("/a.txt/info?x=y")
        .get("/nope")
        .get("/al/b.html/x?q")
        .get("/auth/x.txt")
        .get_with("/auth/x.txt", "Authorization: Basic am9lOnNlY3JldA==")
        .get_with("/a.txt", "Accept: a/b\nCookie: c=d\nForwarded: f\nProxy-Connection: p\nReferer: r\nUser-Agent: u")
        .request("GET http://other.test:99/a.txt HTTP/1.1\r\nHost: zzz\r\nConnection: close\r\n\r\n")
        .request("GET / HTTP/1.1\r\n\r\n")
        .request("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .check();
}

#[test]
fn networks() {
    let words = [
        "0.0.0.0/0",
        "0.0.0.0",
        "0/0",
        "::/0",
        "::1/0",
        "::ffff:1.2.3.4",
        "::ffff:1.2.3.4/96",
        "10",
        "10.",
        "10.1",
        "10/8",
        "10.1/16",
        "10.1.0.0/16",
        "1.2.3.4/33",
        "1.2.3.4/255.0.255.0",
        "1.2.3.4/0.0.0.0",
        "1.2.3.4/255",
        "01.2.3.4",
        "1..2",
        "::1/129",
        "2001:db8::/32",
        "fe80::1%lo",
        "a.b",
        "",
    ];
    let mut snippets = Vec::new();
    for word in words {
        snippets.push(format!("<If \"-R '{word}'\">\n</If>"));
        snippets.push(format!("<If \"'1.2.3.4' -ipmatch '{word}'\">\n</If>"));
        snippets.push(format!("<Location />\nRequire ip {word}\nAllow from {word}\n</Location>"));
    }
    group("networks").syntax(&snippets);
}

#[test]
fn words_of_the_grammar() {
    group("names and operators").and_modules("headers").syntax(&[
        "<If \"'a' -_b 'b'\">\n</If>",
        "<If \"'a' -b 'b'\">\n</If>",
        "<If \"v('a') == ''\">\n</If>",
        "Header set A \"expr=%{v:a}\"",
        "<Location />\nRequire expr \"'a' == \\\"a\\\"\"\n</Location>",
        "<Location />\nRequire expr \"true\n</Location>",
        "<Location />\nRequire expr \"true\" && \"a\" == \"b\"\n</Location>",
        "<Location />\nRequire expr \"a\" == \"a\"\n</Location>",
        "<Location />\nRequire expr \"true\" \"true\"\n</Location>",
        "<Location />\nRequire expr \"\n</Location>",
        "<Location />\nRequire expr \"\"\n</Location>",
    ]);
    group("Require expr and backslashes")
        .conf("<Location /two>\nRequire expr \"'a*' -strmatch 'a\\\\*'\"\n</Location>\n")
        .conf("<Location /bare>\nRequire expr 'a*' -strmatch 'a\\\\*'\n</Location>\n")
        .conf("<Location /one>\nRequire expr \"'a*' -strmatch 'a\\*'\"\n</Location>\n")
        .get("/two")
        .get("/bare")
        .get("/one")
        .check();
}

#[test]
fn lookups() {
    let conditions = [
        "-F '@ROOT@/htdocs/index.html'",
        "-F '@ROOT@/htdocs/nope'",
        "-F '@ROOT@/htdocs/secret/x.txt'",
        "-F 'index.html'",
        "-F '%{REQUEST_FILENAME}'",
        "-F ''",
        "-F '@ROOT@/htdocs/d'",
        "-F '@ROOT@/htdocs/d/'",
        "-F '/etc/passwd'",
        "-U '/'",
        "-U '/index.html'",
        "-U '/nope'",
        "-U '/secret/x.txt'",
        "-U '/auth/x.txt'",
        "-U '/redir'",
        "-U 'index.html'",
        "-U ''",
        "-U 'http://x.test/'",
        "-U '/d'",
        "-A '/index.html'",
        "-A '/secret/x.txt'",
        "-U '/a b'",
        "-U '/../x'",
    ];
    let mut g = group("-F, -U, -A")
        .and_modules("headers")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\nRedirect /redir http://x.test/\n")
        .conf("<Directory @ROOT@/htdocs/secret>\nRequire all denied\n</Directory>\n")
        .conf(
            "<Location /auth>\nAuthType Basic\nAuthName x\nAuthUserFile conf/users\nRequire valid-user\n</Location>\n",
        )
        .conf("<Location /late>\n");
    for (number, condition) in conditions.iter().enumerate() {
        g = g.conf(&format!("Header always append X-Holds {number} \"expr={condition}\"\n"));
    }
    g = g.conf("</Location>\n").get("/late/").get("/late/nope").dir("htdocs/d").file("htdocs/late/index.html", "l");
    g = g.file("htdocs/secret/x.txt", "x").file("htdocs/auth/x.txt", "x").file("conf/users", "");
    for (number, condition) in conditions.iter().enumerate() {
        g = g
            .file(
                &format!("htdocs/if{number}/.htaccess"),
                format!("<If \"{condition}\">\nErrorDocument 404 yes\n</If>\n"),
            )
            .get(&format!("/if{number}/nope"));
        g = g
            .file(&format!("htdocs/require{number}/.htaccess"), format!("Require expr {condition}\n"))
            .get(&format!("/require{number}/nope"));
    }
    g.check();
}

/// Evaluation fails: each directive has its own way to go on.
#[test]
fn failures() {
    let mut g = group("failing expressions")
        .and_modules("headers log_debug rewrite authz_groupfile")
        .conf(
            r#"
LogFormat "%U %>s" z
CustomLog logs/z.log z "expr=file('/nope') == ''"
CustomLog logs/y.log z "expr=!(file('/nope') == '')"
SetEnvIfExpr "file('/nope') == ''" A
SetEnvIfExpr "!(file('/nope') == '')" B
<Location /a>
<If "file('/nope') == ''">
Header always set X-If 1
</If>
<ElseIf "true">
Header always set X-If elseif
</ElseIf>
<Else>
Header always set X-If else
</Else>
</Location>
<Location /b>
Require expr file('/nope') == ''
</Location>
<Location /c>
<RequireAll>
Require not expr file('/nope') == ''
Require all granted
</RequireAll>
</Location>
<Location /d>
ErrorDocument 404 "x %{file:/nope}"
</Location>
<Location /e>
Redirect 302 /x%{file:/nope}
</Location>
<Location /g>
SetHandler "x%{file:/nope}"
</Location>
<Location /h>
Require user %{file:/nope}
</Location>
<Location /i>
RequestHeader set X-A "expr=%{file:/nope}"
RequestHeader set X-B "expr=%{tolower:ABC}"
Header always set X-C "expr=%{req:X-B}" "expr=%{req:X-A} == ''"
Header always set X-D %{A}e%{B}e
Header always set X-E there "expr=file('/nope') == ''"
Header always set X-F "expr=%{file:/nope}"
</Location>
<Location /j>
AuthType Basic
AuthName "expr=%{file:/nope}"
AuthUserFile conf/users
Require valid-user
</Location>
<Location /k>
LogMessage "expr %{file:/nope}"
LogMessage "x" "expr=file('/nope') == ''"
</Location>
<Location /m>
Require forward-dns %{file:/nope}
</Location>
<Location /n>
FilterProvider F DEFLATE "file('/nope') == ''"
FilterChain F
</Location>
<Location /o>
RewriteEngine on
RewriteCond expr "file('/nope') == ''"
RewriteRule . - [F]
</Location>
<Location /p>
AuthType Basic
AuthName x
AuthBasicFake %{file:/nope} b
Require valid-user
</Location>
<Location /q>
Require group %{file:/nope}
AuthGroupFile conf/users
AuthType Basic
AuthName x
AuthUserFile conf/users
</Location>
"#,
        )
        .file("conf/users", "")
        .also("logs/y.log")
        .also("logs/z.log");
    for place in "abcdeghijkmnopq".chars() {
        g = g.get(&format!("/{place}")).get(&format!("/{place}/z"));
    }
    g.check();
}
