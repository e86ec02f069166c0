//! mod_session: Session, SessionMaxAge, SessionHeader, SessionEnv, SessionInclude, SessionExclude, SessionExpiryUpdateInterval.

use compat_tests::{Group, group};

const MODULES: &str = "session session_cookie headers asis cgid";

/// A place `/s/` with a session; `/s/set.asis` changes it, `/s/x.txt` shows it.
fn session(name: &str, more: &str) -> Group {
    group(name)
        .and_modules(MODULES)
        .conf(&format!(
            "LogLevel session:trace8\nAddHandler send-as-is asis\n<Directory @ROOT@/htdocs/s>\nSession On\nSessionEnv On\nSessionHeader X-Replace\n\
             SessionCookieName session path=/\nHeader set X-Session \"%{{HTTP_SESSION}}e\"\nHeader set X-Cookie \"expr=%{{req:Cookie}}\"\n{more}\n</Directory>\n"
        ))
        .file("htdocs/s/set.asis", "X-Replace: key1=foo&key2=&key3=b%20ar+x\nContent-Type: text/plain\n\nset\n")
        .file("htdocs/s/unset.asis", "X-Replace: key1=&key3=\nContent-Type: text/plain\n\nunset\n")
        .file("htdocs/s/missing.asis", "Status: 404 Not Found\nX-Replace: key4=gone\nContent-Type: text/plain\n\nno\n")
        .file("htdocs/s/x.txt", "x\n")
        .file("htdocs/o/x.txt", "x\n")
}

#[test]
fn texts() {
    let mut g = session("session texts", "");
    for cookie in [
        "key1=foo",
        "key1=foo&key2=&key3=b%20ar+x&key1=twice&=empty&novalue&a%26b=c%3Dd",
        "a=b=c&d=%zz&%zz=d&e=%00f&g=%41",
        "=",
        "&",
        "",
        "expiry=1&a=b",
        "expiry=99999999999999999&a=b",
        "expiry=abc&a=b",
        "\"quoted=1\"",
        "k=%01%1f%20%21%22%23%24%25%26%27%28%29%2a%2b%2c%2d%2e%2f%3a%3f%40%5b%5f%60%7b%7e%7f%80%ff",
    ] {
        for path in ["/s/x.txt", "/s/set.asis", "/s/unset.asis"] {
            g = g.get_with(path, &format!("Cookie: session={cookie}"));
        }
    }
    g.get("/s/x.txt")
        .get("/s/set.asis")
        .get("/s/unset.asis")
        .get("/s/missing.asis")
        .get("/s/nope")
        .get("/o/x.txt")
        .check();
}

#[test]
fn cookies() {
    session("session cookies", "")
        .get_with("/s/x.txt", "Cookie: a=b; session=k=v; c=d")
        .get_with("/s/x.txt", "Cookie: a=b;session=k=v;c=d")
        .get_with("/s/x.txt", "Cookie: session=k=v; session=l=w")
        .get_with("/s/x.txt", "Cookie: a=b\r\nCookie: session=k=v")
        .get_with("/s/x.txt", "Cookie: xsession=k=v")
        .get_with("/s/x.txt", "Cookie: Session=k=v")
        .get_with("/s/x.txt", "Cookie: session")
        .get_with("/s/x.txt", "Cookie: =")
        .get_with("/s/x.txt", "Session: evil\r\nCookie: session=k=v")
        .get_with("/s/x.txt", "Session: evil")
        .get_with("/o/x.txt", "Cookie: session=k=v")
        .check();
}

#[test]
fn ages() {
    for more in [
        "SessionMaxAge 100",
        "SessionMaxAge 100\nSessionExpiryUpdateInterval 10",
        "SessionMaxAge 0",
        "SessionExpiryUpdateInterval 10",
    ] {
        session("SessionMaxAge", &format!("Header unset X-Session\n{more}"))
            .get("/s/x.txt")
            .get("/s/set.asis")
            .get("/s/unset.asis")
            .get("/s/nope")
            .get_with("/s/x.txt", "Cookie: session=k=v")
            .get_with("/s/x.txt", "Cookie: session=k=v&expiry=1")
            .get_with("/s/set.asis", "Cookie: session=k=v&expiry=1")
            .get_with("/s/x.txt", "Cookie: session=k=v&expiry=99999999999999999")
            .get_with("/s/set.asis", "Cookie: session=k=v&expiry=99999999999999999")
            .check();
    }
}

/// Sessions and replacements of many lengths.
#[test]
fn long_texts() {
    let mut g = session("session long texts", "");
    for length in [1, 100, 1000, 3000] {
        let value = "v%20".repeat(length / 4 + 1);
        let name = format!("/s/long{length}.asis");
        g = g.file(
            &format!("htdocs{name}"),
            format!("X-Replace: {}\nContent-Type: text/plain\n\nset\n", format!("k{length}={value}&").repeat(2)),
        );
        g = g
            .get(&name)
            .get_with(&name, &format!("Cookie: session=old=x&k1={value}"))
            .get_with("/s/unset.asis", &format!("Cookie: session={value}"));
    }
    g.check();
}

#[test]
fn prefixes() {
    for more in [
        "SessionInclude /s/x",
        "SessionInclude /s/x\nSessionInclude /s/s",
        "SessionExclude /s/x",
        "SessionInclude /s\nSessionExclude /s/x",
        "SessionInclude /S",
    ] {
        session("SessionInclude", more)
            .get_with("/s/x.txt", "Cookie: session=k=v")
            .get_with("/s/set.asis", "Cookie: session=k=v")
            .check();
    }
}

#[test]
fn merge_and_htaccess() {
    session(
        "session merge",
        "AllowOverride AuthConfig\n</Directory>\n<Directory @ROOT@/htdocs/s/off>\nSession Off\n</Directory>\n<Directory @ROOT@/htdocs/s/noenv>\nSessionEnv Off\nSessionExclude /s/noenv/x\n</Directory>\n\
         <Directory @ROOT@/htdocs/s/noenv>\nSessionInclude /s",
    )
    .file("htdocs/s/off/x.txt", "x\n")
    .file("htdocs/s/noenv/x.txt", "x\n")
    .file("htdocs/s/noenv/y.txt", "x\n")
    .file("htdocs/s/ht/x.txt", "x\n")
    .file("htdocs/s/ht/.htaccess", "SessionCookieName other path=/there\nSessionEnv Off\nSessionHeader X-Other\nSessionInclude /s\n")
    .file("htdocs/s/ht/set.asis", "X-Replace: a=b\nX-Other: key5=v\nContent-Type: text/plain\n\nset\n")
    .get_with("/s/off/x.txt", "Cookie: session=k=v")
    .get_with("/s/noenv/x.txt", "Cookie: session=k=v")
    .get_with("/s/noenv/y.txt", "Cookie: session=k=v")
    .get_with("/s/ht/x.txt", "Cookie: session=k=v; other=l=w")
    .get_with("/s/ht/set.asis", "Cookie: session=k=v; other=l=w")
    .check();
}

#[test]
fn stores() {
    group("session without a store")
        .and_modules("session")
        .conf("Session On\nSessionEnv On\n")
        .get("/")
        .get_with("/", "Cookie: session=k=v")
        .check();
    session("session without a name", "")
        .conf("<Directory @ROOT@/htdocs/o>\nSession On\nSessionMaxAge 10\n</Directory>\n")
        .get("/o/x.txt")
        .check();
}

/// A script sees the session, and a field of the request never in its place.
#[test]
fn scripts() {
    let script = "#!/bin/sh\nprintf 'Content-Type: text/plain\\nX-Replace: seen=yes\\\n\\n%s\\n' \"$HTTP_SESSION\"\n";
    session("session scripts", "Options ExecCGI\nAddHandler cgi-script cgi")
        .file("htdocs/s/show.cgi", script)
        .mode("htdocs/s/show.cgi", 0o755)
        .facts_only(|server| {
            let ask = |fields: &str| {
                let request = format!("GET /s/show.cgi HTTP/1.0\r\nHost: x\r\n{fields}\r\n");
                let answer = String::from_utf8_lossy(&server.ask(request.as_bytes())).into_owned();
                // Whether there is a Content-Length depends on how fast the script is.
                let lines =
                    answer.lines().filter(|line| !line.starts_with("Content-Length") && !line.starts_with("Date"));
                lines.collect::<Vec<_>>().join("\n")
            };
            ask("Session: evil\r\nCookie: session=k=v\r\n")
                + &ask("Session: evil\r\n")
                + &ask("Session: evil=1\r\nsession: more=1\r\nCookie: session=k=v&expiry=1\r\n")
        });
}

#[test]
fn errors() {
    group("session errors").and_modules("session session_cookie").syntax(&[
        "Session",
        "Session maybe",
        "SessionMaxAge",
        "SessionMaxAge abc",
        "SessionMaxAge -5",
        "SessionHeader a b",
        "SessionEnv x",
        "SessionInclude",
        "SessionExclude a b",
        "SessionExpiryUpdateInterval -1",
        "SessionExpiryUpdateInterval abc",
        "SessionExpiryUpdateInterval",
        "<Location /x>\nSession On\nSessionMaxAge 1\nSessionInclude /\n</Location>",
    ]);
    group("session .htaccess")
        .and_modules("session session_cookie")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["Session On", "SessionInclude x", "SessionMaxAge 1"]);
}
