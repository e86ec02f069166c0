//! Times the parsing of ten thousand virtual hosts, some 100,000 lines.
#![allow(clippy::print_stdout)]

use httpd_conf::{Command, Document, Lines, expand, words};
use std::time::{Duration, Instant};

fn main() {
    let mut source = String::new();
    for n in 0..10_000 {
        source.push_str(&format!(
            "# host {n}\n<VirtualHost *:${{PORT}}>\n    ServerName host{n}.example.org\n    ServerAlias www.host{n}.example.org \\\n        alias{n}.example.org\n    DocumentRoot \"/srv/www/host{n}\"\n    <Directory \"/srv/www/host{n}\">\n        Require all granted\n    </Directory>\n    CustomLog ${{LOG}}/host{n}.log combined\n</VirtualHost>\n\n"
        ));
    }
    let source = source.as_bytes();
    println!("{} lines, {} bytes", source.iter().filter(|&&b| b == b'\n').count(), source.len());
    let document = best(|| Document::parse(source).nodes.len());
    println!("document: {} nodes in {:?}", document.0, document.1);
    let server = best(|| {
        let lines = Lines::new(source).filter(|line| !line.is_ignored());
        lines.map(|line| words(Command::split(&expand(&line.text, |_| Some("80")).text).args()).count()).sum()
    });
    println!("lines, variables, words: {} words in {:?}", server.0, server.1);
}

/// The result and the shortest of ten runs.
fn best(run: impl Fn() -> usize) -> (usize, Duration) {
    let timed = || {
        let start = Instant::now();
        (run(), start.elapsed())
    };
    (0..10).map(|_| timed()).min_by_key(|(_, time)| *time).unwrap_or_default()
}
