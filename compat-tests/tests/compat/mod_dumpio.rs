//! mod_dumpio: DumpIOInput, DumpIOOutput.

use compat_tests::{Running, group};

/// The lines of the log that tell of octets, without their place and the numbers of connections.
fn told(server: &Running, way: &str) -> String {
    let log = server.error_log();
    let texts = log.lines().filter_map(|line| line.split_once(way).map(|(_, text)| text));
    texts.filter(|text| !text.ends_with(" bytes")).collect::<Vec<_>>().join("\n")
}

const REQUEST: &[u8] = b"POST /a.txt HTTP/1.0\r\nX-Odd: \xe9\t\"\\ \r\nContent-Length: 6\r\n\r\nab\r\ncd";

#[test]
fn input() {
    for (name, conf) in [
        ("DumpIOInput", "LogLevel warn dumpio:trace7\nDumpIOInput On"),
        ("DumpIOInput, another level", "LogLevel warn dumpio:trace6\nDumpIOInput On"),
        ("DumpIOInput off", "LogLevel warn dumpio:trace7\nDumpIOInput Off\nDumpIOOutput off"),
    ] {
        group(name)
            .and_modules("dumpio")
            .file("htdocs/a.txt", "a\n")
            .conf(&format!("<VirtualHost *:@PORT@>\n{conf}\n</VirtualHost>\n"))
            .facts_only(|server| {
                server.ask(REQUEST);
                told(server, "dumpio_in (data-HEAP): ")
            });
    }
}

/// A host without directives of its own has the main server's; one with any has none of them.
#[test]
fn inheritance() {
    for (name, own) in [("DumpIOInput inherited", ""), ("DumpIOInput and a host's own", "DumpIOOutput Off\n")] {
        group(name)
            .and_modules("dumpio")
            .conf(&format!(
                "DumpIOInput On\n<VirtualHost *:@PORT@>\nLogLevel warn dumpio:trace7\n{own}</VirtualHost>\n"
            ))
            .facts_only(|server| {
                server.ask(REQUEST);
                told(server, "dumpio_in (data-HEAP): ")
            });
    }
}

/// What goes out is told as it is written: every octet of the answer, whole or in parts.
#[test]
fn output() {
    group("DumpIOOutput")
        .and_modules("dumpio")
        .file("htdocs/a.txt", "first line\nsecond line\n")
        .file("htdocs/large.txt", "0123456789".repeat(20_000))
        .conf("<VirtualHost *:@PORT@>\nLogLevel warn dumpio:trace7\nDumpIOOutput On\n</VirtualHost>\n")
        .facts_only(|server| {
            let small = server.ask(b"GET /a.txt HTTP/1.0\r\n\r\n").len();
            let large = server.ask(b"GET /large.txt HTTP/1.0\r\n\r\n").len();
            let log = server.error_log();
            let told = |text: &str| log.lines().any(|line| line.contains("dumpio_out (data-") && line.contains(text));
            let digits = log
                .lines()
                .filter(|line| line.contains("0123456789012"))
                .map(|line| line.rsplit(' ').next().unwrap_or_default());
            let all: usize = digits.map(|text| text.bytes().filter(u8::is_ascii_digit).count()).sum();
            format!(
                "{small} {large} {} {} {all}",
                told("first line\\nsecond line\\n"),
                told("HTTP/1.1 200 OK\\r\\nDate: ")
            )
        });
}

#[test]
fn errors() {
    group("errors of dumpio").and_modules("dumpio").syntax(&[
        "DumpIOInput",
        "DumpIOInput maybe",
        "DumpIOOutput On Off",
        "<Directory />\nDumpIOInput On\n</Directory>",
        "<VirtualHost *:80>\nDumpIOOutput On\n</VirtualHost>",
        "DumpIOLogLevel debug",
    ]);
}
