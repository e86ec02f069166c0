//! mod_usertrack: Cookie*. The cookie's value is random: its shape is compared.

use compat_tests::{Running, group};
use regex::Regex;

fn shape(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, shown) in [
        (r"[0-9a-f]+\.[0-9a-f]{13}", "{ID}"),
        (r"expires=[A-Z][a-z]{2}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT", "expires={DATE}"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned();
    }
    text
}

fn ask(server: &Running, path: &str, field: &str) -> String {
    let answer = server.ask(format!("GET {path} HTTP/1.0\r\n{field}\r\n").as_bytes());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let heads = answer.split("\r\n\r\n").next().unwrap_or_default().lines();
    heads
        .filter(|line| line.starts_with("HTTP/") || line.to_ascii_lowercase().contains("cookie"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn tracked(conf: &str, paths: &'static [&'static str]) {
    group("CookieTracking")
        .and_modules("usertrack")
        .log_format("%U|%{cookie}n|%{Apache}n")
        .file("htdocs/ht/index.html", "x\n")
        .file("htdocs/ht/.htaccess", "CookieTracking on\nCookieName ht\n")
        .conf(conf)
        .facts_only(|server| {
            let mut out = String::new();
            for path in paths {
                out.push_str(&format!("# {path}\n{}", ask(server, path, "")));
            }
            for cookie in [
                "Apache=abc; x=y",
                "x=y; Apache=abc",
                "x=y;Apache=a b; c",
                "XApache=1",
                "Apache=",
                "Apache=1,2",
                "apache=1",
                "foo=\"a, Apache=3",
                " Apache=1",
                "x;\tApache=2",
            ] {
                out.push_str(&format!("# {cookie}\n{}", ask(server, "/", &format!("Cookie: {cookie}\r\n"))));
            }
            let count = paths.len() + 10;
            let log = |server: &Running| std::fs::read_to_string(server.path("logs/access.log")).unwrap_or_default();
            server.wait(|server| log(server).lines().count() >= count);
            out.push_str(&log(server));
            shape(&out)
        });
}

#[test]
fn cookies() {
    tracked(
        "CookieTracking on\n<Location /all>\nCookieTracking on\nCookieDomain .example.com\nCookieSameSite lax\nCookieSecure on\nCookieHTTPOnly on\n</Location>\n\
         <Location /c1>\nCookieTracking on\nCookieStyle Cookie\nCookieDomain .example.com\n</Location>\n\
         <Location /c2>\nCookieTracking on\nCookieStyle Cookie2\nCookieName foo\nCookieSecure on\nCookieSameSite None\n</Location>\n\
         <Location /c2d>\nCookieTracking on\nCookieStyle RFC2965\nCookieDomain .example.com\n</Location>\n\
         <Location /off>\nCookieTracking off\n</Location>\n<Location /named>\nCookieName other\n</Location>\n<Directory @ROOT@/htdocs/ht>\nAllowOverride FileInfo\n</Directory>\n",
        &["/", "/all", "/c1", "/c2", "/c2d", "/off", "/named", "/ht/"],
    );
}

#[test]
fn lifetimes() {
    for expires in ["3600", "\"2 weeks 3 days 7 hours\"", "0", "\"plus 1 year\"", "\"1 month 1 minute 1 second\""] {
        tracked(
            &format!(
                "CookieTracking on\nCookieExpires {expires}\n<Location /c1>\nCookieTracking on\nCookieStyle Cookie\n</Location>\n<Location /c2>\nCookieTracking on\nCookieStyle Cookie2\n</Location>\n"
            ),
            &["/", "/c1", "/c2"],
        );
    }
}

#[test]
fn errors() {
    group("usertrack errors").and_modules("usertrack").syntax(&[
        "CookieDomain example.com",
        "CookieDomain .com",
        "CookieDomain .example.com",
        "CookieExpires foo",
        "CookieExpires \"2 weeks 3\"",
        "CookieExpires \"2 foo\"",
        "CookieExpires \"plus 2\"",
        "CookieExpires \"2 w\"",
        "CookieExpires \"2 m\"",
        "CookieExpires \"2 min x\"",
        "CookieExpires",
        "CookieStyle foo",
        "CookieStyle rfc2109",
        "CookieName \"a b\"",
        "CookieName",
        "CookieSameSite foo",
        "CookieSecure maybe",
        "CookieHTTPOnly",
        "CookieTracking maybe",
    ]);
    group("usertrack .htaccess")
        .and_modules("usertrack")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>")
        .htaccess(&["CookieTracking on"]);
}
