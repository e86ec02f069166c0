//! mod_actions: Action, Script.

use compat_tests::{Group, group};

const ENV: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n\
                   env | grep '^REDIRECT_\\|^PATH_\\|^REQUEST_\\|^SCRIPT_\\|^QUERY\\|^CONTENT_\\|^HANDLER' | LC_ALL=C sort\ncat\nsleep 0.1\n";

fn with_script(name: &str, conf: &str) -> Group {
    group(name)
        .and_modules("actions cgi alias mime env dir")
        .conf(&format!("LogLevel actions:debug\nScriptAlias /cgi/ @ROOT@/cgi/\n{conf}\n"))
        .file("cgi/env", ENV)
        .mode("cgi/env", 0o755)
        .file("htdocs/a.mine", "mine\n")
        .file("htdocs/a.txt", "text\n")
        .file("htdocs/a.gif", "GIF89a\n")
}

#[test]
fn actions() {
    with_script(
        "Action",
        "AddHandler my-type .mine\nAction my-type /cgi/env\nAction image/gif /cgi/env/x\nAddType image/gif .gif\n\
         Action Text/Plain /cgi/none\n<Location /news>\nSetHandler news-handler\nAction news-handler /cgi/env virtual\n</Location>\n\
         <Location /gone>\nSetHandler my-type\n</Location>\n<Location /loop>\nSetHandler loop\nAction loop /loop VIRTUAL\n</Location>\n\
         <Location /own>\nSetHandler my-type\nAction MY-TYPE /cgi/env/own virtual\n</Location>",
    )
    .get("/a.mine")
    .get("/a.mine/info?x=y%20z")
    .get("/a.gif")
    .get("/a.txt")
    .get("/news/today?q")
    .get("/gone/away")
    .get("/own/%41%20b")
    .get("/loop/x")
    .ask("HEAD", "/a.gif", "")
    .ask("DELETE", "/a.mine", "")
    .ask("OPTIONS", "/a.gif", "")
    .request("POST /a.mine HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
    .check();
}

#[test]
fn scripts() {
    let mut g = with_script(
        "Script",
        "RegisterHttpMethod BREW\nScript PUT /cgi/env\nScript GET /cgi/env/get\nScript BREW /cgi/env/brew\nScript post /cgi/env/lower\n\
         <Location /dir>\nScript PUT /cgi/env/dir\n</Location>\n<Location /loop>\nScript DELETE /loop\n</Location>",
    )
    .file("htdocs/dir/a.txt", "a\n");
    for path in ["/a.txt", "/a.txt?q=1", "/dir/a.txt", "/nope?x", "/loop/a"] {
        for method in ["GET", "HEAD", "PUT", "BREW", "POST", "OPTIONS", "DELETE", "post"] {
            g = g.ask(method, path, if matches!(method, "PUT" | "POST") { "Content-Length: 0" } else { "" });
        }
    }
    g.check();
}

#[test]
fn merging() {
    with_script(
        "Action .htaccess",
        "AddHandler one .one\nAddHandler two .two\nAction one /cgi/env/server\nAction two /cgi/env/server\n\
         <Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>\n<Directory @ROOT@/htdocs/no>\nAllowOverride None\n</Directory>",
    )
    .file("htdocs/h/.htaccess", "Action two /cgi/env/htaccess\nAction three /cgi/env/three\nAddHandler three .three\n")
    .file("htdocs/h/x.one", "1")
    .file("htdocs/h/x.two", "2")
    .file("htdocs/h/x.three", "3")
    .file("htdocs/no/.htaccess", "Action two /cgi/env/htaccess\n")
    .file("htdocs/no/x.two", "2")
    .get("/h/x.one")
    .get("/h/x.two")
    .get("/h/x.three")
    .get("/no/x.two")
    .check();
}

#[test]
fn errors() {
    group("Action errors").and_modules("actions").syntax(&[
        "Action",
        "Action a/b",
        "Action a/b /c other",
        "Action a/b /c virtual x",
        "Script",
        "Script GET",
        "Script TRACE /x",
        "Script FOO /x",
        "Script GET /x y",
    ]);
    group("Action in .htaccess").and_modules("actions").htaccess(&["Action a/b", "Script GET /x", "Action a/b /c bad"]);
}
