//! mod_proxy_http: the bytes that a backend receives, and what clients get of what it answers.

use compat_tests::{Backend, Group, Step, group, says, says_and_closes};

fn proxied(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let backend = Backend::start(scripts);
    let conf = format!("ProxyPass /b/ http://@BACKEND@/\n{conf}");
    group(name)
        .and_modules("proxy proxy_http rewrite headers")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n{body}")
}

#[test]
fn fields_to_the_backend() {
    proxied("fields to the backend", &[], "")
        .get_with("/b/x", "Connection: close, X-Foo\nX-Foo: 1\nX-Bar: 2\nTE: trailers\nKeep-Alive: 5\nProxy-Connection: x\nUpgrade: x\nTrailer: y")
        .get_with("/b/x", "X-Forwarded-For: 10.0.0.1\nX-Forwarded-Host: a\nX-Forwarded-Server: b\nVia: 1.1 x")
        .get_with("/b/x", "Connection: X-Forwarded-For\nX-Forwarded-For: 10.0.0.1")
        .get_with("/b/x", "Authorization: Basic eA==\nProxy-Authorization: Basic eA==\nCookie: a=b\ncookie: c=d\nX-Empty:")
        .get_with("/b/x", "Max-Forwards: 5")
        .get_with("/b/x", "Max-Forwards: 0")
        .get_with("/b/x", "Max-Forwards: x")
        .ask("OPTIONS", "/b/x", "Max-Forwards: 0")
        .ask("TRACE", "/b/x", "Max-Forwards: 0")
        .ask("TRACE", "/b/x", "")
        .request("GET /b/x HTTP/1.0\r\n\r\n")
        .request("GET /b/x HTTP/1.0\r\nHost: y:81\r\n\r\n")
        .request(post("/b/x", "Content-Length: 3\r\n", "abc"))
        .request(post("/b/x", "Content-Length: 0\r\n", ""))
        .request(post("/b/x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
        .request(post("/b/x", "Transfer-Encoding: chunked\r\n", &format!("8000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x8000))))
        .request(post("/b/x", "Content-Length: 40000\r\n", &"y".repeat(40000)))
        .request(post("/b/x", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"))
        .check();
}

#[test]
fn answers() {
    proxied(
        "answers",
        &[
            ("plain", says("HTTP/1.1 200 Fine\r\nServer: Own\r\nDate: Thu, 01 Jan 2015 00:00:00 GMT\r\nX: 1\r\nx: 2\r\nContent-Length: 3\r\n\r\nabc")),
            ("chunked", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
            ("end", says_and_closes("HTTP/1.0 200 OK\r\nContent-Type: a/b\r\n\r\nuntil the end")),
            ("missing", says("HTTP/1.1 404 Nope\r\nContent-Length: 4\r\n\r\ngone")),
            ("none", says("HTTP/1.1 204 No Content\r\nX: y\r\n\r\n")),
            ("same", says("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")),
            ("bare", says("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n")),
            ("odd", says("HTTP/1.1 299 Odd\r\nContent-Length: 1\r\n\r\nx")),
            ("hops", says("HTTP/1.1 200 OK\r\nConnection: X-A, close\r\nX-A: 1\r\nKeep-Alive: 3\r\nUpgrade: z\r\nTE: x\r\nTrailer: y\r\nProxy-Authenticate: q\r\nContent-Length: 1\r\n\r\nx")),
            ("cookies", says("HTTP/1.1 200 OK\r\nSet-Cookie: a=b; path=/x\r\nSet-Cookie: c=d\r\nVary: A\r\nVary: B\r\nContent-Length: 1\r\n\r\nx")),
            ("typed", says("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nContent-Language: de\r\nContent-Encoding: x\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\nContent-Length: 1\r\n\r\nx")),
            ("auth", says("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 1\r\n\r\nx")),
            ("noauth", says("HTTP/1.1 401 No\r\nContent-Length: 1\r\n\r\nx")),
            ("moved", says("HTTP/1.1 302 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")),
            ("broken", says("HTTP/1.1 500 Oops\r\nContent-Length: 1\r\n\r\nx")),
            ("ranges", says("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789")),
        ],
        "",
    )
    .get("/b/plain")
    .get("/b/chunked")
    .get("/b/end")
    .get("/b/missing")
    .get("/b/none")
    .get("/b/same")
    .get("/b/bare")
    .get("/b/odd")
    .get("/b/hops")
    .get("/b/cookies")
    .get("/b/typed")
    .get("/b/auth")
    .get("/b/noauth")
    .get("/b/moved")
    .get("/b/broken")
    .get_with("/b/ranges", "Range: bytes=2-4")
    .request("GET /b/chunked HTTP/1.0\r\n\r\n")
    .check();
}

#[test]
fn answers_that_are_wrong() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 1\r\n\r\nx", "y".repeat(9000));
    proxied(
        "wrong answers",
        &[
            ("silent", vec![Step::Read, Step::Close]),
            ("half", says_and_closes("HTTP/1.1 200 OK\r\nX: y")),
            ("garbage", says_and_closes("garbage\r\nmore\r\n")),
            ("two", says_and_closes("HTTP/2.0 200 OK\r\n\r\n")),
            ("nocolon", says_and_closes("HTTP/1.1 200 OK\r\nX: y\r\nbroken line\r\nContent-Length: 1\r\n\r\nx")),
            ("space", says_and_closes("HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 1\r\n\r\nx")),
            ("fold", says_and_closes("HTTP/1.1 200 OK\r\nX: y\r\n  z\r\nContent-Length: 1\r\n\r\nx")),
            (
                "both",
                says_and_closes(
                    "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
                ),
            ),
            ("coding", says_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx")),
            ("length", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nx")),
            ("lengths", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx")),
            ("control", says_and_closes("HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 1\r\n\r\nx")),
            ("long", says_and_closes(long)),
            ("lf", says_and_closes("HTTP/1.1 200 OK\nX: y\nContent-Length: 1\n\nx")),
            ("nine", says_and_closes("HTTP/0.9 200 OK\r\nContent-Length: 1\r\n\r\nx")),
        ],
        "",
    )
    .get("/b/silent")
    .get("/b/half")
    .get("/b/garbage")
    .get("/b/two")
    .get("/b/nocolon")
    .get("/b/space")
    .get("/b/fold")
    .get("/b/both")
    .get("/b/coding")
    .get("/b/length")
    .get("/b/lengths")
    .get("/b/control")
    .get("/b/long")
    .get("/b/lf")
    .get("/b/nine")
    .check();
}

#[test]
fn no_backend() {
    proxied("no backend", &[], "ProxyPass /dead http://127.0.0.1:1/\nProxyPass /nohost http://no.such.invalid/\nProxyPass /gopher gopher://127.0.0.1/\nProxyPass /sock unix:/nonexistent.sock|http://localhost/\n")
        .get("/dead/x")
        .get("/dead/y")
        .get("/nohost/x")
        .get("/gopher/x")
        .get("/sock/x")
        .check();
}
