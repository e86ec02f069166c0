//! mod_proxy_uwsgi: what uwsgi servers get, and what becomes of what they say.

use compat_tests::{Backend, Group, Protocol, Step, group, says};

fn served(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let backend = Backend::gateway(Protocol::Uwsgi, scripts);
    group(name)
        .and_modules("proxy proxy_uwsgi")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n{body}")
}

#[test]
fn variables() {
    served(
        "uwsgi variables",
        &[],
        "ProxyPass /u/ uwsgi://@BACKEND@/\nProxyPass /v/ uwsgi://@BACKEND@/below/\nProxyPass /w uwsgi://@BACKEND@\nProxyPass /dead/ uwsgi://127.0.0.1:1/\nSetEnv OWN value\n",
    )
    .get("/u/x/y%20z?q=%41+b")
    .get("/u/")
    .get("/v/x/y")
    .get("/w")
    .get("/w/x")
    .get_with("/u/x", "X-Test: 1\nAuthorization: Basic eA==\nCookie: a=b")
    .request(post("/u/x", "Content-Length: 3\r\n", "abc"))
    .request(post("/u/x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    .get_with("/u/x", &format!("X-Long: {}", "l".repeat(8000)))
    .get("/dead/x")
    .check();
}

#[test]
fn answers() {
    served(
        "uwsgi answers",
        &[
            ("plain", says("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nX: 1\r\nX: 2\r\nSet-Cookie: a=b\r\n\r\nhello")),
            ("status", says("HTTP/1.1 404 Nope\r\nContent-Type: text/plain\r\n\r\ngone")),
            ("length", says("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")),
            ("short", says("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")),
            ("hops", says("HTTP/1.1 200 OK\r\nConnection: x\r\nUpgrade: y\r\nTransfer-Encoding: chunked\r\nTE: z\r\nTrailers: x\r\nKeep-Alive: 1\r\n\r\nabc")),
            ("one", says("HTTP/1 200 OK\r\nX: y\r\n\r\nabc")),
            ("cgi", says("Status: 200 OK\r\nX: y\r\n\r\nabc")),
            ("badline", says("HTTP/1.1 200 OK\r\nbroken\r\n\r\nx")),
            ("empty", vec![]),
            ("half", says("HTTP/1.1 200 OK\r\nX: y\r\n")),
            ("gone", vec![Step::Close]),
            ("hang", vec![Step::Hang]),
        ],
        "ProxyTimeout 1\nProxyPass /u/ uwsgi://@BACKEND@/\nProxyPass /o/ uwsgi://@BACKEND@/\n<Location /o/>\nProxyErrorOverride on\n</Location>\n",
    )
    .get("/u/plain")
    .get("/u/status")
    .get("/o/status")
    .get("/u/length")
    .get("/u/short")
    .get("/u/hops")
    .get("/u/one")
    .get("/u/cgi")
    .get("/u/badline")
    .get("/u/empty")
    .get("/u/half")
    .get("/u/gone")
    .get("/u/hang")
    .ask("HEAD", "/u/plain", "")
    .check();
}
