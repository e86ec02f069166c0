//! mod_cache_socache: what is kept in a shared object cache, how large and for how long.

use compat_tests::normal::AGE;
use compat_tests::{Backend, Group, group, says};

fn cached(name: &str, more: &str) -> Group {
    group(name).and_modules("cache cache_socache socache_shmcb socache_dbm headers proxy proxy_http").conf(&format!(
        "<IfModule mpm_event_module>\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 25\nThreadsPerChild 25\n</IfModule>\n\
         LogLevel cache:info cache_socache:debug\nCacheHeader on\nCacheDetailHeader on\n{more}\n"
    ))
}

#[test]
fn syntax() {
    cached("socache syntax", "").syntax(&[
        "CacheSocache",
        "CacheSocache nosuch",
        "CacheSocache nosuch:x",
        "CacheSocache shmcb",
        "CacheSocache shmcb:foo(100)",
        "CacheSocache shmcb:/foo(100000",
        "<Location /a>\nCacheSocache shmcb\n</Location>",
        "<VirtualHost *:80>\nCacheSocache shmcb\n</VirtualHost>",
        "CacheSocacheMaxSize x",
        "CacheSocacheMaxSize 1023",
        "CacheSocacheMaxSize 4294967295",
        "CacheSocacheMaxSize 4294967296",
        "CacheSocacheMaxTime x",
        "CacheSocacheMaxTime -1",
        "CacheSocacheMinTime",
        "CacheSocacheMinTime -1",
        "CacheSocacheReadSize -1",
        "CacheSocacheReadTime -1",
        "<Location /a>\nCacheSocacheMaxSize 2000\nCacheSocacheMaxTime 1\nCacheSocacheMinTime 1\nCacheSocacheReadSize 1\nCacheSocacheReadTime 1\n</Location>",
    ]);
}

#[test]
fn no_such_cache() {
    for word in ["shmcb:/x(100)", "shmcb:/x(100000"] {
        cached(&format!("no such cache {word}"), &format!("CacheSocache {word}\nCacheEnable socache /"))
            .start_fails(&["-DFOREGROUND"]);
    }
}

#[test]
fn not_in_htaccess() {
    cached("socache htaccess", "").htaccess(&[
        "CacheSocacheMaxSize 2000",
        "CacheSocacheMaxTime 1",
        "CacheSocacheMinTime 1",
        "CacheSocacheReadSize 1",
    ]);
}

#[test]
fn sizes_and_times() {
    let answer = |fields: &str, length: usize| {
        says(format!(
            "HTTP/1.1 200 OK\r\nETag: \"x\"\r\n{fields}\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        ))
    };
    let scripts = [
        ("age", answer("Cache-Control: max-age=1000", 20)),
        ("age0", answer("Cache-Control: max-age=0", 20)),
        ("long", answer("Cache-Control: max-age=1000000", 20)),
        ("l1100", answer("Cache-Control: max-age=1000", 1100)),
        ("l1000", answer("Cache-Control: max-age=1000", 1000)),
        ("vary", answer("Cache-Control: max-age=1000\r\nVary: X-Foo, Accept", 20)),
        (
            "chunked",
            says(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            ),
        ),
        (
            "part",
            says(
                "HTTP/1.1 206 Part\r\nCache-Control: max-age=1000\r\nContent-Range: bytes 0-1/4\r\nContent-Length: 2\r\n\r\nab",
            ),
        ),
    ];
    let backend = Backend::start(&scripts);
    for (number, more) in [
        "",
        "CacheSocacheMaxSize 1024",
        "CacheSocacheMaxTime 700\nCacheSocacheMinTime 5",
        "CacheSocache shmcb:/x(100000)\nCacheSocacheReadSize 10\nCacheSocacheReadTime 1",
    ]
    .iter()
    .enumerate()
    {
        let conf = format!(
            "CacheSocache shmcb\nCacheEnable socache /\nProxyPass /b/ http://127.0.0.1:{}/\n{more}",
            backend.port
        );
        let mut group = cached(&format!("socache sizes {number}"), &conf);
        for (name, _) in &scripts {
            group = group.get(&format!("/b/{name}")).get(&format!("/b/{name}")).masking(AGE);
        }
        for fields in ["X-Foo: 1", "X-Foo: 1", "", "Accept: x", "Range: bytes=1-3", "If-None-Match: \"x\""] {
            group = group.get_with("/b/vary", fields).masking(AGE);
        }
        group.ask("HEAD", "/b/age", "").masking(AGE).ask("HEAD", "/b/new", "").check();
    }
}

#[test]
fn kinds() {
    for kind in ["", "CacheSocache dbm:@ROOT@/cache/dbm"] {
        let mut group = cached(
            &format!("socache kinds {kind}"),
            &format!(
                "LogLevel cache_socache:info\nCacheEnable socache /\nHeader set Cache-Control max-age=1000\n{kind}"
            ),
        );
        group =
            group.dir("cache").mode("cache", 0o777).file("htdocs/a.txt", "a\n").mtime("htdocs/a.txt", 1_000_000_000);
        group.get("/a.txt").get("/a.txt").masking(AGE).check();
    }
}
