//! mod_buffer: the filters BUFFER, BufferSize.

use compat_tests::group;

#[test]
fn bodies() {
    let post = |path: &str, body: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    group("BUFFER")
        .and_modules("buffer substitute")
        .conf(
            "SetOutputFilter BUFFER\nSetInputFilter BUFFER\n<Location /small>\nBufferSize 5\n</Location>\n<Location /small/one>\nBufferSize 1\n</Location>\n\
             <Location /made>\nSetOutputFilter SUBSTITUTE;BUFFER\nSubstitute s/a/bc/\nBufferSize 7\n</Location>\nAliasMatch ^/(?:small|made)/(?:one/)?(.*) @ROOT@/htdocs/$1\n",
        )
        .file("htdocs/t.txt", "a line\nand another a\n".repeat(50))
        .file("htdocs/empty.txt", "")
        .get("/t.txt")
        .get("/small/t.txt")
        .get("/small/one/t.txt")
        .get("/made/t.txt")
        .get("/empty.txt")
        .get("/none.txt")
        .get_with("/t.txt", "Range: bytes=3-9")
        .ask("HEAD", "/t.txt", "")
        .request(post("/small/t.txt", &"x".repeat(1000)))
        .request("POST /small/t.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .check();
}

#[test]
fn errors() {
    group("buffer errors").and_modules("buffer").syntax(&[
        "BufferSize 10",
        "<Location />\nBufferSize\n</Location>",
        "<Location />\nBufferSize 0\n</Location>",
        "<Location />\nBufferSize x\n</Location>",
        "<Location />\nBufferSize -1\n</Location>",
        "<Location />\nBufferSize 10k\n</Location>",
        "<Location />\nBufferSize 99999999999999999999\n</Location>",
    ]);
    group("buffer .htaccess").and_modules("buffer").htaccess(&["BufferSize 10"]);
}
