//! mod_asis: files with a head of their own.

use compat_tests::group;

#[test]
fn files_with_heads() {
    group("asis")
        .and_modules("asis mime alias")
        .conf("LogLevel asis:debug\nAddHandler send-as-is asis\n<Location /typed>\nSetHandler httpd/send-as-is\n</Location>")
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/plain.asis", "Content-Type: text/x-mine\nX-A: 1\n\nbody\n")
        .file("htdocs/status.asis", "Status: 410 Gone Fishing\r\nContent-Type: text/plain\r\n\r\nbody\r\n")
        .file("htdocs/outside.asis", "Location: http://x.example/\nContent-Type: text/plain\n\nbody\n")
        .file("htdocs/moved.asis", "Status: 301 Moved\nLocation: http://x.example/\nContent-Type: text/plain\n\nbody\n")
        .file("htdocs/inside.asis", "Location: /a.txt\n\nlost\n")
        .file("htdocs/bad.asis", "no head at all\n")
        .file("htdocs/empty.asis", "")
        .file("htdocs/unfinished.asis", "X: y\n")
        .file("htdocs/modified.asis", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\n\nbody\n")
        .file("htdocs/length.asis", "Content-Length: 5\nContent-Type: text/plain\n\nbody\n")
        .get("/length.asis")
        .ask("HEAD", "/length.asis", "")
        .file("htdocs/typed/x", "X: y\n\nbody\n")
        .get("/plain.asis")
        .get("/status.asis")
        .get("/outside.asis")
        .get("/moved.asis")
        .get("/inside.asis")
        .get("/bad.asis")
        .get("/empty.asis")
        .get("/unfinished.asis")
        .get("/nope.asis")
        .get("/typed/x")
        .get("/modified.asis")
        .get_with("/modified.asis", "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT")
        .get_with("/plain.asis", "Range: bytes=1-2")
        .ask("HEAD", "/plain.asis", "")
        .ask("POST", "/plain.asis", "Content-Length: 0")
        .check();
}
