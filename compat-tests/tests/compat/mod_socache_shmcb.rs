//! mod_socache_shmcb: a cache that all children share, through mod_authn_socache.

use crate::mod_authn_socache::{asked, cached};
use compat_tests::group;

#[test]
fn loads() {
    group("socache_shmcb").and_modules("socache_shmcb").commands(&[&["-t"], &["-M"]]);
}

#[test]
fn sizes() {
    for arguments in ["shmcb:", "shmcb:logs/x(8192)", "shmcb:@ROOT@/logs/x(10000000)", "shmcb:(65536)"] {
        let conf = format!(
            "AuthnCacheSOCache {arguments}\n<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\n</Directory>"
        );
        asked(cached("socache_shmcb sizes", &conf)).check();
    }
}

/// What one child keeps, the others find: a user leaves the file and is still known.
#[test]
fn shared_by_children() {
    let conf = "AuthnCacheEnable\n<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\n</Directory>";
    for mpm in [compat_tests::Mpm::Prefork, compat_tests::Mpm::Worker] {
        cached("socache_shmcb children", conf).mpm(mpm).conf("StartServers 4\n").facts(|server| {
            let ask = |user: &str| {
                let request = format!(
                    "GET /a/x.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic {user}\r\n\r\n"
                );
                String::from_utf8_lossy(&server.ask(request.as_bytes())).lines().next().unwrap_or_default().to_owned()
            };
            let mut seen = ask("dTpzZWNyZXQ=");
            server.write("conf/users", "nobody:x\n");
            for _ in 0..12 {
                seen += &ask("dTpzZWNyZXQ=");
            }
            seen + &ask("djpzZWNyZXQ=")
        });
    }
}
