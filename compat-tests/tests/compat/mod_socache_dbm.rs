//! mod_socache_dbm: a cache in a DBM file, through mod_authn_socache.

use crate::mod_authn_socache::{asked, cached};
use compat_tests::group;

#[test]
fn loads() {
    group("socache_dbm").and_modules("socache_dbm").commands(&[&["-t"], &["-M"]]);
    group("socache_dbm arguments").and_modules("authn_socache socache_dbm").syntax(&[
        "AuthnCacheSOCache dbm",
        "AuthnCacheSOCache dbm:",
        "AuthnCacheSOCache dbm:x",
        "AuthnCacheSOCache dbm:/nonexistent/x",
    ]);
    group("socache_dbm is not made unasked")
        .and_modules("authn_socache socache_dbm")
        .conf("AuthnCacheEnable\n")
        .start_fails(&[]);
}

#[test]
fn keeps_credentials() {
    for arguments in ["dbm", "dbm:logs/x", "dbm:@ROOT@/logs/x"] {
        // Apache's Berkeley DB calls a key that is not there an error, and logs it.
        let conf = format!(
            "LogLevel authn_socache:crit\nAuthnCacheSOCache {arguments}\n<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\n</Directory>"
        );
        let group = cached("socache_dbm", &conf).and_modules("socache_dbm");
        asked(group.clone()).check();
        group.facts(|server| {
            let ask = || {
                let request = "GET /a/x.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic dTpzZWNyZXQ=\r\n\r\n";
                String::from_utf8_lossy(&server.ask(request.as_bytes())).lines().next().unwrap_or_default().to_owned()
            };
            let seen = ask();
            server.write("conf/users", "nobody:x\n");
            seen + &ask()
        });
    }
}
