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
        "ProxySet http://@BACKEND@/ disablereuse=on\n",
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

#[test]
fn environment() {
    proxied(
        "variables that change requests",
        &[],
        "SetEnvIf X-Env nokeepalive proxy-nokeepalive=1\nSetEnvIf X-Env initial proxy-initial-not-pooled=1\nSetEnvIf X-Env sendcl proxy-sendcl=1\nSetEnvIf X-Env sendchunked proxy-sendchunked=1\n\
         SetEnvIf X-Env ten force-proxy-request-1.0=1\nSetEnvIf X-Env chain Proxy-Chain-Auth=1\n",
    )
    .get_with("/b/x", "X-Env: nokeepalive")
    .get_with("/b/x", "X-Env: initial")
    .get_with("/b/x", "X-Env: ten")
    .get_with("/b/x", "X-Env: ten nokeepalive")
    .request(post("/b/x", "X-Env: sendcl\r\nTransfer-Encoding: chunked\r\n", &format!("8000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x8000))))
    .request(post("/b/x", "X-Env: ten\r\nTransfer-Encoding: chunked\r\n", &format!("8000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x8000))))
    .request(post("/b/x", "X-Env: sendchunked\r\nContent-Length: 3\r\n", "abc"))
    .request(post("/b/x", "X-Env: sendchunked\r\nContent-Length: 40000\r\n", &"y".repeat(40000)))
    .request(post("/b/x", "X-Env: sendcl\r\nContent-Length: 40000\r\n", &"y".repeat(40000)))
    .request(post("/b/x", "Transfer-Encoding: chunked\r\nTrailer: X-T\r\n", "3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n"))
    .request(post("/b/x", "Transfer-Encoding: gzip, chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    .request(post("/b/x", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    .check();
}

#[test]
fn parameters_of_connections() {
    proxied(
        "parameters of connections",
        &[],
        "ProxyPass /once http://@BACKEND@/once disablereuse=on\nProxyPass /kept http://@BACKEND@/kept enablereuse=on keepalive=on ttl=60 max=2 smax=1 acquire=1000 timeout=10 connectiontimeout=5 ping=2 iobuffersize=16384 receivebuffersize=8192 responsefieldsize=16384 flushpackets=on\n\
         ProxyPassMatch ^/m(.*)$ http://@BACKEND@/m$1 enablereuse=on\nProxySourceAddress 127.0.0.1\nProxyTimeout 20\nProxyIOBufferSize 16384\nProxyReceiveBufferSize 8192\n",
    )
    .get("/once/x")
    .get("/once/x")
    .get("/kept/x")
    .get("/kept/x")
    .request(post("/kept/x", "Content-Length: 3\r\n", "abc"))
    .get("/mx")
    .get("/mx")
    .check();
    let backend = Backend::start(&[]);
    let conf = "ProxyPass /once http://@B@/once disablereuse=on\nProxyPass /kept http://@B@/kept enablereuse=on keepalive=on ttl=60 max=2 smax=1 acquire=1000 connectiontimeout=5 iobuffersize=16384 responsefieldsize=16384\n\
                ProxyPassMatch ^/match(.*)$ http://@B@/$1 enablereuse=on\nProxyPassMatch ^/new(.*)$ http://@B@/n$1\n";
    group("parameters of connections that are not shared")
        .and_modules("proxy proxy_http")
        .conf(&conf.replace("@B@", &format!("127.0.0.1:{}", backend.port)))
        .get("/once/x")
        .get("/once/x")
        .get("/kept/x")
        .get("/kept/x")
        .request(post("/kept/x", "Content-Length: 3\r\n", "abc"))
        .get("/match/x")
        .get("/match/y")
        .get("/new/x")
        .get("/new/y")
        .check();
}

#[test]
fn streams() {
    let chunk = "8000\r\n".to_owned() + &"z".repeat(0x8000) + "\r\n";
    let large = format!("HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n{}", "l".repeat(300_000));
    proxied(
        "bodies in pieces",
        &[
            ("drip", vec![Step::Read, Step::Drip(b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello".to_vec())]),
            ("dripchunks", vec![Step::Read, Step::Drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: y\r\n\r\n".to_vec())]),
            ("large", says(large)),
            ("chunks", says(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n", chunk.repeat(4)))),
            ("early", vec![Step::Send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno".to_vec()), Step::Apart, Step::Close]),
            ("hints", says("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
            ("processing", says("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
            ("continue", says("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
            ("many", says("HTTP/1.1 102 Processing\r\n\r\n".repeat(20) + "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
            ("switch", says_and_closes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nx")),
            ("longer", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz")),
            ("gz", says("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nETag: \"a\"\r\nAccept-Ranges: bytes\r\nContent-Length: 1\r\n\r\nx")),
        ],
        "",
    )
    .get("/b/drip")
    .get("/b/dripchunks")
    .get("/b/large")
    .get("/b/chunks")
    .get("/b/early")
    .request(post("/b/early", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"))
    .get("/b/hints")
    .request("GET /b/hints HTTP/1.0\r\n\r\n")
    .get("/b/processing")
    .get("/b/continue")
    .get("/b/many")
    .get("/b/switch")
    .get_with("/b/switch", "Connection: Upgrade\nUpgrade: x")
    .get("/b/longer")
    .get("/b/gz")
    .ask("HEAD", "/b/large", "")
    .check();
}

#[test]
fn backends_that_fail() {
    proxied(
        "backends that fail",
        &[
            ("midbody", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")),
            (
                "nobody",
                vec![
                    Step::Read,
                    Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_vec()),
                    Step::Apart,
                    Step::Close,
                ],
            ),
            ("midchunk", says_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc")),
            ("nochunk", says_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")),
            ("badchunk", says_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n")),
            (
                "hugechunk",
                says_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n"),
            ),
            ("hang", vec![Step::Read, Step::Hang]),
            ("hanghead", vec![Step::Read, Step::Send(b"HTTP/1.1 200 OK\r\nX: y\r\n".to_vec()), Step::Hang]),
            (
                "hangbody",
                vec![Step::Read, Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".to_vec()), Step::Hang],
            ),
            ("gone", vec![Step::Close]),
            ("twolengths", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy")),
            ("minus", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nxy")),
            ("nul", says_and_closes(b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 1\r\n\r\nx")),
            ("ctl", says_and_closes(b"HTTP/1.1 200 O\x01K\r\nContent-Length: 1\r\n\r\nx")),
            (
                "ctype",
                says_and_closes("HTTP/1.1 200 OK\r\nContent-Type: text/html\rX-Evil: 1\r\nContent-Length: 1\r\n\r\nx"),
            ),
            ("zero", says_and_closes("HTTP/1.1 000 What\r\nContent-Length: 1\r\n\r\nx")),
            ("high", says_and_closes("HTTP/1.1 999 What\r\nContent-Length: 1\r\n\r\nx")),
            ("letters", says_and_closes("HTTP/1.1 2x0 What\r\nContent-Length: 1\r\n\r\nx")),
        ],
        "ProxyTimeout 1\nProxySet http://@BACKEND@/ disablereuse=on\n",
    )
    .get("/b/midbody")
    .get("/b/nobody")
    .get("/b/midchunk")
    .get("/b/nochunk")
    .get("/b/badchunk")
    .get("/b/hugechunk")
    .get("/b/hang")
    .get("/b/hanghead")
    .get("/b/hangbody")
    .get("/b/gone")
    .request(post("/b/gone", "Content-Length: 3\r\n", "abc"))
    .get("/b/twolengths")
    .get("/b/minus")
    .get("/b/nul")
    .get("/b/ctl")
    .get("/b/ctype")
    .get("/b/zero")
    .get("/b/high")
    .get("/b/letters")
    .check();
}

#[test]
fn bad_headers() {
    for kind in ["Ignore", "StartBody", "IsError"] {
        proxied(
            &format!("ProxyBadHeader {kind}"),
            &[
                ("nocolon", says_and_closes("HTTP/1.1 200 OK\r\nX: y\r\nbroken line\r\nContent-Length: 1\r\n\r\nx")),
                ("first", says_and_closes("HTTP/1.1 200 OK\r\nbroken line\r\n\r\nx")),
                ("twice", says_and_closes("HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")),
            ],
            &format!("ProxyBadHeader {kind}\n"),
        )
        .get("/b/nocolon")
        .get("/b/first")
        .get("/b/twice")
        .check();
    }
}

#[test]
fn persistence() {
    proxied(
        "persistent clients",
        &[
            ("midbody", says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")),
            ("gone", vec![Step::Close]),
        ],
        "",
    )
    .exchange(&[
        "GET /b/x HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /b/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        "GET /b/y HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /b/gone HTTP/1.1\r\nHost: x\r\n\r\n",
    ])
    .exchange(&[
        "GET /b/x HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /b/midbody HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /b/y HTTP/1.1\r\nHost: x\r\n\r\n",
    ])
    .check();
}

#[test]
fn own_continue() {
    proxied("Proxy100Continue off", &[], "Proxy100Continue off\n")
        .request(post("/b/x", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"))
        .request(post("/b/x", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
        .check();
}

#[test]
fn unix_sockets() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = dir.path().join("b.sock");
    Backend::start_at(&path, &[]);
    let socket = path.display();
    group("unix: backends")
        .and_modules("proxy proxy_http rewrite")
        .conf(&format!(
            "ProxyPass /u unix:{socket}|http://name.example/base\nProxyPass /p unix:{socket}|http:\n<Location /h>\nSetHandler \"proxy:unix:{socket}|http://handler.example/\"\n</Location>\n\
             RewriteEngine on\nRewriteRule ^/r(.*) unix:{socket}|http://rewritten.example$1 [P]\n"
        ))
        .get("/u/x?y")
        .get("/p/x")
        .get("/h/x")
        .get("/r/x?y")
        .get("/r?unix:AAAAAA|http://x")
        .check();
}
