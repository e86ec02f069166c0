//! mod_authz_core: Require, the containers, merging, env, method, expr, aliases.

use compat_tests::group;

const RULES: &[&str] = &[
    "Require all granted",
    "Require all denied",
    "Require env in",
    "<RequireAll>\nRequire not env in\nRequire all granted\n</RequireAll>",
    "<RequireAll>\nRequire all granted\nRequire not env in\n</RequireAll>",
    "Require method GET",
    "Require method POST HEAD",
    "Require method OPTIONS",
    "Require expr \"%{HTTP:X-In} == 'yes'\"",
    "Require expr \"-n %{HTTP:X-In}\"",
    "<RequireAny>\nRequire env in\nRequire method POST\n</RequireAny>",
    "<RequireAll>\nRequire env in\nRequire method GET\n</RequireAll>",
    "<RequireAll>\nRequire all granted\n<RequireNone>\nRequire env in\nRequire method POST\n</RequireNone>\n</RequireAll>",
    "<RequireAny>\n<RequireAll>\nRequire env in\nRequire method GET\n</RequireAll>\nRequire method HEAD\n</RequireAny>",
    "Require env in\nRequire method HEAD",
    "Require env nope in",
    "AuthMerging And\nRequire env in",
    "AuthMerging Or\nRequire env in",
    "AuthMerging Off\nRequire env in",
    "Require local",
    "AuthzSendForbiddenOnFailure On\nAuthType Basic\nAuthName x\nAuthUserFile conf/users\nRequire user other",
];

#[test]
fn rules() {
    let mut conf = String::from("SetEnvIf X-In yes in\n<Directory @ROOT@/htdocs>\nRequire all granted\n</Directory>\n");
    let mut g = group("Require").file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n");
    for (number, rule) in RULES.iter().enumerate() {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\n{rule}\n</Directory>\n"));
        let path = format!("/d{number}/");
        g = g
            .file(&format!("htdocs{path}index.html"), "in\n")
            .get(&path)
            .get_with(&path, "X-In: yes")
            .ask("HEAD", &path, "")
            .ask("POST", &path, "Content-Length: 0")
            .get_with(&path, "Authorization: Basic dTpzZWNyZXQ=");
    }
    g.conf(&conf).check();
}

#[test]
fn merging() {
    let mut conf = String::from("SetEnvIf X-In yes in\n");
    let mut g = group("AuthMerging");
    for outer in ["Require all granted", "Require all denied", "Require env in"] {
        for merging in ["", "AuthMerging And", "AuthMerging Or", "AuthMerging Off"] {
            for inner in ["Require all granted", "Require env in", "Require not env in", ""] {
                let number = conf.len();
                let inner = if inner.contains("not") {
                    format!("<RequireAll>\nRequire all granted\n{inner}\n</RequireAll>")
                } else {
                    inner.to_owned()
                };
                conf.push_str(&format!(
                    "<Directory @ROOT@/htdocs/m{number}>\n{outer}\n</Directory>\n<Directory @ROOT@/htdocs/m{number}/i>\n{merging}\n{inner}\n</Directory>\n"
                ));
                let path = format!("/m{number}/i/");
                g = g.file(&format!("htdocs{path}index.html"), "in\n").get(&path).get_with(&path, "X-In: yes");
            }
        }
    }
    g.conf(&conf).check();
}

#[test]
fn provider_alias() {
    group("AuthzProviderAlias")
        .conf("SetEnvIf X-In yes in\n<AuthzProviderAlias env inside in>\n</AuthzProviderAlias>\n<Directory @ROOT@/htdocs/a>\nRequire inside\n</Directory>\n<Directory @ROOT@/htdocs/b>\n<RequireAll>\nRequire all granted\nRequire not inside\n</RequireAll>\n</Directory>\n")
        .file("htdocs/a/index.html", "in\n")
        .file("htdocs/b/index.html", "in\n")
        .get("/a/")
        .get_with("/a/", "X-In: yes")
        .get("/b/")
        .get_with("/b/", "X-In: yes")
        .check();
}

#[test]
fn errors() {
    let dir = |text: &str| format!("<Directory /x>\n{text}\n</Directory>");
    group("authz_core errors").syntax(&[
        dir("Require"),
        dir("Require all"),
        dir("Require all foo"),
        dir("Require all granted junk"),
        dir("Require foo"),
        dir("Require not"),
        dir("Require not ip 1.2.3.4"),
        dir("Require not all granted"),
        dir("Require env"),
        dir("Require method"),
        dir("Require method GET FOO"),
        dir("Require expr"),
        dir("Require expr ("),
        dir("<RequireAll>\n</RequireAll>"),
        dir("<RequireAny>\n</RequireAny>"),
        dir("<RequireNone>\n</RequireNone>"),
        dir("<RequireAll>\nRequire not env a\n</RequireAll>"),
        dir("<RequireNone>\nRequire all granted\n</RequireNone>"),
        dir("<RequireNone>\nRequire not env a\n</RequireNone>"),
        dir("<RequireAll x>\nRequire all granted\n</RequireAll>"),
        dir("<RequireAll\nRequire all granted\n</RequireAll>"),
        dir("<RequireAll>\nDirectoryIndex x\n</RequireAll>"),
        dir("<RequireAll>\nRequire all granted\n</RequireAny>"),
        dir("<RequireAll>\nRequire all granted"),
        dir("AuthMerging foo"),
        dir("AuthMerging"),
        dir("AuthzSendForbiddenOnFailure maybe"),
        "<AuthzProviderAlias env>\n</AuthzProviderAlias>".into(),
        "<AuthzProviderAlias nope mine x>\n</AuthzProviderAlias>".into(),
        "<AuthzProviderAlias env env x>\n</AuthzProviderAlias>".into(),
        "<AuthzProviderAlias env mine x>\n</AuthzProviderAlias>\n<AuthzProviderAlias env mine x>\n</AuthzProviderAlias>".into(),
        "<RequireAll>\nRequire all granted\n</RequireAll>".into(),
    ]);
}

#[test]
fn a_type_without_requirements() {
    let mut g = group("AuthType alone").and_modules("include auth_digest").conf(
        "LogLevel authz_core:debug\n<Directory @ROOT@/htdocs>\nOptions +Includes\nAddOutputFilter INCLUDES html\n</Directory>\n\
         <Location /named>\nAuthName x\nAuthUserFile conf/users\n</Location>\n\
         <Location /named/basic>\nAuthType Basic\n</Location>\n<Location /digest>\nAuthType Digest\nAuthName x\n</Location>\n\
         <Location /other>\nAuthType other\n</Location>\n<Location /none>\nAuthType none\n</Location>\n\
         <Location /merged>\nAuthType basic\nAuthMerging And\n</Location>\n<Location /any>\nAuthType basic\nSatisfy any\n</Location>\n\
         <Location /denied>\nAuthType basic\nSatisfy any\nDeny from all\n</Location>\n<Location /inner>\nAuthType basic\nRequire all granted\n</Location>\n",
    );
    for place in ["named", "named/basic", "digest", "other", "none", "merged", "any", "denied", "inner"] {
        g = g
            .file(&format!("htdocs/{place}/x.txt"), "x\n")
            .get(&format!("/{place}/x.txt"))
            .get_with(&format!("/{place}/nope"), "Authorization: Basic dTpzZWNyZXQ=");
    }
    g.file("htdocs/all.html", "<!--#include virtual=\"/named/basic/x.txt\" -->\n").get("/all.html").check();
}
