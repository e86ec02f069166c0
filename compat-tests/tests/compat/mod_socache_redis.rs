//! mod_socache_redis: values that are kept in redis servers.

use crate::mod_authn_socache::{asked, cached as users};
use compat_tests::{Keeper, Running, group};

fn cached(name: &str, more: &str) -> compat_tests::Group {
    group(name).and_modules("cache cache_socache socache_redis headers").conf(&format!(
        "<IfModule mpm_event_module>\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 25\nThreadsPerChild 25\n</IfModule>\nCacheHeader on\nCacheDetailHeader on\n{more}\n"
    ))
}

fn ask(server: &Running, method: &str, path: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n");
    let answer = String::from_utf8_lossy(&server.ask(request.as_bytes())).into_owned();
    let told = answer.lines().filter(|line| line.starts_with("HTTP/") || line.starts_with("X-Cache-Detail"));
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    format!("{method} {path}: {} {}\n", told.collect::<Vec<_>>().join(" | "), body.len())
}

#[test]
fn syntax() {
    cached("mod_socache_redis syntax", "").syntax(&[
        "CacheSocache redis",
        "CacheSocache redis:",
        "CacheSocache redis:a:1",
        "CacheSocache redis:a:x",
        "CacheSocache redis::1",
        "CacheSocache redis:a:1,b",
        "CacheSocache redis:[::1]:1",
        "RedisConnPoolTTL",
        "RedisConnPoolTTL 0",
        "RedisConnPoolTTL 5",
        "RedisConnPoolTTL x",
        "RedisConnPoolTTL -1",
        "RedisConnPoolTTL 1h",
        "RedisConnPoolTTL 3600",
        "RedisConnPoolTTL 3601",
        "RedisConnPoolTTL 60mi",
        "RedisConnPoolTTL 61mi",
        "RedisConnPoolTTL 3600s",
        "RedisConnPoolTTL 10ms",
        "RedisConnPoolTTL 2h",
        "RedisConnPoolTTL 1x",
        "RedisConnPoolTTL s",
        "RedisConnPoolTTL \"\"",
        "RedisConnPoolTTL 5 6",
        "<VirtualHost *:80>\nRedisConnPoolTTL 5\n</VirtualHost>",
        "<Location /a>\nRedisConnPoolTTL 5\n</Location>",
        "RedisTimeout",
        "RedisTimeout 0",
        "RedisTimeout 5",
        "RedisTimeout x",
        "RedisTimeout -1",
        "RedisTimeout 1h",
        "RedisTimeout 3600",
        "RedisTimeout 3601",
        "RedisTimeout 60mi",
        "RedisTimeout 61mi",
        "RedisTimeout 3600s",
        "RedisTimeout 10ms",
        "RedisTimeout 2h",
        "RedisTimeout 1x",
        "RedisTimeout s",
        "RedisTimeout \"\"",
        "RedisTimeout 5 6",
        "<VirtualHost *:80>\nRedisTimeout 5\n</VirtualHost>",
        "<Location /a>\nRedisTimeout 5\n</Location>",
    ]);
}

#[test]
fn servers_that_are_none() {
    for list in ["", "::1", ":a:0", ":a:70000", ":99", ":b:1,:2", ":[::1", ":[::1]x:1", ":[]:1"] {
        cached(&format!("mod_socache_redis list {list}"), &format!("CacheSocache redis{list}\nCacheEnable socache /"))
            .start_fails(&["-DFOREGROUND"]);
    }
}

#[test]
fn credentials() {
    // Nobody listens there: users are looked up each time.
    let conf = "LogLevel authn_socache:crit\nAuthnCacheSOCache redis:127.0.0.1:@PORT2@\n<Directory @ROOT@/htdocs/a>\nAuthnCacheProvideFor file\n</Directory>";
    let group = users("mod_socache_redis credentials", conf).and_modules("socache_redis");
    asked(group.clone()).check();
    group.facts_only(|server| {
        let keeper = Keeper::start(server.names().ports.numbers[1]);
        let ask = || {
            let request =
                "GET /a/x.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic dTpzZWNyZXQ=\r\n\r\n";
            String::from_utf8_lossy(&server.ask(request.as_bytes())).lines().next().unwrap_or_default().to_owned()
        };
        let seen = ask();
        server.write("conf/users", "nobody:x\n");
        format!("{seen}\n{}\n{:?}", ask(), commands(&keeper))
    });
}

/// What it was asked, but for questions whether it is there.
fn commands(keeper: &Keeper) -> Vec<String> {
    let whether = ["version", "ping", "info"];
    let asked = keeper.asked().into_iter();
    asked.filter(|line| !whether.iter().any(|word| line.starts_with(word))).collect()
}

#[test]
fn responses() {
    let conf = "CacheSocache redis:127.0.0.1:@PORT2@\nCacheEnable socache /\nHeader set Cache-Control max-age=1000\nLogLevel socache_redis:emerg cache_socache:emerg\n";
    cached("mod_socache_redis responses", conf)
        .file("htdocs/a.txt", "a\n")
        .mtime("htdocs/a.txt", 1_000_000_000)
        .file(&format!("htdocs/{}.txt", "long".repeat(40)), "b\n")
        .file("htdocs/large.txt", "x".repeat(60_000))
        .mtime("htdocs/large.txt", 1_000_000_000)
        .facts_only(|server| {
            let keeper = Keeper::start(server.names().ports.numbers[1]);
            let mut seen = String::new();
            for path in ["/a.txt", "/a.txt", "/large.txt", "/large.txt", &format!("/{}.txt", "long".repeat(40))] {
                seen += &ask(server, "GET", path);
            }
            seen += &ask(server, "HEAD", "/a.txt");
            for line in commands(&keeper) {
                seen += &format!("{line}\n");
            }
            seen
        });
}
