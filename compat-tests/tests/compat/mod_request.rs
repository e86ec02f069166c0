//! mod_request: KeptBodySize.

use compat_tests::{Group, group};

const SCRIPT: &str = "#!/bin/sh\necho 'Content-Type: text/plain'\necho\nIN=\"`cat`\"\n\
    echo \"$REQUEST_METHOD $CONTENT_LENGTH $CONTENT_TYPE $HTTP_TRANSFER_ENCODING [$IN]\"\n";

fn site(name: &str, size: &str) -> Group {
    group(name)
        .and_modules("request include cgid")
        .file("htdocs/s.cgi", SCRIPT)
        .mode("htdocs/s.cgi", 0o755)
        .file("htdocs/p.shtml", "A<!--#include virtual=\"/s.cgi\" -->B<!--#include virtual=\"/q.shtml\" -->C<!--#include virtual=\"/s.cgi\" -->")
        .file("htdocs/q.shtml", "q<!--#include virtual=\"/s.cgi\" -->")
        .file("htdocs/x.html", "x\n")
        .file("htdocs/none/p.shtml", "A<!--#include virtual=\"/s.cgi\" -->")
        .conf(&format!(
            "ScriptSock @ROOT@/run/cgisock\n<Directory @ROOT@/htdocs>\nOptions +Includes +ExecCGI\nAddType text/html .shtml\n\
             AddOutputFilter INCLUDES .shtml\nAddHandler cgi-script .cgi\n{size}\n</Directory>\n\
             <Directory @ROOT@/htdocs/none>\nKeptBodySize 0\n</Directory>\n\
             ErrorDocument 404 /q.shtml\nErrorDocument 403 /p.shtml\n<Location /denied>\nRequire all denied\n</Location>\n"
        ))
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    let fields = "Host: www.example.test\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    format!("POST {path} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
}

fn chunked(path: &str, body: &str) -> String {
    let fields = "Host: www.example.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n";
    format!("POST {path} HTTP/1.1\r\n{fields}\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
}

fn ask(site: Group) {
    site.request(post("/p.shtml", "a=b&c=d"))
        .request(chunked("/p.shtml", "a=b&c=d"))
        .request(post("/p.shtml", ""))
        .request(post("/p.shtml", "01234567890123456789"))
        .request(post("/p.shtml", "0123456789012345678901"))
        .request(chunked("/p.shtml", "0123456789012345678901"))
        .request(post("/none/p.shtml", "a=b"))
        .request(post("/x.html", "a=b"))
        .request(post("/x.html", "0123456789012345678901"))
        .request(chunked("/x.html", "0123456789012345678901"))
        .request(post("/nothing", "a=b"))
        .request(post("/denied", "0123456789012345678901"))
        .get("/p.shtml")
        .ask("PUT", "/p.shtml", "Content-Length: 0\r\n")
        .check();
}

/// What was sent is there for every document that is included, and nothing that is longer than allowed is taken.
#[test]
fn kept() {
    ask(site("KeptBodySize", "KeptBodySize 20"));
}

/// Without it subrequests are GETs without a body, and so are the documents of errors.
#[test]
fn not_kept() {
    ask(site("no KeptBodySize", ""));
}

#[test]
fn errors() {
    group("errors of request").and_modules("request").syntax(&[
        "<Directory />\nKeptBodySize\n</Directory>",
        "<Directory />\nKeptBodySize x\n</Directory>",
        "<Directory />\nKeptBodySize -1\n</Directory>",
        "<Directory />\nKeptBodySize 10k\n</Directory>",
        "<Directory />\nKeptBodySize 1 2\n</Directory>",
        "<Directory />\nKeptBodySize 99999999999999999999\n</Directory>",
        "<Directory />\nKeptBodySize 9223372036854775807\n</Directory>",
        "<Directory />\nKeptBodySize \" 5\"\n</Directory>",
        "<Directory />\nKeptBodySize +5\n</Directory>",
        "<Directory />\nKeptBodySize 0\n</Directory>",
        "KeptBodySize 5",
    ]);
    group("KeptBodySize in .htaccess").and_modules("request").htaccess(&["KeptBodySize 5\n"]);
}
