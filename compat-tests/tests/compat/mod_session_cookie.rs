//! mod_session_cookie: SessionCookieName, SessionCookieName2, SessionCookieRemove.

use compat_tests::{Group, group};

fn session(name: &str, more: &str) -> Group {
    group(name)
        .and_modules("session session_cookie headers asis")
        .conf(&format!(
            "AddHandler send-as-is asis\n<Directory @ROOT@/htdocs/s>\nSession On\nSessionHeader X-Replace\nSessionEnv On\n\
             Header set X-Session \"%{{HTTP_SESSION}}e\"\nHeader set X-Cookie \"expr=%{{req:Cookie}}\"\n{more}\n</Directory>\n"
        ))
        .file("htdocs/s/set.asis", "X-Replace: key1=foo\nContent-Type: text/plain\n\nset\n")
        .file("htdocs/s/unset.asis", "X-Replace: k=\nContent-Type: text/plain\n\nunset\n")
        .file("htdocs/s/x.txt", "x\n")
}

#[test]
fn names_and_attributes() {
    for more in [
        "SessionCookieName session",
        "SessionCookieName session path=/private;domain=example.com;httponly;secure;version=1;",
        "SessionCookieName session \"a quoted\" path=/",
        "SessionCookieName   session   path=/ ",
        "SessionCookieName \"session\" path=/",
        "SessionCookieName2 session",
        "SessionCookieName2 session path=/",
        "SessionCookieName session path=/\nSessionCookieName2 two path=/two",
        "SessionCookieName session path=/\nSessionMaxAge 30\nHeader unset X-Session",
        "SessionCookieName session path=/\nSessionCookieRemove Off",
    ] {
        session("SessionCookieName", more)
            .get("/s/set.asis")
            .get("/s/unset.asis")
            .get_with("/s/x.txt", "Cookie: session=k=v")
            .get_with("/s/x.txt", "Cookie: a=b; session=k=v; two=l=w;c=d")
            .get_with("/s/set.asis", "Cookie: a=b; session=k=v; two=l=w;c=d")
            .get_with("/s/unset.asis", "Cookie: session=k=v")
            .get_with("/s/unset.asis", "Cookie: session=k=v; two=k=w")
            .check();
    }
}

/// The cookie is hidden from whoever is behind, whose response is not compared whole: Apache loads the session twice then.
#[test]
fn removed_cookies() {
    for more in [
        "SessionCookieName session path=/\nSessionCookieRemove On",
        "SessionCookieName2 two path=/\nSessionCookieRemove On",
    ] {
        session("SessionCookieRemove", more).facts(|server| {
            let ask = |cookie: &str| {
                let request =
                    format!("GET /s/x.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n");
                let answer = String::from_utf8_lossy(&server.ask(request.as_bytes())).into_owned();
                answer.lines().filter(|line| line.starts_with("X-")).collect::<Vec<_>>().join("\n")
            };
            ["session=k=v", "two=l=w", "a=b; session=k=v; two=l=w;c=d", "a=b", "a=b ;  session=k=v ;c", ";;session=k"]
                .map(ask)
                .join("\n")
        });
    }
}

#[test]
fn merge() {
    session(
        "SessionCookieName merge",
        "SessionCookieName session path=/\n</Directory>\n<Directory @ROOT@/htdocs/s/b>\nSessionCookieName2 two\n</Directory>\n\
         <Directory @ROOT@/htdocs/s/c>\nAllowOverride AuthConfig",
    )
    .file("htdocs/s/b/set.asis", "X-Replace: key1=foo\nContent-Type: text/plain\n\nset\n")
    .file("htdocs/s/c/set.asis", "X-Replace: key1=foo\nContent-Type: text/plain\n\nset\n")
    .file("htdocs/s/c/.htaccess", "SessionCookieName third path=/c\n")
    .get_with("/s/b/set.asis", "Cookie: session=k=v; two=l=w")
    .get_with("/s/c/set.asis", "Cookie: session=k=v; third=l=w")
    .check();
}

#[test]
fn errors() {
    group("session_cookie errors").and_modules("session session_cookie").syntax(&[
        "SessionCookieName",
        "SessionCookieName a=b",
        "SessionCookieName a&b",
        "SessionCookieName \"\"",
        "SessionCookieName2",
        "SessionCookieName2 a=b path=/",
        "SessionCookieRemove",
        "SessionCookieRemove x",
        "<Location /x>\nSessionCookieName a path=/\nSessionCookieRemove on\n</Location>",
    ]);
    group("session_cookie .htaccess")
        .and_modules("session session_cookie")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["SessionCookieName a", "SessionCookieRemove On"]);
}
