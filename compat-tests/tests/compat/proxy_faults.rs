//! Backends at fault: what breaks off, hangs, lies about lengths, or smuggles octets into heads, whatever the protocol.

use compat_tests::gateway::record;
use compat_tests::{Backend, Group, Protocol, Step, group, says, says_and_closes};

/// A backend that says each of `answers` where the last segment of the path is its name, asked for all of them.
fn faults(name: &str, backend: Backend, url: &str, answers: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let url = url.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port));
    let mut group = group(name).and_modules("proxy proxy_http proxy_fcgi proxy_scgi proxy_uwsgi").log_sizes_vary().conf(&format!(
        "ProxyTimeout 1\n{conf}\nProxyPass /b/ {url} disablereuse=on\nProxyPass /kept/ {url}kept/\n<Location /b/>\nProxyPassReverse {url}\nProxyPassReverseCookiePath /in /out\n</Location>\n"
    ));
    for (name, _) in answers {
        group = group.get(&format!("/b/{name}"));
    }
    group
}

fn http(name: &str, answers: &[(&str, Vec<Step>)], conf: &str) -> Group {
    faults(name, Backend::start(answers), "http://@BACKEND@/", answers, conf)
}

/// Sent in one piece, then the end.
fn once(bytes: impl AsRef<[u8]>) -> Vec<Step> {
    says_and_closes(bytes)
}

/// The head is there before the rest breaks off.
fn then(first: impl AsRef<[u8]>, last: Step) -> Vec<Step> {
    vec![Step::Read, Step::Send(first.as_ref().to_vec()), Step::Apart, last]
}

#[test]
fn connections_that_break() {
    http(
        "connections that break",
        &[
            ("reset", vec![Step::Read, Step::Reset]),
            ("resethead", then("HTTP/1.1 200 OK\r\nX: y\r\n", Step::Reset)),
            ("resetline", then("HTTP/1.1 200", Step::Reset)),
            ("resetbody", then("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", Step::Reset)),
            ("resetchunk", then("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", Step::Reset)),
            ("resetend", then("HTTP/1.1 200 OK\r\n\r\nabc", Step::Reset)),
            ("line", once("HTTP/1.1 200 OK")),
            ("lineend", once("HTTP/1.1 200 OK\r\n")),
            ("empties", once("\r\n\r\n\r\n")),
            ("interim", once("HTTP/1.1 102 Processing\r\n\r\n")),
        ],
        "",
    )
    .check();
}

#[test]
fn lengths_that_lie() {
    http(
        "lengths that lie",
        &[
            ("same", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx")),
            ("list", once("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx")),
            ("other", once("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxy")),
            ("plus", once("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx")),
            ("hex", once("HTTP/1.1 200 OK\r\nContent-Length: 0x1\r\n\r\nx")),
            ("none", once("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nx")),
            ("huge", once("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nx")),
            ("space", once("HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nxyz")),
            ("both", once("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
            ("gzipped", once("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
            ("last", once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
            ("identity", once("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\nxyz")),
            ("twice", once("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
            ("more", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")),
            ("nothing", says("HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\nevil")),
            ("unmodified", says("HTTP/1.1 304 No\r\nContent-Length: 4\r\n\r\nevil")),
            ("old", once("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")),
        ],
        "",
    )
    .get("/kept/more")
    .get("/kept/fresh")
    .ask("HEAD", "/kept/more", "")
    .get("/kept/fresh")
    .get("/kept/nothing")
    .get("/kept/fresh")
    .get("/kept/unmodified")
    .get("/kept/fresh")
    .check();
}

#[test]
fn chunks_that_are_none() {
    let chunks = |body: &str| once(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
    http(
        "chunks that are none",
        &[
            ("empty", chunks("\r\nabc\r\n")),
            ("minus", chunks("-1\r\nabc\r\n")),
            ("prefix", chunks("0x3\r\nabc\r\n0\r\n\r\n")),
            ("blank", chunks(" 3\r\nabc\r\n0\r\n\r\n")),
            ("blanks", chunks("3  \r\nabc\r\n0\r\n\r\n")),
            ("zeros", chunks("0000000000000003\r\nabc\r\n0\r\n\r\n")),
            ("morezeros", chunks("00000000000000000000003\r\nabc\r\n0\r\n\r\n")),
            ("lf", chunks("3\nabc\n0\n\n")),
            ("long", chunks("3\r\nabcdef\r\n0\r\n\r\n")),
            ("noend", chunks("3\r\nabc0\r\n\r\n")),
            ("ext", chunks(&format!("3;{}\r\nabc\r\n0\r\n\r\n", "e".repeat(9000)))),
            ("nul", chunks("3;\0\r\nabc\r\n0\r\n\r\n")),
            ("trailers", chunks("3\r\nabc\r\n0\r\nX: y\r\nContent-Length: 3\r\n\r\n")),
            ("trailer", chunks("3\r\nabc\r\n0\r\nno field\r\n\r\n")),
            ("more", says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")),
        ],
        "",
    )
    .get("/kept/more")
    .get("/kept/fresh")
    .check();
}

#[test]
fn octets_that_end_lines() {
    let head = |lines: &str| once(format!("HTTP/1.1 200 OK\r\n{lines}\r\nContent-Length: 1\r\n\r\nx"));
    http(
        "octets that end lines",
        &[
            ("crstatus", once("HTTP/1.1 200 OK\rX-Evil: 1\r\nContent-Length: 1\r\n\r\nx")),
            ("nulstatus", once("HTTP/1.1 200 O\0K\r\nContent-Length: 1\r\n\r\nx")),
            ("esc", once("HTTP/1.1 200 O\x1b[2JK\r\nContent-Length: 1\r\n\r\nx")),
            ("cr", head("X: a\rX-Evil: 1")),
            ("nul", head("X: a\0X-Evil: 1")),
            ("nulname", head("X\0Y: a")),
            ("typecr", head("Content-Type: text/html\rX-Evil: 1")),
            ("typenul", head("Content-Type: text/html\0")),
            ("typefold", head("Content-Type: text/html\r\n ; charset=x\r\n\tX-Evil: 1")),
            ("typectl", head("Content-Type: text/\x01html")),
            ("fold", head("X: a\r\n b\r\n\tc")),
            ("foldfirst", head(" X: a")),
            ("noname", head(": a")),
            ("spacename", head("X Y: a")),
            ("spaced", head("X : a")),
            ("ctlname", head("X\x01: a")),
            ("high", head("X: \u{e9}\u{7f}")),
            ("location", head("Location: /in\rX-Evil: 1")),
            ("cookie", head("Set-Cookie: a=b; path=/in\r; x")),
            ("lf", once("HTTP/1.1 200 OK\nX: y\nContent-Length: 1\n\nx")),
            ("connection", head("Connection: Content-Length, Date, Server\r\nX: y")),
        ],
        "",
    )
    .check();
}

#[test]
fn heads_without_an_end() {
    let many: String = (0..400).map(|n| format!("X-{n}: {}\r\n", "v".repeat(100))).collect();
    let folds = format!("X: y\r\n{}", " z\r\n".repeat(5000));
    let cookie = format!("Set-Cookie: a={}; path=/in{}", "c".repeat(4000), "/in".repeat(1000));
    let answer = |lines: &str| once(format!("HTTP/1.1 200 OK\r\n{lines}\r\nContent-Length: 1\r\n\r\nx"));
    http(
        "heads without an end",
        &[
            ("many", answer(many.trim_end())),
            ("folds", answer(folds.trim_end())),
            ("cookie", answer(&cookie)),
            ("cookies", answer(&[cookie.as_str(); 20].join("\r\n"))),
            ("long", answer(&format!("X: {}", "y".repeat(8200)))),
            ("limit", answer(&format!("X: {}", "y".repeat(8185)))),
            ("status", once(format!("HTTP/1.1 200 {}\r\nContent-Length: 1\r\n\r\nx", "y".repeat(7000)))),
        ],
        "",
    )
    .check();
}

/// What scripts may get wrong, behind FastCGI and SCGI.
fn script_faults() -> Vec<(&'static str, Vec<Step>)> {
    let many: String = (0..400).map(|n| format!("X-{n}: {}\r\n", "v".repeat(100))).collect();
    let say = |head: &str| vec![Step::Send(format!("{head}\r\n\r\nbody").into_bytes())];
    vec![
        ("cr", say("Content-Type: a/b\r\nX: a\rX-Evil: 1")),
        ("nul", say("Content-Type: a/b\r\nX: a\0X-Evil: 1")),
        ("typecr", say("Content-Type: text/html\rX-Evil: 1")),
        ("statuscr", say("Status: 200 OK\rX-Evil: 1\r\nContent-Type: a/b")),
        ("statusctl", say("Status: 200 O\x01K\r\nContent-Type: a/b")),
        ("statusbad", say("Status: abc\r\nContent-Type: a/b")),
        ("statuslow", say("Status: 99 x\r\nContent-Type: a/b")),
        ("statushigh", say("Status: 1000 x\r\nContent-Type: a/b")),
        ("fold", say("Content-Type: a/b\r\nX: y\r\n z")),
        ("coding", say("Content-Type: a/b\r\nTransfer-Encoding: chunked\r\nContent-Length: 2")),
        ("lengths", say("Content-Type: a/b\r\nContent-Length: 2\r\nContent-Length: 3")),
        ("minus", say("Content-Type: a/b\r\nContent-Length: -1")),
        ("upgrade", say("Content-Type: a/b\r\nUpgrade: x\r\nConnection: upgrade")),
        ("many", say(&format!("Content-Type: a/b\r\n{}", many.trim_end()))),
        ("long", say(&format!("Content-Type: a/b\r\nX: {}", "y".repeat(9000)))),
        ("location", say("Location: /in\rX-Evil: 1")),
        ("nothing", vec![Step::Send(b"\r\n\r\nbody".to_vec())]),
        ("reset", vec![Step::Reset]),
        ("resethead", vec![Step::Send(b"Content-Type: a/b\r\nX:".to_vec()), Step::Apart, Step::Reset]),
        ("resetbody", vec![Step::Send(b"Content-Type: a/b\r\n\r\nabc".to_vec()), Step::Apart, Step::Reset]),
        ("hangbody", vec![Step::Send(b"Content-Type: a/b\r\n\r\nabc".to_vec()), Step::Hang]),
        ("drip", vec![Step::Drip(b"Content-Type: a/b\r\nX: y\r\n\r\nabc".to_vec())]),
    ]
}

#[test]
fn scripts_behind_fastcgi() {
    let mut answers = script_faults();
    answers.extend([
        ("garbage", vec![Step::Raw(b"HTTP/1.1 200 OK\r\n\r\nhello".to_vec()), Step::Close]),
        ("halfrecord", vec![Step::Raw(b"\x01\x06\0\x01".to_vec()), Step::Close]),
        ("halfcontent", vec![Step::Raw(b"\x01\x06\0\x01\0\x64\0\0Content-Type: a/b\r\n\r\nabc".to_vec()), Step::Close]),
        ("nopadding", vec![Step::Raw(b"\x01\x06\0\x01\0\x16\x40\0Content-Type: a/b\r\n\r\nabc".to_vec()), Step::Close]),
        ("endless", vec![Step::Raw(record(7, &[b'e'; 20_000])), Step::Send(b"Content-Type: a/b\r\n\r\nx".to_vec())]),
        ("unended", vec![Step::Send(b"Content-Type: a/b\r\n\r\nabc".to_vec()), Step::Raw(record(6, b"")), Step::Close]),
        ("early", vec![Step::Raw(record(3, &[0; 8])), Step::Close]),
        ("overloaded", vec![Step::Raw(record(3, &[0, 0, 0, 0, 2, 0, 0, 0])), Step::Close]),
    ]);
    let backend = Backend::gateway(Protocol::Fcgi, &answers);
    faults("scripts behind FastCGI", backend, "fcgi://@BACKEND@/", &answers, "").check();
}

#[test]
fn scripts_behind_scgi() {
    let answers = script_faults();
    let backend = Backend::gateway(Protocol::Scgi, &answers);
    faults("scripts behind SCGI", backend, "scgi://@BACKEND@/", &answers, "").check();
}

#[test]
fn servers_behind_uwsgi() {
    let many: String = (0..400).map(|n| format!("X-{n}: {}\r\n", "v".repeat(100))).collect();
    let head = |lines: &str| says(format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\nbody"));
    let answers = [
        ("cr", head("X: a\rX-Evil: 1")),
        ("nul", head("X: a\0X-Evil: 1")),
        ("nulname", head("X\0: a")),
        ("typecr", head("Content-Type: text/html\rX-Evil: 1")),
        ("typectl", head("Content-Type: text/\x01html")),
        ("statuscr", says("HTTP/1.1 200 OK\rX-Evil: 1\r\n\r\nbody")),
        ("statusctl", says("HTTP/1.1 200 O\x01K\r\n\r\nbody")),
        ("statusbad", says("HTTP/1.1 abc\r\n\r\nbody")),
        ("statuslow", says("HTTP/1.1 099 x\r\n\r\nbody")),
        ("statusshort", says("HTTP/1.1 2\r\n\r\nbody")),
        ("statusbare", says("HTTP/1.1 200\r\n\r\nbody")),
        ("fold", head("X: y\r\n z")),
        ("noname", head(": y")),
        ("spaced", head("X : y")),
        ("lead", head("X:    y   ")),
        ("coding", head("Transfer-Encoding: chunked\r\nContent-Length: 2")),
        ("lengths", head("Content-Length: 2\r\nContent-Length: 3")),
        ("minus", head("Content-Length: -1")),
        ("many", head(many.trim_end())),
        ("long", head(&format!("X: {}", "y".repeat(9000)))),
        ("lf", says("HTTP/1.1 200 OK\nX: y\n\nbody")),
        ("reset", vec![Step::Reset]),
        ("resethead", vec![Step::Send(b"HTTP/1.1 200 OK\r\nX:".to_vec()), Step::Apart, Step::Reset]),
        ("resetbody", vec![Step::Send(b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec()), Step::Apart, Step::Reset]),
        ("hangbody", vec![Step::Send(b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec()), Step::Hang]),
        ("hanghead", vec![Step::Send(b"HTTP/1.1 200 OK\r\nX:".to_vec()), Step::Hang]),
        ("garbage", says([0u8, 1, 2, 3, 255, 10, 13, 10])),
        ("drip", vec![Step::Drip(b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nabc".to_vec())]),
    ];
    let backend = Backend::gateway(Protocol::Uwsgi, &answers);
    faults("servers behind uwsgi", backend, "uwsgi://@BACKEND@/", &answers, "").check();
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n{body}")
}

#[test]
fn requests_that_hide_another() {
    let smuggled = "GET /b/evil HTTP/1.1\r\nHost: x\r\n\r\n";
    let chunked = format!("0\r\n\r\n{smuggled}");
    let length = format!("Content-Length: {}\r\n", chunked.len());
    http("requests that hide another", &[("x", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))], "")
        .request(post("/kept/a", &format!("{length}Transfer-Encoding: chunked\r\n"), &chunked))
        .request(post("/kept/a", &format!("Transfer-Encoding: chunked\r\n{length}"), &chunked))
        .request(post("/kept/a", &format!("{length}Transfer-Encoding: xchunked\r\n"), &chunked))
        .request(post("/kept/a", &format!("{length}Transfer-Encoding: identity\r\n"), &chunked))
        .request(post("/kept/a", &format!("{length}Transfer-Encoding : chunked\r\n"), &chunked))
        .request(post("/kept/a", &format!("{length}Transfer-Encoding:\r\n chunked\r\n"), &chunked))
        .request(post("/kept/a", &format!("{length}Transfer-Encoding: chunked, identity\r\n"), &chunked))
        .request(post("/kept/a", &format!("{length}{length}"), &chunked))
        .request(post("/kept/a", "Content-Length: 0\r\nContent-Length: 5\r\n", "abcde"))
        .request(post("/kept/a", "Content-Length: 5, 5\r\n", "abcde"))
        .request(post("/kept/a", "Content-Length: +5\r\n", "abcde"))
        .request(post("/kept/a", "Transfer-Encoding: chunked\r\n", &format!("5\r\nabcde\r\n0\r\n\r\n{smuggled}")))
        .request(post("/kept/a", "Transfer-Encoding: chunked\r\n", "5\r\nabcdeXX0\r\n\r\n"))
        .request(post("/kept/a", "Transfer-Encoding: chunked\r\n", "zz\r\nabcde\r\n0\r\n\r\n"))
        .request(post("/kept/a", "Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nabc"))
        .request(post("/kept/a", "Content-Length: 10\r\n", "abc"))
        .request(format!("GET /kept/a HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\nContent-Length: 0\r\n\r\n{smuggled}"))
        .request(format!("GET /kept/a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}"))
        .get("/kept/fresh")
        .check();
}

#[test]
fn paths_as_they_were_written() {
    let conf = "ProxyPass /raw/ http://@BACKEND@/ nocanon\nProxyPassMatch ^/m/(.*)$ http://@BACKEND@/$1\nRewriteEngine on\n\
                RewriteRule ^/r/(.*) http://@BACKEND@/x?q=$1 [P]\nRewriteRule ^/p/(.*) http://@BACKEND@/$1 [P]\n\
                RewriteCond %{QUERY_STRING} (.*)\nRewriteRule ^/q/ http://@BACKEND@/%1 [P]\n";
    let backend = Backend::start(&[]);
    let conf = conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port));
    let mut group =
        faults("paths as they were written", backend, "http://@BACKEND@/", &[], &conf).and_modules("rewrite");
    for place in ["b", "raw", "m", "r", "p"] {
        for path in [
            "a%2fb",
            "a%3fb",
            "a%25b",
            "a%20b%0d%0aX:%20y",
            "a%00b",
            "a;b=c",
            "..%2f..%2fx",
            "%c3%a9%7f%01",
            "a+b//c/./d",
        ] {
            group = group.get(&format!("/{place}/{path}"));
        }
    }
    group.get("/q/?a%0d%0aX:%20y").get("/q/?a%20b").get("/b/x?a%0d%0ab c%20d").check();
}

#[test]
fn urls_for_forward_proxies() {
    let backend = Backend::start(&[]);
    let at = format!("127.0.0.1:{}", backend.port);
    let mut group =
        group("URLs for forward proxies").and_modules("proxy proxy_http").conf("ProxyRequests on\nProxyTimeout 1\n");
    for url in [
        "http://B/x",
        "http://B",
        "http:///x",
        "http:/x",
        "http:x",
        "http://",
        "://x",
        "http://B/a b",
        "unix:/x|http://B/",
        "http://B/?unix:AAAA|http://x/",
        "http://u:p@B/x",
        "http://[::1/x",
        "http://B:99999/",
        "HTTP://B/x",
        "http://B/%0d%0aX:y",
        "http://B/%00",
        "gopher://B/x",
        "http://a%0ab/",
        "//B/x",
    ] {
        let url = url.replace('B', &at);
        group = group.request(format!("GET {url} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    }
    group.check();
}
