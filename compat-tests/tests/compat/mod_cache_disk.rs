//! mod_cache_disk: where responses are kept, which are too large or too small, broken files, and files of the other server.

use compat_tests::normal::AGE;
use compat_tests::{Backend, Running, Step, says, says_and_closes};
use std::fs;
use std::path::{Path, PathBuf};

use crate::mod_cache::cached;

#[test]
fn syntax() {
    cached("disk syntax", "").syntax(&[
        "CacheRoot",
        "CacheRoot a b",
        "CacheRoot /a",
        "<Location /a>\nCacheRoot /a\n</Location>",
        "CacheDirLevels 0",
        "CacheDirLevels x",
        "CacheDirLevels 3x",
        "CacheDirLevels -1",
        "CacheDirLevels 11",
        "CacheDirLevels 5\nCacheDirLength 5",
        "CacheDirLength 0",
        "CacheDirLength 11",
        "<Directory /a>\nCacheDirLength 1\n</Directory>",
        "CacheMinFileSize x",
        "CacheMinFileSize -1",
        "CacheMinFileSize 5x",
        "CacheMaxFileSize",
        "CacheMaxFileSize -1",
        "CacheReadSize x",
        "CacheReadSize -1",
        "CacheReadTime x",
        "CacheReadTime -1",
        "<Location /a>\nCacheReadSize 5\nCacheReadTime 5\nCacheMinFileSize 1\nCacheMaxFileSize 2\n</Location>",
    ]);
}

#[test]
fn not_in_htaccess() {
    cached("disk htaccess", "").htaccess(&[
        "CacheMinFileSize 1",
        "CacheMaxFileSize 1",
        "CacheReadSize 1",
        "CacheReadTime 1",
        "CacheRoot /",
    ]);
}

fn with(length: usize, fields: &str) -> Vec<Step> {
    says(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\n{fields}\r\n{}", "x".repeat(length)))
}

#[test]
fn sizes() {
    let length = |length: usize| format!("Content-Length: {length}\r\n");
    let chunk = |length: usize| {
        format!(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{}\r\n0\r\n\r\n",
            "x".repeat(length)
        )
    };
    let mut scripts = vec![
        ("none".to_owned(), with(0, &length(0))),
        (
            "end".to_owned(),
            says_and_closes(format!("HTTP/1.0 200 OK\r\nCache-Control: max-age=1000\r\n\r\n{}", "x".repeat(30))),
        ),
        (
            "short".to_owned(),
            says_and_closes(format!("HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\n{}\r\nxxx", length(30))),
        ),
        (
            "cut".to_owned(),
            says_and_closes(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=1000\r\nTransfer-Encoding: chunked\r\n\r\n1e\r\nxxx",
            ),
        ),
        (
            "part".to_owned(),
            says(
                "HTTP/1.1 206 Part\r\nCache-Control: max-age=1000\r\nContent-Range: bytes 0-19/40\r\nContent-Length: 20\r\n\r\n01234567890123456789",
            ),
        ),
        ("empty".to_owned(), says("HTTP/1.1 204 No\r\nCache-Control: max-age=1000\r\n\r\n")),
    ];
    for size in [5, 9, 10, 11, 49, 50, 51, 70_000] {
        scripts.push((format!("l{size}"), with(size, &length(size))));
        if size < 100 {
            scripts.push((format!("c{size}"), says(chunk(size))));
        }
    }
    let scripts: Vec<(&str, Vec<Step>)> = scripts.iter().map(|(name, steps)| (name.as_str(), steps.clone())).collect();
    let backend = Backend::start(&scripts);
    for (number, more) in [
        "",
        "CacheMinFileSize 10\nCacheMaxFileSize 50",
        "CacheMinFileSize 0\nCacheReadSize 100000\nCacheReadTime 1",
        "<Location /b/l50>\nCacheMaxFileSize 1\n</Location>\nCacheReadSize 7",
    ]
    .iter()
    .enumerate()
    {
        let conf = format!(
            "CacheEnable disk /\nProxyPass /b/ http://127.0.0.1:{}/\nLogLevel proxy:crit proxy_http:crit\n{more}",
            backend.port
        );
        let mut group = cached(&format!("sizes {number}"), &conf).and_modules("proxy proxy_http");
        // What breaks off while it is gathered is told to be no good for caches: only here, where its head has not left yet.
        let gathers = more.contains("CacheReadSize");
        for (name, _) in scripts.iter().filter(|(name, _)| !(gathers && matches!(*name, "short" | "cut"))) {
            group = group.get(&format!("/b/{name}")).get(&format!("/b/{name}")).masking(AGE);
        }
        group.check();
    }
}

/// All files below a directory.
fn files(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn ask(server: &Running, path: &str, fields: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n");
    let answer = String::from_utf8_lossy(&server.ask(request.as_bytes())).into_owned();
    let told = answer.lines().filter(|line| line.starts_with("HTTP/") || line.starts_with("X-Cache-Detail"));
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    format!("{path}: {} {body:?}\n", told.collect::<Vec<_>>().join(" | "))
}

const VARIES: &str = "CacheEnable disk /\n<Location /v>\nHeader set Vary \"Accept, X-Foo\"\n</Location>\nHeader set Cache-Control max-age=1000\n";

fn kept(name: &str, more: &str) -> compat_tests::Group {
    let mut group = cached(name, &format!("{VARIES}{more}"));
    for name in ["a.html", "v/b.html"] {
        group = group.file(&format!("htdocs/{name}"), "content\n").mtime(&format!("htdocs/{name}"), 1_000_000_000);
    }
    group
}

/// What stands in the cache: names, and what is no time and no number of a file.
fn listing(server: &Running) -> String {
    let root = server.path("cache");
    let mut out = String::new();
    for path in files(&root) {
        let bytes = fs::read(&path).expect("a cache file");
        let name = path.strip_prefix(&root).expect("below the root").display().to_string();
        let shown = match bytes.first() {
            Some(6) => [&bytes[..24], &bytes[72..]].concat(),
            Some(5) => [&bytes[..4], &bytes[12..]].concat(),
            _ => bytes,
        };
        out += &format!("{name}: {}\n", String::from_utf8_lossy(&shown).escape_debug());
    }
    out
}

#[test]
fn layout() {
    for (number, more) in [
        "",
        "CacheDirLevels 1\nCacheDirLength 1",
        "CacheDirLevels 5\nCacheDirLength 4",
        "CacheDirLength 1\nCacheDirLevels 20",
    ]
    .iter()
    .enumerate()
    {
        kept(&format!("layout {number}"), more).facts(|server| {
            let mut seen = String::new();
            for fields in ["", "Accept: x\r\n", "X-Foo: 1\r\nCookie: a=b\r\n"] {
                seen += &ask(server, "/a.html", fields);
                seen += &ask(server, "/v/b.html", fields);
                seen += &ask(server, "/v/b.html", fields);
            }
            seen + &listing(server)
        });
    }
}

/// What becomes of a file's octets.
type Damage<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;

#[test]
fn broken_files() {
    kept("broken files", "").facts(|server| {
        let mut seen = String::new();
        let damages: &[(&str, Damage)] = &[
            ("header", &|bytes| bytes[..60].to_vec()),
            ("header", &|bytes| bytes[..130].to_vec()),
            ("header", &|mut bytes| {
                bytes[0] = 7;
                bytes
            }),
            ("header", &|mut bytes| {
                bytes[130] = b'#';
                bytes
            }),
            ("header", &|mut bytes| {
                bytes[56] ^= 1;
                bytes
            }),
            ("header", &|_| [&5u32.to_ne_bytes()[..], &[0; 8], b"accept"].concat()),
        ];
        for (end, damage) in damages {
            seen += &ask(server, "/a.html", "");
            let path =
                files(&server.path("cache")).into_iter().find(|path| path.extension().is_some_and(|own| own == *end));
            let path = path.expect("a file in the cache");
            let bytes = damage(fs::read(&path).expect("its content"));
            fs::write(&path, bytes).expect("damage");
            seen += &ask(server, "/a.html", "");
            seen += &ask(server, "/a.html", "");
        }
        for path in
            files(&server.path("cache")).into_iter().filter(|path| path.extension().is_some_and(|own| own == "data"))
        {
            fs::remove_file(path).expect("removed");
        }
        seen + &ask(server, "/a.html", "") + &ask(server, "/a.html", "")
    });
}

#[test]
fn no_place() {
    kept("no place", "CacheRoot @ROOT@/nosuch").get("/a.html").get("/a.html").check();
    kept("a file for a root", "CacheRoot @ROOT@/htdocs/a.html").get("/a.html").get("/v/b.html").check();
    let conf = "CacheEnable disk /\nCacheHeader on\n";
    compat_tests::group("no root").and_modules("cache cache_disk").conf(conf).get("/").get("/").check();
}
