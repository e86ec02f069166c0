//! mod_echo: ProtocolEcho.

use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn lines(mpm) {
        group("ProtocolEcho")
            .mpm(mpm)
            .and_modules("echo")
            .conf("ProtocolEcho On\n")
            .request("abc\ndef\n")
            .request("abc\ndef")
            .request("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .request("\0\u{1}\n\n\r\n")
            .request("a".repeat(20_000))
            .request("a\n".repeat(20_000))
            .request("")
            .check();
    }
}

#[test]
fn ends() {
    group("ends of echoes")
        .and_modules("echo")
        .conf("LogLevel warn echo:info\nProtocolEcho On\n")
        .request("abc\ndef\n")
        .request("abc\ndef")
        .request("a".repeat(20_000))
        .request("a\n".repeat(20_000))
        .request("")
        .check();
}

/// A host inherits, and a client that says half a line hears nothing.
#[test]
fn hosts_and_silence() {
    group("ProtocolEcho and hosts")
        .and_modules("echo")
        .conf("ProtocolEcho On\nTimeout 1\n<VirtualHost *:@PORT@>\nServerName a\n</VirtualHost>\n")
        .file("htdocs/a.txt", "a\n")
        .get("/a.txt")
        .check();
    group("ProtocolEcho and silence").and_modules("echo").conf("ProtocolEcho On\nTimeout 1\n").hold("abc").check();
}

#[test]
fn errors() {
    group("errors of echo").and_modules("echo").syntax(&[
        "ProtocolEcho",
        "ProtocolEcho maybe",
        "ProtocolEcho On Off",
        "ProtocolEcho On\nProtocolEcho Off",
        "<Directory />\nProtocolEcho On\n</Directory>",
        "<VirtualHost *:80>\nProtocolEcho On\n</VirtualHost>",
    ]);
}
