//! mod_unique_id: UNIQUE_ID.

use compat_tests::group;

/// Letters of the alphabet as one shape, so that two names compare.
fn shape(text: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { 'x' } else { c };
    text.lines().map(|line| line.chars().map(letter).collect::<String>() + "\n").collect()
}

#[test]
fn names() {
    group("UNIQUE_ID")
        .and_modules("unique_id headers dir")
        .log_format("%{UNIQUE_ID}e|%{REDIRECT_UNIQUE_ID}e|%{X-Id}o")
        .file("htdocs/d/index.html", "x\n")
        .conf("Header always set X-Id expr=%{env:UNIQUE_ID}\nErrorDocument 404 /index.html\n")
        .facts_only(|server| {
            let mut out = String::new();
            for path in ["/", "/d/", "/none", "/d/index.html"] {
                server.get(path);
            }
            server.wait(|server| log_of(server).lines().count() == 4);
            let log = log_of(server);
            out.push_str(&shape(&log));
            for line in log.lines() {
                let ids: Vec<_> = line.split('|').collect();
                out.push_str(&format!("{} {}\n", ids.first() == ids.get(1), ids.first() == ids.get(2)));
            }
            let mut firsts: Vec<_> = log.lines().filter_map(|line| line.split('|').next()).collect();
            firsts.sort();
            firsts.dedup();
            out.push_str(&format!("{} different, {:?} octets\n", firsts.len(), firsts.first().map(|id| id.len())));
            out
        });
}

fn log_of(server: &compat_tests::Running) -> String {
    std::fs::read_to_string(server.path("logs/access.log")).unwrap_or_default()
}
