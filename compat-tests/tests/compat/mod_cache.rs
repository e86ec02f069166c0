//! mod_cache: what is stored, what is sent from the store, and what is said about it.

use compat_tests::normal::AGE;
use compat_tests::{Backend, Group, Step, group, says, under_each_mpm};

/// One child, whose lines of the log stand in order, and fields that tell of each decision.
const ONE: &str = "<IfModule mpm_event_module>\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 25\nThreadsPerChild 25\n</IfModule>\n\
                   LogLevel cache:debug cache_disk:debug\nCacheRoot @ROOT@/cache\nCacheHeader on\nCacheDetailHeader on\n";
const LOG: &str = r#"\"%r\" %>s %B status=%{cache-status}e hit=%{cache-hit}e revalidate=%{cache-revalidate}e miss=%{cache-miss}e invalidate=%{cache-invalidate}e"#;

/// A cache on disk with these lines more.
pub fn cached(name: &str, more: &str) -> Group {
    group(name)
        .and_modules("cache cache_disk headers")
        .log_format(LOG)
        .dir("cache")
        .mode("cache", 0o777)
        .dir("lock")
        .mode("lock", 0o777)
        .conf(&format!("{ONE}{more}\n"))
}

/// In front of a backend that says the same each time.
fn proxied(name: &str, scripts: &[(&str, Vec<Step>)], more: &str) -> Group {
    let backend = Backend::start(scripts);
    cached(name, &format!("ProxyPass /b/ http://127.0.0.1:{}/\n{more}", backend.port)).and_modules("proxy proxy_http")
}

/// A script that counts its runs, and answers as `answers` say of its path and the count. It goes on for a moment behind its output, so
/// that a response is framed in one way only.
const COUNTER: &str = r#"#!/bin/sh
name=$(printf %s "$PATH_INFO" | tr -c 'a-z0-9' _)
count=$(($(cat "@ROOT@/count/$name" 2>/dev/null || echo 0) + 1))
echo $count >"@ROOT@/count/$name"
printf 'X-Saw: %s, %s, %s, %s\n' "$HTTP_IF_NONE_MATCH" "$HTTP_IF_MODIFIED_SINCE" "$HTTP_RANGE" "$HTTP_CACHE_CONTROL"
. "@ROOT@/cgi/answers"
body="run $count of $PATH_INFO"
[ "$status" = 304 ] || echo 'Content-Type: text/plain'
echo
[ "$status" = 304 ] || printf %s "$body"
sleep 0.1
"#;

/// A cache in front of that script; `answers` are branches of a shell's `case "$PATH_INFO/$count"`.
fn counting(name: &str, more: &str, answers: &str) -> Group {
    let answers =
        format!("say() {{ for line; do echo \"$line\"; done; }}\ncase \"$PATH_INFO/$count\" in\n{answers}\nesac\n");
    cached(name, &format!("ScriptAlias /s @ROOT@/cgi/counter\n{more}"))
        .and_modules("cgid")
        .file("cgi/counter", COUNTER)
        .mode("cgi/counter", 0o755)
        .file("cgi/answers", answers)
        .dir("count")
        .mode("count", 0o777)
}

fn twice(group: Group, path: &str) -> Group {
    group.get(path).masking(AGE).get(path).masking(AGE)
}

/// An answer of a backend with these fields.
fn answer(status: u16, fields: &str) -> Vec<Step> {
    let fields = fields.replace('\n', "\r\n");
    says(format!(
        "HTTP/1.1 {status} Said\r\n{fields}{}Content-Length: 5\r\n\r\nhello",
        if fields.is_empty() { "" } else { "\r\n" }
    ))
}

const LM: &str = "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT";
const LATER: &str = "Expires: Thu, 01 Jan 2037 00:00:00 GMT";
const BEFORE: &str = "Expires: Thu, 01 Jan 2015 00:00:00 GMT";

#[test]
fn syntax() {
    cached("cache syntax", "").and_modules("proxy").syntax(&[
        "CacheEnable",
        "CacheEnable disk",
        "CacheEnable /a disk",
        "CacheEnable disk foo",
        "CacheEnable disk http://",
        "CacheEnable disk /a /b",
        "CacheEnable nosuch /",
        "<Location /a>\nCacheEnable disk\n</Location>",
        "<Location /a>\nCacheEnable disk /b\n</Location>",
        "<Location /a>\nCacheEnable disk /ab\n</Location>",
        "<LocationMatch ^/a>\nCacheEnable disk\n</LocationMatch>",
        "<Directory /a>\nCacheEnable disk\n</Directory>",
        "<Files a>\nCacheEnable disk\n</Files>",
        "<If \"true\">\nCacheEnable disk\n</If>",
        "<Location /a>\n<Limit GET>\nCacheEnable disk\n</Limit>\n</Location>",
        "<Proxy *>\nCacheEnable disk\n</Proxy>",
        "CacheDisable",
        "CacheDisable on",
        "CacheDisable foo",
        "CacheDisable /a",
        "CacheDisable http://x",
        "<Location /a>\nCacheDisable on\n</Location>",
        "<Location /a>\nCacheDisable off\n</Location>",
        "<Location /a>\nCacheDisable /a\n</Location>",
        "<Directory /a>\nCacheDisable on\n</Directory>",
        "<If \"true\">\nCacheDisable on\n</If>",
        "<Proxy *>\nCacheDisable on\n</Proxy>",
        "CacheMaxExpire x",
        "CacheMaxExpire",
        "CacheMinExpire -1",
        "CacheDefaultExpire 5 6",
        "CacheLastModifiedFactor x",
        "CacheLastModifiedFactor 0.5x",
        "CacheLastModifiedFactor -1",
        "CacheLastModifiedFactor .5",
        "CacheLastModifiedFactor \" 1\"",
        "CacheLockMaxAge 0",
        "CacheLockMaxAge -1",
        "CacheLockMaxAge 5x",
        "CacheLockMaxAge x",
        "CacheLockPath a",
        "CacheLockPath",
        "CacheKeyBaseURL",
        "CacheKeyBaseURL /a",
        "CacheKeyBaseURL foo",
        "CacheKeyBaseURL http://x/",
        "CacheKeyBaseURL http://x:8a/",
        "CacheKeyBaseURL http:x",
        "CacheKeyBaseURL //x:80/a",
        "CacheIgnoreHeaders",
        "CacheIgnoreHeaders None a",
        "CacheIgnoreURLSessionIdentifiers",
        "CacheHeader maybe",
        "CacheDetailHeader maybe",
        "CacheQuickHandler maybe",
        "CacheIgnoreCacheControl maybe",
        "CacheIgnoreNoLastMod maybe",
        "CacheIgnoreQueryString maybe",
        "CacheStaleOnError maybe",
        "CacheStoreExpired maybe",
        "CacheStorePrivate maybe",
        "CacheStoreNoStore maybe",
        "CacheLock maybe",
        "<Location /a>\nCacheQuickHandler on\n</Location>",
        "<Location /a>\nCacheLock on\n</Location>",
        "<Location /a>\nCacheIgnoreCacheControl on\n</Location>",
    ]);
}

#[test]
fn not_in_htaccess() {
    cached("cache htaccess", "").htaccess(&[
        "CacheEnable disk /",
        "CacheDisable on",
        "CacheMaxExpire 5",
        "CacheMinExpire 5",
        "CacheDefaultExpire 5",
        "CacheLastModifiedFactor 1",
        "CacheHeader on",
        "CacheDetailHeader on",
        "CacheIgnoreNoLastMod on",
        "CacheStaleOnError on",
        "CacheStoreExpired on",
        "CacheStorePrivate on",
        "CacheStoreNoStore on",
        "CacheLock on",
    ]);
}

/// Names of answers, and their fields.
const FIELDS: &[(&str, &str)] = &[
    ("none", ""),
    ("tag", "ETag: \"x\""),
    ("modified", LM),
    ("later", LATER),
    ("before", BEFORE),
    ("broken", "Expires: 0"),
    ("before-but", "Expires: Thu, 01 Jan 2015 00:00:00 GMT\nCache-Control: max-age=10"),
    ("broken-but", "Expires: 0\nCache-Control: max-age=10"),
    ("broken-tag", "Expires: 0\nETag: \"x\""),
    ("age0", "Cache-Control: max-age=0"),
    ("age0-must", "Cache-Control: max-age=0, must-revalidate"),
    ("age0-must-tag", "Cache-Control: max-age=0, must-revalidate\nETag: \"x\""),
    ("shared0", "Cache-Control: s-maxage=0, proxy-revalidate, max-age=10"),
    ("must", "Cache-Control: must-revalidate"),
    ("quoted", "Cache-Control: max-age=\"10\""),
    ("negative", "Cache-Control: max-age=-5"),
    ("letters", "Cache-Control: max-age=5x"),
    ("empty", "Cache-Control: max-age="),
    ("bare", "Cache-Control: max-age"),
    ("huge", "Cache-Control: max-age=99999999999999999999"),
    ("no-store", "Cache-Control: no-store\nETag: \"x\""),
    ("no-store-age", "Cache-Control: max-age=10, no-store"),
    ("private", "Cache-Control: private\nETag: \"x\""),
    ("private-field", "Cache-Control: private=\"X-P\", max-age=10\nX-P: 1\nX-Q: 2"),
    ("no-cache", "Cache-Control: no-cache\nETag: \"x\""),
    ("no-cache-field", "Cache-Control: no-cache=\"X-P, X-R\", max-age=10\nX-P: 1\nX-Q: 2"),
    ("no-cache-other", "Cache-Control: no-cache=\"X-None\", max-age=10"),
    ("public", "Cache-Control: public"),
    ("pragma", "Pragma: no-cache\nETag: \"x\""),
    ("pragma-age", "Pragma: no-cache\nCache-Control: max-age=10"),
    ("vary-all", "Vary: *\nCache-Control: max-age=100"),
    ("vary-all-too", "Vary: Accept, *\nCache-Control: max-age=100"),
    ("vary", "Vary: Accept\nCache-Control: max-age=100"),
    ("future", "Date: Thu, 01 Jan 2015 00:00:00 GMT\nLast-Modified: Thu, 07 Jan 2016 00:00:00 GMT"),
    ("no-date", "Last-Modified: foo"),
    ("old", "Date: Thu, 01 Jan 2015 00:00:00 GMT\nCache-Control: max-age=100"),
    ("ahead", "Date: Thu, 01 Jan 2037 00:00:00 GMT\nCache-Control: max-age=100"),
    ("aged", "Age: 50\nCache-Control: max-age=100"),
    ("too-aged", "Age: 500\nCache-Control: max-age=100"),
    ("misaged", "Age: x\nCache-Control: max-age=100"),
    ("case", "CACHE-control: MAX-AGE=100\nx-q: 1"),
    ("two", "Cache-Control: max-age=100\nCache-Control: no-store"),
    ("semicolon", "Cache-Control: max-age=100; no-store"),
    ("extended", "Cache-Control: max-age=100, foo=bar, \"no-store\""),
    ("while", "Cache-Control: max-age=0, stale-while-revalidate=100\nETag: \"x\""),
    ("if-error", "Cache-Control: max-age=0, stale-if-error=100\nETag: \"x\""),
    ("cookies", "Cache-Control: max-age=100\nSet-Cookie: a=b\nSet-Cookie: c=d\nLink: a\nLink: b"),
    ("hops", "Cache-Control: max-age=100\nConnection: X-Hop\nX-Hop: 1\nTE: x\nProxy-Authenticate: y"),
    (
        "typed",
        "Cache-Control: max-age=100\nContent-Type: a/b\nContent-Language: de\nContent-Encoding: z\nContent-MD5: q",
    ),
    ("range", "Cache-Control: max-age=100\nContent-Range: bytes 0-4/9"),
];

fn all_fields(name: &str, more: &str) {
    let scripts: Vec<(&str, Vec<Step>)> = FIELDS.iter().map(|(name, fields)| (*name, answer(200, fields))).collect();
    let mut group = proxied(name, &scripts, &format!("CacheEnable disk /\n{more}"));
    for (name, _) in FIELDS {
        group = twice(group, &format!("/b/{name}"));
    }
    group.check();
}

#[test]
fn fields_of_responses() {
    all_fields("fields of responses", "");
}

#[test]
fn fields_of_responses_that_are_ignored() {
    all_fields(
        "fields ignored",
        "CacheStoreExpired on\nCacheStorePrivate on\nCacheStoreNoStore on\nCacheIgnoreNoLastMod on\nCacheIgnoreHeaders Set-Cookie X-Q",
    );
}

#[test]
fn fields_of_responses_behind_the_normal_handler() {
    all_fields("fields, normal handler", "CacheQuickHandler off\nHeader set X-H 1\nHeader always set X-A 2");
}

#[test]
fn expiry_times() {
    all_fields("expiry times", "CacheMaxExpire 1\nCacheMinExpire 1\nCacheDefaultExpire 0");
    all_fields("factor", "CacheLastModifiedFactor 0\nCacheDefaultExpire 100");
    all_fields("least expiry", "CacheMinExpire 1000\nCacheLastModifiedFactor 2.5");
}

#[test]
fn statuses() {
    let codes = [
        200, 203, 206, 300, 301, 302, 303, 305, 307, 308, 400, 401, 403, 404, 405, 410, 414, 451, 500, 501, 502, 503,
        504, 299, 599,
    ];
    let kinds = [
        ("none", ""),
        ("tag", "ETag: \"x\""),
        ("age", "Cache-Control: max-age=100"),
        ("later", LATER),
        ("public", "Cache-Control: public"),
    ];
    let names: Vec<(String, Vec<Step>)> = codes
        .iter()
        .flat_map(|code| kinds.iter().map(move |(kind, fields)| (format!("{code}{kind}"), answer(*code, fields))))
        .collect();
    let scripts: Vec<(&str, Vec<Step>)> = names.iter().map(|(name, steps)| (name.as_str(), steps.clone())).collect();
    let mut group = proxied("statuses", &scripts, "CacheEnable disk /");
    for (name, _) in &scripts {
        group = twice(group, &format!("/b/{name}"));
    }
    group.check();
}

const AGED: &[(&str, &str)] = &[
    ("fresh", "Age: 50\nCache-Control: max-age=100\nETag: \"x\""),
    ("stale", "Age: 50\nCache-Control: max-age=10\nETag: \"x\""),
    ("must", "Age: 50\nCache-Control: max-age=10, must-revalidate\nETag: \"x\""),
    ("shared", "Age: 50\nCache-Control: s-maxage=10\nETag: \"x\""),
    ("proxy", "Age: 50\nCache-Control: max-age=10, proxy-revalidate\nETag: \"x\""),
    ("heuristic", "Age: 90000\nLast-Modified: Thu, 01 Jan 2004 00:00:00 GMT"),
];

fn wishes(name: &str, more: &str) {
    let scripts: Vec<(&str, Vec<Step>)> = AGED.iter().map(|(name, fields)| (*name, answer(200, fields))).collect();
    let mut group = proxied(name, &scripts, &format!("CacheEnable disk /\n{more}"));
    let wishes = [
        "Cache-Control: max-age=0",
        "Cache-Control: max-age=10",
        "Cache-Control: max-age=60",
        "Cache-Control: max-age=1000",
        "Cache-Control: min-fresh=10",
        "Cache-Control: min-fresh=90",
        "Cache-Control: min-fresh",
        "Cache-Control: max-stale",
        "Cache-Control: max-stale=10",
        "Cache-Control: max-stale=100",
        "Cache-Control: max-stale=100, max-age=10",
        "Cache-Control: no-cache",
        "Cache-Control: no-store",
        "Cache-Control: only-if-cached",
        "Cache-Control: no-transform",
        "Cache-Control: max-age=x",
        "Pragma: no-cache",
        "Pragma: no-cache\nCache-Control: max-age=1000",
    ];
    for (name, _) in AGED {
        group = group.get(&format!("/b/{name}"));
        for wish in wishes {
            group = group.get_with(&format!("/b/{name}"), wish).masking(AGE);
        }
    }
    group.get_with("/b/never", "Cache-Control: only-if-cached").check();
}

#[test]
fn wishes_of_clients() {
    wishes("wishes", "");
}

#[test]
fn wishes_of_clients_that_are_ignored() {
    wishes("wishes ignored", "CacheIgnoreCacheControl on");
}

#[test]
fn queries_and_credentials() {
    let kinds = [
        ("tag", "ETag: \"x\""),
        ("age", "Cache-Control: max-age=100"),
        ("later", LATER),
        ("must", "Cache-Control: must-revalidate\nETag: \"x\""),
        ("public", "Cache-Control: public\nETag: \"x\""),
        ("shared", "Cache-Control: s-maxage=100"),
    ];
    let scripts: Vec<(&str, Vec<Step>)> = kinds.iter().map(|(name, fields)| (*name, answer(200, fields))).collect();
    for more in [
        "",
        "CacheIgnoreQueryString on",
        "CacheIgnoreURLSessionIdentifiers sid PHPSESSIONID",
        "CacheIgnoreURLSessionIdentifiers a None b",
    ] {
        let mut group = proxied(&format!("queries {more}"), &scripts, &format!("CacheEnable disk /\n{more}"));
        for (name, _) in kinds {
            for query in
                ["?a", "?", "?sid=1", "?sid=2&x=1", "?x=1&sid=3", "?x=1&sid=3&y=2", ";sid=1", ";sid=2?sid=4", "?xsid=1"]
            {
                group = group.get(&format!("/b/{name}{query}")).masking(AGE);
            }
        }
        group.check();
    }
    for more in ["", "CacheQuickHandler off", "CacheStoreNoStore on"] {
        let mut group = proxied(&format!("credentials {more}"), &scripts, &format!("CacheEnable disk /\n{more}"));
        for (name, _) in kinds {
            let path = format!("/b/{name}");
            for fields in ["Authorization: Basic eDp5", "", "Authorization: Basic eDp5", "Cache-Control: no-store"] {
                group = group.get_with(&path, fields).masking(AGE);
            }
            group = group.ask("POST", &path, "Authorization: Basic eDp5\nContent-Length: 0").masking(AGE);
        }
        group.check();
    }
}

#[test]
fn revalidation() {
    let first = "Cache-Control: max-age=0' 'ETag: \"x\"' 'Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT' 'Content-Language: de' 'X-D: 1' 'X-D: 2' 'Link: a";
    let mut answers = String::new();
    let second = [
        ("same", "'ETag: \"x\"'"),
        ("nothing", ""),
        ("tag", "'ETag: \"y\"'"),
        ("modified", "'Last-Modified: Thu, 01 Jan 2014 00:00:00 GMT'"),
        ("language", "'Content-Language: fr'"),
        ("coding", "'Content-Encoding: x'"),
        ("digest", "'Content-MD5: x'"),
        ("location", "'Content-Location: /x'"),
        ("allow", "'Allow: GET'"),
        ("nostore", "'Cache-Control: no-store'"),
        ("private", "'Cache-Control: private'"),
        ("fresh", "'Cache-Control: max-age=100'"),
        ("older", "'Date: Thu, 01 Jan 2014 00:00:00 GMT'"),
        ("vary", "'Vary: Accept'"),
        ("later", "'Expires: Thu, 01 Jan 2037 00:00:00 GMT'"),
        ("more", "'X-E: 1' 'X-E: 2' 'Link: c' 'Set-Cookie: a=b' 'Set-Cookie: c=d'"),
    ];
    for (name, fields) in second {
        answers.push_str(&format!(
            "/{name}/1) say '{first}' ;;\n/{name}/2) status=304; say 'Status: 304 Not Modified' {fields} ;;\n"
        ));
        answers.push_str(&format!("/{name}/*) say 'Cache-Control: max-age=0' 'ETag: \"z\"' ;;\n"));
    }
    let mut group = counting("revalidation", "CacheEnable disk /s", &answers);
    for (name, _) in second {
        for _ in 0..3 {
            group = group.get(&format!("/s/{name}")).masking(AGE);
        }
        group = group.get_with(&format!("/s/{name}"), "Cache-Control: max-stale").masking(AGE);
    }
    group.check();
}

#[test]
fn conditions_of_clients() {
    let fields = "'Cache-Control: max-age=AGE' 'ETag: \"x\"' 'Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT'";
    let answers = format!(
        "/fresh/*) say {} ;;\n/stale/1) say {} ;;\n/stale/*) status=304; say 'Status: 304 Not Modified' 'ETag: \"x\"' ;;\n",
        fields.replace("AGE", "1000"),
        fields.replace("AGE", "0")
    );
    let conditions = [
        "If-None-Match: \"x\"",
        "If-None-Match: W/\"x\"",
        "If-None-Match: \"y\"",
        "If-None-Match: *",
        "If-Match: \"x\"",
        "If-Match: \"y\"",
        "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT",
        "If-Modified-Since: Thu, 01 Jan 2014 00:00:00 GMT",
        "If-Modified-Since: Fri, 01 Jan 2016 00:00:00 GMT",
        "If-Modified-Since: x",
        "If-Unmodified-Since: Thu, 01 Jan 2014 00:00:00 GMT",
        "If-Unmodified-Since: Fri, 01 Jan 2016 00:00:00 GMT",
        "If-None-Match: \"x\"\nIf-Modified-Since: Thu, 01 Jan 2014 00:00:00 GMT",
        "If-None-Match: \"y\"\nIf-Modified-Since: Fri, 01 Jan 2016 00:00:00 GMT",
        "Range: bytes=0-2",
        "Range: bytes=0-2\nIf-Range: \"x\"",
        "Range: bytes=0-2\nIf-Range: \"y\"",
        "Range: bytes=900-",
    ];
    for handler in ["on", "off"] {
        let conf =
            format!("CacheQuickHandler {handler}\nCacheEnable disk /s\nHeader set X-H 1\nHeader always set X-A 2");
        let mut group = counting(&format!("conditions {handler}"), &conf, &answers).get("/s/fresh").get("/s/stale");
        for condition in conditions {
            group = group.get_with("/s/fresh", condition).masking(AGE);
            // Apache's 412 announces chunks that never come.
            if !matches!(condition, "If-Match: \"y\"" | "If-Unmodified-Since: Thu, 01 Jan 2014 00:00:00 GMT") {
                group = group.get_with("/s/stale", condition).masking(AGE);
            }
        }
        for path in ["/s/fresh", "/s/stale"] {
            group = group.ask("HEAD", path, "").masking(AGE).ask("HEAD", path, "If-None-Match: \"x\"").masking(AGE);
        }
        group.check();
    }
}

#[test]
fn methods() {
    let answers = "/a/*) say 'Cache-Control: max-age=1000' ;;\n/gone/1) say 'Cache-Control: max-age=1000' ;;\n/gone/*) say 'Status: 404 Gone' ;;\n";
    for handler in ["on", "off"] {
        let conf = format!("CacheQuickHandler {handler}\nCacheEnable disk /s");
        let mut group = counting(&format!("methods {handler}"), &conf, answers);
        for method in ["HEAD", "HEAD", "GET", "GET", "HEAD", "OPTIONS", "PATCH", "PURGE"] {
            group = group.ask(method, "/s/a", "").masking(AGE);
        }
        for method in ["PUT", "POST", "DELETE"] {
            group = group.ask(method, "/s/other", "Content-Length: 0").masking(AGE);
            group = group
                .get("/s/gone")
                .masking(AGE)
                .ask(method, "/s/gone", "Content-Length: 0")
                .get("/s/gone")
                .masking(AGE);
        }
        group.check();
    }
}

#[test]
fn errors_of_origins() {
    let first = "'Cache-Control: max-age=0' 'ETag: \"x\"' 'Content-Language: de'";
    let mut answers = String::new();
    for code in [400, 404, 500, 502, 503, 504] {
        answers.push_str(&format!("/c{code}/1) say {first} ;;\n/c{code}/*) say 'Status: {code} Failed' ;;\n"));
    }
    for word in ["must-revalidate", "proxy-revalidate"] {
        let name = word.replace('-', "");
        answers.push_str(&format!(
            "/{name}/1) say {} ;;\n/{name}/*) say 'Status: 503 Failed' ;;\n",
            first.replace("=0", &format!("=0, {word}"))
        ));
    }
    answers.push_str(&format!("/broken/1) say {first} ;;\n/broken/*) exit ;;\n"));
    for (number, more) in
        ["", "CacheStaleOnError off", "CacheQuickHandler off", "<Location /s/c503>\nCacheStaleOnError off\n</Location>"]
            .iter()
            .enumerate()
    {
        let conf =
            format!("CacheEnable disk /s\n{more}\nHeader set X-H 1\nHeader always set X-A 2\nLogLevel cgid:crit");
        let mut group = counting(&format!("errors {number}"), &conf, &answers);
        for name in ["c400", "c404", "c500", "c502", "c503", "c504", "mustrevalidate", "proxyrevalidate", "broken"] {
            group = twice(group, &format!("/s/{name}")).get(&format!("/s/{name}")).masking(AGE);
            group = group.get_with(&format!("/s/{name}"), "Cache-Control: no-cache").masking(AGE);
        }
        group.check();
    }
}

#[test]
fn vary() {
    let fields = "Cache-Control: max-age=1000\nVary: X-Foo, Accept\nVary: X-Bar";
    let mut group = proxied("vary", &[("v", answer(200, fields))], "CacheEnable disk /");
    for fields in [
        "",
        "",
        "X-Foo: 1",
        "X-Foo: 1",
        "X-Foo: 1\nX-Foo: 2",
        "Accept: a",
        "X-Bar: 1",
        "X-Bar: 1",
        "",
        "x-foo: 1",
        "X-Foo:  1",
    ] {
        group = group.get_with("/b/v", fields).masking(AGE);
    }
    group.check();
}

const PLACES: &str = "CacheQuickHandler off\nCacheEnable disk /all\nCacheDisable /all/not\n\
                      <Location /one>\nCacheEnable disk\n</Location>\n<LocationMatch ^/ma..h$>\nCacheEnable disk\n</LocationMatch>\n\
                      <Location /two>\nCacheEnable disk /two/x\n</Location>\n<Location /all/off>\nCacheDisable on\n</Location>\n\
                      <Location /all/quiet>\nCacheHeader off\nCacheDetailHeader off\n</Location>\n\
                      <Location /all/env>\nSetEnv no-cache 1\n</Location>\n<Location /all/none>\nCacheEnable nosuch\n</Location>\n";

#[test]
fn places() {
    let names = [
        "all/a",
        "all/not/a",
        "one/a",
        "match",
        "two/a",
        "two/x",
        "all/off/a",
        "all/quiet/a",
        "all/env/a",
        "all/none/a",
        "else",
    ];
    for (number, conf) in [PLACES.to_owned(), PLACES.replace("Handler off", "Handler on")].iter().enumerate() {
        let mut group = cached(&format!("places {number}"), conf);
        for name in names {
            group = group.file(&format!("htdocs/{name}"), "x\n").mtime(&format!("htdocs/{name}"), 1_000_000_000);
        }
        for name in names {
            group = twice(group, &format!("/{name}"));
        }
        group
            .get("/all/nosuch")
            .get("/all/nosuch")
            .request("GET http://www.example.test/all/a HTTP/1.0\r\n\r\n")
            .check();
    }
}

#[test]
fn hosts_and_keys() {
    let conf = "CacheEnable disk /\nCacheIgnoreHeaders X-Q\nCacheMaxExpire 50\n\
                <VirtualHost *>\nServerName www.example.test\n</VirtualHost>\n\
                <VirtualHost *>\nServerName b.example.test\nCacheKeyBaseURL http://key.test:81/xx\nCacheIgnoreQueryString on\n</VirtualHost>\n\
                <VirtualHost *>\nServerName c.example.test\nCacheKeyBaseURL https://key.test\nCacheDisable /no\n</VirtualHost>\n\
                <VirtualHost *>\nServerName d.example.test\nCacheKeyBaseURL ftp:\nCacheQuickHandler off\nUseCanonicalName on\n</VirtualHost>\n\
                <VirtualHost *>\nServerName e.example.test\nCacheHeader off\nCacheEnable nosuch /\n</VirtualHost>\n";
    let mut group = cached("hosts and keys", conf);
    for name in ["a.html", "no/a.html", "sp ace.html"] {
        group = group.file(&format!("htdocs/{name}"), "x\n").mtime(&format!("htdocs/{name}"), 1_000_000_000);
    }
    for host in ["www", "b", "c", "d", "e"] {
        for path in ["/a.html", "/a.html", "/a.html?q", "/no/a.html", "/sp%20ace.html", "/sp%20ace.html", "/./a.html"] {
            for port in ["", ":8080"] {
                let request =
                    format!("GET {path} HTTP/1.1\r\nHost: {host}.example.test{port}\r\nConnection: close\r\n\r\n");
                group = group.request(request).masking(AGE);
            }
        }
    }
    group.check();
}

#[test]
fn where_the_filter_stands() {
    let conf = "CacheQuickHandler off\nCacheEnable disk /\nOptions +Includes\n\
                <Location /before>\nSetOutputFilter CACHE;INCLUDES\n</Location>\n<Location /behind>\nSetOutputFilter INCLUDES;CACHE\n</Location>\n\
                <Location /type>\nAddOutputFilterByType CACHE text/html\n</Location>\n<Location /twice>\nSetOutputFilter CACHE;CACHE\n</Location>\n";
    for (number, conf) in [conf.to_owned(), conf.replace("Handler off", "Handler on")].iter().enumerate() {
        let mut group = cached(&format!("filters {number}"), conf).and_modules("include filter");
        for name in ["before", "behind", "type", "twice"] {
            let path = format!("htdocs/{name}/a.html");
            group = group.file(&path, "<!--#set var=\"a\" value=\"b\" -->x").mtime(&path, 1_000_000_000);
        }
        for name in ["before", "behind", "type", "twice"] {
            group = twice(group, &format!("/{name}/a.html"));
        }
        group.check();
    }
}

#[test]
fn filters_without_a_cache() {
    cached(
        "filters without a cache",
        "SetOutputFilter CACHE_SAVE;CACHE_OUT;CACHE_REMOVE_URL;CACHE_INVALIDATE;CACHE\nAddOutputFilter CACHE .txt",
    )
    .file("htdocs/a.txt", "x\n")
    .get("/")
    .get("/a.txt")
    .check();
}

#[test]
fn locks() {
    let answers = "/fresh/*) say 'Cache-Control: max-age=1000' ;;\n/stale/*) say 'Cache-Control: max-age=0' 'ETag: \"x\"' ;;\n/missing/*) say 'Status: 404 No' ;;\n";
    let conf = "CacheEnable disk /s\nCacheLock on\nCacheLockPath @ROOT@/lock\nCacheLockMaxAge 3600";
    counting("locks", conf, answers)
        .get("/s/fresh")
        .get("/s/fresh")
        .masking(AGE)
        .get("/s/stale")
        .get("/s/stale")
        .get("/s/missing")
        .get("/s/missing")
        .check();
    // Somebody else holds the lock: of a key that is not stored yet, of one that is stale.
    let wait = "until [ -e \"@ROOT@/count/go\" ]; do sleep 0.01; done";
    let answers = format!(
        "/first/1) {wait}; say 'Cache-Control: max-age=1000' ;;\n/first/*) say 'Cache-Control: max-age=1000' ;;\n\
         /stale/2) {wait}; say 'Cache-Control: max-age=1000' ;;\n/stale/*) say 'Cache-Control: max-age=0' 'ETag: \"x\"' ;;\n"
    );
    counting("locks held", conf, &answers).facts_only(|server| {
        let ask = |path: &str| {
            let answer = server.get(path).expect("an answer");
            let told = ["X-Cache-Detail", "Warning"].map(|name| answer.header(name).unwrap_or_default());
            format!("{path}: {told:?} {:?}\n", String::from_utf8_lossy(&answer.body))
        };
        let mut seen = ask("/s/stale");
        let mut waiting = Vec::new();
        for (path, runs) in [("first", "1\n"), ("stale", "2\n")] {
            let mut connection = server.connect();
            connection.send(format!("GET /s/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes());
            let count = server.path(&format!("count/_{path}"));
            assert!(
                server.wait(|_| std::fs::read_to_string(&count).is_ok_and(|text| text == runs)),
                "{path} is asked for"
            );
            waiting.push(connection);
        }
        seen += &(ask("/s/first") + &ask("/s/stale") + &ask("/s/stale"));
        server.write("count/go", "");
        waiting.iter_mut().for_each(|connection| connection.rest());
        seen + &ask("/s/first") + &ask("/s/stale")
    });
    counting(
        "no place for locks",
        "CacheEnable disk /s\nCacheLock on\nCacheLockPath @ROOT@/htdocs/index.html",
        &answers,
    )
    .get("/s/fresh")
    .get("/s/fresh")
    .get("/s/stale")
    .check();
}

#[test]
fn slashes_and_warnings() {
    let answers = "/warned/1) say 'Cache-Control: max-age=0' 'ETag: \"x\"' 'Warning: 110 other' 'Warning: 199 more' ;;\n/warned/*) say 'Status: 500 No' ;;\n\
                   /old/*) say 'Last-Modified: Thu, 01 Jan 2004 00:00:00 GMT' 'Age: 90000' 'Warning: 113 mine' ;;\n*) say 'Cache-Control: max-age=1000' ;;";
    let mut group =
        counting("slashes and warnings", "CacheEnable disk /\nLogLevel cache:info cache_disk:info cgid:crit", answers);
    for path in ["/s/a", "//s/a", "/s//a", "///s/a", "/s/./a", "/s/warned", "/s/old", "/s/old"] {
        group = group.get(path).masking(AGE);
    }
    group.get_with("/s/warned", "Cache-Control: max-stale").masking(AGE).get("/s/warned").masking(AGE).check();
}

under_each_mpm! {
    fn files_and_scripts(mpm) {
        let mut group = counting("files and scripts", "CacheEnable disk /\nErrorDocument 404 /gone.html", "*) say 'Cache-Control: max-age=1000' ;;")
            .mpm(mpm);
        let large = vec![b'x'; 300_000];
        for (name, bytes) in [("a.html", &b"x\n"[..]), ("large.bin", &large), ("gone.html", b"gone\n"), ("index.html", b"index\n")] {
            group = group.file(&format!("htdocs/{name}"), bytes).mtime(&format!("htdocs/{name}"), 1_000_000_000);
        }
        for path in ["/a.html", "/large.bin", "/nosuch", "/s/x"] {
            group = twice(group, path).get_with(path, "Range: bytes=1-3").masking(AGE);
        }
        group.check();
    }
}
