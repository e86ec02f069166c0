//! mod_substitute: Substitute, SubstituteMaxLineLength, SubstituteInheritBefore.

use compat_tests::group;

const TEXT: &str = "foo bar foo\nFOO=k,bar=k\nfoo=k,bar=k\n\naaa\nabcabc\na.b a+b\n<BR> <br/>\nfoobar";

#[test]
fn patterns() {
    let mut conf = String::from("LogLevel substitute:error\n");
    let mut g = group("Substitute").and_modules("substitute");
    for (number, rules) in [
        "s/foo/bar/",
        "s/foo/bar/i",
        "s/foo/bar/n",
        "s/FOO/bar/ni",
        "S/foo/bar/NI",
        "s|foo=(\\w+),bar=\\1|foo/bar=$1|",
        "s|<BR */?>|<br />|i",
        "s/a.b/X/",
        "s/a.b/X/n",
        "s/^a/X/",
        "s/a/X/",
        "s/a$/X/",
        "s/foo//",
        "s/b/$0$0/",
        "s/b/$0&\\\\$0/",
        "s/b/$9[$1]/",
        "s/b/$0$1/n",
        "s/\\n/|/",
        "s/foo/bar\nSubstitute s/bar/baz/",
        "s/foo/bar/q\nSubstitute s/bar/baz/q",
        "s/foo/b/q\nSubstitute s/bb/Z/",
        "s/foo/b/\nSubstitute s/bb/Z/",
        "s/c/b/q\nSubstitute s/ab/Z/",
        "s/c/b/f\nSubstitute s/ab/Z/n",
        "s/(?i)foo/X/",
        "s/a/$1/",
        "s/é/e/",
    ]
    .iter()
    .enumerate()
    {
        // Each pattern in quotes; apache's own quoting takes a backslash before a quote only.
        let rules = format!("\"{}\"", rules.replace("\nSubstitute ", "\"\nSubstitute \""));
        conf.push_str(&format!("<Location /d{number}>\nSetOutputFilter SUBSTITUTE\nSubstitute {rules}\n</Location>\nAlias /d{number} @ROOT@/htdocs\n"));
        g = g.get(&format!("/d{number}/t.txt"));
    }
    g.conf(&conf).file("htdocs/t.txt", TEXT).check();
}

#[test]
fn answers() {
    group("SUBSTITUTE answers")
        .and_modules("substitute")
        .conf("AddOutputFilterByType SUBSTITUTE text/plain\nSubstitute s/foo/longer/\nErrorDocument 404 \"no foo\"\n")
        .file("htdocs/t.txt", TEXT)
        .file("htdocs/empty.txt", "")
        .file("htdocs/big.txt", "foo bar\n".repeat(20_000))
        .file("htdocs/t.html", TEXT)
        .get("/t.txt")
        .ask("HEAD", "/t.txt", "")
        .get_with("/t.txt", "Range: bytes=0-9")
        .get_with("/t.txt", "If-None-Match: *")
        .get("/empty.txt")
        .get("/big.txt")
        .get("/t.html")
        .get("/none.txt")
        .request("GET /t.txt HTTP/1.0\r\n\r\n")
        .check();
}

#[test]
fn lengths_and_merging() {
    group("Substitute merging")
        .and_modules("substitute")
        .conf(
            "SetOutputFilter SUBSTITUTE\n<Directory @ROOT@/htdocs/a>\nAllowOverride FileInfo\nSubstitute s/one/two/\n</Directory>\n\
             <Directory @ROOT@/htdocs/a/before>\nSubstituteInheritBefore on\nSubstitute s/two/three/\n</Directory>\n\
             <Directory @ROOT@/htdocs/a/after>\nSubstitute s/two/three/\n</Directory>\n<Directory @ROOT@/htdocs/a/short>\nSubstituteMaxLineLength 20\n</Directory>\n\
             <Directory @ROOT@/htdocs/a/grow>\nSubstituteMaxLineLength 20\nSubstitute s/o/oooooooooo/\n</Directory>\n",
        )
        .file("htdocs/a/t.txt", "one two\n")
        .file("htdocs/a/before/t.txt", "one two\n")
        .file("htdocs/a/after/t.txt", "one two\n")
        .file("htdocs/a/ht/t.txt", "one two\n")
        .file("htdocs/a/ht/.htaccess", "Substitute s/two/four/\nSubstituteMaxLineLength 2k\n")
        .file("htdocs/a/short/ok.txt", "one 345678901234567\nx\n")
        .get("/a/t.txt")
        .get("/a/before/t.txt")
        .get("/a/after/t.txt")
        .get("/a/ht/t.txt")
        .get("/a/short/ok.txt")
        .check();
}

/// Pages and log lines of responses that fail before anything is sent; their lengths are another matter.
#[test]
fn endless_and_too_long() {
    group("Substitute without an end")
        .and_modules("substitute")
        .conf(
            "SetOutputFilter SUBSTITUTE\n<Location /end>\nSubstitute s/$/!/\n</Location>\n<Location /any>\nSubstitute s/x*/-/\n</Location>\n\
             <Location /two>\nSubstitute s/b/^/q\nSubstitute s/^/>/\n</Location>\n<Location /long>\nSubstituteMaxLineLength 20\nSubstitute s/a/b/\n</Location>\n\
             <Location /grow>\nSubstituteMaxLineLength 30\nSubstitute s/o/oooooooooo/\n</Location>\nAliasMatch ^/[a-z]+/(.*) @ROOT@/htdocs/$1\n",
        )
        .file("htdocs/t.txt", TEXT)
        .file("htdocs/long.txt", "a".repeat(100))
        .file("htdocs/ok.txt", "a".repeat(20))
        .facts_only(|server| {
            let mut out = String::new();
            for path in ["/end/t.txt", "/any/t.txt", "/two/t.txt", "/long/long.txt", "/long/ok.txt", "/grow/t.txt"] {
                let answer = server.ask(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
                let first = String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned();
                out.push_str(&format!("{path} {first}\n"));
            }
            let log = server.error_log();
            out.push_str(&log.lines().filter_map(|line| line.find("AH01328").map(|at| format!("{}\n", &line[at..]))).collect::<String>());
            out
        });
}

#[test]
fn errors() {
    group("substitute errors").and_modules("substitute").syntax(&[
        "Substitute foo",
        "Substitute s/a/b",
        "Substitute s/a/b/x",
        "Substitute s/(/b/",
        "Substitute s|a|b|niqf",
        "Substitute \"s/a/b/ n\"",
        "Substitute ss",
        "Substitute s",
        "Substitute s/a",
        "Substitute s/a/",
        "Substitute s//x/",
        "Substitute s//x/n",
        "Substitute s///",
        "Substitute s/a//x",
        "Substitute s/a/b//",
        "Substitute",
        "SubstituteMaxLineLength x",
        "SubstituteMaxLineLength 1k",
        "SubstituteMaxLineLength 1G",
        "SubstituteMaxLineLength 1T",
        "SubstituteMaxLineLength -1",
        "SubstituteMaxLineLength 99999999999999999999",
        "SubstituteMaxLineLength 2kb",
        "SubstituteInheritBefore maybe",
    ]);
    group("substitute .htaccess")
        .and_modules("substitute")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>")
        .htaccess(&["Substitute s/a/b/"]);
}

/// Whether the length of a changed body is told depends on its line breaks.
#[test]
fn lengths_and_line_breaks() {
    let mut g = group("lengths and line breaks")
        .and_modules("substitute")
        .conf("SetOutputFilter SUBSTITUTE\n<Location /with>\nSubstitute s/a/bb/\n</Location>\n");
    for (name, text) in [
        ("empty", ""),
        ("one", "aa"),
        ("line", "aa\n"),
        ("two", "aa\naa"),
        ("many", &"a\n".repeat(3000)),
        ("long", &"ab".repeat(3000)),
    ] {
        for dir in ["with", "without"] {
            g = g.file(&format!("htdocs/{dir}/{name}.txt"), text);
            g = g.get(&format!("/{dir}/{name}.txt")).ask("HEAD", &format!("/{dir}/{name}.txt"), "");
            g = g.get_with(&format!("/{dir}/{name}.txt"), "Range: bytes=0-1");
        }
    }
    g.check();
}
