//! mod_sed: OutputSed, InputSed, the filters Sed.

use compat_tests::group;

const TEXT: &str = "foo abc aab\nabab *x ]y -z <a> {2}\n\nx1122 a\\b a.b $5 ^c\n\tcaf\u{e9} \u{1}\nlast fff";

fn quoted(line: &str) -> String {
    format!("\"{}\"", line.replace('\\', "\\\\").replace('"', "\\\""))
}

fn directives(name: &str, script: &str) -> String {
    script.split('\u{1f}').map(|line| format!("{name} {}\n", quoted(line))).collect()
}

/// Runs each script over the same text. Commands of a script that stand in directives of their own are separated by
/// U+001F; `${NL}` is a line break.
fn scripts(title: &str, scripts: &[&str]) {
    let mut conf = String::new();
    let mut g = group(title).and_modules("sed").env("NL", "\n");
    for (number, script) in scripts.iter().enumerate() {
        let sed = directives("OutputSed", script);
        conf.push_str(&format!(
            "<Location /s{number}>\nSetOutputFilter Sed\n{sed}</Location>\nAlias /s{number} @ROOT@/htdocs\n"
        ));
        g = g.request(format!("GET /s{number}/t.txt HTTP/1.0\r\n\r\n"));
    }
    g.conf(&conf).file("htdocs/t.txt", TEXT).file("more", "more\nand more\n").check();
}

#[test]
fn substitutions() {
    scripts(
        "sed s",
        &[
            "s/a/X/",
            "s/a/X/g",
            "s/a/X/2",
            "s/a/X/g2",
            "s/a/X/512",
            "s/a/X/p",
            "s/a/X/gP",
            "#n\u{1f}s/a/X/p",
            "#n\u{1f}N;s/a/X/P",
            "s/a/&&\\&/",
            "s/\\(a\\)\\(b\\)/[\\2\\1\\0]/",
            "s/\\(a\\(b\\)\\)/\\2/",
            "s/\\(a*\\)b\\1/X/g",
            "s/a*/x/g",
            "s/x*/-/g",
            "s/a*b*/x/g",
            "s/b*$/E/",
            "s/^/B/g",
            "s/$/E/g",
            "s|a|/|",
            "s,a,b\\,c,",
            "s.a\\.b.X.",
            "snan\\nn",
            "ss\\ssxs",
            "s(a(b(",
            "s a b ",
            "s/ab/a\\/b/",
            "s/a/\\n/",
            "s/a/x\\${NL}y/",
            "s/a/x\\",
            "s//X/;s/a/b/\u{1f}",
            "/ab/s//Q/",
            "/ab/s/b//;s//Q/",
            "N;s/b\\nab/X/",
            "N;s/b.ab/X/",
            "$!N;s/\\n/+/",
            "s/^$/EMPTY/",
            "s/a/b/;#c",
        ]
        .iter()
        .copied()
        .filter(|script| !script.starts_with("s//"))
        .collect::<Vec<_>>(),
    );
}

#[test]
fn expressions() {
    scripts(
        "sed expressions",
        &[
            "s/*a/S/",
            "s/**/S/",
            "s/^*/S/",
            "s/a**/S/",
            "s/\\(*x\\)/S/",
            "s/a\\{2\\}/S/g",
            "s/a\\{1,2\\}/S/g",
            "s/a\\{2,\\}/S/g",
            "s/ab\\{0,\\}/S/g",
            "s/a\\{0\\}/S/",
            "s/.\\{2\\}/S/g",
            "s/[ab]\\{2,3\\}/S/g",
            "s/\\{2\\}/S/",
            "s/\\(ab\\)\\{2\\}/S/",
            "s/\\(ab\\)*/S/",
            "s/\\(.\\)\\1*/S/g",
            "s/\\(.\\)\\1\\{1\\}/S/g",
            "s/a\\{2\\}*/S/g",
            "s/[]y]/S/g",
            "s/[^]y]/S/g",
            "s/[a-]/S/g",
            "s/[-a]/S/g",
            "s/[z-a]/S/g",
            "s/[a-c]*/R/",
            "s/[\\n]/S/g",
            "s/[\\]]/S/g",
            "s/[/]/S/",
            "s/[a/]b]*/Q/",
            "s/[[:alpha:]]/C/g",
            "s/a\\|b/S/",
            "s/a+/S/",
            "s/(a|b)/S/",
            "s/\\t/S/",
            "s/\\<a/S/",
            "s/a\\>/S/",
            "s/\\^c/S/",
            "s/a^b/S/",
            "s/$5/S/",
            "s/\\$5/S/",
            "s/\\(^f\\)/S/",
            "s/\\(f$\\)/S/",
            "s/^\\(f\\)/S/",
            "s/\\\\/S/g",
            "s/\\./S/g",
            "s/a.c/S/",
            "s/\u{e9}/e/",
            "\\,foo,d",
            "\\xfooxd",
            "/a[^x]b/d",
        ],
    );
}

#[test]
fn commands() {
    scripts(
        "sed commands",
        &[
            "p",
            "#n",
            "#nfoo\u{1f}p",
            "p\u{1f}#n",
            " #n",
            "#comment",
            "2q",
            "/x/q",
            "10q",
            "d",
            "$d",
            "$!d",
            "2!d",
            "2!!d",
            "1,2d",
            "2,1p",
            "0,2p",
            "1;2p",
            "/foo/,/bar/d",
            "/foo/,/foo/d",
            "2,/a/d",
            "/a/,2d",
            "/a/,3s/^/>/",
            "1,$p",
            "$,1p",
            "n;d",
            "n",
            "n;n;s/^/3/",
            "$!{n;n;n;}",
            "N",
            "N;P;D",
            "$!N;P;D",
            "$!N;/^\\n/D",
            "N;D",
            "N;P",
            "D",
            "H;$!d;x;s/\\n/,/g",
            "1!G;h;$!d",
            "G",
            "x",
            "x;G",
            "x;p;x",
            "g",
            "=",
            "$=",
            "l",
            "N;l",
            "s/.*/&&&&&&&&/;l",
            "y/abc/xyz/",
            "y/aa/xy/",
            "y/\\//x/",
            "y/a/\\n/",
            "$!N;y/\\n/x/",
            "y",
            "p;;p",
            "; p",
            " 2 p",
            "1{p;}",
            "1{p;}p",
            "1{p;};p",
            "/f/{\u{1f}s/f/g/\u{1f}}",
            "1!{p;}",
            "1{/b/d;}",
            "b x\u{1f}s/^/1/\u{1f}:x\u{1f}s/^/2/",
            "b\u{1f}s/^/1/",
            "s/a/b/\u{1f}tx\u{1f}s/^/N/\u{1f}:x",
            "t",
            "{",
            "{{p;};}",
            "b none",
            ":x ;p",
            "a\\",
            "\\",
        ],
    );
}

/// Commands with lines of text, which only a variable can bring into a directive.
#[test]
fn texts_and_files() {
    scripts(
        "sed texts",
        &[
            "a\\${NL}text",
            "1a\\${NL}  lead\\${NL}  more",
            "1a\\${NL}x\\y\\\\z",
            "1i\\${NL}text",
            "2c\\${NL}C",
            "1,2c\\${NL}C",
            "$!c\\${NL}C",
            "1,2!c\\${NL}C",
            "a\\${NL}text${NL}p",
            "a\\${NL}",
            "i\\${NL}x;p",
            "p${NL}p",
            "a\\${NL}A${NL}n",
            "a\\${NL}A${NL}N",
            "a\\${NL}A${NL}d",
            "a\\${NL}A${NL}q",
            "a\\${NL}A${NL}N${NL}D",
            "2,$c\\${NL}C",
            "r @ROOT@/more",
            "2r  @ROOT@/more",
            "$r @ROOT@/none",
            "r @ROOT@/more;p",
            "a\\${NL}A${NL}r @ROOT@/more${NL}2p",
        ],
    );
    group("sed w")
        .and_modules("sed")
        .conf(
            "SetOutputFilter Sed\n<Location /a>\nOutputSed \"2w @ROOT@/written/one\"\nOutputSed \"s/foo/[&]/w @ROOT@/written/two\"\nOutputSed \"w @ROOT@/written/one\"\n</Location>\n\
             <Location /b>\nOutputSed \"w @ROOT@/nowhere/file\"\n</Location>\nAliasMatch ^/[ab]/(.*) @ROOT@/htdocs/$1\n",
        )
        .file("htdocs/t.txt", TEXT)
        .file("written/two", "old and longer than what is new\n")
        .mode("written/two", 0o666)
        .mode("written", 0o777)
        .also("written/one")
        .also("written/two")
        .request("GET /a/t.txt HTTP/1.0\r\n\r\n")
        .request("GET /b/t.txt HTTP/1.0\r\n\r\n")
        .check();
}

#[test]
fn answers() {
    group("sed answers")
        .and_modules("sed")
        .conf(
            "SetOutputFilter Sed\n<Directory @ROOT@/htdocs>\nOutputSed s/foo/longer/\n</Directory>\n<Directory @ROOT@/htdocs/in>\nOutputSed s/bar/BAR/\n</Directory>\n\
             <Directory @ROOT@/htdocs/input>\nInputSed s/bar/BAR/\n</Directory>\n<Location /none>\nSetOutputFilter Sed\n</Location>\nErrorDocument 404 \"no foo\"\n",
        )
        .file("htdocs/t.txt", "foo bar\nfoo")
        .file("htdocs/line.txt", "foo bar\n")
        .file("htdocs/empty.txt", "")
        .file("htdocs/lines.txt", "\n\n")
        .file("htdocs/in/t.txt", "foo bar\n")
        .file("htdocs/in/deep/t.txt", "foo bar\n")
        .file("htdocs/input/t.txt", "foo bar\n")
        .file("htdocs/big.txt", "foo bar\n".repeat(4000))
        .get("/t.txt")
        .get("/line.txt")
        .get("/empty.txt")
        .get("/lines.txt")
        .get("/in/t.txt")
        .get("/in/deep/t.txt")
        .get("/input/t.txt")
        .get("/none.txt")
        .ask("HEAD", "/t.txt", "")
        .get_with("/t.txt", "Range: bytes=0-9")
        .get_with("/t.txt", "If-None-Match: *")
        .request("GET /big.txt HTTP/1.0\r\n\r\n")
        .check();
}

#[test]
fn request_bodies() {
    let post = |path: &str, body: &str| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    group("sed request bodies")
        .and_modules("sed reflector")
        .conf(
            "SetHandler reflector\nSetInputFilter Sed\n<Location /one>\nInputSed s/foo/BAR/g\n</Location>\n<Location /two>\nInputSed 2d\nInputSed $p\n</Location>\n\
             <Location /quit>\nInputSed 1q\n</Location>\n<Location /bad>\nInputSed {\n</Location>\n<Location /gone>\nInputSed d\n</Location>\n",
        )
        .request(post("/one", "foo foo\n"))
        .request(post("/one", "foo"))
        .request(post("/one", ""))
        .request(post("/two", "a\nb\nc"))
        .request(post("/quit", "a\nb\nc"))
        .request(post("/bad", "a\nb\nc"))
        .request(post("/gone", "a\nb\nc"))
        .request(post("/none", "foo"))
        .request("POST /one HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nafo\r\n2\r\no\n\r\n0\r\n\r\n")
        .request(post("/one", &"foo bar\n".repeat(4000)))
        .check();
}

/// Lines and spaces have a limit, 8 MB; what grows without one fails.
#[test]
fn limits() {
    group("sed limits")
        .and_modules("sed")
        .conf(
            "SetOutputFilter Sed\n<Location /grow>\nOutputSed \"H;H;x;h\"\n</Location>\n<Location /double>\nOutputSed \":x\"\nOutputSed \"s/.*/&&/\"\nOutputSed \"b x\"\n</Location>\n\
             <Location /line>\nOutputSed p\n</Location>\nAliasMatch ^/[a-z]+/(.*) @ROOT@/htdocs/$1\n",
        )
        .file("htdocs/t.txt", "abc\n".repeat(100))
        .file("htdocs/long.txt", "0123456789abcdef".repeat(600_000))
        .facts_only(|server| {
            let mut out = String::new();
            for path in ["/grow/t.txt", "/double/t.txt", "/line/long.txt"] {
                let answer = server.ask(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes());
                let text = String::from_utf8_lossy(&answer);
                out.push_str(&format!("{path} {}\n", text.lines().next().unwrap_or_default()));
            }
            let log = server.error_log();
            out.push_str(&log.lines().filter_map(|line| line.find("AH10394").map(|at| format!("{}\n", &line[at..]))).collect::<String>());
            out
        });
}

#[test]
fn errors() {
    let scripts = [
        "}",
        "k",
        "1,",
        "1,p",
        "1, 2p",
        "1 ,2p",
        "2! d",
        "p ;p",
        "2p ",
        "dd",
        "q5",
        "p#c",
        "1#n",
        "n#",
        "1,2=",
        "1,2q",
        "1,2r x",
        "1,2}",
        "1}",
        "1,2a\\${NL}x",
        "1,2i\\${NL}x",
        "a text",
        "i\\ text",
        "a\\ ${NL}x",
        "1:x",
        ":",
        ":x\u{1f}:x",
        ":12345678",
        ":1234567",
        "b 12345678",
        "r",
        "r/tmp",
        "w",
        "w/tmp/x",
        "s/a/b/w",
        "s/a/b/w/tmp/x",
        "s//x/",
        "//p",
        "s/a/b/c",
        "s/a/b/i",
        "s/a/b/gg",
        "s/a/b/2g",
        "s/a/b/pg",
        "s/a/b/0",
        "s/a/b/513",
        "s/a/b",
        "s/\\(a/x/",
        "s/a\\)/x/",
        "s/[a/x/",
        "s/a\\{/x/",
        "s/a\\{2/x/",
        "s/a\\{2x\\}/x/",
        "s/a\\{x\\}/x/",
        "s/a\\{3,2\\}/x/",
        "s/a\\{255\\}/x/",
        "s/a\\{1,2,3\\}/x/",
        "s/\\1/x/",
        "s/\\(a\\1\\)/x/",
        "s/\\(a\\)/\\2/",
        "s/a/\\1/",
        "s/\\(\\(\\(\\(\\(\\(\\(\\(\\(\\(a\\)\\)\\)\\)\\)\\)\\)\\)\\)\\)/x/",
        "/\\(a/p",
        "/b\\1/",
        "1,/\\(a/p",
        "y/ab/c/",
        "y/ab/cd",
        "y/ab",
        "y/a/bc/",
        "y/a/b/g",
        "y/\\\\/x/",
        "s/a/b${NL}c/",
        "y/a/${NL}/",
        "s/a/b/\u{1f}k",
        "{p;p}",
        "2{s/a/b/}",
    ];
    let mut snippets: Vec<String> =
        scripts.iter().map(|script| format!("<Location />\n{}</Location>", directives("OutputSed", script))).collect();
    snippets.extend(
        [
            "OutputSed p",
            "<Location />\nOutputSed\n</Location>",
            "<Location />\nOutputSed a b\n</Location>",
            "<Location />\nInputSed k\n</Location>",
            "InputSed p",
            "<Location />\nInputSed\n</Location>",
        ]
        .map(String::from),
    );
    group("sed errors").and_modules("sed").env("NL", "\n").syntax(&snippets);
    group("sed .htaccess").and_modules("sed").htaccess(&["OutputSed p", "InputSed p"]);
}

/// Scripts made by chance, always the same ones.
#[test]
fn random_scripts() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % bound
    };
    const ATOMS: [&str; 12] = ["a", "b", "x", "f", " ", ".", "[ab]", "[^a]", "\\(a*\\)", "\\(b.\\)", "\\.", "\\n"];
    const COUNTS: [&str; 9] = ["", "", "", "", "", "*", "**", "\\{2\\}", "\\{0,1\\}"];
    const ACTIONS: [&str; 16] =
        ["p", "d", "g", "G", "h", "H", "l", "n", "N", "P", "x", "=", "y/ab/xy/", "s/RE/[&]/g", "s/RE/X/2", "s/RE/-/"];
    let mut regex = |anchored: bool| {
        let mut out = String::from(if anchored && below(6) == 0 { "^" } else { "" });
        for _ in 0..=below(3) {
            out.push_str(ATOMS[below(ATOMS.len())]);
            out.push_str(if out.ends_with(')') { "" } else { COUNTS[below(COUNTS.len())] });
        }
        out + if anchored && below(6) == 0 { "$" } else { "" }
    };
    let patterns: Vec<String> = (0..400).map(|_| regex(true)).collect();
    let mut state = 7usize;
    let mut next = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) % bound
    };
    let mut made = Vec::new();
    for _ in 0..120 {
        let mut script = Vec::new();
        for _ in 0..=next(4) {
            let mut address = || match next(4) {
                0 => next(6).to_string(),
                1 => "$".to_owned(),
                _ => format!("/{}/", patterns[next(patterns.len())]),
            };
            let addresses = [String::new(), address(), format!("{},{}", address(), address())];
            let (addresses, negation) = (&addresses[next(3)], ["", "", "", "!"][next(4)]);
            let action = ACTIONS[next(ACTIONS.len())].replace("RE", &patterns[next(patterns.len())]);
            script.push(format!(
                "{addresses}{}{action}",
                if action == "=" && addresses.contains(',') { "p;" } else { negation }
            ));
        }
        made.push(script.join("\u{1f}"));
    }
    scripts("sed by chance", &made.iter().map(String::as_str).collect::<Vec<_>>());
}
