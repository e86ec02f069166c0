//! Classes of httpd's vulnerabilities that no module's own cases show (CVES.md).

use compat_tests::group;

/// `/~./` and dots behind a user's name, where UserDir is an absolute path: nothing beside the users' folders.
#[test]
fn dots_for_users() {
    for rule in ["UserDir @ROOT@/users", "UserDir @ROOT@/users/*/web", "UserDir disabled root\nUserDir @ROOT@/users"] {
        let mut g = group("UserDir and dots")
            .and_modules("userdir")
            .conf(&format!("{rule}\n<Directory @ROOT@>\nRequire all granted\n</Directory>\n"))
            .file("secret.txt", "secret\n")
            .file("users/secret.txt", "secret of users\n")
            .file("users/a/x.txt", "a\n")
            .file("users/a/web/x.txt", "a's web\n");
        for path in [
            "/~a/x.txt",
            "/~./secret.txt",
            "/~../secret.txt",
            "/~a/./x.txt",
            "/~a/../secret.txt",
            "/~a/../../secret.txt",
            "/~%2e/secret.txt",
            "/~%2e%2e/secret.txt",
            "/~./x",
            "/~",
            "/~/secret.txt",
            "/~.",
            "/~a%2f..%2fsecret.txt",
            "/~a//x.txt",
            "/~.a/x",
        ] {
            g = g.get(path).request(format!("GET {path} HTTP/1.0\r\n\r\n"));
        }
        g.check();
    }
}

/// A name of a host that is longer than any buffer, in every part that VirtualDocumentRoot knows.
#[test]
fn long_hosts() {
    let long = "a".repeat(9000);
    for pattern in ["v/%0", "v/%1/%2/%-1", "v/%1.1/%1.-2/%1.3+", "v/%p/%0/x"] {
        let mut g = group("long hosts")
            .and_modules("vhost_alias")
            .conf(&format!("LimitRequestFieldSize 20000\nUseCanonicalName Off\nVirtualDocumentRoot @ROOT@/{pattern}\n"))
            .request(format!("GET /x HTTP/1.1\r\nHost: {long}\r\nConnection: close\r\n\r\n"))
            .request(format!("GET /x HTTP/1.1\r\nHost: {long}.test\r\nConnection: close\r\n\r\n"))
            .get("/x");
        // Apache refuses `%-1` of many short parts too.
        if pattern.contains("%0") {
            g = g.request(format!("GET /x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", "a.".repeat(4400)));
        }
        g.check();
    }
}

/// A false `RewriteCond expr` is false, and fields of requests that are looked up are the request's own.
#[test]
fn conditions() {
    group("false expressions and looked-up fields")
        .and_modules("rewrite")
        .conf(
            "RewriteEngine on\nRewriteCond expr \"false\"\nRewriteRule ^/a /y.txt\nRewriteCond expr \"%{HTTP:X} == 'yes'\"\nRewriteRule ^/b /y.txt\n\
             RewriteCond expr \"! true\"\nRewriteRule ^/c /y.txt\nRewriteCond !expr \"false\"\nRewriteRule ^/d /y.txt\n\
             RewriteCond %{LA-U:HTTP:X} ^yes$\nRewriteRule ^/e /y.txt\nRewriteCond %{LA-U:HTTP:X-Long} ^(.+)$\nRewriteRule ^/f /y.txt?%1\n\
             RewriteCond %{LA-F:HTTP:X} ^yes$\nRewriteRule ^/g /y.txt\n",
        )
        .file("htdocs/y.txt", "y\n")
        .get("/a")
        .get("/b")
        .get_with("/b", "X: yes")
        .get_with("/b", "X: no")
        .get("/c")
        .get("/d")
        .get("/e")
        .get_with("/e", "X: yes")
        .get_with("/f", &format!("X-Long: {}", "z".repeat(7000)))
        .get_with("/g", "X: yes")
        .check();
}

/// What a script or a file says of its type never chooses a handler, and a Location leads to a document, never into running it.
#[test]
fn types_are_no_handlers() {
    let script = |head: &str| format!("#!/bin/sh\nprintf '{head}\\n\\nbody of a script'\nsleep 0.1\n");
    let mut g = group("types and handlers")
        .and_modules("cgi rewrite headers include asis actions")
        .conf(
            "ScriptAlias /cgi/ @ROOT@/cgi/\nAddType application/x-httpd-cgi .oldcgi\nAddType text/x-server-parsed-html .oldshtml\n\
             Action application/x-run /cgi/plain\nAddHandler send-as-is .asis\n<Directory @ROOT@>\nOptions ExecCGI Includes\nRequire all granted\n</Directory>\n\
             <Location /typed>\nForceType application/x-httpd-cgi\n</Location>\n<Location /headed>\nHeader set Content-Type application/x-httpd-cgi\n</Location>\n",
        )
        .file("cgi/source.txt", "#!/bin/sh\necho never\n")
        .file("htdocs/old.oldcgi", script("Content-Type: text/plain"))
        .mode("htdocs/old.oldcgi", 0o755)
        .file("htdocs/old.oldshtml", "<!--#echo var=\"DOCUMENT_NAME\" -->\n")
        .file("htdocs/typed/x", script("Content-Type: text/plain"))
        .mode("htdocs/typed/x", 0o755)
        .file("htdocs/headed/x", script("Content-Type: text/plain"))
        .mode("htdocs/headed/x", 0o755)
        .file("htdocs/says.asis", "Content-Type: application/x-httpd-cgi\n\n#!/bin/sh\n")
        .file("htdocs/leads.asis", "Location: /cgi/source.txt\n\n");
    for (name, head) in [
        ("plain", "Content-Type: text/plain"),
        ("type", "Content-Type: application/x-httpd-cgi"),
        ("handler", "Content-Type: server-status"),
        ("run", "Content-Type: application/x-run"),
        ("parsed", "Content-Type: text/x-server-parsed-html"),
        ("source", "Location: /cgi/source.txt"),
        ("other", "Location: /old.oldcgi"),
        ("outside", "Location: http://127.0.0.1:1/\\nContent-Type: proxy-server"),
        ("both", "Location: /typed/x\\nContent-Type: application/x-httpd-cgi"),
        ("status", "Status: 200\\nLocation: /typed/x"),
    ] {
        let path = format!("cgi/{name}");
        g = g.file(&path, script(head)).mode(&path, 0o755).get(&format!("/{path}"));
    }
    for path in
        ["/cgi/source.txt", "/old.oldcgi", "/old.oldshtml", "/typed/x", "/headed/x", "/says.asis", "/leads.asis"]
    {
        g = g.get(path);
    }
    g.check();
}
