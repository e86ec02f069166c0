//! mod_auth_basic: the Basic challenge, providers, AuthBasicFake, AuthBasicAuthoritative.

use compat_tests::{Group, group, under_each_mpm};

fn protected(name: &str, more: &str) -> Group {
    group(name)
        .conf(&format!("<Directory @ROOT@/htdocs/p>\nAuthType Basic\nAuthName \"a \\\"realm\"\nAuthUserFile conf/users\nRequire valid-user\n{more}\n</Directory>\n"))
        .file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nempty:\n# comment\n\nbroken\n")
        .file("htdocs/p/index.html", "in\n")
}

under_each_mpm! {
    fn credentials(mpm) {
        let mut g = protected("Basic", "").mpm(mpm).get("/p/").ask("HEAD", "/p/", "").ask("POST", "/p/", "Content-Length: 0").get("/p/nope").get("/p");
        for credentials in [
            "Basic dTpzZWNyZXQ=", "basic dTpzZWNyZXQ=", "BASIC  dTpzZWNyZXQ=", "Basic dTpzZWNyZXQ", "Basic dTpiYWQ=", "Basic bm9ib2R5OnNlY3JldA==", "Basic dTo=",
            "Basic dQ==", "Basic", "Basic ", "Basic ====", "Basic !!!!", "Bearer x", "", "Basic ZW1wdHk6", "Basic YnJva2VuOg==", "Basic OnNlY3JldA==", "Digest username=\"u\"",
            "Basic dTpzZWNyZXQ= junk", "Basic dTpzZWNyZXQ6bW9yZQ==", "Basic dQA6c2VjcmV0", "Basic dTpzZWNyZXQAeA==",
        ] {
            g = g.get_with("/p/", &format!("Authorization: {credentials}"));
        }
        g.get_with("/p/nope", "Authorization: Basic dTpzZWNyZXQ=").check();
    }
}

#[test]
fn options() {
    for more in [
        "AuthBasicAuthoritative Off",
        "AuthBasicProvider file",
        "AuthBasicProvider file file",
        "AuthBasicFake u secret",
        "AuthBasicFake off",
        "AuthBasicFake %{HTTP:X-User}",
        "AuthBasicUseDigestAlgorithm MD5",
        "AuthUserFile conf/nope",
        "AuthUserFile conf",
        "AuthType None",
    ] {
        protected(more, more)
            .get("/p/")
            .get_with("/p/", "Authorization: Basic dTpzZWNyZXQ=")
            .get_with("/p/", "Authorization: Basic dTpiYWQ=\nX-User: u")
            .check();
    }
}

#[test]
fn errors() {
    let dir = |text: &str| format!("<Directory /x>\n{text}\n</Directory>");
    group("auth_basic errors").syntax(&[
        dir("AuthBasicProvider"),
        dir("AuthBasicProvider nope"),
        dir("AuthBasicProvider file nope"),
        dir("AuthBasicAuthoritative"),
        dir("AuthBasicAuthoritative maybe"),
        dir("AuthBasicFake"),
        dir("AuthBasicFake a b c"),
        dir("AuthBasicFake off x"),
        dir("AuthBasicUseDigestAlgorithm SHA"),
        dir("AuthBasicUseDigestAlgorithm Off"),
        "AuthBasicProvider file".into(),
    ]);
}
