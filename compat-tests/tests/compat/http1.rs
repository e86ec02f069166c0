//! HTTP/1 on the wire: heads, framing, persistence, ranges, conditionals, paths, error pages, limits.

use compat_tests::{Group, group, under_each_mpm};

/// The dates of a file's validators: every file of a case was modified at this second.
const MODIFIED: &str = "Tue, 02 Jan 2024 03:04:05 GMT";
const BEFORE: &str = "Tue, 02 Jan 2024 03:04:04 GMT";
const AFTER: &str = "Tue, 02 Jan 2024 03:04:06 GMT";

/// Several ranges in one answer are parted by a boundary whose length is chance, so their log has no sizes.
const NO_SIZES: &str = r#"%h \"%r\" %>s"#;

fn site(name: &str) -> Group {
    group(name)
        .file("htdocs/a.txt", "0123456789abcdefghijklmnopqrstuvwxyz\n")
        .file("htdocs/empty.txt", "")
        .file("htdocs/noext", "plain\n")
        .file("htdocs/d/b.html", "<p>b</p>\n")
}

under_each_mpm! {
    fn versions(mpm) {
        site("versions")
            .mpm(mpm)
            .request("GET /a.txt\r\n")
            .request("GET /a.txt\r\n\r\n")
            .request("GET /nope\r\n")
            .request("HEAD /a.txt\r\n")
            .request("GET\r\n")
            .request("GET /a.txt HTTP/0.9\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\nHost: x\r\nConnection: Keep-Alive\r\n\r\nGET /noext HTTP/1.0\r\n\r\n")
            .request("GET /nope HTTP/1.0\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\n\r\n")
            .request("GET /a.txt HTTP/1.2\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.5\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/2.0\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.10\r\nHost: x\r\n\r\n")
            .request("GET /a.txt http/1.1\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/x.y\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.1 \r\nHost: x\r\n\r\n")
            .request("GET /a.txt FOO/1.1\r\nHost: x\r\n\r\n")
            .request("")
            .request("\r\n")
            .request("\r\n\r\nGET /a.txt HTTP/1.0\r\n\r\n")
            .request("\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("\n\nGET /a.txt HTTP/1.0\r\n\r\n")
            .request("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .request(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            .check();
    }
}

under_each_mpm! {
    fn persistence(mpm) {
        site("persistence")
            .mpm(mpm)
            .conf("MaxKeepAliveRequests 4\nKeepAliveTimeout 7\n")
            .exchange(&[
                "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n",
                "HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /noext HTTP/1.1\r\nHost: x\r\n\r\n",
            ])
            .exchange(&[
                "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
                "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            ])
            .exchange(&["GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"])
            .exchange(&[
                "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                "GET /a.txt HTTP/1.0\r\n\r\n",
            ])
            .exchange(&["GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", "BAD\x01 / HTTP/1.1\r\nHost: x\r\n\r\n"])
            .exchange(&["GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", "\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"])
            .exchange(&["POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", "GET /noext HTTP/1.1\r\nHost: x\r\n\r\n"])
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /noext HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n".repeat(6))
            .request("HEAD /a.txt HTTP/1.1\r\nHost: x\r\n\r\nHEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close, keep-alive\r\n\r\nGET /noext HTTP/1.1\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: foo\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: CLOSE\r\n\r\n")
            .check();
    }
}

#[test]
fn keep_alive_off_and_timeout() {
    site("KeepAlive Off")
        .conf("KeepAlive Off\n")
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        .check();
    site("KeepAliveTimeout")
        .conf("KeepAliveTimeout 200ms\nMaxKeepAliveRequests 0\nTimeout 1\n")
        .hold("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .hold("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /noext HTTP/1.1\r\nHost: x\r\n\r\n")
        .hold("GET /a.txt HTTP/1.1\r\nHo")
        .hold("POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        .check();
}

#[test]
fn methods() {
    let mut g = site("methods").dir("htdocs/plain");
    for method in [
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "TRACE",
        "CONNECT",
        "PATCH",
        "PROPFIND",
        "FOO",
        "get",
        "Get",
        "LINK",
        "M-SEARCH",
        "TRACK",
        "GET,HEAD",
        "A".repeat(300).as_str(),
    ] {
        for path in ["/a.txt", "/", "/nope"] {
            g = g.ask(method, path, "");
        }
    }
    g.request("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("OPTIONS * HTTP/1.0\r\n\r\n")
        .request("GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("TRACE * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("CONNECT example.test:443 HTTP/1.1\r\nHost: example.test:443\r\n\r\n")
        .request("TRACE /a.txt HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nx-two:2\r\nX-One: again\r\nCookie: secret\r\nConnection: close\r\n\r\n")
        .request("TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .ask("POST", "/a.txt", "Content-Length: 0")
        .ask("POST", "/d/", "Content-Length: 0")
        .check();
}

#[test]
fn trace_enable() {
    for value in ["off", "extended"] {
        site("TraceEnable")
            .conf(&format!("TraceEnable {value}\n"))
            .ask("TRACE", "/a.txt", "")
            .ask("OPTIONS", "/a.txt", "")
            .request("TRACE / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
            .request("TRACE / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
            .check();
    }
}

#[test]
fn hosts() {
    let mut g = site("Host").conf("UseCanonicalName Off\n").dir("htdocs/dir");
    for host in [
        "x",
        "X.Example.TEST",
        "x:80",
        "x:0",
        "x:99999",
        "x:",
        "x:80:80",
        "x:a",
        "[::1]",
        "[::1]:80",
        "[::1",
        "::1",
        "[v1.x]",
        "1.2.3.4",
        "1.2.3.4.5",
        "a b",
        "a\tb",
        "a/b",
        "a?b",
        "a@b",
        "a..b",
        ".a",
        "a.",
        "a_b",
        "-a",
        "a%20b",
        "é",
        "",
        " ",
        "a,b",
        "*",
        "\u{1}",
    ] {
        g = g.request(format!("GET /dir HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    }
    g.request("GET /dir HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n")
        .request("GET /dir HTTP/1.1\r\nHost: a\r\nHost: a\r\nConnection: close\r\n\r\n")
        .request("GET /dir HTTP/1.0\r\nHost: a/b\r\n\r\n")
        .request("GET http://abs.test/dir HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n")
        .request("GET http://abs.test:81/dir HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n")
        .request("GET http://abs.test/dir HTTP/1.1\r\nConnection: close\r\n\r\n")
        .request("GET http://abs.test/dir HTTP/1.0\r\n\r\n")
        .request("GET http://abs.test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET HTTP://ABS.test/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET https://abs.test/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET ftp://abs.test/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET http:///a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET http://u:p@abs.test/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET //abs.test/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET ?q HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET /a.txt#frag HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET /a.txt?q#frag HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .check();
}

#[test]
fn use_canonical_name() {
    for conf in [
        "UseCanonicalName On\n",
        "UseCanonicalName Off\n",
        "UseCanonicalName DNS\n",
        "UseCanonicalName On\nServerName canon.test:8080\n",
        "UseCanonicalName Off\nUseCanonicalPhysicalPort On\n",
        "UseCanonicalName On\nUseCanonicalPhysicalPort On\n",
        "UseCanonicalName On\nServerName https://canon.test\n",
        "ServerSignature On\nUseCanonicalName Off\n",
        "StrictHostCheck On\n",
    ] {
        site(conf)
            .conf(conf)
            .dir("htdocs/dir")
            .request("GET /dir HTTP/1.1\r\nHost: said.test:99\r\nConnection: close\r\n\r\n")
            .request("GET /dir HTTP/1.1\r\nHost: said.test\r\nConnection: close\r\n\r\n")
            .request("GET /dir HTTP/1.0\r\n\r\n")
            .request("GET /nope HTTP/1.1\r\nHost: said.test:99\r\nConnection: close\r\n\r\n")
            .check();
    }
}

#[test]
fn bad_heads() {
    let mut g = site("bad heads");
    for head in [
        "GET /a.txt HTTP/1.1\nHost: x\n\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\n\r\n",
        "GET /a.txt HTTP/1.1\nHost: x\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX-Fold: a\r\n b\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\n folded: x\r\nHost: x\r\n\r\n",
        "TRACE /a.txt HTTP/1.1\r\nHost: x\r\nX-Fold: a\r\n\t b\r\n  c\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nNo colon here\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nNocolon\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\n: empty name\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nSpace : v\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nIn side: v\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nBad(name): v\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nN\u{e9}: v\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX: v\u{e9}\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\x7fb\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\tb\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\rb\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX:\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\nX:    \r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost:x\r\nConnection:close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nhOST: x\r\ncONNECTION: CLOSE\r\n\r\n",
        "GET  /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a.txt  HTTP/1.1\r\nHost: x\r\n\r\n",
        " GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET\t/a.txt\tHTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\0b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a\x7fb HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /\u{e9} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /a\\b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /a\"b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /<b> HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /{b}|^` HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\rHost: x\r\n\r\n",
        "GE(T /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET: /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "G\u{e9}T /a.txt HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a.txt HTTP/1.1 extra\r\nHost: x\r\n\r\n",
        "/a.txt\r\n\r\n",
        "GET /a.txt HTTP/1.1\r\nHost: x",
        "GET /a.txt HTTP/1.1\r\nHost: x\r\n",
        "GET /a.txt HTT",
        "GET /a.txt",
        "\0\0\0\0",
        "garbage\r\n\r\n",
    ] {
        g = g.request(head);
    }
    g.check();
}

#[test]
fn unsafe_protocol_options() {
    for conf in [
        "HttpProtocolOptions Unsafe\n",
        "HttpProtocolOptions LenientMethods\n",
        "HttpProtocolOptions RegisteredMethods\n",
        "HttpProtocolOptions Require1.0\n",
    ] {
        site(conf)
            .conf(conf)
            .request("GET /a.txt HTTP/1.1\nHost: x\nConnection: close\n\n")
            .request("GET  /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("GET\t/a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nSpace : v\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nIn side: v\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\nConnection: close\r\n\r\n")
            .request("GET /a b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt\r\n\r\n")
            .request("FOO /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: a_b/c\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nNocolon\r\nHost: x\r\nConnection: close\r\n\r\n")
            .check();
    }
}

#[test]
fn request_bodies() {
    let mut g = site("request bodies");
    for (fields, body) in [
        ("Content-Length: 5", "hello"),
        ("Content-Length: 5", "hel"),
        ("Content-Length: 0", ""),
        ("Content-Length: -1", "hello"),
        ("Content-Length: +5", "hello"),
        ("Content-Length: 5x", "hello"),
        ("Content-Length: 0x5", "hello"),
        ("Content-Length:", "hello"),
        ("Content-Length: 5, 5", "hello"),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("Content-Length: 5\r\nContent-Length: 6", "hello"),
        ("Content-Length: 99999999999999999999", "hello"),
        ("Content-Length: 5 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5;ext=1\r\nhello\r\n0;x\r\nTrailer: y\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\nhello\n0\n\n"),
        ("Transfer-Encoding: chunked", "5\r\nhelloX0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "x\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "-5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "+5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", " 5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5 \r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "5\r\nhel"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("Transfer-Encoding: chunked", "\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "ffffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "7fffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "00000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked", "0\r\nBad trailer\r\n\r\n"),
        ("Transfer-Encoding: CHUNKED", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked, chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: gzip, chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked, gzip", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: identity", "hello"),
        ("Transfer-Encoding: xchunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding:\x0bchunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: \"chunked\"", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked;q=1", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding:", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding : chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding\r\n : chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer_Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "5\r\nhello\r\n0\r\n\r\n"),
        ("Content-Length: 15\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        for method in ["POST", "GET"] {
            // What follows on the connection shows where the server thinks that the body ends.
            g = g.request(format!(
                "{method} /a.txt HTTP/1.1\r\nHost: x\r\n{fields}\r\n\r\n{body}GET /noext HTTP/1.1\r\nHost: x\r\n\r\n"
            ));
        }
    }
    g.request("POST /a.txt HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
        .request("POST /a.txt HTTP/1.0\r\n\r\nhello")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /noext HTTP/1.1\r\nHost: x\r\n\r\n")
        .request(
            "PUT /new.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /noext HTTP/1.1\r\nHost: x\r\n\r\n",
        )
        .check();
}

under_each_mpm! {
    fn expect(mpm) {
        site("Expect")
            .mpm(mpm)
            .exchange(&["POST /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "hello"])
            .exchange(&["POST /nope HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "hello"])
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: foo\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-CONTINUE\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nExpect:\r\nConnection: close\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\nExpect: foo\r\n\r\n")
            .check();
    }
}

#[test]
fn limits() {
    let line = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "a".repeat(n));
    let field =
        |n: usize| format!("GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Long: {}\r\n\r\n", "a".repeat(n));
    let fields =
        |n: usize| format!("GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n", "X-A: b\r\n".repeat(n));
    site("default limits")
        .request(line(8176))
        .request(line(8177))
        .request(line(9000))
        .request(line(100_000))
        .request(field(8180))
        .request(field(8182))
        .request(field(8183))
        .request(field(9000))
        .request(fields(97))
        .request(fields(98))
        .request(fields(99))
        .request(fields(200))
        .request(format!(
            "GET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: a\r\n{}\r\n",
            " folded\r\n".repeat(2000)
        ))
        .request(format!("GET /{} HTTP/1.0\r\n\r\n", "a".repeat(300)))
        .request(format!("GET /{} HTTP/1.0\r\n\r\n", "a/".repeat(3000)))
        .request(format!("{} / HTTP/1.0\r\n\r\n", "A".repeat(9000)))
        .request(field(1_000_000))
        .check();
    site("own limits")
        .conf("LimitRequestLine 50\nLimitRequestFieldSize 60\nLimitRequestFields 5\nLimitRequestBody 10\n")
        .request(line(20))
        .request(line(35))
        .request(line(36))
        .request(line(50))
        .request(field(30))
        .request(field(51))
        .request(field(52))
        .request(field(60))
        .request(fields(3))
        .request(fields(4))
        .request(fields(5))
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n01234567890")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n01234567890")
        .check();
}

#[test]
fn ranges() {
    let mut g = site("ranges").log_format(NO_SIZES);
    for range in [
        "bytes=0-0",
        "bytes=0-4",
        "bytes=5-",
        "bytes=-3",
        "bytes=-0",
        "bytes=-100",
        "bytes=36-36",
        "bytes=37-37",
        "bytes=100-200",
        "bytes=0-100",
        "bytes=5-2",
        "bytes=",
        "bytes=a-b",
        "bytes=0",
        "bytes=--1",
        "bytes=0-0,2-2",
        "bytes=0-1, 5-6 ,-2",
        "bytes=0-4,3-7",
        "bytes=0-1,100-200",
        "bytes=100-,200-",
        "bytes=5-6,0-1",
        "bytes=0-0,0-0",
        "bytes=0-,0-",
        "bytes=,0-0",
        "bytes=0-0,",
        "bytes=0-0,,1-1",
        "bytes = 0-0",
        "Bytes=0-0",
        "BYTES=0-0",
        "lines=0-0",
        "bytes 0-0",
        "bytes=0 - 0",
        "bytes=0-0;1-1",
        "0-0",
        "bytes=00-01",
        "bytes=+0-1",
        "bytes=99999999999999999999-",
        "bytes=0-99999999999999999999",
        "bytes=-99999999999999999999",
        "bytes=0-0,x",
        "bytes=0-,x",
        "bytes=5-,0-,x",
        "bytes=0-36,x",
    ] {
        g = g.get_with("/a.txt", &format!("Range: {range}"));
    }
    g.get_with("/empty.txt", "Range: bytes=0-0")
        .get_with("/empty.txt", "Range: bytes=-1")
        .get_with("/empty.txt", "Range: bytes=0-")
        .get_with("/nope", "Range: bytes=0-0")
        .get_with("/noext", "Range: bytes=0-0,2-2")
        .ask("HEAD", "/a.txt", "Range: bytes=0-4")
        .ask("HEAD", "/a.txt", "Range: bytes=0-0,2-2")
        .ask("HEAD", "/a.txt", "Range: bytes=100-")
        .ask("POST", "/a.txt", "Content-Length: 0\nRange: bytes=0-4")
        .get_with("/a.txt", "Range: bytes=0-0\nRange: bytes=1-1")
        .get_with("/a.txt", "Request-Range: bytes=0-4")
        .get_with("/a.txt", "Request-Range: bytes=0-0,2-2")
        .get_with("/a.txt", "Range: bytes=0-0,2-2\nUser-Agent: MSIE 3")
        .get_with("/a.txt", &format!("Range: bytes={}", vec!["0-0"; 200].join(",")))
        .get_with("/a.txt", &format!("Range: bytes={}", vec!["0-0"; 201].join(",")))
        .get_with(
            "/a.txt",
            &format!("Range: bytes={}", (0..30).map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",")),
        )
        .get_with(
            "/a.txt",
            &format!("Range: bytes={}", (0..30).rev().map(|n| format!("{n}-{n}")).collect::<Vec<_>>().join(",")),
        )
        .get_with("/a.txt", "Range: bytes=0-10,5-15,10-20,15-25,20-30")
        .request("GET /a.txt HTTP/1.0\r\nRange: bytes=0-4\r\n\r\n")
        .check();
}

#[test]
fn if_range() {
    let mut g = site("If-Range").log_format(NO_SIZES);
    for condition in [
        MODIFIED,
        BEFORE,
        AFTER,
        "\"25-60dedc04dd340\"",
        "W/\"25-60dedc04dd340\"",
        "\"other\"",
        "25-60dedc04dd340",
        "garbage",
        "",
        "*",
    ] {
        g = g.get_with("/a.txt", &format!("Range: bytes=0-4\nIf-Range: {condition}"));
    }
    g.get_with("/a.txt", &format!("If-Range: {MODIFIED}"))
        .get_with("/a.txt", &format!("Range: bytes=0-0,2-2\nIf-Range: {AFTER}"))
        .get_with("/a.txt", &format!("Range: bytes=100-\nIf-Range: {AFTER}"))
        .check();
}

#[test]
fn range_limits() {
    for conf in [
        "MaxRanges none\n",
        "MaxRanges 1\n",
        "MaxRanges unlimited\n",
        "MaxRangeOverlaps none\n",
        "MaxRangeReversals none\n",
        "MaxRangeOverlaps 1\nMaxRangeReversals 1\n",
    ] {
        site(conf)
            .log_format(NO_SIZES)
            .conf(conf)
            .get_with("/a.txt", "Range: bytes=0-4")
            .get_with("/a.txt", "Range: bytes=0-4,6-8")
            .get_with("/a.txt", "Range: bytes=6-8,0-4")
            .get_with("/a.txt", "Range: bytes=0-4,3-8")
            .get_with("/a.txt", "Range: bytes=0-4,3-8,2-9,1-1,0-0")
            .get("/a.txt")
            .check();
    }
}

#[test]
fn conditionals() {
    let tag = "\"25-60dedc04dd340\"";
    let weak = "W/\"25-60dedc04dd340\"";
    let mut g = site("conditionals");
    for fields in [
        format!("If-Modified-Since: {MODIFIED}"),
        format!("If-Modified-Since: {BEFORE}"),
        format!("If-Modified-Since: {AFTER}"),
        "If-Modified-Since: Tuesday, 02-Jan-24 03:04:05 GMT".into(),
        "If-Modified-Since: Tue Jan  2 03:04:05 2024".into(),
        "If-Modified-Since: Tue, 02 Jan 2024 03:04:05 +0000".into(),
        "If-Modified-Since: Tue, 2 Jan 2024 03:04:05 GMT".into(),
        "If-Modified-Since: garbage".into(),
        "If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT".into(),
        "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT".into(),
        "If-Modified-Since:".into(),
        format!("If-Modified-Since: {MODIFIED}; length=37"),
        format!("If-Unmodified-Since: {MODIFIED}"),
        format!("If-Unmodified-Since: {BEFORE}"),
        format!("If-Unmodified-Since: {AFTER}"),
        "If-Unmodified-Since: garbage".into(),
        format!("If-None-Match: {tag}"),
        format!("If-None-Match: {weak}"),
        "If-None-Match: *".into(),
        "If-None-Match: \"other\"".into(),
        format!("If-None-Match: \"other\", {tag}"),
        format!("If-None-Match: \"other\", {weak}"),
        "If-None-Match: 25-60dedc04dd340".into(),
        format!("If-None-Match: \"other\"\r\nIf-None-Match: {tag}"),
        "If-None-Match:".into(),
        format!("If-Match: {tag}"),
        format!("If-Match: {weak}"),
        "If-Match: *".into(),
        "If-Match: \"other\"".into(),
        format!("If-Match: \"other\", {tag}"),
        format!("If-None-Match: {tag}\r\nIf-Modified-Since: {BEFORE}"),
        format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {MODIFIED}"),
        format!("If-Match: {tag}\r\nIf-Unmodified-Since: {BEFORE}"),
        format!("If-Match: {tag}\r\nIf-None-Match: {tag}"),
        format!("If-Unmodified-Since: {MODIFIED}\r\nIf-None-Match: {tag}"),
        format!("If-Unmodified-Since: {MODIFIED}\r\nIf-Modified-Since: {MODIFIED}"),
        format!("If-Unmodified-Since: garbage\r\nIf-None-Match: {tag}"),
        format!("If-Modified-Since: {MODIFIED}\r\nRange: bytes=0-4"),
        format!("If-None-Match: {tag}\r\nRange: bytes=0-4"),
        format!("If-Match: {tag}\r\nRange: bytes=0-4"),
        format!("If-Match: {weak}\r\nRange: bytes=0-4"),
        format!("If-None-Match: {weak}\r\nRange: bytes=0-4"),
        format!("If-Unmodified-Since: {BEFORE}\r\nRange: bytes=0-4"),
        "Cache-Control: no-cache\r\nIf-None-Match: *".into(),
    ] {
        for method in ["GET", "HEAD", "POST"] {
            g = g.request(format!("{method} /a.txt HTTP/1.1\r\nHost: x\r\n{fields}\r\nConnection: close\r\n\r\n"));
        }
    }
    g.get_with("/nope", "If-None-Match: *")
        .get_with("/nope", "If-Match: *")
        .get_with("/nope", &format!("If-Unmodified-Since: {BEFORE}"))
        .get_with("/empty.txt", "If-None-Match: \"0-60dedc04dd340\"")
        .check();
}

#[test]
fn file_etag() {
    for conf in ["None", "All", "INode", "MTime", "Size", "INode MTime Size", "MTime Size", "Digest", "+INode", "-Size"]
    {
        site(conf)
            .conf(&format!("FileETag {conf}\n"))
            .get("/a.txt")
            .get("/empty.txt")
            .get_with("/a.txt", "If-None-Match: \"0\"")
            .get_with("/a.txt", "Range: bytes=0-1")
            .check();
    }
    site("FileETag in sections")
        .conf("FileETag Size\n<Directory @ROOT@/htdocs/d>\nFileETag +MTime\n</Directory>\n<Files noext>\nFileETag -Size\n</Files>\n")
        .get("/a.txt")
        .get("/d/b.html")
        .get("/noext")
        .check();
}

#[test]
fn fresh_file_has_a_weak_tag() {
    site("weak tag").facts(|server| {
        server.write("htdocs/now.txt", "just written\n");
        let answer = server.get("/now.txt").expect("an answer");
        answer.header("ETag").map_or_else(|| "no tag".into(), |tag| tag.chars().take(3).collect())
    });
}

#[test]
fn future_file() {
    site("future").mtime("htdocs/a.txt", 4_102_444_800).facts(|server| {
        let answer = server.get("/a.txt").expect("an answer");
        format!("{}", answer.header("Last-Modified") == answer.header("Date"))
    });
}

#[test]
fn paths() {
    let mut g = site("paths")
        .file("secret.txt", "secret\n")
        .file("htdocs/sp ace.txt", "space\n")
        .file("htdocs/pl+us.txt", "plus\n")
        .file("htdocs/ü.txt", "ü\n");
    for path in [
        "/./a.txt",
        "/d/../a.txt",
        "/d/./../a.txt",
        "/../secret.txt",
        "/d/../../secret.txt",
        "/..",
        "/../",
        "/d/..",
        "/.",
        "/d/.",
        "/%2e%2e/secret.txt",
        "/.%2e/secret.txt",
        "/%2e./secret.txt",
        "/d/%2e%2e/a.txt",
        "/d/%2e%2e/%2e%2e/secret.txt",
        "/%2e/a.txt",
        "/%%32%65%%32%65/secret.txt",
        "/%252e%252e/secret.txt",
        "/d%2f..%2fa.txt",
        "/d%2fb.html",
        "/d%2Fb.html",
        "/d%5cb.html",
        "/d\\b.html",
        "/a.txt%00",
        "/a.txt%00.html",
        "/%00",
        "/a%2etxt",
        "/%61.txt",
        "/a.txt%",
        "/a.txt%2",
        "/a.txt%zz",
        "/%c3%bc.txt",
        "/%fc.txt",
        "/sp%20ace.txt",
        "/sp+ace.txt",
        "/pl+us.txt",
        "/pl%2bus.txt",
        "//a.txt",
        "/d//b.html",
        "///d///b.html",
        "//",
        "/d/b.html/",
        "/d/b.html/extra",
        "/d/b.html/..",
        "/a.txt/",
        "/a.txt/more",
        "/a.txt?",
        "/a.txt?q=%00",
        "/a.txt?x=../..",
        "/a.txt;x",
        "/A.TXT",
        "/d",
        "/d/",
        "/d?q=1",
        "/d/?q=1",
        "/...",
        "/.../",
        "/d/...",
        "/~root/",
        "/.htaccess",
        "/d/.htpasswd",
        "/a.txt%0a",
        "/a.txt%0d%0aX:y",
        "/a.txt%20",
        "/%20",
        "/a.txt.",
        "/a.txt::$DATA",
        "/nul",
        "/%7f",
        "/%80",
        "/:80/",
        "/@",
        "/*",
        "/?",
        "/??",
        "/%3f",
        "/%23",
    ] {
        g = g.get(path);
    }
    g.check();
}

#[test]
fn encoded_slashes() {
    for conf in [
        "AllowEncodedSlashes Off\n",
        "AllowEncodedSlashes On\n",
        "AllowEncodedSlashes NoDecode\n",
        "MergeSlashes Off\n",
    ] {
        site(conf)
            .conf(conf)
            .conf("AcceptPathInfo On\n<Location /d/b.html>\nErrorDocument 404 protected\nRequire all denied\n</Location>\n")
            .get("/d%2fb.html")
            .get("/d%2Fb.html")
            .get("/a.txt/x%2fy")
            .get("/a.txt%2f..%2fnoext")
            .get("/..%2fsecret")
            .get("/%2f/a.txt")
            .get("//d/b.html")
            .get("/d//b.html")
            .get("/d/b.html//x")
            .get("/d%5cb.html")
            .get("/%252f")
            .check();
    }
}

#[test]
fn accept_path_info() {
    for value in ["On", "Off", "Default"] {
        site(value)
            .conf(&format!("AcceptPathInfo {value}\n"))
            .get("/a.txt/more")
            .get("/a.txt/")
            .get("/d/b.html/x/y?z")
            .get("/d/more")
            .get("/nope/more")
            .ask("OPTIONS", "/a.txt/more", "")
            .check();
    }
}

#[test]
fn error_documents() {
    site("ErrorDocument")
        .conf(
            r#"
ErrorDocument 404 "no <such> thing \" here"
ErrorDocument 403 /err/403.html
ErrorDocument 410 http://other.test/gone
ErrorDocument 405 /nope/nowhere.html
ErrorDocument 400 "bad"
ErrorDocument 414 /err/414.html
ErrorDocument 413 default
Redirect 403 /closed
Redirect 410 /gone
Redirect 404 /textual
Redirect 500 /five
Redirect 503 /busy
<Location /d>
  ErrorDocument 404 default
</Location>
<Location /redir>
  ErrorDocument 404 /a.txt
</Location>
<Location /denied>
  ErrorDocument 403 /denied/page.html
  Redirect 403 /denied
</Location>
<Location /script>
  ErrorDocument 404 "%{REQUEST_URI} missed"
</Location>
"#,
        )
        .file("htdocs/err/403.html", "<p>local 403</p>\n")
        .file("htdocs/err/414.html", "<p>local 414</p>\n")
        .get("/x")
        .get("/closed")
        .ask("HEAD", "/closed", "")
        .ask("POST", "/closed", "Content-Length: 0")
        .get("/gone")
        .ask("PUT", "/a.txt", "")
        .get("/textual")
        .get("/five")
        .get("/busy")
        .get("/d/nope")
        .get("/redir/nope")
        .get_with("/redir/nope", "Range: bytes=0-3")
        .get_with("/redir/nope", "If-None-Match: *")
        .get("/denied/x")
        .get("/script/x")
        .get("/x?<script>")
        .request("GET /a.txt HTTP/1.1\r\n\r\n")
        .request(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9000)))
        .request("GET /x HTTP/1.0\r\n\r\n")
        .request("GET /x\r\n")
        .check();
}

#[test]
fn error_pages() {
    let codes = [
        300, 301, 302, 303, 304, 305, 307, 308, 400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413,
        414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506,
        507, 508, 510, 511,
    ];
    let mut conf = String::new();
    let mut g = site("error pages");
    for code in codes {
        let target = if (300..400).contains(&code) { " /a.txt" } else { "" };
        conf.push_str(&format!("Redirect {code} /s{code}{target}\n"));
        g = g.get(&format!("/s{code}"));
    }
    g.conf(&conf).ask("HEAD", "/s500", "").ask("POST", "/s404", "Content-Length: 0").request("GET /s404\r\n").check();
}

#[test]
fn tokens_and_signature() {
    for tokens in ["Prod", "Major", "Minor", "Min", "OS", "Full"] {
        for signature in ["On", "Off", "EMail"] {
            site("tokens")
                .conf(&format!("ServerTokens {tokens}\nServerSignature {signature}\nServerAdmin me@example.test\n"))
                .get("/nope")
                .get("/a.txt")
                .check();
        }
    }
}

#[test]
fn symlinks_and_permissions() {
    let tree = |name: &str, options: &str| {
        site(name)
            .conf(&format!("<Directory @ROOT@/htdocs>\nOptions {options}\nAllowOverride None\n</Directory>\n"))
            .file("outside/o.txt", "outside\n")
            .link("htdocs/link.txt", "a.txt")
            .link("htdocs/out.txt", "@ROOT@/outside/o.txt")
            .link("htdocs/outdir", "@ROOT@/outside")
            .link("htdocs/broken", "nowhere")
            .link("htdocs/loop", "loop")
            .file("htdocs/private.txt", "x")
            .mode("htdocs/private.txt", 0o600)
            .file("htdocs/closed/x.txt", "x")
            .mode("htdocs/closed", 0o700)
            .get("/link.txt")
            .get("/out.txt")
            .get("/outdir/o.txt")
            .get("/outdir")
            .get("/outdir/")
            .get("/broken")
            .get("/loop")
            .get("/private.txt")
            .get("/closed/x.txt")
            .get("/closed/")
            .get("/closed")
            .check();
    };
    tree("FollowSymLinks", "FollowSymLinks");
    tree("no symlinks", "None");
    tree("SymLinksIfOwnerMatch", "SymLinksIfOwnerMatch");
    tree("Indexes", "Indexes FollowSymLinks");
}

#[test]
fn large_files() {
    let big: Vec<u8> = (0..3_000_000u32).map(|n| b'a' + (n % 26) as u8).collect();
    for conf in ["", "EnableSendfile On\n", "EnableMMAP Off\nEnableSendfile Off\n"] {
        site("large files")
            .log_format(NO_SIZES)
            .conf(conf)
            .file("htdocs/big.txt", &big)
            .get("/big.txt")
            .get_with("/big.txt", "Range: bytes=2999990-")
            .get_with("/big.txt", "Range: bytes=100000-1999999")
            .get_with("/big.txt", "Range: bytes=0-99999,1000000-1099999")
            .exchange(&["GET /big.txt HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"])
            .check();
    }
}

#[test]
fn newline_in_a_path() {
    site("newline in a path")
        .conf(
            r#"
<FilesMatch "\.php$">
  Require all denied
</FilesMatch>
<LocationMatch "^/guard/.*\.txt$">
  Require all denied
</LocationMatch>
RedirectMatch "^/all/(.*)$" "http://other.test/$1"
"#,
        )
        .file("htdocs/x.php", "source\n")
        .file("htdocs/x.php\n", "source, newline\n")
        .file("htdocs/guard/a.txt\n", "guarded, newline\n")
        .get("/x.php")
        .get("/x.php%0a")
        .get("/guard/a.txt%0a")
        .get("/all/one%0atwo")
        .get("/all/one%0d%0aSet-Cookie:%20x")
        .check();
}

#[test]
fn unknown_method_in_htaccess_limit() {
    site("Limit with an unknown method")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n")
        .file("htdocs/d/.htaccess", "<Limit abcxyz>\nRequire all denied\n</Limit>\n")
        .ask("OPTIONS", "/d/b.html", "")
        .ask("OPTIONS", "/d/b.html", "")
        .ask("abcxyz", "/d/b.html", "")
        .get("/d/b.html")
        .check();
}
