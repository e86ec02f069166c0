//! mod_authn_dbm: AuthDBMUserFile, AuthDBMType.

use compat_tests::{Group, group};
use pinion::server::dbm::{Access, Dbm, Format};

const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

/// A group with files of these pairs: `NAME` for SDBM, `NAME.db` for Berkeley DB, `NAME.gdbm` for GDBM.
pub fn with_database(mut group: Group, name: &str, pairs: &[(&str, &str)]) -> Group {
    for (format, suffix) in [("SDBM", ""), ("DB", ".db"), ("GDBM", ".gdbm")] {
        let root = tempfile::tempdir().expect("a directory");
        let path = root.path().join("map");
        let format = Format::named(format.as_bytes()).expect("libdb5.3 and libgdbm6 come with Debian's apache2");
        let mut database = Dbm::open(format, &path, Access::Create, 0o644).expect("a database");
        for (key, value) in pairs {
            database.store(key.as_bytes(), value.as_bytes()).expect("stored");
        }
        drop(database);
        for file in format.files(&path) {
            let end = file.extension().map_or(suffix.to_owned(), |end| format!(".{}", end.display()));
            group = group.file(&format!("{name}{end}"), std::fs::read(file).expect("a file"));
        }
    }
    group
}

fn users(name: &str) -> Group {
    let more = format!("{SECRET}:staff:a comment");
    let pairs = [
        ("u", SECRET),
        ("more", more.as_str()),
        ("apr1", "$apr1$1arsmMSf$ZEe5BJw3xrnj4boKDuN4l0"),
        ("plain", "secret"),
        ("empty", ""),
        // The hash of `dig:realm:secret`, for digest and AuthBasicUseDigestAlgorithm.
        ("dig:realm", "3e4253e1d946f5b8f4c116081ac72883"),
    ];
    with_database(group(name).and_modules("authn_dbm auth_digest"), "conf/users", &pairs)
}

#[test]
fn users_and_formats() {
    let mut conf = String::new();
    let mut g = users("AuthDBMUserFile");
    for (number, rule) in [
        "AuthDBMUserFile conf/users\nAuthDBMType SDBM",
        "AuthDBMType SDBM\nAuthDBMUserFile @ROOT@/conf/users",
        "AuthDBMUserFile conf/users\nAuthDBMType sdbm",
        "AuthDBMUserFile conf/users\nAuthDBMType nonsense",
        "AuthDBMUserFile conf/users.db",
        "AuthDBMUserFile conf/users.db\nAuthDBMType default",
        "AuthDBMUserFile conf/users.db\nAuthDBMType db",
        "AuthDBMUserFile conf/users.gdbm\nAuthDBMType GDBM",
        "AuthDBMUserFile conf/users.db\nAuthDBMType GDBM",
        "AuthDBMUserFile conf/users.db\nAuthDBMType NDBM",
        "AuthDBMUserFile conf/users",
        "AuthDBMUserFile conf/none\nAuthDBMType gdbm",
        "AuthDBMUserFile conf\nAuthDBMType gdbm",
        "AuthDBMUserFile conf/none\nAuthDBMType SDBM",
        "AuthDBMType SDBM",
        "AuthDBMUserFile conf/users\nAuthDBMType SDBM\nAuthBasicUseDigestAlgorithm MD5\nAuthName realm",
        "AuthDBMUserFile conf/users\nAuthDBMType SDBM\nAuthBasicProvider dbm file\nAuthUserFile conf/more",
        "AuthDBMUserFile conf/users\nAuthDBMType SDBM\nAuthBasicAuthoritative off",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!(
            "<Directory @ROOT@/htdocs/d{number}>\nAuthType Basic\nAuthName p\nAuthBasicProvider dbm\n{rule}\nRequire valid-user\n</Directory>\n"
        ));
        let path = format!("/d{number}/a.txt");
        g = g.file(&format!("htdocs{path}"), "in\n").get(&path);
        // u, more, apr1, plain, empty, dig, nobody, infile: all :secret; then u:wrong and empty: without one
        for credentials in [
            "dTpzZWNyZXQ=",
            "bW9yZTpzZWNyZXQ=",
            "YXByMTpzZWNyZXQ=",
            "cGxhaW46c2VjcmV0",
            "ZW1wdHk6c2VjcmV0",
            "ZGlnOnNlY3JldA==",
            "bm9ib2R5OnNlY3JldA==",
            "aW5maWxlOnNlY3JldA==",
            "dTp3cm9uZw==",
            "ZW1wdHk6",
        ] {
            g = g.get_with(&path, &format!("Authorization: Basic {credentials}"));
        }
    }
    g.file("conf/more", format!("infile:{SECRET}\n")).conf(&conf).check();
}

#[test]
fn merge_and_htaccess() {
    let mut g = users("AuthDBMUserFile merge")
        .file("htdocs/a/x.txt", "x\n")
        .file("htdocs/a/b/x.txt", "x\n")
        .file("htdocs/a/b/.htaccess", "AuthDBMUserFile conf/other\nAuthDBMType SDBM\n")
        .file("htdocs/a/c/x.txt", "x\n")
        .file("htdocs/a/c/.htaccess", "AuthDBMType SDBM\n")
        .file("htdocs/a/d/x.txt", "x\n")
        .file("htdocs/a/d/.htaccess", "AuthName other\n")
        .conf("<Directory @ROOT@/htdocs/a>\nAllowOverride AuthConfig\nAuthType Basic\nAuthName p\nAuthBasicProvider dbm\nAuthDBMType SDBM\nAuthDBMUserFile conf/users\nRequire valid-user\n</Directory>\n");
    g = with_database(g, "conf/other", &[("v", SECRET)]);
    for path in ["/a/x.txt", "/a/b/x.txt", "/a/c/x.txt", "/a/d/x.txt"] {
        for credentials in ["dTpzZWNyZXQ=", "djpzZWNyZXQ="] {
            g = g.get_with(path, &format!("Authorization: Basic {credentials}"));
        }
    }
    g.check();
}

#[test]
fn errors() {
    group("authn_dbm errors").and_modules("authn_dbm").syntax(&[
        "AuthDBMUserFile x",
        "AuthDBMType SDBM",
        "<Directory /x>\nAuthDBMUserFile\n</Directory>",
        "<Directory /x>\nAuthDBMUserFile a b\n</Directory>",
        "<Directory /x>\nAuthDBMType\n</Directory>",
        "<Directory /x>\nAuthDBMType nonsense\nAuthDBMUserFile /nonexistent\n</Directory>",
        "<Directory /x>\nAuthBasicProvider dbm\n</Directory>",
    ]);
    group("authn_dbm without it").syntax(&["<Directory /x>\nAuthBasicProvider dbm\n</Directory>"]);
    group("AuthDBMUserFile .htaccess")
        .and_modules("authn_dbm")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["AuthDBMUserFile x", "AuthDBMType SDBM"]);
}
