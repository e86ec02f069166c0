//! mod_negotiation: MultiViews, type maps, language priorities, transparent negotiation.

use compat_tests::{Group, group, under_each_mpm};

const CONF: &str = r#"
Options +MultiViews
AddLanguage en .en
AddLanguage fr .fr
AddLanguage de .de
AddLanguage en-us .us
AddCharset iso-8859-2 .l2
AddCharset utf-8 .utf8
AddEncoding x-gzip .gz
AddHandler type-map .var
AddType application/x-type-map .map
AddHandler foo-h .fooh
<Directory @ROOT@/htdocs/lp>
  LanguagePriority fr en
</Directory>
<Directory @ROOT@/htdocs/none>
  ForceLanguagePriority None
</Directory>
<Directory @ROOT@/htdocs/fb>
  LanguagePriority fr en
  ForceLanguagePriority Prefer Fallback
</Directory>
<Directory @ROOT@/htdocs/fball>
  LanguagePriority de fr en
  ForceLanguagePriority Fallback
</Directory>
<Directory @ROOT@/htdocs/any>
  MultiviewsMatch Any
</Directory>
<Directory @ROOT@/htdocs/handlers>
  MultiviewsMatch Handlers
</Directory>
<Directory @ROOT@/htdocs/ht>
  AllowOverride FileInfo
</Directory>
<Files secret.html.en>
  Require all denied
</Files>
"#;

/// Files of each kind in each directory with settings of its own.
fn with_files(mut group: Group) -> Group {
    for directory in ["", "lp/", "none/", "fb/", "fball/", "any/", "handlers/", "ht/"] {
        for (name, text) in [
            ("a.html.en", "english\n"),
            ("a.html.fr", "french!\n"),
            ("a.html.de", "deutsch\n"),
            ("b.html", "html\n"),
            ("b.txt", "plain text longer\n"),
            ("b.png", "png\n"),
            ("c.html", "h\n"),
            ("c.html.gz", "gz\n"),
            ("d.html.en", "1\n"),
            ("e.html.l2", "l2\n"),
            ("e.html.utf8", "u\n"),
            ("f.foo", "x\n"),
            ("f.html.foo", "1\n"),
            ("g.fooh", "handler\n"),
            ("h.txt", "solo\n"),
            ("i.html.en", "z\n"),
            ("i.html.us", "u\n"),
            ("j.html", "no language\n"),
            ("j.html.en", "en\n"),
            ("k.html.en.fr", "both\n"),
            ("k.html.en", "e\n"),
            ("dir/index.html.en", "i-en\n"),
            ("dir/index.html.fr", "i-fr\n"),
        ] {
            group = group.file(&format!("htdocs/{directory}{name}"), text);
        }
    }
    group.file("htdocs/ht/.htaccess", "LanguagePriority de\n")
}

under_each_mpm! {
    fn multiviews(mpm) {
        with_files(group("multiviews").mpm(mpm).conf(CONF))
            .get("/a")
            .get_with("/a", "Accept-Language: fr")
            .get_with("/a", "Accept-Language: es")
            .get_with("/a", "Accept-Language: fr;q=0.5, de;q=0.8")
            .get_with("/a", "Accept-Language: en-GB")
            .get_with("/a", "Accept-Language: fr, en")
            .get_with("/a.html", "Accept-Language: de")
            .get_with("/a", "Accept-Language: *")
            .get_with("/a", "Accept-Language: fr;q=0.5,*;q=0.1")
            .get("/b")
            .get_with("/b", "Accept: text/plain")
            .get_with("/b", "Accept: image/*, text/*;q=0.5")
            .get_with("/b", "Accept: image/jpeg")
            .get_with("/b", "Accept: */*")
            .get_with("/b", "Accept: text/plain, */*")
            .get_with("/b", "Accept: text/plain;q=0.3,text/html;q=0.3")
            .get_with("/b", "Accept: foo/bar, text/plain\nAccept-Language: xx")
            .get("/c")
            .get_with("/c", "Accept-Encoding: gzip")
            .get_with("/c", "Accept-Encoding: identity")
            .get_with("/c.html", "Accept-Encoding: gzip")
            .get("/d")
            .get_with("/d", "Accept-Language: fr")
            .get("/e")
            .get_with("/e", "Accept-Charset: utf-8")
            .get_with("/e", "Accept-Charset: iso-8859-2")
            .get_with("/e", "Accept-Charset: foo")
            .get("/f")
            .get("/g")
            .get("/h")
            .get_with("/h", "Accept: image/png")
            .get_with("/i", "Accept-Language: en")
            .get_with("/i", "Accept-Language: en-us")
            .get_with("/i", "Accept-Language: en-gb, fr;q=0.1")
            .get_with("/i", "Accept-Language: en-us;q=0.2,en;q=0.5")
            .get("/j")
            .get_with("/j", "Accept-Language: fr")
            .get_with("/j", "Accept-Language: en")
            .get_with("/j", "Accept-Language: en;q=0")
            .get_with("/k", "Accept-Language: fr")
            .get("/k")
            .get("/a/foo")
            .get("/nope")
            .get("/lp/a")
            .get_with("/lp/a", "Accept-Language: es")
            .get_with("/lp/a", "Accept-Language: en, fr")
            .get("/none/a")
            .get_with("/none/a", "Accept-Language: fr, en")
            .get("/fb/a")
            .get_with("/fb/a", "Accept-Language: es")
            .get_with("/fb/j", "Accept-Language: fr")
            .get("/fball/a")
            .get_with("/fball/a", "Accept-Language: es")
            .get("/any/f")
            .get("/handlers/g")
            .get("/ht/a")
            .get("/dir/")
            .get_with("/dir/", "Accept-Language: fr")
            .get("/dir/index")
            .get("/a?x=y")
            .get("/a.en")
            .get("/a.html.en")
            .get("/a.fr.html")
            .get_with("/a", "Accept: text/html;level=1")
            .get_with("/a", "Accept: text/html;q=0")
            .get_with("/a", "Negotiate: trans")
            .get_with("/a", "Negotiate: vlist")
            .get_with("/a", "Negotiate: guess-small")
            .get_with("/a", "Negotiate: *")
            .get_with("/a", "Negotiate: foo")
            .get_with("/a", "Negotiate: 1.0\nAccept-Language: fr")
            .get_with("/a", "Negotiate: 1.0\nAccept: text/html\nAccept-Language: fr")
            .ask("POST", "/a", "Content-Length: 0")
            .ask("HEAD", "/a", "Accept-Language: es")
            .request("GET /a HTTP/1.0\r\nHost: www.example.test\r\n\r\n")
            .check();
    }
}

#[test]
fn what_is_forbidden_is_not_offered() {
    group("negotiation access")
        .conf(CONF)
        .file("htdocs/secret.html.en", "secret\n")
        .file("htdocs/secret.html.fr", "open\n")
        .get("/secret")
        .get_with("/secret", "Accept-Language: en")
        .check();
}

#[test]
fn prefer_language() {
    with_files(group("prefer-language").conf(CONF).conf("SetEnvIf Cookie \"language=(.+)\" prefer-language=$1\n"))
        .get_with("/a", "Cookie: language=fr\nAccept-Language: en")
        .get_with("/a", "Cookie: language=xx\nAccept-Language: en")
        .check();
}

const MAP: &str = "URI: m\n\nURI: a.html.en\nContent-type: text/html; charset=us-ascii; qs=0.8; level=2\nContent-language: en\n\n\
                   URI: a.html.fr\nContent-type: text/html; qs=0.5\nContent-language: fr\nContent-length: 7\n\
                   Description: \"the french\"\n\nURI: b.png\nContent-type: image/png; qs=0.1\n";
const BODIES: &str = "Content-language: en\nContent-type: text/html\nBody:----xyz----\nhello body\n----xyz----\n\n\
                      Content-language: fr\nContent-type: text/html\nBody:----xyz----\nbonjour\n----xyz----\n";

#[test]
fn type_maps() {
    with_files(group("type maps").conf(CONF))
        .file("htdocs/m.var", MAP)
        .file("htdocs/n.map", MAP)
        .file("htdocs/body.var", BODIES)
        .file("htdocs/empty.var", "")
        .file("htdocs/bad.var", "Foo\n")
        .file("htdocs/one.var", "URI: h.txt\nContent-type: text/plain\n\n")
        .file("htdocs/length.var", "URI: h.txt\nContent-type: text/plain\n\nURI: b.png\nContent-length: x\n")
        .file(
            "htdocs/folded.var",
            "URI: a.html.en\n  Content-type: text/html\n\nURI: h.txt\nContent-type: text/plain;\n q=0.2\n",
        )
        .file("htdocs/open.var", "Content-language: en\nContent-type: text/html\nBody:----xyz----\nhello body\n")
        .file("htdocs/far.var", "URI: lp/h.txt\nContent-type: text/plain\n")
        .get("/m.var")
        .get_with("/m.var", "Accept-Language: fr")
        .get_with("/m.var", "Accept: image/*")
        .get_with("/m.var", "Accept: image/jpeg")
        .get_with("/m.var", "Negotiate: trans")
        .get("/m")
        .get("/n")
        .get_with("/n", "Accept-Language: fr")
        .get("/n.map")
        .get("/body.var")
        .get_with("/body.var", "Accept-Language: en")
        .get("/empty.var")
        .get("/bad.var")
        .get("/one.var")
        .get("/length.var")
        .get("/folded.var")
        .get("/open.var")
        .get("/far.var")
        .ask("POST", "/m.var", "Content-Length: 0")
        .request("GET /m.var HTTP/1.0\r\nHost: www.example.test\r\n\r\n")
        .check();
}

#[test]
fn cache_negotiated_docs() {
    with_files(group("cache negotiated docs").conf(CONF).conf("CacheNegotiatedDocs On\n"))
        .file("htdocs/m.var", MAP)
        .request("GET /m.var HTTP/1.0\r\nHost: www.example.test\r\n\r\n")
        .request("GET /a HTTP/1.0\r\nHost: www.example.test\r\n\r\n")
        .check();
}

#[test]
fn errors() {
    group("negotiation errors").syntax(&[
        "ForceLanguagePriority",
        "ForceLanguagePriority None",
        "ForceLanguagePriority None Prefer",
        "ForceLanguagePriority None Fallback",
        "ForceLanguagePriority Prefer None",
        "ForceLanguagePriority Foo",
        "ForceLanguagePriority Prefer Fallback",
        "ForceLanguagePriority prefer prefer",
        "LanguagePriority",
        "LanguagePriority en",
        "CacheNegotiatedDocs maybe",
        "CacheNegotiatedDocs",
        "<Directory />\nCacheNegotiatedDocs On\n</Directory>",
    ]);
}
