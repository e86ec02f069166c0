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

/// Where the time to the first byte is kept: sections, .htaccess, virtual hosts, redirects, answers without a body.
#[test]
fn first_byte_where_it_is_asked_for() {
    group("^FB")
        .conf(
            r#"
LogFormat "%v %m %>s %U>%>U %^FB|%<^FB|%>^FB|%200^FB|%{x}^FB" fb
CustomLog logs/fb.log fb
ErrorDocument 404 /on/index.html
ErrorDocument 410 /index.html
ErrorDocument 406 "text"
LogIOTrackTTFB Off
<Directory @ROOT@/htdocs>
  AllowOverride All
</Directory>
<Location /on>
  LogIOTrackTTFB On
</Location>
<Location /on/off>
  LogIOTrackTTFB Off
</Location>
<Location /moved>
  LogIOTrackTTFB On
  Redirect http://o.test/
</Location>
<Location /on/gone>
  Redirect gone
</Location>
<VirtualHost *:@PORT@>
  ServerName other.test
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName vhost.test
  LogIOTrackTTFB On
</VirtualHost>
"#,
        )
        .file("htdocs/on/index.html", "on\n")
        .file("htdocs/on/off/index.html", "off\n")
        .file("htdocs/ht/.htaccess", "LogIOTrackTTFB On\n")
        .file("htdocs/ht/a.txt", "a\n")
        .file("htdocs/ht/b/.htaccess", "LogIOTrackTTFB off\n")
        .file("htdocs/ht/b/a.txt", "a\n")
        .facts_only(|server| {
            let get = |s: &compat_tests::Running, head: &str| {
                s.ask(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes());
            };
            let paths =
                ["/", "/on/", "/on/off/", "/ht/a.txt", "/ht/b/a.txt", "/nope", "/on/nope", "/moved", "/on/gone", "/ht"];
            for path in paths {
                get(server, &format!("GET {path} HTTP/1.1\r\nHost: other.test"));
            }
            get(server, "HEAD /on/ HTTP/1.1\r\nHost: other.test");
            get(server, "GET /on/ HTTP/1.1\r\nHost: other.test\r\nIf-Modified-Since: Tue, 02 Jan 2030 03:04:05 GMT");
            get(server, "GET / HTTP/1.1\r\nHost: vhost.test");
            get(server, "OPTIONS * HTTP/1.1\r\nHost: vhost.test");
            get(server, "GARBAGE");
            let read = |s: &compat_tests::Running| std::fs::read_to_string(s.path("logs/fb.log")).unwrap_or_default();
            server.wait(|s| read(s).lines().count() == paths.len() + 5);
            read(server)
                .lines()
                .map(|line| {
                    let (head, numbers) = line.rsplit_once(' ').unwrap_or((line, ""));
                    let blank = |word: &str| {
                        if word.parse::<u64>().is_ok_and(|n| n < 60_000_000) { "N".to_owned() } else { word.to_owned() }
                    };
                    format!("{head} {}\n", numbers.split('|').map(blank).collect::<Vec<_>>().join("|"))
                })
                .collect()
        });
    group("LogIOTrackTTFB contexts").syntax(&[
        "LogIOTrackTTFB",
        "LogIOTrackTTFB on off",
        "LogIOTrackTTFB 1",
        "<Location /x>\nLogIOTrackTTFB on\n</Location>",
        "<Files x>\nLogIOTrackTTFB maybe\n</Files>",
        "<VirtualHost *:80>\nLogIOTrackTTFB on\n</VirtualHost>",
        "<If true>\nLogIOTrackTTFB on\n</If>",
        "<Limit GET>\nLogIOTrackTTFB on\n</Limit>",
    ]);
    for overrides in ["All", "None", "FileInfo", "Options", "AuthConfig Limit Indexes"] {
        group(&format!("LogIOTrackTTFB, AllowOverride {overrides}"))
            .conf(&format!("<Directory @ROOT@/htdocs>\nAllowOverride {overrides}\n</Directory>\n"))
            .htaccess(&["LogIOTrackTTFB On", "LogIOTrackTTFB maybe", "LogIOTrackTTFB"]);
    }
}

/// Octets of error documents, pipelined requests, bodies that nobody read, bodies cut short.
#[test]
fn octets_of_odd_requests() {
    group("octets of odd requests")
        .log_format("%I %O %S %<I %>O %B %X %>s %{x}I %200O %!200I")
        .conf("ErrorDocument 404 /index.html\nErrorDocument 403 \"no\"\nRedirect /moved http://o.test/\n<Location /closed>\nRequire all denied\n</Location>\nLimitRequestLine 200\nLimitRequestBody 100\n")
        .file("htdocs/index.html", "index\n")
        .file("htdocs/a.txt", "0123456789".repeat(5000))
        .get("/nope")
        .get("/closed")
        .get("/moved")
        .get("/a.txt")
        .get(&format!("/{}", "x".repeat(300)))
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /index.html HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET /closed HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /index.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n0\r\nX: y\r\n\r\nGET /index.html HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("POST /index.html HTTP/1.1\r\nHost: x\r\nContent-Length: 200\r\n\r\nabc")
        .request("POST /index.html HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n")
        .request("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("TRACE / HTTP/1.1\r\nHost: x\r\nX: y\r\nConnection: close\r\n\r\n")
        .request("GET / HTTP/1.1\r\n\r\n")
        .request("\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .check();
}
