//! mod_log_forensic: ForensicLog.

use compat_tests::group;

#[test]
fn lines() {
    group("ForensicLog")
        .and_modules("log_forensic dir alias mime")
        .conf(
            "ForensicLog logs/forensic.log\nErrorDocument 404 /gone.html\n<VirtualHost *:@PORT@>\nServerName www.example.test\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName own.example\nForensicLog logs/own.log\n</VirtualHost>",
        )
        .also("logs/forensic.log")
        .also("logs/own.log")
        .file("htdocs/index.html", "index\n")
        .file("htdocs/gone.html", "gone\n")
        .get("/")
        .get("/nope")
        .get_with("/x?a|b:c%20d", "X-Odd: a|b:c%d\tä\\\"\nX-Empty:")
        .request("GET / HTTP/1.1\r\nHost: own.example\r\nConnection: close\r\n\r\n")
        .request("GET /old HTTP/1.0\r\n\r\n")
        .request("GET / HTTP/1.1\r\n\r\n")
        .request("BAD\r\n\r\n")
        .exchange(&["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: b\r\n\r\n"])
        .check();
}

#[test]
fn errors() {
    group("ForensicLog errors").and_modules("log_forensic").syntax(&[
        "ForensicLog",
        "ForensicLog a b",
        "<Location />\nForensicLog a\n</Location>",
        "ForensicLog /nonexistent/dir/log",
    ]);
    group("ForensicLog not opened")
        .and_modules("log_forensic")
        .conf("ForensicLog nowhere/forensic.log\n")
        .start_fails(&["-DFOREGROUND"]);
    group("ForensicLog in .htaccess").and_modules("log_forensic").htaccess(&["ForensicLog a"]);
}
