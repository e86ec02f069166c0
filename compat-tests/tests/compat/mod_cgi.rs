//! mod_cgi and mod_cgid: what scripts see, what becomes of their answers, and of those that misbehave.

use compat_tests::{Group, Mpm, group, under_each_mpm};

/// Prints the environment in one order, without what differs by chance. A script that goes on for a
/// moment behind its output is framed in one way only: its length is not known when the head leaves.
const ENV: &str = "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\n\
                   env | grep -v 'REMOTE_PORT=\\|^SERVER_SOFTWARE=\\|^_=\\|^SERVER_SIGNATURE=' | LC_ALL=C sort\n\
                   printf 'in %s with %s:' \"$PWD\" \"$#\"\nfor a; do printf ' [%s]' \"$a\"; done\necho\ncat\nsleep 0.1\n";

fn script(group: Group, name: &str, body: &str) -> Group {
    let path = format!("cgi/{name}");
    group.file(&path, format!("#!/bin/sh\n{body}\nsleep 0.1\n")).mode(&path, 0o755)
}

/// Scripts under `/cgi/` by that module.
fn scripts(name: &str, module: &str, conf: &str) -> Group {
    group(name)
        .and_modules(&format!("{module} alias env setenvif"))
        .conf(&format!("ScriptAlias /cgi/ @ROOT@/cgi/\nServerAdmin a@b.example\n{conf}\n"))
        .file("cgi/env", ENV)
        .mode("cgi/env", 0o755)
        .file("htdocs/a.txt", "a\n")
}

under_each_mpm! {
    fn environment(mpm) {
        let module = if mpm == Mpm::Prefork { "cgi" } else { "cgid" };
        scripts("environment", module, "SetEnv A b\nSetEnv SERVER_NAME spoofed\nSetEnv HTTP_COOKIE spoofed\nSetEnv SCRIPT_FILENAME /etc/passwd\nSetEnv QUERY_STRING x\nPassEnv HOME")
            .mpm(mpm)
            .get("/cgi/env")
            .get("/cgi/env/path/x%20y?a=b&c")
            .get("/cgi//env//p//q?one+t%77o+%26|x")
            .get_with("/cgi/env?", "Authorization: Basic eA==\nProxy: x\nX_Y: 1\nX-Z: 2\nX-z: 3\nCookie: a=b")
            .request("POST /cgi/env HTTP/1.1\r\nHost: x.example:81\r\nContent-Type: a/b\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
            .request("GET http://y.example/cgi/env?x=%41 HTTP/1.0\r\n\r\n")
            .ask("HEAD", "/cgi/env", "")
            .ask("PUT", "/cgi/env/../env/", "Content-Length: 0")
            .check();
    }
}

#[test]
fn environment_by_directives() {
    let conf = "<Location /cgi/>\nCGIPassAuth On\nCGIVar REQUEST_URI current-uri\n</Location>\n\
                QualifyRedirectURL On\nErrorDocument 404 /cgi/env/gone?why\nRLimitCPU 7 9\nAlias /al @ROOT@/htdocs";
    scripts("environment by directives", "cgi", conf)
        .get_with("/cgi/env/a%20b?x", "Authorization: Basic eA==")
        .get_with("/cgi/env", "Proxy-Authorization: Basic eA==")
        .get("/nope?q=1")
        .get("/al/nope")
        .check();
}

/// Timeout where the module has no limit of its own: before the head and within the body.
#[test]
fn scripts_that_fall_silent() {
    for module in ["cgi", "cgid"] {
        let mut group = scripts("scripts that fall silent", module, "Timeout 1");
        group = script(group, "mute", "exec sleep 3");
        group = script(group, "dumb", "printf 'Content-Type: text/plain\\n\\nhi\\n'; exec sleep 3");
        group.get("/cgi/mute").get("/cgi/dumb").check();
    }
}

#[test]
fn limits() {
    let group = scripts("RLimit", "cgi", "RLimitCPU 7 9\nRLimitNPROC 1000 max\nRLimitMEM max max");
    script(group, "limits", "printf '\\n'; ulimit -S -t; ulimit -H -t").get("/cgi/limits").check();
}

fn answers(module: &str) -> Group {
    let mut group = scripts("answers", module, "");
    for (name, body) in [
        ("inside", "cat >/dev/null; printf 'Location: /a.txt\\nX: y\\n\\nlost'"),
        ("query", "printf 'Location: /cgi/env?from=inside\\n\\n'"),
        ("loop", "printf 'Location: /cgi/loop\\n\\n'"),
        ("outside", "printf 'Location: http://x.example/y\\nX: y\\n\\nlost'"),
        ("created", "printf 'Status: 201 Made\\nLocation: /a.txt\\n\\nkept'"),
        ("status", "printf 'Status: 404 Nope\\nX-A: 1\\nx-a: 2\\nSet-Cookie: a=b\\nSet-Cookie: c=d\\n\\nbody'"),
        ("crlf", "printf 'Content-Type: text/plain\\r\\nX: y\\r\\n\\r\\nbody\\r\\n'"),
        ("modified", "printf 'Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\\nETag: \"x\"\\n\\nbody'"),
        ("nph-raw", "printf 'HTTP/1.1 299 Raw\\r\\nX: y\\r\\n\\r\\nbody'"),
        ("length", "printf 'Content-Type: text/plain\\nContent-Length: 4\\n\\nbody'"),
        ("big", "printf '\\n'; head -c 300000 /dev/zero | tr '\\0' x"),
    ] {
        group = script(group, name, body);
    }
    group
}

#[test]
fn heads_and_redirects() {
    for module in ["cgi", "cgid"] {
        let mut group = answers(module);
        for path in ["inside", "query", "loop", "outside", "created", "status", "crlf", "modified", "nph-raw"] {
            group = group.get(&format!("/cgi/{path}"));
        }
        group
            .get_with("/cgi/modified", "If-None-Match: \"x\"")
            .get_with("/cgi/modified", "If-Modified-Since: Thu, 01 Jan 2015 00:00:00 GMT")
            .request("POST /cgi/inside HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
            .get("/cgi/big")
            .check();
    }
}

#[test]
fn bad_scripts() {
    for module in ["cgi", "cgid"] {
        let mut group = scripts("bad scripts", module, "CGIScriptTimeout 1");
        if module == "cgid" {
            group = scripts("bad scripts", module, "CGIDScriptTimeout 1");
        }
        for (name, body) in [
            ("garbage", "echo no field at all, and a line that is long enough"),
            ("empty", "exit 0"),
            ("killed", "kill -9 $$"),
            ("unfinished", "echo X: y"),
            ("status", "printf 'Status: 999x\\n\\nbody'"),
        ] {
            group = script(group, name, body).get(&format!("/cgi/{name}"));
        }
        group
            .file("cgi/plain", "echo\n")
            .file("cgi/nobody", "#!/nonexistent\n")
            .mode("cgi/nobody", 0o755)
            .dir("cgi/dir")
            .get("/cgi/plain")
            .get("/cgi/nobody")
            .get("/cgi/dir")
            .get("/cgi/nope")
            .get("/cgi/nope/x")
            .check();
    }
}

#[test]
fn silent_scripts_are_ended() {
    let group = scripts("silent", "cgi", "CGIScriptTimeout 300ms");
    script(group, "silent", "exec sleep 60").get("/cgi/silent").check();
}

#[test]
fn who_may_run() {
    let conf = "AddHandler cgi-script .cgi\n<Directory @ROOT@/htdocs/on>\nOptions +ExecCGI\n</Directory>\n\
                <Directory @ROOT@/htdocs/all>\nOptions +ExecCGI\nSetHandler cgi-script\nAcceptPathInfo Off\n</Directory>";
    group("who may run")
        .and_modules("cgi mime")
        .conf(conf)
        .file("htdocs/on/a.cgi", ENV)
        .mode("htdocs/on/a.cgi", 0o755)
        .file("htdocs/off/a.cgi", ENV)
        .mode("htdocs/off/a.cgi", 0o755)
        .file("htdocs/all/a", ENV)
        .mode("htdocs/all/a", 0o755)
        .get("/on/a.cgi/x")
        .get("/off/a.cgi")
        .get("/all/a")
        .get("/all/a/x")
        .get("/on/nope.cgi")
        .check();
}

#[test]
fn complaints_go_to_the_log() {
    let group = scripts("stderr", "cgi", "");
    script(group, "errors", "echo one >&2; echo two >&2; printf '\\nbody'; printf three >&2")
        .get("/cgi/errors")
        .check();
}

#[test]
fn errors() {
    group("cgi errors").and_modules("cgi").syntax(&[
        "CGIScriptTimeout",
        "CGIScriptTimeout x",
        "CGIScriptTimeout 5",
        "<Directory />\nCGIScriptTimeout 5ms\n</Directory>",
        "ScriptLog",
        "ScriptLog a b",
        "ScriptLogLength",
        "ScriptLogBuffer a b",
        "<Directory />\nScriptLog x\n</Directory>",
    ]);
    group("cgid errors").and_modules("cgid").syntax(&[
        "CGIDScriptTimeout x",
        "CGIDScriptTimeout",
        "ScriptSock",
        "<VirtualHost *:1>\nScriptSock x\n</VirtualHost>",
        "<Directory />\nScriptSock x\n</Directory>",
    ]);
    group("cgi overrides").and_modules("cgi").htaccess(&["CGIScriptTimeout 5", "ScriptLog x", "CGIPassAuth On"]);
}

/// What a script says of its length is believed where ap_trust_cgilike_cl is set, and of nobody else's framing.
#[test]
fn lengths() {
    for module in ["cgi", "cgid"] {
        let mut g = scripts("lengths", module, "SetEnvIf Request_URI /trusted$ ap_trust_cgilike_cl\n");
        for (name, head) in
            [("length", "content-length: 4"), ("odd", "Content-Length: x"), ("coding", "Transfer-Encoding: chunked")]
        {
            let pause = if name == "length" { "" } else { "; sleep 0.1; printf more" };
            g = script(g, name, &format!("printf 'Content-Type: text/plain\\n{head}\\n\\nbody'{pause}"));
            g = g.ask("HEAD", &format!("/cgi/{name}"), "").ask("HEAD", &format!("/cgi/{name}/trusted"), "");
            if name != "length" {
                g = g.get(&format!("/cgi/{name}"));
            }
        }
        g.get("/cgi/length/trusted").check();
    }
}
