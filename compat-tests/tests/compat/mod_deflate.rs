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
        "DeflateInflateLimitRequestBody 5x",
        "DeflateInflateLimitRequestBody 99999999999999999999",
        "DeflateInflateLimitRequestBody -1",
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

/// Buffers and windows of all sizes: what goes out, and whether its length is told.
#[test]
fn buffers_and_windows() {
    let noise = |octets: usize| {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            b"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJ+/-.,;:_!?"[(state >> 33) as usize % 56]
        };
        (0..octets).map(|_| next()).collect::<Vec<u8>>()
    };
    for conf in [
        "DeflateBufferSize 1\n",
        "DeflateBufferSize 100\n",
        "DeflateBufferSize 511\n",
        "DeflateBufferSize 40000\n",
        "DeflateBufferSize 200000\n",
        "DeflateBufferSize 99999999999\n",
        "DeflateWindowSize 1\n",
        "DeflateWindowSize 7\n",
        "DeflateWindowSize 8\n",
        "DeflateMemLevel 1\nDeflateCompressionLevel 1\n",
        "",
    ] {
        let mut g = group(&format!("deflate with {conf}"))
            .and_modules("deflate")
            .log_format(r#"\"%r\" %>s %{in}n"#)
            .conf("DeflateFilterNote Input in\nSetOutputFilter DEFLATE\nAddEncoding gzip .gz\n<FilesMatch gz$>\nSetOutputFilter INFLATE\n</FilesMatch>\n")
            .conf(conf)
            .file("htdocs/packed.txt.gz", PACKED);
        for octets in [3_000, 9_000, 40_000, 66_000, 300_000] {
            let path = format!("htdocs/n{octets}.txt");
            g = g.file(&path, noise(octets)).get_with(&path[6..], "Accept-Encoding: gzip");
            let path = format!("htdocs/t{octets}.txt");
            g = g.file(&path, "hello, world ".repeat(octets / 13)).get_with(&path[6..], "Accept-Encoding: gzip");
        }
        g.get("/packed.txt.gz").check();
    }
}

/// What is short is left alone, however it comes about; a script's pauses do not end a piece.
#[test]
fn short_responses() {
    let mut g = group("short responses")
        .and_modules("deflate include substitute sed buffer data cgid headers")
        .log_sizes_vary()
        .conf(
            "SetOutputFilter DEFLATE\nHeader append Vary X-Other\nScriptAlias /cgi/ @ROOT@/cgi/\nAddEncoding gzip .gz\n\
             <Location /inf>\nSetOutputFilter INFLATE;DEFLATE\n</Location>\n\
             <Location /inc>\nSetOutputFilter INCLUDES;DEFLATE\n</Location>\n\
             <Location /sub>\nSetOutputFilter SUBSTITUTE;DEFLATE\nSubstitute s/x/y/\n</Location>\n\
             <Location /sed>\nSetOutputFilter SED;DEFLATE\nOutputSed s/x/y/\n</Location>\n\
             <Location /buf>\nSetOutputFilter BUFFER;DEFLATE\n</Location>\n\
             <Location /data>\nSetOutputFilter DATA;DEFLATE\n</Location>\n",
        )
        .file("htdocs/inf/a.html.gz", PACKED);
    let mut paths = vec!["/inf/a.html.gz".to_owned()];
    for octets in [0usize, 1, 67, 68, 69, 200] {
        for dir in if octets == 0 { &["inc", "buf"][..] } else { &["inc", "sub", "sed", "buf", "data"] } {
            g = g.file(&format!("htdocs/{dir}/{octets}.html"), "x".repeat(octets));
            paths.push(format!("/{dir}/{octets}.html"));
        }
        for (name, rest) in [("at-once", ""), ("slow", "sleep 0.1\nprintf y\nsleep 0.1\n")] {
            let script = format!("#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n{}'\n{rest}", "x".repeat(octets));
            let path = format!("cgi/{name}{octets}");
            g = g.file(&path, script).mode(&path, 0o755);
            paths.push(format!("/{path}"));
        }
    }
    for path in paths {
        g = g.get_with(&path, "Accept-Encoding: gzip").ask("HEAD", &path, "Accept-Encoding: gzip");
        if !path.starts_with("/data/") && !path.contains("at-once") {
            g = g.get(&path);
        }
    }
    g.check();
}

/// `SetOutputFilter` with both, in either order.
#[test]
fn both_ways() {
    let mut g = group("both ways").and_modules("deflate").log_sizes_vary().conf("AddEncoding gzip .gz\n");
    for (name, chain) in [("id", "INFLATE;DEFLATE"), ("di", "DEFLATE;INFLATE"), ("dd", "DEFLATE;DEFLATE")] {
        g = g
            .conf(&format!("<Location /{name}>\nSetOutputFilter {chain}\n</Location>\n"))
            .file(&format!("htdocs/{name}/a.txt.gz"), PACKED)
            .file(&format!("htdocs/{name}/b.txt"), "hello, world ".repeat(100));
        for path in ["a.txt.gz", "b.txt"] {
            g = g.get(&format!("/{name}/{path}")).get_with(&format!("/{name}/{path}"), "Accept-Encoding: gzip");
        }
    }
    g.check();
}

/// Bodies that come compressed: to a script, to the default handler, to a file that does not exist; limits.
#[test]
fn request_bodies() {
    use std::io::Write;
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let small = gzip(b"hello, hello, hello");
    let bomb = gzip(&vec![b'x'; 3_000_000]);
    let mut cut = small.clone();
    cut.truncate(small.len() - 6);
    let mut broken = small.clone();
    broken[12] ^= 0xff;
    let post = |path: &str, coding: &str, body: &[u8]| {
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        request
    };
    let mut g = group("DEFLATE input")
        .and_modules("deflate cgid alias")
        .conf(
            "ScriptAlias /cgi/ @ROOT@/cgi/\nSetInputFilter DEFLATE\n<Location /cgi/limit>\nDeflateInflateLimitRequestBody 100000\n</Location>\n\
             <Location /cgi/ratio>\nDeflateInflateRatioLimit 50\nDeflateInflateRatioBurst 2\n</Location>\n\
             <Location /cgi/loose>\nDeflateInflateRatioLimit 2000\n</Location>\nAlias /limit @ROOT@/htdocs\n<Location /limit>\nDeflateInflateLimitRequestBody 100000\n</Location>\n\
             <Location /cgi/core>\nLimitRequestBody 4000\n</Location>\n\
             <Location /cgi/none>\nDeflateInflateLimitRequestBody 0\nLimitRequestBody 4000\n</Location>\n",
        )
        .file("htdocs/t.txt", "text\n");
    for name in ["body", "limit", "ratio", "loose", "core", "none"] {
        let path = format!("cgi/{name}");
        let script = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'; echo \"$CONTENT_LENGTH $HTTP_CONTENT_ENCODING\"; wc -c 2>/dev/null; sleep 0.1\n";
        g = g.file(&path, script).mode(&path, 0o755);
    }
    for coding in ["gzip", "x-gzip", "deflate", "identity", "br, gzip", "gzip, br", ""] {
        g = g.request(post("/cgi/body", coding, &small));
    }
    for path in [
        "/cgi/body",
        "/cgi/limit",
        "/cgi/ratio",
        "/cgi/loose",
        "/cgi/core",
        "/cgi/none",
        "/t.txt",
        "/limit/t.txt",
        "/none",
    ] {
        g = g.request(post(path, "gzip", &bomb));
    }
    for (path, body) in
        [("/cgi/body", &cut), ("/t.txt", &cut), ("/cgi/body", &broken), ("/t.txt", &broken), ("/t.txt", &small)]
    {
        g = g.request(post(path, "gzip", body));
    }
    let steady = gzip(&vec![b'y'; 20_000]);
    for path in ["/cgi/body", "/cgi/ratio", "/cgi/limit"] {
        g = g.request(post(path, "gzip", &steady));
    }
    let mut behind = small.clone();
    behind.extend_from_slice(b"more");
    let mut length = small.clone();
    let last = length.len() - 1;
    length[last] ^= 1;
    let named = [&small[..3], &[8], &small[4..10], b"name\0", &small[10..]].concat();
    let flags = [&small[..3], &[0x80], &small[4..]].concat();
    let method = [&small[..2], &[9], &small[3..]].concat();
    let open = [&small[..3], &[8], &small[4..10], b"name"].concat();
    for body in [&behind, &length, &named, &flags, &method, &open] {
        g = g.request(post("/cgi/body", "gzip", body));
    }
    g.request(post("/cgi/body", "gzip", b"")).request(post("/t.txt", "gzip", b"not gzip at all")).check();
}

/// INFLATE for responses that are not what their coding says.
#[test]
fn inflated_responses() {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(b"hello, hello, hello\n").unwrap();
    let good = encoder.finish().unwrap();
    let changed = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x40;
        bytes
    };
    let mut g = group("INFLATE of odd responses")
        .and_modules("deflate")
        .log_sizes_vary()
        .conf("LogLevel deflate:debug\nSetOutputFilter INFLATE\nAddEncoding x-gzip .gz\nAddType text/plain .txt\n");
    for (name, bytes) in [
        ("good", good.clone()),
        ("plain", b"this is no gzip at all".to_vec()),
        ("short", good[..6].to_vec()),
        ("cut", good[..good.len() - 9].to_vec()),
        ("sum", changed(good.len() - 8)),
        ("length", changed(good.len() - 4)),
        ("flags", changed(3)),
        ("method", changed(2)),
        ("magic", changed(1)),
        ("data", changed(12)),
        ("empty", Vec::new()),
        ("behind", [&good[..], b"more"].concat()),
        ("named", [&good[..3], &[8], &good[4..10], b"name\0", &good[10..]].concat()),
    ] {
        g = g.file(&format!("htdocs/{name}.txt.gz"), bytes).get(&format!("/{name}.txt.gz"));
    }
    g.check();
}
