//! mod_deflate: DEFLATE and INFLATE, what is compressed for whom, ETags, Vary, notes. Sizes of compressed bodies stay out of the logs.

use compat_tests::{Group, group, under_each_mpm};

fn site(name: &str) -> Group {
    group(name)
        .log_format(r#"\"%r\" %>s"#)
        .conf("AddOutputFilterByType DEFLATE text/html text/plain\n")
        .file("htdocs/a.txt", "compress me ".repeat(200))
        .file("htdocs/short.txt", "x")
        .file("htdocs/empty.txt", "")
        .file("htdocs/a.html", "<p>hello</p>".repeat(100))
        .file("htdocs/big.txt", "0123456789abcdef\n".repeat(40_000))
        .file("htdocs/a.png", "not really".repeat(100))
}

under_each_mpm! {
    fn negotiation(mpm) {
        let mut g = site("deflate").mpm(mpm);
        for accept in [
            "gzip", "gzip, deflate, br", "deflate", "GZIP", "x-gzip", "gzip;q=0", "gzip;q=0.0", "gzip;q=0.001", "gzip; q=1", "*", "identity", "", "br", "agzip", "gzipx",
            "deflate,gzip;q=0", "*;q=0, gzip",
        ] {
            g = g.get_with("/a.txt", &format!("Accept-Encoding: {accept}"));
        }
        for path in ["/short.txt", "/empty.txt", "/a.html", "/big.txt", "/a.png", "/nope", "/"] {
            g = g.get_with(path, "Accept-Encoding: gzip").get(path);
        }
        g.ask("HEAD", "/a.txt", "Accept-Encoding: gzip")
            .ask("OPTIONS", "/a.txt", "Accept-Encoding: gzip")
            .get_with("/a.txt", "Accept-Encoding: gzip\nRange: bytes=0-4")
            .get_with("/a.txt", "Accept-Encoding: gzip\nIf-None-Match: \"960-60dedc04dd340\"")
            .get_with("/a.txt", "Accept-Encoding: gzip\nIf-None-Match: \"960-60dedc04dd340-gzip\"")
            .get_with("/a.txt", "If-None-Match: \"960-60dedc04dd340-gzip\"")
            .get_with("/a.txt", "Accept-Encoding: gzip\nIf-Match: \"960-60dedc04dd340-gzip\"")
            .get_with("/a.txt", "Accept-Encoding: gzip\nIf-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT")
            .request("GET /a.txt HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
            .request("GET /big.txt HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
            .request("HEAD /a.txt HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n")
            .exchange(&["GET /a.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n", "GET /big.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"])
            .check();
    }
}

#[test]
fn options() {
    for conf in [
        "DeflateAlterETag AddSuffix\n",
        "DeflateAlterETag NoChange\n",
        "DeflateAlterETag Remove\n",
        "SetEnvIf X-No yes no-gzip\n",
        "SetEnvIf X-No yes gzip-only-text/html\n",
        "SetEnvIf X-No yes force-gzip\n",
        "SetEnv dont-vary\n",
        "DeflateCompressionLevel 9\nDeflateMemLevel 1\nDeflateWindowSize 9\nDeflateBufferSize 100\n",
        "SetOutputFilter DEFLATE\n",
        "AddOutputFilter DEFLATE png\n",
    ] {
        site(conf)
            .conf(conf)
            .get_with("/a.txt", "Accept-Encoding: gzip")
            .get_with("/a.html", "Accept-Encoding: gzip\nX-No: yes")
            .get_with("/a.txt", "Accept-Encoding: gzip\nX-No: yes")
            .get_with("/a.txt", "X-No: yes")
            .get_with("/a.png", "Accept-Encoding: gzip")
            .get_with("/empty.txt", "Accept-Encoding: gzip")
            .get_with("/nope", "Accept-Encoding: gzip")
            .check();
    }
}

#[test]
fn errors() {
    group("deflate errors").syntax(&[
        "DeflateCompressionLevel 0",
        "DeflateCompressionLevel 10",
        "DeflateCompressionLevel x",
        "DeflateMemLevel 0",
        "DeflateMemLevel 10",
        "DeflateWindowSize 0",
        "DeflateWindowSize 16",
        "DeflateBufferSize 0",
        "DeflateBufferSize -1",
        "DeflateBufferSize x",
        "DeflateAlterETag foo",
        "DeflateFilterNote",
        "DeflateFilterNote foo n",
        "DeflateFilterNote Ratio n",
        "DeflateFilterNote a b c",
        "DeflateInflateLimitRequestBody x",
        "DeflateInflateRatioLimit x",
        "DeflateInflateRatioLimit 0",
        "DeflateInflateRatioBurst 0",
    ]);
}

/// `hello hello hello` and a newline, packed.
const PACKED: &[u8] =
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x48\xcd\xc9\xc9\x57\xc8\x40\x90\x5c\x00\x3b\x7c\x8a\xdf\x12\x00\x00\x00";

#[test]
fn inflated_answers() {
    for conf in
        ["SetOutputFilter INFLATE\n", "SetOutputFilter DEFLATE\n", "SetOutputFilter INFLATE\nDeflateAlterETag Remove\n"]
    {
        group(&format!("inflate {conf}"))
            .conf("AddEncoding gzip .gz\nAddEncoding x-gzip .xgz\n")
            .conf(conf)
            .log_format(r#"\"%r\" %>s"#)
            .file("htdocs/a.txt.gz", PACKED)
            .file("htdocs/a.txt.xgz", PACKED)
            .file("htdocs/two.txt.gz", [PACKED, PACKED].concat())
            .file("htdocs/empty.txt.gz", "")
            .file("htdocs/plain.txt", "hello\n")
            .get("/a.txt.gz")
            .get_with("/a.txt.gz", "Accept-Encoding: gzip")
            .get_with("/a.txt.gz", "Range: bytes=0-3")
            .ask("HEAD", "/a.txt.gz", "")
            .get("/a.txt.xgz")
            .get("/two.txt.gz")
            .get("/empty.txt.gz")
            .get("/plain.txt")
            .get_with("/plain.txt", "Accept-Encoding: gzip")
            .check();
    }
}
