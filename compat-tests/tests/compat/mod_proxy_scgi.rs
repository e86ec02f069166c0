//! mod_proxy_scgi: what SCGI servers get, and what becomes of what they say.

use compat_tests::{Backend, Group, Protocol, Step, group, says};

fn served(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let backend = Backend::gateway(Protocol::Scgi, scripts);
    group(name)
        .and_modules("proxy proxy_scgi")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
        .file("htdocs/file.txt", "a file\n")
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n{body}")
}

#[test]
fn variables() {
    served(
        "SCGI variables",
        &[],
        "ProxyPass /s/ scgi://@BACKEND@/srv/\nProxyPass /dead/ scgi://127.0.0.1:1/\nSetEnvIf Request_URI info proxy-scgi-pathinfo=1\nSetEnv OWN value\n",
    )
    .get("/s/x/y%20z?q=%41+b")
    .get("/s/info/x%20y")
    .get_with("/s/x", "X-Test: 1\nAuthorization: Basic eA==\nCookie: a=b")
    .request(post("/s/x", "Content-Length: 3\r\n", "abc"))
    .request(post("/s/x", "Content-Length: 40000\r\n", &"y".repeat(40000)))
    .request(post("/s/x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    .get("/dead/x")
    .check();
}

#[test]
fn answers() {
    served(
        "SCGI answers",
        &[
            ("plain", says("Content-Type: text/plain\r\n\r\nhello")),
            ("status", says("Status: 404 Nope\r\nContent-Type: text/plain\r\nX: y\r\n\r\ngone")),
            ("length", says("Content-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc")),
            ("local", says("Location: /file.txt\r\n\r\n")),
            ("away", says("Location: http://other.example/\r\n\r\n")),
            ("moved", says("Status: 302 Found\r\nLocation: /x\r\n\r\n")),
            ("nofile", says("Content-Type: text/plain\r\nX-Sendfile: /nonexistent\r\n\r\nnot this")),
            ("other", says("Content-Type: text/plain\r\nX-Location: /file.txt\r\n\r\n")),
            ("empty", vec![]),
            ("nohead", says("no head at all")),
            ("badline", says("Content-Type: a/b\r\nbroken\r\n\r\nx")),
            ("half", says("Content-Type: a/b\r\nX: y\r\n")),
            ("gone", vec![Step::Close]),
            ("hang", vec![Step::Hang]),
        ],
        "ProxyTimeout 1\nProxyPass /s/ scgi://@BACKEND@/srv/\nProxyPass /off/ scgi://@BACKEND@/srv/\nProxyPass /on/ scgi://@BACKEND@/srv/\nProxyPass /o/ scgi://@BACKEND@/srv/\n\
         <Location /off/>\nProxySCGIInternalRedirect off\n</Location>\n<Location /on/>\nProxySCGISendfile on\nProxySCGIInternalRedirect X-Location\n</Location>\n<Location /o/>\nProxyErrorOverride on\n</Location>\n",
    )
    .get("/s/plain")
    .get("/s/status")
    .get("/o/status")
    .get("/s/length")
    .get("/s/local")
    .get("/off/local")
    .get("/on/local")
    .get("/on/other")
    .get("/s/away")
    .get("/s/moved")
    .get("/on/nofile")
    .get("/s/empty")
    .get("/s/nohead")
    .get("/s/badline")
    .get("/s/half")
    .get("/s/gone")
    .get("/s/hang")
    .ask("HEAD", "/s/plain", "")
    .check();
}

#[test]
fn directives() {
    served("SCGI directives", &[], "").syntax(&[
        "ProxySCGISendfile",
        "ProxySCGISendfile on",
        "ProxySCGISendfile X-Y",
        "ProxySCGIInternalRedirect",
        "ProxySCGIInternalRedirect off",
        "ProxySCGIInternalRedirect a b",
    ]);
}
