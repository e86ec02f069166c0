//! mod_authn_anon: Anonymous*.

use compat_tests::group;

#[test]
fn users() {
    let mut conf = String::from("LogLevel authn_anon:info\n");
    let mut g =
        group("Anonymous").and_modules("authn_anon").file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    for (number, rules) in [
        "Anonymous anonymous \"a b\"",
        "Anonymous *",
        "Anonymous anonymous\nAnonymous_NoUserId on",
        "Anonymous anonymous\nAnonymous_MustGiveEmail off",
        "Anonymous anonymous\nAnonymous_VerifyEmail on",
        "Anonymous anonymous\nAnonymous_VerifyEmail on\nAnonymous_MustGiveEmail off",
        "Anonymous anonymous\nAnonymous_LogEmail off",
        "Anonymous_NoUserId on\nAnonymous_MustGiveEmail off",
        "Anonymous_NoUserId on\nAnonymous *",
        "AuthBasicProvider anon file\nAuthUserFile conf/users\nAnonymous anonymous",
        "AuthBasicProvider file anon\nAuthUserFile conf/users\nAnonymous anonymous u",
        "AuthBasicAuthoritative off\nAnonymous anonymous\nAnonymous_VerifyEmail on",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\nAuthType Basic\nAuthName p\nAuthBasicProvider anon\nRequire valid-user\n</Directory>\n").replace(
            "AuthBasicProvider anon\nRequire",
            &if rules.contains("AuthBasicProvider") { format!("{rules}\nRequire") } else { format!("AuthBasicProvider anon\n{rules}\nRequire") },
        ));
        let path = format!("/d{number}/a.txt");
        g = g.file(&format!("htdocs{path}"), "in\n");
        // anonymous:me@x.org Anonymous:x "anonymous:" ":" ":me@x.org" "a b:x" other:y u:secret anonymous:a@b
        for credentials in [
            "YW5vbnltb3VzOm1lQHgub3Jn",
            "QW5vbnltb3VzOng=",
            "YW5vbnltb3VzOg==",
            "Og==",
            "Om1lQHgub3Jn",
            "YSBiOng=",
            "b3RoZXI6eQ==",
            "dTpzZWNyZXQ=",
            "YW5vbnltb3VzOmFAYg==",
        ] {
            g = g.get_with(&path, &format!("Authorization: Basic {credentials}"));
        }
    }
    g.conf(&conf).check();
}

#[test]
fn merging_and_htaccess() {
    group("Anonymous merging")
        .and_modules("authn_anon")
        .file("htdocs/a/x.txt", "x\n")
        .file("htdocs/a/b/x.txt", "x\n")
        .file("htdocs/a/b/.htaccess", "Anonymous_MustGiveEmail off\n")
        .file("htdocs/a/c/x.txt", "x\n")
        .file("htdocs/a/c/.htaccess", "Anonymous guest\nErrorDocument 401 \"no\"\n")
        .conf("<Directory @ROOT@/htdocs/a>\nAllowOverride AuthConfig FileInfo\nAuthType Basic\nAuthName p\nAuthBasicProvider anon\nAnonymous anonymous\nRequire valid-user\n</Directory>\n")
        .get_with("/a/x.txt", "Authorization: Basic YW5vbnltb3VzOm1lQHgub3Jn")
        .get_with("/a/b/x.txt", "Authorization: Basic YW5vbnltb3VzOm1lQHgub3Jn")
        .get_with("/a/c/x.txt", "Authorization: Basic YW5vbnltb3VzOm1lQHgub3Jn")
        .check();
}

#[test]
fn errors() {
    group("authn_anon errors").and_modules("authn_anon auth_digest").syntax(&[
        "Anonymous x",
        "<Location /x>\nAnonymous\n</Location>",
        "<Location /x>\nAnonymous \"\" x\n</Location>",
        "<Location /x>\nAnonymous x \"\" y\n</Location>",
        "<Location /x>\nAnonymous_LogEmail maybe\n</Location>",
        "<Location /x>\nAnonymous_NoUserId\n</Location>",
        "<Location /x>\nAuthDigestProvider anon\n</Location>",
    ]);
    group("Anonymous .htaccess")
        .and_modules("authn_anon")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["Anonymous x", "Anonymous_LogEmail on"]);
}
