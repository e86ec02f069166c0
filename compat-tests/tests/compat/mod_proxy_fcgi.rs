//! mod_proxy_fcgi: what FastCGI servers get, and what becomes of what they say.

use compat_tests::gateway::record;
use compat_tests::{Backend, Group, Protocol, Step, group, says};

fn served(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let backend = Backend::gateway(Protocol::Fcgi, scripts);
    group(name)
        .and_modules("proxy proxy_fcgi rewrite headers actions")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
        .file("htdocs/a.php", "here\n")
        .file("htdocs/dir/index.php", "here\n")
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n{body}")
}

#[test]
fn variables() {
    served(
        "FastCGI variables",
        &[],
        "ProxyPass /f/ fcgi://@BACKEND@/srv/\nProxyPassMatch ^/m/(.*\\.php(/.*)?)$ fcgi://@BACKEND@/srv/$1\n<FilesMatch \\.php$>\nSetHandler \"proxy:fcgi://@BACKEND@\"\n</FilesMatch>\n\
         <Location /g/>\nProxyFCGIBackendType GENERIC\nProxyPass fcgi://@BACKEND@/srv/\n</Location>\nSetEnv OWN value\nDirectoryIndex index.php\nAcceptPathInfo on\n",
    )
    .get("/f/x/y%20z?q=%41+b")
    .get_with("/f/x", "X-Test: 1\nAuthorization: Basic eA==\nProxy: x\nCookie: a=b\nContent-Type: a/b")
    .get("/m/x.php/info/more?q")
    .get("/a.php?q=1")
    .get("/a.php/path/info?q=1")
    .get("/dir/")
    .get("/g/x%20y?q")
    .ask("HEAD", "/f/x", "")
    .request(post("/f/x", "Content-Length: 3\r\n", "abc"))
    .request(post("/f/x", "Content-Length: 0\r\n", ""))
    .request(post("/f/x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    .request(post("/a.php", "Content-Length: 40000\r\nContent-Type: a/b\r\n", &"y".repeat(40000)))
    .request("GET /f/x HTTP/1.0\r\n\r\n")
    .check();
}

#[test]
fn path_info() {
    for kind in ["full", "first-dot", "last-dot", "unescape", "any"] {
        served(
            &format!("proxy-fcgi-pathinfo {kind}"),
            &[],
            &format!("SetEnvIf Host .* proxy-fcgi-pathinfo={kind}\nProxyPass /f/ fcgi://@BACKEND@/@ROOT@/htdocs/\nAcceptPathInfo on\n"),
        )
        .get("/f/a.php/x%20y/z?q")
        .get("/f/x.y/z.u/v")
        .get("/f/none")
        .check();
    }
}

#[test]
fn directives() {
    served("ProxyFCGI directives", &[], "").syntax(&[
        "ProxyFCGIBackendType",
        "ProxyFCGIBackendType x",
        "ProxyFCGIBackendType fpm",
        "ProxyFCGIBackendType Generic",
        "ProxyFCGISetEnvIf",
        "ProxyFCGISetEnvIf true",
        "ProxyFCGISetEnvIf true A",
        "ProxyFCGISetEnvIf true A b",
        "ProxyFCGISetEnvIf true !A",
        "ProxyFCGISetEnvIf true !A b",
        "ProxyFCGISetEnvIf true !",
        "ProxyFCGISetEnvIf broken( A b",
        "ProxyFCGISetEnvIf true A %{broken",
    ]);
    served(
        "ProxyFCGISetEnvIf",
        &[],
        "ProxyPass /f/ fcgi://@BACKEND@/srv/\nProxyFCGISetEnvIf true PATH_INFO /own\nProxyFCGISetEnvIf \"reqenv('REQUEST_METHOD') == 'GET'\" GOT \"%{REQUEST_URI}\"\nProxyFCGISetEnvIf \"reqenv('SCRIPT_NAME') =~ m#^/f/(.*)$#\" CAPTURED \"$1\"\n\
         ProxyFCGISetEnvIf true !SERVER_ADMIN\nProxyFCGISetEnvIf true EMPTY\nProxyFCGISetEnvIf false NOT here\n<Location /f/sub>\nProxyFCGISetEnvIf true SUB 1\n</Location>\n",
    )
    .get("/f/x")
    .get("/f/sub/x")
    .check();
    served("ProxyFCGI in .htaccess", &[], "").htaccess(&["ProxyFCGIBackendType FPM", "ProxyFCGISetEnvIf true A b"]);
}

#[test]
fn answers() {
    let big = format!("Content-Type: a/b\r\n\r\n{}", "z".repeat(100_000));
    served(
        "FastCGI answers",
        &[
            ("plain", says("Content-Type: text/plain\r\n\r\nhello")),
            ("lf", says("Content-Type: text/plain\nX: y\n\nhello")),
            ("status", says("Status: 404 Nope\r\nContent-Type: text/plain\r\n\r\ngone")),
            ("length", says("Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc")),
            ("short", says("Content-Type: text/plain\r\nContent-Length: 9\r\n\r\nabc")),
            ("coded", says("Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nabc")),
            ("local", says("Location: /f/plain\r\n\r\n")),
            ("away", says("Location: http://other.example/\r\n\r\n")),
            ("moved", says("Status: 302 Found\r\nLocation: /f/plain\r\n\r\nmoved")),
            ("same", says("Status: 304 Not Modified\r\nETag: \"x\"\r\n\r\n")),
            ("none", says("Status: 204 No Content\r\n\r\n")),
            ("cookies", says("Content-Type: a/b\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nX: 1\r\nX: 2\r\n\r\n")),
            ("error", says("Status: 500 Oops\r\nContent-Type: text/plain\r\n\r\noops")),
            ("auth", says("Status: 401 Who\r\nWWW-Authenticate: Basic realm=x\r\n\r\nwho")),
            ("big", says(big)),
            ("drip", vec![Step::Drip(b"Content-Type: a/b\r\n\r\nabcdef".to_vec())]),
            ("stderr", vec![Step::Raw(record(7, b"something is wrong\nvery wrong")), Step::Send(b"Content-Type: a/b\r\n\r\nx".to_vec()), Step::Raw(record(7, b"late"))]),
            ("empty", vec![]),
            ("nohead", says("no head at all")),
            ("badline", says("Content-Type: a/b\r\nbroken\r\n\r\nx")),
            ("halfhead", says("Content-Type: a/b\r\nX: y")),
            ("gone", vec![Step::Close]),
            ("midbody", vec![Step::Send(b"Content-Type: a/b\r\n\r\nabc".to_vec()), Step::Close]),
            ("version", vec![Step::Raw(b"\x02\x06\0\x01\0\0\0\0".to_vec()), Step::Close]),
            ("id", vec![Step::Raw(b"\x01\x06\0\x07\0\0\0\0".to_vec()), Step::Close]),
            ("kind", vec![Step::Raw(b"\x01\x1f\0\x01\0\0\0\0".to_vec()), Step::Send(b"Content-Type: a/b\r\n\r\nabc".to_vec())]),
            ("hang", vec![Step::Hang]),
            ("ranges", says("Content-Type: a/b\r\nContent-Length: 10\r\n\r\n0123456789")),
        ],
        "ProxyPass /f/ fcgi://@BACKEND@/srv/\nProxyPass /o/ fcgi://@BACKEND@/srv/\n<Location /o/>\nProxyErrorOverride on\n</Location>\nProxyTimeout 1\n",
    )
    .get("/f/plain")
    .get("/f/lf")
    .get("/f/status")
    .get("/f/length")
    .get("/f/short")
    .get("/f/coded")
    .get("/f/local")
    .get("/f/away")
    .get("/f/moved")
    .get("/f/same")
    .get("/f/none")
    .get("/f/cookies")
    .get("/f/error")
    .get("/o/error")
    .get("/o/status")
    .get("/o/plain")
    .get("/f/auth")
    .get("/f/big")
    .get("/f/drip")
    .get("/f/stderr")
    .get("/f/empty")
    .get("/f/nohead")
    .get("/f/badline")
    .get("/f/halfhead")
    .get("/f/gone")
    .get("/f/midbody")
    .get("/f/version")
    .get("/f/id")
    .get("/f/kind")
    .get("/f/hang")
    .get_with("/f/ranges", "Range: bytes=2-4")
    .ask("HEAD", "/f/plain", "")
    .ask("HEAD", "/f/length", "")
    .check();
}

#[test]
fn connections() {
    served(
        "FastCGI connections",
        &[],
        "ProxyPass /kept/ fcgi://@BACKEND@/kept/ enablereuse=on\nProxyPass /once/ fcgi://@BACKEND@/once/\nProxyPass /dead/ fcgi://127.0.0.1:1/\nProxyPass /sock/ unix:/nonexistent.sock|fcgi://localhost/\n\
         RewriteEngine on\nRewriteRule ^/rw/(.*) fcgi://@BACKEND@/srv/$1 [P]\n",
    )
    .get("/kept/x")
    .get("/kept/x")
    .get("/once/x")
    .get("/once/x")
    .get("/dead/x")
    .get("/sock/x")
    .get("/rw/x%20y?q")
    .check();
}
