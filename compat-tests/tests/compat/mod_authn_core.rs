//! mod_authn_core: AuthType, AuthName, <AuthnProviderAlias>.

use compat_tests::group;

#[test]
fn types() {
    let mut conf = String::new();
    let mut g = group("AuthType");
    for (number, rule) in [
        "AuthType Basic\nAuthUserFile conf/users\nRequire valid-user",
        "AuthName x\nAuthUserFile conf/users\nRequire valid-user",
        "AuthType Foo\nAuthName x\nRequire valid-user",
        "AuthType None\nRequire valid-user",
        "AuthType None\nAuthName x\nRequire all granted",
        "AuthType Basic\nAuthName x\nRequire valid-user",
        "AuthType basic\nAuthName x\nAuthUserFile conf/users\nRequire valid-user",
        "AuthType \"%{HTTP:X-Type}\"\nAuthName \"for %{REQUEST_URI}\"\nAuthUserFile conf/users\nRequire valid-user",
        "AuthType Basic\nAuthName x\nAuthBasicProvider mine\nRequire valid-user",
        "AuthType Basic\nAuthName x\nAuthBasicProvider other mine\nRequire valid-user",
        "AuthType Basic\nAuthName \"é\\\"x\"\nAuthUserFile conf/users\nRequire valid-user",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\n{rule}\n</Directory>\n"));
        g = g
            .file(&format!("htdocs/d{number}/index.html"), "in\n")
            .get(&format!("/d{number}/"))
            .get_with(&format!("/d{number}/"), "Authorization: Basic dTpzZWNyZXQ=\nX-Type: Basic")
            .get_with(&format!("/d{number}/"), "Authorization: Basic dTpiYWQ=\nX-Type: Basic");
    }
    let aliases = "<AuthnProviderAlias file mine>\nAuthUserFile conf/users\n</AuthnProviderAlias>\n<AuthnProviderAlias file other>\nAuthUserFile conf/others\n</AuthnProviderAlias>\n";
    g.conf(&(aliases.to_owned() + &conf))
        .file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .file("conf/others", "o:x\n")
        .check();
}

#[test]
fn errors() {
    group("authn_core errors").syntax(&[
        "<Directory /x>\nAuthType\n</Directory>",
        "<Directory /x>\nAuthType a b\n</Directory>",
        "<Directory /x>\nAuthName\n</Directory>",
        "<Directory /x>\nAuthName a b\n</Directory>",
        "<Directory /x>\nAuthName \"%{NOPE}\"\n</Directory>",
        "<AuthnProviderAlias file>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias nope mine>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file file>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file mine>\n</AuthnProviderAlias>\n<AuthnProviderAlias file mine>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file mine>\nFooBar\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file mine junk>\n</AuthnProviderAlias>",
        "<AuthnProviderAlias file mine",
        "<Directory /x>\n<AuthnProviderAlias file mine>\n</AuthnProviderAlias>\n</Directory>",
    ]);
}
