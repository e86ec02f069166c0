//! mod_logio: %I, %O, %S and LogIOTrackTTFB.

use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn bytes(mpm) {
        group("logio")
            .mpm(mpm)
            .log_format("%I %O %S %U")
            .file("htdocs/a.txt", "0123456789\n")
            .get("/a.txt")
            .ask("HEAD", "/a.txt", "")
            .get("/nope")
            .get_with("/a.txt", "If-None-Match: *")
            .get_with("/a.txt", "Range: bytes=0-3")
            .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
            .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
            .request("GET /a.txt\r\n")
            .request("BAD\x01\r\n\r\n")
            .exchange(&["POST /a.txt HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "hello"])
            .check();
    }
}

#[test]
fn first_byte() {
    group("LogIOTrackTTFB").log_format("%U").conf("LogIOTrackTTFB On\nLogFormat \"%^FB\" x\n").get("/").check();
    group("LogIOTrackTTFB errors").syntax(&[
        "LogIOTrackTTFB maybe",
        "LogFormat \"%^FB\" x",
        "LogFormat \"%^FX\" x",
        "<Directory /x>\nLogIOTrackTTFB On\n</Directory>",
    ]);
}
