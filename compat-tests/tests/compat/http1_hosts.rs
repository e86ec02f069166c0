//! What a virtual host, a method of one's own and a variable change about requests and responses.

use compat_tests::{Group, group, under_each_mpm};

fn site(name: &str) -> Group {
    group(name)
        .file("htdocs/a.txt", "0123456789abcdefghijklmnopqrstuvwxyz\n")
        .file("htdocs/d/b.html", "<p>b</p>\n")
        .file("two/a.txt", "two\n")
        .file("two/old/x.txt", "old\n")
        .dir("two/dir")
}

#[test]
fn settings_of_hosts() {
    let mut g = site("settings of hosts").conf(
        r#"
LimitRequestFieldSize 200
<VirtualHost *:@PORT@>
ServerName one.test
LimitRequestLine 100
LimitRequestFields 6
KeepAliveTimeout 7
ErrorDocument 400 one
ErrorDocument 414 "one, 414"
ErrorDocument 404 "one, 404"
</VirtualHost>
<VirtualHost *:@PORT@>
ServerName two.test
ServerAlias www.two.test
ServerPath /old
DocumentRoot @ROOT@/two
KeepAlive Off
LimitRequestLine 60
LimitRequestFields 3
ErrorDocument 400 two
ErrorDocument 404 "two, 404"
ErrorDocument 413 "two, 413"
LimitRequestBody 5
TraceEnable off
</VirtualHost>
<VirtualHost *:@PORT@>
ServerName three.test:8443
UseCanonicalName On
DocumentRoot @ROOT@/two
MaxKeepAliveRequests 1
HttpProtocolOptions Unsafe
AllowEncodedSlashes On
MergeSlashes Off
FileETag None
</VirtualHost>
<Directory @ROOT@/two>
Require all granted
</Directory>
"#,
    );
    for host in ["one.test", "two.test", "WWW.two.TEST", "three.test", "three.test:8443", "two.test.", "other.test"] {
        for path in ["/a.txt", "/old/x.txt", "/old", "/oldest", "/dir", "/nope", "//a.txt", "/a.txt%2fb"] {
            g = g.request(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        }
        g = g
            .request(format!("GET /{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "a".repeat(60)))
            .request(format!("GET /{} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "a".repeat(120)))
            .request(format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nA: 1\r\nB: 2\r\n\r\n"))
            .request(format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nBad name: 1\r\n\r\n"))
            .request(format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX: a\x01\r\n\r\n"))
            .request(format!("POST /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 6\r\n\r\n123456"))
            .request(format!("TRACE /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .request(format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
            .request(format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: one.test\r\nConnection: keep-alive\r\n\r\n"))
            .request(format!("GET http://{host}/a.txt HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n"));
    }
    g.request("GET /a.txt HTTP/1.0\r\n\r\n")
        .request("GET /old/x.txt HTTP/1.0\r\n\r\n")
        .request("GET /old HTTP/1.0\r\n\r\n")
        .request("GET /older HTTP/1.0\r\n\r\n")
        .request("GET /old/x.txt\r\n")
        .check();
}

#[test]
fn methods_of_ones_own() {
    let mut g = site("methods of one's own").conf("RegisterHttpMethod FOO BAR\n").conf(
        r#"
HttpProtocolOptions RegisteredMethods
<Location /d>
<LimitExcept GET FOO>
Require all denied
</LimitExcept>
</Location>
<Location /a.txt>
<Limit FOO POST>
Require all denied
</Limit>
</Location>
<Location /e>
<Limit GET>
Require all denied
</Limit>
</Location>
"#,
    );
    for method in ["GET", "HEAD", "POST", "FOO", "BAR", "foo", "QUX", "OPTIONS", "TRACE", "PATCH", "PROPFIND"] {
        for path in ["/d/b.html", "/a.txt", "/e", "/nope"] {
            g = g.ask(method, path, "");
        }
    }
    g.check();
}

#[test]
fn variables_that_change_responses() {
    let mut g = site("variables that change responses").and_modules("setenvif deflate filter").conf(
        r#"
SetEnvIf X-Env nokeepalive nokeepalive
SetEnvIf X-Env down downgrade-1.0
SetEnvIf X-Env force force-response-1.0
SetEnvIf X-Env both downgrade-1.0 force-response-1.0
SetEnvIf X-Env novary force-no-vary
SetEnvIf X-Env charset suppress-error-charset
SetEnvIf X-Env careful redirect-carefully
SetEnvIf X-Env nogzip no-gzip
SetEnvIf X-Env gziponly gzip-only-text/html
AddOutputFilterByType DEFLATE text/html
ContentDigest On
"#,
    );
    for env in ["none", "nokeepalive", "down", "force", "both", "novary", "charset", "careful", "nogzip", "gziponly"] {
        for (version, keep) in
            [("1.1", ""), ("1.1", "Connection: keep-alive\r\n"), ("1.0", "Connection: keep-alive\r\n"), ("1.0", "")]
        {
            g = g.request(format!("GET /a.txt HTTP/{version}\r\nHost: x\r\nX-Env: {env}\r\n{keep}\r\nGET /nope HTTP/{version}\r\nHost: x\r\nX-Env: {env}\r\n\r\n"));
        }
        for request in ["GET /d", "POST /d", "GET /nope", "HEAD /d/b.html", "GET /d/b.html"] {
            g = g.request(format!("{request} HTTP/1.1\r\nHost: x\r\nX-Env: {env}\r\nAccept-Encoding: gzip\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
        }
        g = g.request(format!(
            "GET /a.txt HTTP/1.1\r\nHost: x\r\nX-Env: {env}\r\nRange: bytes=0-3\r\nConnection: close\r\n\r\n"
        ));
    }
    g.request("GET /a.txt HTTP/1.1\r\nHost: x\r\nVia: 1.1 p\r\nX-Env: nokeepalive\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n").check();
}

#[test]
fn types_and_charsets() {
    let mut conf = String::new();
    let mut g = site("types and charsets");
    for (number, line) in [
        "AddDefaultCharset On",
        "AddDefaultCharset utf-8",
        "AddDefaultCharset Off",
        "ForceType text/plain",
        "ForceType image/x-y\nAddDefaultCharset On",
        "ForceType none",
        "ForceType \"text/html; charset=x\"\nAddDefaultCharset On",
        "SetHandler none",
        "SetHandler default-handler",
        "SetHandler nothing",
        "SetHandler \"%{REQUEST_METHOD}\"",
        "EnableSendfile On\nEnableMMAP Off",
        "ContentDigest On",
        "AcceptPathInfo On",
        "SetOutputFilter NOPE",
        "SetInputFilter NOPE",
        "AddOutputFilter NOPE txt",
        "ServerSignature EMail",
    ]
    .into_iter()
    .enumerate()
    {
        conf.push_str(&format!("Alias /t{number} @ROOT@/htdocs\n<Location /t{number}>\n{line}\n</Location>\n"));
        g = g
            .get(&format!("/t{number}/a.txt"))
            .get(&format!("/t{number}/d/b.html"))
            .get(&format!("/t{number}/nope"))
            .get_with(&format!("/t{number}/a.txt"), "Range: bytes=1-2")
            .ask("HEAD", &format!("/t{number}/a.txt"), "")
            .ask("POST", &format!("/t{number}/a.txt"), "Content-Length: 0")
            .get(&format!("/t{number}/a.txt/info"));
    }
    g.conf(&conf).check();
}

under_each_mpm! {
    fn pipelines(mpm) {
        let get = "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n";
        site("pipelines")
            .mpm(mpm)
            .conf("MaxKeepAliveRequests 3\n<Location /closed>\nRequire all denied\n</Location>\n")
            .request([get, "BAD\x01 / HTTP/1.1\r\n\r\n", get].concat())
            .request([get, "GET / HTTP/1.1\r\n\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", get].concat())
            .request([get, "POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", get, get].concat())
            .request([get, "POST /closed HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", get].concat())
            .request([get, "POST /closed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", get].concat())
            .request([get, "\r\n\r\n", get].concat())
            .request([get, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", get].concat())
            .request(["GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: k\r\n\r\n", get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: clos\r\n\r\n", get].concat())
            .request([get, "POST /d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nExpect: 100-continue\r\n\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", get].concat())
            .request([get, "\n\n", get].concat())
            .request([get, &"\n".repeat(10), get].concat())
            .request([get, &"\r\n".repeat(10), get].concat())
            .request([get, &"\r\n".repeat(11), get].concat())
            .request([get, "GET /a.txt\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.0\r\n\r\n", get].concat())
            .request([get, "HEAD /closed HTTP/1.1\r\nHost: x\r\n\r\n", get].concat())
            .request([get, "OPTIONS * HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", get].concat())
            .request([get, "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nRange: bytes=100-\r\n\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: x\r\n\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-Match: \"x\"\r\n\r\n", get].concat())
            .request([get, "GET /a.txt HTTP/1.1\r\nHost: x\r\nIf-None-Match: *\r\n\r\n", get].concat())
            .request([get, "GET /%2f HTTP/1.1\r\nHost: x\r\n\r\n", get].concat())
            .request([get, "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", get].concat())
            .request([get, "GET /.. HTTP/1.1\r\nHost: x\r\n\r\n", get].concat())
            .check();
    }
}

#[test]
fn names_of_hosts() {
    let mut g = site("names of hosts").conf("<VirtualHost *:@PORT@>\nLogLevel warn core:debug\n</VirtualHost>\n");
    for host in [
        "123",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3.04",
        ".1.2.3",
        "1.2.3.4",
        "a:b",
        "a:",
        "a b",
        ":80",
        "a_b",
        "a!b",
        "a%20",
        "a@b",
        "-a",
        "a-",
        ".a",
        "a.",
        ".",
        "..",
        "a..b",
        "a, b",
        "abc!defghijkl",
        "\u{e9}",
        "a/b",
        "a\\b",
        "1a",
        "1.",
        "123:80",
        "1.2.3:80",
        "0x1.1",
        "a.1",
        "a.1b",
        "A!",
        "!",
        "[::1",
        "[::1]x",
        "[::1]:80",
        "[::g]",
        "[fe80::1%1]",
        "[1.2.3.4]",
        "a:0",
        "a:65536",
        "a:+1",
        "a: 1",
        "",
    ] {
        g = g.request(format!("GET /a.txt HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    }
    g.check();
}

#[test]
fn targets_that_are_no_paths() {
    let mut g =
        site("targets that are no paths").conf("<VirtualHost *:@PORT@>\nLogLevel warn core:debug\n</VirtualHost>\n");
    for target in [
        "ftp://x/",
        "ftp://x",
        "ftp:/x",
        "ftp:x",
        "foo:",
        "http:x",
        "http:/a.txt",
        "http:",
        "http://a:x/",
        "http://a:x/b:c",
        "h:1",
        "x:y:z",
        "ws://www.example.test/",
        "a.txt",
        "*",
        "http://u@www.example.test/a.txt",
        "/a.txt#x",
        "?x",
    ] {
        g = g.request(format!("GET {target} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n"));
    }
    g.check();
}

#[test]
fn long_fields_and_trailers() {
    let long = "a".repeat(5000);
    let many = "A: b\r\n".repeat(200);
    let post =
        "POST /a.txt HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    site("long fields and trailers")
        .conf("<VirtualHost *:@PORT@>\nLogLevel warn core:debug http:info\n</VirtualHost>\n")
        .get_with("/a.txt", &format!("X: {long}\r\n"))
        .get_with("/a.txt", &format!("X: {long}\r\nX: {long}\r\n"))
        .get_with("/a.txt", &format!("X: {long}\r\nY: {long}\r\n"))
        .get_with("/a.txt", &format!("X: {long}\r\n {long}\r\n"))
        .get_with("/a.txt", "X: y\r\n z\r\n \r\n")
        .request(format!("{post}0\r\nBad Trailer\r\n\r\n"))
        .request(format!("{post}0\r\n{many}\r\n"))
        .request(format!("{post}0\r\nX: {long}\r\nX: {long}\r\n\r\n"))
        .request(format!("{post}zz\r\n\r\n"))
        .request(format!("{post}1\r\nab\r\n0\r\n\r\n"))
        .check();
}
