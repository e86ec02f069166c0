//! mod_authz_user: Require user, Require valid-user.

use compat_tests::group;

#[test]
fn rules() {
    let mut conf = String::new();
    let mut g = group("Require user").file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nv:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n\"a b\":{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\na b:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    for (number, rule) in [
        "Require valid-user",
        "Require user u",
        "Require user v u",
        "Require user \"a b\"",
        "Require user a b",
        "Require user U",
        "Require user u\nRequire all denied",
        "<RequireAll>\nRequire valid-user\nRequire not user u\n</RequireAll>",
        "<RequireAny>\nRequire user u\nRequire ip 127.0.0.1\n</RequireAny>",
        "Require user %{HTTP:X-User}",
        "Require valid-user junk",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\n{rule}\n</Directory>\n"));
        let path = format!("/d{number}/");
        g = g.file(&format!("htdocs{path}index.html"), "in\n").get(&path);
        // u:secret, v:secret, "a b":secret, u:bad
        for credentials in ["dTpzZWNyZXQ=", "djpzZWNyZXQ=", "YSBiOnNlY3JldA==", "dTpiYWQ="] {
            g = g.get_with(&path, &format!("Authorization: Basic {credentials}\nX-User: v"));
        }
    }
    g.conf(&conf).check();
}

#[test]
fn errors() {
    group("authz_user errors").syntax(&[
        "<Directory /x>\nRequire user\n</Directory>",
        "<Directory /x>\nRequire valid-user\n</Directory>",
        "<Directory /x>\nRequire user %{NOPE}\n</Directory>",
    ]);
}
