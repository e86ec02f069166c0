//! mod_authz_dbm: AuthDBMGroupFile, AuthzDBMType, Require dbm-group, Require dbm-file-group.

use crate::mod_authn_dbm::with_database;
use compat_tests::{Group, group};

const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const GROUPS: &[(&str, &str)] =
    &[("u", "all,staff"), ("v", "{SHA}x:all,only:more"), ("v:elsewhere", "staff"), ("root", "root"), ("odd", "")];

fn groups(name: &str) -> Group {
    let names = ["u", "v", "root", "odd", "w"];
    let users: String = names.iter().map(|name| format!("{name}:{SECRET}\n")).collect();
    let group = group(name).and_modules("authz_dbm authz_owner").file("conf/users", users);
    with_database(group, "conf/groups", GROUPS)
}

#[test]
fn rules() {
    let mut conf = String::from("LogLevel authz_dbm:debug\n");
    let mut g = groups("Require dbm-group");
    for (number, rule) in [
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-group all",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-group only",
        "AuthDBMGroupFile @ROOT@/conf/groups\nAuthzDBMType SDBM\nRequire dbm-group nope only",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-group staff",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nAuthName elsewhere\nRequire dbm-group staff",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-group %{HTTP:X-Group}",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-group",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-file-group",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\nRequire dbm-group only\nRequire user u",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType SDBM\n<RequireAll>\nRequire valid-user\nRequire not dbm-group only\n</RequireAll>",
        "Require dbm-group all",
        "Require dbm-file-group",
        "AuthzDBMType SDBM\nRequire dbm-group all",
        "AuthDBMGroupFile conf/none\nAuthzDBMType SDBM\nRequire dbm-group all",
        "AuthDBMGroupFile conf/none\nAuthzDBMType SDBM\nRequire dbm-file-group",
        "AuthDBMGroupFile conf/groups\nAuthzDBMType nonsense\nRequire dbm-group all",
        "AuthDBMGroupFile conf/groups.db\nRequire dbm-group only",
        "AuthDBMGroupFile conf/groups.db\nAuthzDBMType DB\nAuthName elsewhere\nRequire dbm-group staff",
        "AuthDBMGroupFile conf/groups.gdbm\nAuthzDBMType gdbm\nRequire dbm-group only",
        "AuthDBMGroupFile conf/groups\nRequire dbm-group all",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\n{rule}\n</Directory>\n"));
        let path = format!("/d{number}/a.txt");
        g = g.file(&format!("htdocs{path}"), "in\n").get(&path);
        // u, v, root, odd, w: all :secret
        for credentials in ["dTpzZWNyZXQ=", "djpzZWNyZXQ=", "cm9vdDpzZWNyZXQ=", "b2RkOnNlY3JldA==", "dzpzZWNyZXQ="] {
            g = g.get_with(&path, &format!("Authorization: Basic {credentials}\nX-Group: only"));
        }
    }
    g.conf(&conf).check();
}

#[test]
fn merge_and_htaccess() {
    let mut g = groups("AuthDBMGroupFile merge")
        .file("htdocs/a/x.txt", "x\n")
        .file("htdocs/a/b/x.txt", "x\n")
        .file("htdocs/a/b/.htaccess", "AuthDBMGroupFile conf/other\nAuthzDBMType SDBM\n")
        .file("htdocs/a/c/x.txt", "x\n")
        .file("htdocs/a/c/.htaccess", "AuthzDBMType SDBM\n")
        .file("htdocs/a/d/x.txt", "x\n")
        .file("htdocs/a/d/.htaccess", "Require dbm-group only\n")
        .conf("<Directory @ROOT@/htdocs/a>\nAllowOverride AuthConfig\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\nAuthzDBMType SDBM\nAuthDBMGroupFile conf/groups\nRequire dbm-group all\n</Directory>\n");
    g = with_database(g, "conf/other", &[("w", "all")]);
    for path in ["/a/x.txt", "/a/b/x.txt", "/a/c/x.txt", "/a/d/x.txt"] {
        for credentials in ["dTpzZWNyZXQ=", "djpzZWNyZXQ=", "dzpzZWNyZXQ="] {
            g = g.get_with(path, &format!("Authorization: Basic {credentials}"));
        }
    }
    g.check();
}

#[test]
fn errors() {
    group("authz_dbm errors").and_modules("authz_dbm").syntax(&[
        "AuthDBMGroupFile x",
        "AuthzDBMType SDBM",
        "<Directory /x>\nAuthDBMGroupFile\n</Directory>",
        "<Directory /x>\nAuthDBMGroupFile a b\n</Directory>",
        "<Directory /x>\nAuthzDBMType a b\n</Directory>",
        "<Directory /x>\nAuthDBMGroupFile a\nRequire dbm-group\n</Directory>",
        "<Directory /x>\nRequire dbm-group %{NOPE}\n</Directory>",
        "<Directory /x>\nRequire dbm-file-group junk\n</Directory>",
        "<Directory /x>\nAuthzDBMType nonsense\n</Directory>",
    ]);
    group("authz_dbm without it").syntax(&["<Directory /x>\nRequire dbm-group g\n</Directory>"]);
    group("AuthDBMGroupFile .htaccess")
        .and_modules("authz_dbm")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["AuthDBMGroupFile x", "AuthzDBMType SDBM"]);
}
