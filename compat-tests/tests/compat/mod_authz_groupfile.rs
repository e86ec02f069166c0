//! mod_authz_groupfile: AuthGroupFile, Require group, Require file-group.

use compat_tests::group;

const USERS: &str = "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nv:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nroot:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n";
const GROUPS: &str = "# all: u v\n\nall : u v\nonly: v\nempty:\nlong: x \\\n  u y\nroot: root\n\"q g\": u\nnocolon u\ntwice: x\ntwice: u\n  lead: v\n";

#[test]
fn rules() {
    let mut conf = String::from("LogLevel authz_groupfile:debug\n");
    let mut g = group("Require group")
        .and_modules("authz_groupfile authz_owner")
        .file("conf/users", USERS)
        .file("conf/groups", GROUPS);
    for (number, rule) in [
        "AuthGroupFile conf/groups\nRequire group all",
        "AuthGroupFile conf/groups\nRequire group only",
        "AuthGroupFile @ROOT@/conf/groups\nRequire group nope only",
        "AuthGroupFile conf/groups\nRequire group long",
        "AuthGroupFile conf/groups\nRequire group twice",
        "AuthGroupFile conf/groups\nRequire group lead",
        "AuthGroupFile conf/groups\nRequire group \"q g\" nocolon",
        "AuthGroupFile conf/groups\nRequire group %{HTTP:X-Group}",
        "AuthGroupFile conf/groups\nRequire group",
        "AuthGroupFile conf/groups\nRequire file-group",
        "AuthGroupFile conf/groups\nRequire group only\nRequire user u",
        "AuthGroupFile conf/groups\n<RequireAll>\nRequire valid-user\nRequire not group only\n</RequireAll>",
        "Require group all",
        "Require file-group",
        "AuthGroupFile conf/none\nRequire group all",
        "AuthGroupFile conf\nRequire group all",
        "AuthGroupFile conf/none\nRequire file-group",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\n{rule}\n</Directory>\n"));
        let path = format!("/d{number}/a.txt");
        g = g.file(&format!("htdocs{path}"), "in\n").get(&path);
        // u:secret, v:secret, root:secret
        for credentials in ["dTpzZWNyZXQ=", "djpzZWNyZXQ=", "cm9vdDpzZWNyZXQ="] {
            g = g.get_with(&path, &format!("Authorization: Basic {credentials}\nX-Group: only"));
        }
    }
    g.conf(&conf).check();
}

#[test]
fn merge_and_htaccess() {
    group("AuthGroupFile merge")
        .and_modules("authz_groupfile")
        .file("conf/users", USERS)
        .file("conf/groups", GROUPS)
        .file("conf/other", "all: v\n")
        .file("htdocs/a/b/x.txt", "x\n")
        .file("htdocs/a/x.txt", "x\n")
        .file("htdocs/a/b/.htaccess", "AuthGroupFile conf/other\n")
        .conf("<Directory @ROOT@/htdocs/a>\nAllowOverride AuthConfig\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\nAuthGroupFile conf/groups\nRequire group all\n</Directory>\n")
        .get_with("/a/x.txt", "Authorization: Basic dTpzZWNyZXQ=")
        .get_with("/a/b/x.txt", "Authorization: Basic dTpzZWNyZXQ=")
        .get_with("/a/b/x.txt", "Authorization: Basic djpzZWNyZXQ=")
        .check();
}

#[test]
fn errors() {
    group("authz_groupfile errors").and_modules("authz_groupfile").syntax(&[
        "AuthGroupFile x",
        "<Directory /x>\nAuthGroupFile\n</Directory>",
        "<Directory /x>\nAuthGroupFile a b\n</Directory>",
        "<Directory /x>\nAuthGroupFile a\nRequire group\n</Directory>",
        "<Directory /x>\nRequire group %{NOPE}\n</Directory>",
        "<Directory /x>\nRequire file-group junk\n</Directory>",
    ]);
    group("authz_groupfile without it").syntax(&["<Directory /x>\nRequire group g\n</Directory>"]);
    group("AuthGroupFile .htaccess")
        .and_modules("authz_groupfile")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["AuthGroupFile x"]);
}
