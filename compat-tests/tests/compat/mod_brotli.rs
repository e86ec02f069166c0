//! mod_brotli: what is compressed for whom, ETags, Vary, notes. Sizes of compressed bodies stay out of the logs.

use compat_tests::{Group, group};

fn site(name: &str) -> Group {
    group(name)
        .and_modules("brotli deflate filter mime env setenvif negotiation headers")
        .log_format(r#"\"%r\" %>s"#)
        .conf("AddOutputFilterByType BROTLI_COMPRESS text/html text/plain\n")
        .file("htdocs/a.txt", "compress me ".repeat(200))
        .file("htdocs/short.txt", "x")
        .file("htdocs/empty.txt", "")
        .file("htdocs/a.html", "<p>hello</p>".repeat(100))
        .file("htdocs/big.txt", "0123456789abcdef\n".repeat(40_000))
        .file("htdocs/a.png", "not really".repeat(100))
        .file("htdocs/b.txt.gz", "gz".repeat(100))
}

#[test]
fn negotiation() {
    let mut g = site("brotli");
    for accept in [
        "br",
        "gzip, deflate, br",
        "BR",
        "br;q=0",
        "br;q=0.0",
        "br;q=0.000",
        "br;q=0.001",
        "br; q=1",
        "br;q=",
        "br;q",
        "br;x=y",
        "*",
        "identity",
        "",
        "abr",
        "brx",
        "gzip,br;q=0",
        "br;q=0, br",
    ] {
        g = g.get_with("/a.txt", &format!("Accept-Encoding: {accept}"));
    }
    for path in ["/short.txt", "/empty.txt", "/a.html", "/big.txt", "/a.png", "/nope", "/", "/b.txt.gz"] {
        g = g.get_with(path, "Accept-Encoding: br").get(path);
    }
    g.ask("HEAD", "/a.txt", "Accept-Encoding: br")
        .ask("OPTIONS", "/a.txt", "Accept-Encoding: br")
        .get_with("/a.txt", "Accept-Encoding: br\nRange: bytes=0-4")
        .get_with("/a.txt", "Accept-Encoding: br\nIf-None-Match: \"960-60dedc04dd340\"")
        .get_with("/a.txt", "Accept-Encoding: br\nIf-None-Match: \"960-60dedc04dd340-br\"")
        .get_with("/a.txt", "Accept-Encoding: br\nIf-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT")
        .request("GET /a.txt HTTP/1.0\r\nAccept-Encoding: br\r\n\r\n")
        .exchange(&[
            "GET /a.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n",
            "GET /big.txt HTTP/1.1\r\nHost: x\r\nAccept-Encoding: br\r\n\r\n",
        ])
        .check();
}

#[test]
fn options() {
    for conf in [
        "BrotliAlterETag AddSuffix\n",
        "BrotliAlterETag NoChange\n",
        "BrotliAlterETag remove\n",
        "SetEnvIf X-No yes no-brotli\n",
        "SetEnv dont-vary\n",
        "BrotliCompressionQuality 0\nBrotliCompressionWindow 10\nBrotliCompressionMaxInputBlock 16\n",
        "BrotliCompressionQuality 11\nBrotliCompressionWindow 24\nBrotliCompressionMaxInputBlock 24\n",
        "SetOutputFilter BROTLI_COMPRESS\n",
        "SetOutputFilter BROTLI_COMPRESS;DEFLATE\n",
        "AddOutputFilterByType DEFLATE text/html text/plain\n",
        "Header set Content-Encoding 8bit early\n",
        "BrotliFilterNote note\nBrotliFilterNote Input in\n",
    ] {
        site(conf)
            .conf(conf)
            .get_with("/a.txt", "Accept-Encoding: br")
            .get_with("/a.txt", "Accept-Encoding: gzip, br")
            .get_with("/a.html", "Accept-Encoding: br\nX-No: yes")
            .get_with("/a.txt", "X-No: yes")
            .get_with("/a.png", "Accept-Encoding: br")
            .get_with("/empty.txt", "Accept-Encoding: br")
            .get_with("/nope", "Accept-Encoding: br")
            .check();
    }
}

/// The input's length is the same whatever the encoder.
#[test]
fn notes() {
    site("BrotliFilterNote")
        .conf(
            "BrotliFilterNote Input in\nBrotliFilterNote ratio\nLogFormat \"%r %{in}n\" in\nCustomLog logs/in.log in\n",
        )
        .also("logs/in.log")
        .get_with("/a.txt", "Accept-Encoding: br")
        .get_with("/big.txt", "Accept-Encoding: br")
        .get("/a.txt")
        .check();
}

#[test]
fn errors() {
    group("brotli errors").and_modules("brotli").syntax(&[
        "BrotliCompressionQuality 12",
        "BrotliCompressionQuality -1",
        "BrotliCompressionQuality x",
        "BrotliCompressionWindow 9",
        "BrotliCompressionWindow 25",
        "BrotliCompressionMaxInputBlock 15",
        "BrotliCompressionMaxInputBlock 25",
        "BrotliAlterETag Other",
        "BrotliFilterNote",
        "BrotliFilterNote Other x",
        "BrotliFilterNote Input in",
        "<Location />\nBrotliCompressionQuality 1\n</Location>",
    ]);
    group("brotli in .htaccess")
        .and_modules("brotli")
        .htaccess(&["BrotliCompressionQuality 1", "SetOutputFilter BROTLI_COMPRESS"]);
}
