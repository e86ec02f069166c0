//! mod_authn_socache: AuthnCacheSOCache, AuthnCacheEnable, AuthnCacheProvideFor, AuthnCacheContext, AuthnCacheTimeout.

use compat_tests::{Group, group};

const SECRET: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const USER: &str = "Authorization: Basic dTpzZWNyZXQ=";
const WRONG: &str = "Authorization: Basic dTp3cm9uZw==";
const NOBODY: &str = "Authorization: Basic bm9ib2R5OnNlY3JldA==";

/// One child, whose lines of the log stand in order.
const ONE: &str = "<IfModule mpm_event_module>\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 25\nThreadsPerChild 25\n</IfModule>\nLogLevel authn_socache:debug\n";

pub fn cached(name: &str, more: &str) -> Group {
    let section =
        "AuthType Basic\nAuthName p\nAuthBasicProvider socache file\nAuthUserFile conf/users\nRequire valid-user\n";
    group(name)
        .and_modules("authn_socache socache_shmcb")
        .file("conf/users", format!("u:{SECRET}\nv:{SECRET}\n"))
        .file("htdocs/a/x.txt", "x\n")
        .file("htdocs/a/b/x.txt", "x\n")
        .conf(&format!("{ONE}<Directory @ROOT@/htdocs/a>\n{section}</Directory>\n{more}\n"))
}

pub fn asked(group: Group) -> Group {
    let mut group = group;
    for (path, credentials) in [
        ("/a/x.txt", NOBODY),
        ("/a/x.txt", WRONG),
        ("/a/x.txt", USER),
        ("/a/x.txt", USER),
        ("/a/x.txt", WRONG),
        ("/a/b/x.txt", USER),
        ("/a/b/x.txt", USER),
        ("/a/./x.txt", USER),
        ("/a/x.txt", NOBODY),
    ] {
        group = group.get_with(path, credentials);
    }
    group
}

#[test]
fn contexts() {
    for more in [
        "",
        "AuthnCacheEnable",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\n</Directory>",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor dbd FILE\n</Directory>",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor dbd file\nAuthnCacheContext own\n</Directory>",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\nAuthnCacheContext server\n</Directory>",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\nAuthnCacheContext directory\nAuthnCacheTimeout 100\n</Directory>",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\nAuthnCacheContext Server\nAuthnCacheTimeout 0\n</Directory>",
        "AuthnCacheSOCache shmcb\n<Directory @ROOT@/htdocs/a/b>\nAuthnCacheProvideFor file\n</Directory>",
        "AuthnCacheSOCache shmcb:@ROOT@/logs/cache(100000)\n<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\nAuthnCacheContext c\n</Directory>\n\
         <Directory @ROOT@/htdocs/a/b>\nAuthnCacheProvideFor dbd\nAuthnCacheContext d\n</Directory>",
    ] {
        asked(cached("authn_socache", more)).check();
    }
}

#[test]
fn errors() {
    group("authn_socache errors").and_modules("authn_socache socache_shmcb").syntax(&[
        "AuthnCacheSOCache nope",
        "AuthnCacheSOCache",
        "AuthnCacheSOCache shmcb:",
        "AuthnCacheSOCache shmcb:x",
        "AuthnCacheSOCache shmcb:x(1)",
        "AuthnCacheSOCache shmcb:x(8192)",
        "AuthnCacheSOCache shmcb:x(8191)",
        "AuthnCacheSOCache shmcb:x(abc)",
        "AuthnCacheSOCache shmcb:x()",
        "AuthnCacheSOCache shmcb:x(100000",
        "AuthnCacheSOCache shmcb:x(100000)y",
        "AuthnCacheSOCache shmcb:(100000)",
        "AuthnCacheSOCache shmcb:100000",
        "AuthnCacheSOCache shmcb:x(999999999999)",
        "AuthnCacheSOCache nope:args",
        "AuthnCacheSOCache :args",
        "AuthnCacheEnable on",
        "<VirtualHost *:@PORT@>\nAuthnCacheEnable\n</VirtualHost>",
        "<VirtualHost *:@PORT@>\nAuthnCacheSOCache shmcb\n</VirtualHost>",
        "<Directory /x>\nAuthnCacheSOCache shmcb\n</Directory>",
        "<Directory /x>\nAuthnCacheEnable\n</Directory>",
        "AuthnCacheProvideFor file",
        "<Directory /x>\nAuthnCacheProvideFor\n</Directory>",
        "<Directory /x>\nAuthnCacheProvideFor nonsense\n</Directory>",
        "<Directory /x>\nAuthnCacheTimeout\n</Directory>",
        "<Directory /x>\nAuthnCacheTimeout abc\n</Directory>",
        "<Directory /x>\nAuthnCacheTimeout -1\n</Directory>",
        "<Directory /x>\nAuthnCacheTimeout 5s\n</Directory>",
        "<Directory /x>\nAuthnCacheContext\n</Directory>",
        "<Directory /x>\nAuthnCacheContext a b\n</Directory>",
        "Mutex default authn-socache",
    ]);
    group("authn_socache without a cache")
        .and_modules("authn_socache")
        .syntax(&["AuthnCacheSOCache shmcb", "<Directory /x>\nAuthnCacheProvideFor file\n</Directory>"]);
    group("authn_socache .htaccess")
        .and_modules("authn_socache socache_shmcb")
        .conf("AuthnCacheEnable\n<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>\n<Directory @ROOT@/htdocs/d0>\nAllowOverride AuthConfig\n</Directory>")
        .htaccess(&["AuthnCacheProvideFor file\nAuthnCacheTimeout 5", "AuthnCacheProvideFor file", "AuthnCacheTimeout 5", "AuthnCacheContext c", "AuthnCacheEnable"]);
    group("authn_socache starts without a cache")
        .and_modules("authn_socache")
        .conf("<Directory @ROOT@/htdocs>\nAuthnCacheProvideFor file\n</Directory>\n")
        .start_fails(&[]);
    group("authn_socache reports").and_modules("authn_socache socache_shmcb").commands(&[&[
        "-t",
        "-D",
        "DUMP_RUN_CFG",
    ]]);
}

#[test]
fn htaccess_and_digest() {
    cached(
        "authn_socache .htaccess",
        "AuthnCacheEnable\n<Directory @ROOT@/htdocs/a>\nAllowOverride AuthConfig\n</Directory>\n",
    )
    .file("htdocs/a/.htaccess", "AuthnCacheProvideFor file\nAuthnCacheTimeout 100\n")
    .file("htdocs/a/b/.htaccess", "AuthnCacheTimeout 100\n")
    .get_with("/a/x.txt", USER)
    .get_with("/a/x.txt", USER)
    .get_with("/a/b/x.txt", USER)
    .get_with("/a/b/x.txt", USER)
    .check();
    // The hash of u:p:secret, looked up twice.
    cached(
        "authn_socache realms",
        "<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\nAuthUserFile conf/realms\nAuthBasicUseDigestAlgorithm MD5\n</Directory>\n",
    )
    .file("conf/realms", "u:p:2db6e60aa5e17b19b142633b5644a308\n")
    .get_with("/a/x.txt", USER)
    .get_with("/a/x.txt", USER)
    .get_with("/a/x.txt", WRONG)
    .get_with("/a/x.txt", NOBODY)
    .check();
}
