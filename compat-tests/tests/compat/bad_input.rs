//! What goes wrong on purpose or by accident: patterns, endless rewriting and including, scripts that write garbage, hang, die
//! or complain without end. The same answer as Apache's, and others are served as before.

use compat_tests::{Group, group, under_each_mpm};

fn place(name: &str) -> Group {
    group(name)
        .and_modules("rewrite include cgi")
        .conf(
            "Timeout 3\n<Directory @ROOT@/htdocs>\nAllowOverride All\nOptions FollowSymLinks ExecCGI Includes\nAddHandler cgi-script .cgi\n\
             AddOutputFilter INCLUDES .shtml\nAddType text/html .shtml\n</Directory>\n",
        )
        .file("htdocs/y.txt", "y\n")
}

#[test]
fn endless_rewriting() {
    place("endless rewriting")
        .conf(
            "RewriteEngine on\nRewriteRule ^/longer(.*) /longer$1x [N]\nRewriteRule ^/same /same [N]\nRewriteRule ^/five(.*) /five$1x [N=5]\n\
             RewriteRule ^/double(.*) /y$1$1$1$1$1$1$1$1\nRewriteCond %{HTTP:X-Long} \"^(a+)+$\"\nRewriteRule ^/explodes - [F]\n\
             RewriteRule \"^/big(?:(?:a|b|ab)+)+c$\" /y.txt\n",
        )
        .file("htdocs/inner/.htaccess", "RewriteEngine on\nRewriteRule (.*) $1x\n")
        .file("htdocs/deeper/.htaccess", "RewriteEngine on\nRewriteRule ^(.*)$ /deeper/a$1\n")
        .get("/longer")
        .get("/same")
        .get("/five")
        .get(&format!("/double{}", "a".repeat(3000)))
        .get_with("/explodes", &format!("X-Long: {}!", "a".repeat(3000)))
        .get_with("/explodes", "X-Long: aaa")
        .get(&format!("/big{}", "ab".repeat(60)))
        .get(&format!("/big{}", "ab".repeat(3000)))
        .get("/inner/")
        .get("/deeper/")
        .get("/y.txt")
        .check();
}

#[test]
fn malformed_patterns() {
    place("malformed patterns").and_modules("headers substitute").htaccess(&[
        "RewriteEngine on\nRewriteRule ( x",
        "RewriteEngine on\nRewriteCond %{X} [a\nRewriteRule . x",
        "RedirectMatch ( x",
        "AliasMatch ( x",
        "<FilesMatch \"(\">\n</FilesMatch>",
        "<If \"%{REQUEST_URI} =~ m#(#\">\n</If>",
        "SetEnvIf User-Agent ( x",
        "Header edit A ( x",
        "Substitute s/(/x/",
        "RewriteEngine on\nRewriteRule a{2,1} x",
        "RewriteEngine on\nRewriteRule (?<a x",
        "RewriteEngine on\nRewriteRule *a x",
    ]);
}

#[test]
fn endless_including() {
    place("endless including")
        .file("htdocs/i.shtml", "a<!--#include virtual=\"/i.shtml\" -->b\n")
        .file("htdocs/j.shtml", "a<!--#include virtual=\"/k.shtml\" -->b\n")
        .file("htdocs/k.shtml", "c<!--#include virtual=\"/j.shtml\" -->d\n")
        .file("htdocs/l.shtml", "x<!--#include file=\"l.shtml\" -->y\n")
        .file("htdocs/m.shtml", "m<!--#include virtual=\"/m.shtml?a=b\" --><!--#include virtual=\"/m.shtml?c\" -->m\n")
        .get("/i.shtml")
        .get("/j.shtml")
        .get("/l.shtml")
        .get("/m.shtml")
        .get("/y.txt")
        .check();
}

const SCRIPTS: &[(&str, &str)] = &[
    ("text", "printf 'no header at all\\n'"),
    ("nul", "head -c 3000 /dev/zero"),
    ("unended", "printf 'A: b\\nnocolon'"),
    ("one", "printf 'A: b'"),
    ("half", "printf 'A: b\\nC d\\n\\nx'"),
    ("many", "head -c 100000 /dev/zero | tr '\\0' a"),
    ("empty", "exit 0"),
    ("dies", "kill -9 $$"),
    ("exits", "exit 3"),
    ("longest", "printf 'A: '; head -c 8186 /dev/zero | tr '\\0' a; printf '\\n\\nx'"),
    ("longer", "printf 'A: '; head -c 8187 /dev/zero | tr '\\0' a; printf '\\n\\nx'"),
    ("longer2", "printf 'A: b\\nC: '; head -c 20000 /dev/zero | tr '\\0' a; printf '\\n\\nx'"),
    ("fields", "i=0; while [ $i -lt 500 ]; do echo \"X-$i: $i\"; i=$((i+1)); done; printf '\\nx'"),
    ("nothing", "printf 'Status: 0\\n\\nx'"),
    ("odd", "printf 'Status: 299\\n\\nx'"),
    ("odd2", "printf 'Status: 999 Own words\\n\\nx'"),
    ("odd3", "printf 'Status: 404x\\n\\nx'"),
    ("odd4", "printf 'Status: abc\\n\\nx'"),
    ("odd5", "printf 'Status: 1000\\n\\nx'"),
    ("circle", "printf 'Location: /circle.cgi\\n\\n'"),
    ("lies", "printf 'Content-Type: text/plain\\nContent-Length: 5\\nTransfer-Encoding: chunked\\n\\nabc'"),
    ("hangs", "exec sleep 20"),
    ("stops", "printf 'Content-Type: text/plain\\n\\nhalf'; sleep 0.1; kill -9 $$"),
];

under_each_mpm! {
    fn scripts(mpm) {
        let mut g = place("bad scripts").mpm(mpm);
        for (name, text) in SCRIPTS {
            let path = format!("htdocs/{name}.cgi");
            g = g.file(&path, format!("#!/bin/sh\n{text}\nsleep 0.1\n")).mode(&path, 0o755).get(&format!("/{name}.cgi")).get("/y.txt");
        }
        g.file("htdocs/noexec.cgi", "#!/bin/sh\n").get("/noexec.cgi")
            .file("htdocs/nointerpreter.cgi", "#!/nonexistent\n").mode("htdocs/nointerpreter.cgi", 0o755).get("/nointerpreter.cgi")
            .check();
    }
}

/// Complaints without end reach the log, and the answer comes.
#[test]
fn a_flood_of_complaints() {
    let script = "#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do echo \"complaint $i of a flood of them\" >&2; i=$((i+1)); done\n\
                  printf 'Content-Type: text/plain\\n\\ndone'\n";
    place("a flood of complaints").file("htdocs/flood.cgi", script).mode("htdocs/flood.cgi", 0o755).facts_only(
        |server| {
            let ask = |path: &str| {
                let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                String::from_utf8_lossy(&server.ask(request.as_bytes())).lines().last().unwrap_or_default().to_owned()
            };
            format!("{} {}", ask("/flood.cgi"), ask("/y.txt"))
        },
    );
}

/// A script that goes on writing ends once its client has left; nothing is left running.
#[test]
fn clients_that_leave() {
    for module in ["cgi", "cgid"] {
        let script = "#!/bin/sh\necho $$ > ../logs/script\nprintf 'Content-Type: text/plain\\n\\n'\nwhile :; do echo hello; sleep 0.1; done\n";
        group("clients that leave")
            .and_modules(module)
            .conf("<Directory @ROOT@/htdocs>\nOptions ExecCGI\nAddHandler cgi-script .cgi\n</Directory>\n")
            .file("htdocs/talks.cgi", script)
            .mode("htdocs/talks.cgi", 0o755)
            .dir("logs")
            .mode("logs", 0o777)
            .facts_only(|server| {
                use std::io::{Read, Write};
                let mut client = std::net::TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
                client.write_all(b"GET /talks.cgi HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
                let mut some = [0; 64];
                let heard = client.read(&mut some).is_ok_and(|count| count > 0);
                drop(client);
                let script = std::fs::read_to_string(server.path("logs/script")).unwrap_or_default();
                let gone = server.wait(|_| !std::path::Path::new(&format!("/proc/{}", script.trim())).exists());
                format!("heard {heard}, script gone {gone:?}")
            });
    }
}
