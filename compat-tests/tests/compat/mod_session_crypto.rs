//! mod_session_crypto: SessionCryptoPassphrase, SessionCryptoPassphraseFile, SessionCryptoCipher, SessionCryptoDriver.

use compat_tests::normal::SEALED_SESSION;
use compat_tests::{Group, group};

fn session(name: &str, more: &str) -> Group {
    group(name)
        .and_modules("session session_cookie session_crypto headers asis")
        .conf(&format!(
            "LogLevel session_crypto:debug\nAddHandler send-as-is asis\n<Directory @ROOT@/htdocs/s>\nSession On\nSessionHeader X-Replace\nSessionEnv On\n\
             SessionCookieName session path=/\nHeader set X-Session \"%{{HTTP_SESSION}}e\"\n{more}\n</Directory>\n"
        ))
        .file("htdocs/s/set.asis", "X-Replace: key1=foo&key2=bar\nContent-Type: text/plain\n\nset\n")
        .file("htdocs/s/x.txt", "x\n")
        .file("conf/secrets", "first\n\n  second  \n# third\nlast")
}

/// `key1=foo`, sealed in turn with `secret`, `other`, `first`, `second`, `  second  `, `# third`, `last`, nothing, `first line`
/// (aes256) and with `secret` under aes128, aes192, 3des192, by openssl.
const SEALED: [&str; 12] = [
    "lE2/RbRD8ekAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH5BddCV2ZiaHg8j1oB35Yr8=",
    "az/j81EGU9YAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHy+dZ9RASMiblNgxs6I14Sg=",
    "7HMCnqPhl5gAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH/4HhJgcbGaMJo0eOldMe5M=",
    "1Igp2KbyzDAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH4Jddc4qN8nJS2tV7doXNBo=",
    "isESRWMk4B4AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH3LvF9BHl0hh9+dRzMgjUQY=",
    "ioGLSFXWTwgAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH5tklpNCmydrPNKCELVaRM8=",
    "eb6z8FdqgX8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH3sgphE4MgPegPNyK/xS09k=",
    "xJ5TlFIL1b8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH681TwLRulqipyw/CCM7sHw=",
    "k3F0GGGqPSIAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH8AcvfUR18BjOwYDVekbDH4=",
    "YE73SVmVgJAAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH6OeA7mBP/OI9UvSJYpmQ3U=",
    "7lgh2ard49gAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH8KPuYrwrSjXdlbno/iQoiA=",
    "t7lfEpLuaEMAAQIDBAUGBwgJCgsMDQ4PEBESExQVFhc67E2W72OHHswtewgyfyEl",
];

fn with_sealed(group: Group) -> Group {
    SEALED.iter().fold(group, |group, cookie| group.get_with("/s/x.txt", &format!("Cookie: session={cookie}")))
}

#[test]
fn set_and_read() {
    for more in [
        "SessionCryptoPassphrase secret",
        "SessionCryptoPassphrase secret other",
        "SessionCryptoPassphrase secret\nSessionCryptoCipher aes128",
        "SessionCryptoPassphrase secret\nSessionCryptoCipher aes192",
        "SessionCryptoPassphrase secret\nSessionCryptoCipher 3des192",
        "SessionCryptoPassphrase secret\nSessionCryptoCipher rot13\nLogLevel session_crypto:crit",
        "SessionCryptoPassphrase secret\nSessionCryptoCipher AES128\nLogLevel session_crypto:crit",
        "SessionCryptoPassphraseFile conf/secrets",
        "SessionCryptoCipher aes128",
    ] {
        with_sealed(session("SessionCryptoPassphrase", more))
            .get("/s/x.txt")
            .get("/s/set.asis")
            .masking(SEALED_SESSION)
            .get_with("/s/x.txt", "Cookie: session=abc")
            .get_with("/s/x.txt", "Cookie: session=")
            .get_with("/s/x.txt", "Cookie: session=k=v")
            .get_with("/s/x.txt", "Cookie: session=nDsWNvjgCaBWr02VDaxI")
            .get_with("/s/x.txt", "Cookie: session=nDsWNvjgCaBWr02VDaxI+oqX5P66i/DfQQHY6YtTcNQOWCE2tmwz2+8pblNccdFhNEtVlkonqlGep7/g18hMT0dZVmMz/Tgz")
            .get_with("/s/x.txt", "Cookie: session=nDsWNvjgCaBWr02VDaxI+oqX5P66i/DfQQHY6YtTcNQOWCE2tmwz2+8pblNccdFhNEtVlkonqlGep7/g18hMT0dZVmMz/TgA")
            .check();
        // What a server made, it reads.
        session("SessionCryptoPassphrase there and back", more).facts_only(|server| {
            let ask = |path: &str, cookie: &str| {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: {cookie}\r\n\r\n");
                String::from_utf8_lossy(&server.ask(request.as_bytes())).into_owned()
            };
            let line = |answer: &str, name: &str| {
                let found = answer.lines().find_map(|line| line.strip_prefix(name));
                found.unwrap_or("none").split(';').next().unwrap_or_default().to_owned()
            };
            let set = line(&ask("/s/set.asis", "a=b"), "Set-Cookie: ");
            format!("{} {}", set.len(), line(&ask("/s/x.txt", &set), "X-Session: "))
        });
    }
}

#[test]
fn passphrases_from_programs() {
    let script = "#!/bin/sh\nprintf '%s\\nsecond line\\n' \"${1:-secret}\"\n";
    for more in [
        "SessionCryptoPassphrase exec:conf/secret.sh",
        "SessionCryptoPassphrase exec:@ROOT@/conf/secret.sh",
        "SessionCryptoPassphrase \"exec:@ROOT@/conf/secret.sh other\"",
        "SessionCryptoPassphrase \"exec:@ROOT@/conf/secret.sh 'first line'\"",
        "SessionCryptoPassphrase exec:/nonexistent/x",
        "SessionCryptoPassphrase exec:/bin/true",
        "SessionCryptoPassphrase exec:",
    ] {
        with_sealed(session("SessionCryptoPassphrase exec", more))
            .file("conf/secret.sh", script)
            .mode("conf/secret.sh", 0o755)
            .check();
    }
}

#[test]
fn errors() {
    session("session_crypto errors", "").mode("conf/secrets", 0o644).syntax(&[
        "SessionCryptoPassphrase",
        "SessionCryptoPassphrase exec:",
        "SessionCryptoPassphrase exec:/nonexistent/x",
        "SessionCryptoPassphrase exec:conf/secrets",
        "SessionCryptoPassphrase exec:/bin/true",
        "SessionCryptoPassphraseFile",
        "SessionCryptoPassphraseFile /nonexistent/x",
        "SessionCryptoPassphraseFile conf",
        "SessionCryptoPassphraseFile conf/secrets",
        "SessionCryptoPassphraseFile a b",
        "SessionCryptoCipher",
        "SessionCryptoCipher a b",
        "SessionCryptoCipher nonsense",
        "SessionCryptoDriver",
        "SessionCryptoDriver openssl",
        "SessionCryptoDriver openssl engine=x",
        "SessionCryptoDriver nonsense",
        "SessionCryptoDriver a b c",
        "<VirtualHost *:@PORT@>\nSessionCryptoDriver openssl\n</VirtualHost>",
        "<Directory /x>\nSessionCryptoDriver openssl\n</Directory>",
    ]);
    group("session_crypto .htaccess")
        .and_modules("session session_crypto")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>")
        .htaccess(&[
            "SessionCryptoPassphrase a",
            "SessionCryptoPassphraseFile conf/secrets",
            "SessionCryptoCipher aes128",
            "SessionCryptoDriver openssl",
        ]);
    group("session_crypto .htaccess not allowed")
        .and_modules("session session_crypto")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["SessionCryptoPassphrase a", "SessionCryptoCipher aes128"]);
}
