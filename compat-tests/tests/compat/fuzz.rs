//! Configurations put together at random: both programs must give the same verdict in the same words.
//!
//! A short run with fixed numbers belongs to the suite. `COMPAT_FUZZ=600` runs for ten minutes with numbers of the clock,
//! and says which batch differed; `COMPAT_FUZZ_SEED=N` repeats a batch.

use compat_tests::group;
use std::time::{Duration, Instant, SystemTime};

/// All of what the suite can load beside each other, but for what a start of either server would leave behind.
const MODULES: &str = "access_compat actions alias allowmethods asis auth_basic auth_digest auth_form authn_anon authn_core \
                       authn_dbm authn_file authn_socache authz_core authz_dbm authz_groupfile authz_host authz_owner \
                       authz_user autoindex brotli buffer cern_meta cgid charset_lite data deflate dir echo env expires \
                       ext_filter filter headers imagemap include info log_debug macro mime mime_magic negotiation \
                       proxy proxy_connect proxy_fcgi proxy_html proxy_http proxy_scgi proxy_uwsgi proxy_wstunnel ratelimit \
                       reflector remoteip reqtimeout request rewrite sed session session_cookie session_crypto setenvif \
                       slotmem_shm socache_shmcb speling ssl status substitute unique_id userdir usertrack vhost_alias \
                       xml2enc";

/// What would leave the test's own tree, or change who runs.
const LEFT_OUT: &[&str] = &[
    "ChrootDir",
    "CoreDumpDirectory",
    "BalancerMember",
    "CustomLog",
    "ForensicLog",
    "ScriptLog",
    "ScriptSock",
    "SSLCryptoDevice",
    "SSLPassPhraseDialog",
    "SSLRandomSeed",
    "MimeMagicFile",
    "DefaultRuntimeDir",
    "DocumentRoot",
    "ErrorLog",
    "GlobalLog",
    "Group",
    "Include",
    "IncludeOptional",
    "Listen",
    "LoadFile",
    "LoadModule",
    "Mutex",
    "PidFile",
    "RewriteMap",
    "ScoreBoardFile",
    "ServerRoot",
    "Suexec",
    "TransferLog",
    "TypesConfig",
    "User",
];

const WORDS: &[&str] = &[
    "On",
    "Off",
    "None",
    "All",
    "0",
    "1",
    "-1",
    "5",
    "100",
    "99999999999",
    "x",
    "foo bar",
    "\"a b\"",
    "\"",
    "'q'",
    "/",
    "/x",
    "*.html",
    ".html",
    "text/html",
    "%{ENV:x}",
    "%{x}i",
    "~",
    "^a(b)c$",
    "^(",
    "[a",
    "a=b",
    "!x",
    "env=x",
    "expr=true",
    "\"expr=%{x} == 1\"",
    "GET",
    "POST,GET",
    "FOO",
    "127.0.0.1",
    "10.0.0.0/8",
    "10.0.0.0/33",
    "::1",
    "localhost",
    "*",
    "*:80",
    "*:99999",
    "any",
    "granted",
    "all granted",
    "all denied",
    "ip 127.0.0.1",
    "valid-user",
    "from all",
    "from env=x",
    "allow,deny",
    "deny,allow",
    "min",
    "FileInfo",
    "AuthConfig",
    "Options=Indexes",
    "Nonfatal=All",
    "+Indexes",
    "-Indexes",
    "FollowSymLinks",
    "MultiViews",
    "header=20-40,minrate=500",
    "body=10",
    "Basic",
    "Digest",
    "file",
    "core:trace8",
    "warn",
    "debug",
    "emerg",
    "404",
    "\"http://x/\"",
    "404 /x",
    "permanent",
    "301",
    "gone",
    "\\",
    "#",
    "$1",
    "${X}",
    "DEFLATE",
    "gzip",
    ".gz .z",
    "en",
    "en fr",
    "utf-8",
    "handler",
    "type-map",
    "[L,R]",
    "set",
    "edit",
    "always",
    "access plus 1 day",
    "A5",
    "s/a/b/",
    "\"s|a|b|i\"",
    "http://127.0.0.1/",
    "fcgi://127.0.0.1:9000/",
    "unix:/x|http://x/",
    "TLSv1.2",
    "+TLSv1.3",
    "all -SSLv3",
    "HIGH:!aNULL",
    "require",
    "optional_no_ca",
    "%{SSL_PROTOCOL}",
    "user",
    "group a",
    "file-owner",
    "shmcb:/x(512)",
    "mode=output",
    "cmd=/bin/cat",
    "ftype=30",
    "timeout=5",
    "retry=0 ping=1",
    "text/*",
    "change=yes",
    "name=x",
    "path=/;secure",
    "1024",
    "2K",
    "expr",
    "!text/html",
    "+a",
    "=b",
    "<>",
    "/a /b",
    "\"%h %l\"",
];

const SECTIONS: &[&str] = &[
    "Directory /x",
    "Directory ~ ^/x",
    "DirectoryMatch ^/x",
    "Location /x",
    "LocationMatch ^/x",
    "Files x",
    "FilesMatch x",
    "VirtualHost *:80",
    "If \"true\"",
    "Limit GET",
    "LimitExcept POST",
    "RequireAll",
    "RequireAny",
    "RequireNone",
    "IfModule mod_dir.c",
    "IfDefine X",
    "AuthnProviderAlias file x",
    "AuthzProviderAlias ip x 10",
    "Proxy *",
    "ProxyMatch ^http",
    "IfFile /etc/passwd",
    "IfDirective Alias",
    "IfSection Directory",
    "Location ~ /x",
    "Files ~ x",
    "IfVersion >= 2",
    "Macro m",
    "Else",
    "ElseIf \"true\"",
    "Directory",
    "Files",
    "Bogus x",
];

/// xorshift64*: enough to choose words.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most
    }
    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

fn names() -> Vec<&'static str> {
    let wanted: Vec<&str> =
        MODULES.split_whitespace().chain(["core", "http", "log_config", "logio", "version"]).collect();
    let of = |module: &&&'static pinion::module::Module| {
        let name = module.name.trim_start_matches("mod_").trim_end_matches(".c");
        wanted.contains(&name) || name.starts_with("http_core")
    };
    let rows = pinion::modules::REGISTRY.iter().filter(of).flat_map(|module| module.directives).flat_map(|rows| *rows);
    rows.map(|row| row.name).filter(|name| !name.starts_with('<') && !LEFT_OUT.contains(name)).collect()
}

fn block(chance: &mut Chance, names: &[&str], depth: usize, out: &mut String) {
    for _ in 0..=chance.below(3) {
        if depth < 3 && chance.below(3) == 0 {
            let opener = chance.of(SECTIONS);
            let name = opener.split(' ').next().unwrap_or_default();
            out.push_str(&format!("<{opener}>\n"));
            block(chance, names, depth + 1, out);
            out.push_str(&match chance.below(40) {
                0 => "</Other>\n".to_owned(),
                1 => format!("</{name}\n"),
                _ => format!("</{name}>\n"),
            });
            continue;
        }
        let name = chance.of(names);
        out.push_str(name);
        for _ in 0..chance.below(5) {
            out.push(' ');
            // Apache crashes where `-filter` follows two filters, and where nothing follows a cookie's name.
            let word = chance.of(WORDS);
            out.push_str(match name {
                "FilterChain" => word.trim_start_matches('-'),
                _ if name.starts_with("SessionCookieName") => word.trim_matches('"'),
                _ => word,
            });
        }
        out.push('\n');
    }
}

fn batch(seed: u64, count: usize) {
    let (mut chance, names) = (Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), names());
    let snippets: Vec<String> = (0..count)
        .map(|_| {
            let mut text = String::new();
            block(&mut chance, &names, 0, &mut text);
            text
        })
        .collect();
    group(&format!("fuzz, seed {seed}")).modules(MODULES).syntax(&snippets);
}

#[test]
fn configurations() {
    let number = |key: &str| std::env::var(key).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("COMPAT_FUZZ_SEED") {
        return batch(seed, 200);
    }
    let Some(seconds) = number("COMPAT_FUZZ") else {
        return (1..=2).for_each(|seed| batch(seed, 100));
    };
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs());
    while Instant::now() < end {
        batch(seed, 200);
        seed += 1;
    }
}
