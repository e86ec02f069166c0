//! mod_negotiation: MultiViews, type maps, LanguagePriority, ForceLanguagePriority, CacheNegotiatedDocs.

mod directives;

use compat_tests::{Group, group, under_each_mpm};

fn site(name: &str, conf: &str) -> Group {
    let mut g = group(name)
        .conf(&format!("AddLanguage en .en\nAddLanguage fr .fr\nAddLanguage de .de\nAddLanguage pt-br .ptbr\nAddEncoding x-gzip .gz\nAddCharset iso-8859-1 .l1\nAddCharset utf-8 .u8\nAddHandler type-map .var\n<Directory @ROOT@/htdocs>\nOptions +MultiViews\n{conf}\n</Directory>\n"));
    for name in [
        "doc.html.en",
        "doc.html.fr",
        "doc.html.de",
        "doc.html.ptbr",
        "enc.txt",
        "enc.txt.gz",
        "one.html",
        "type.html",
        "type.txt",
        "cs.html.l1",
        "cs.html.u8",
        "only.html.fr",
    ] {
        g = g.file(&format!("htdocs/{name}"), format!("this is {name}\n"));
    }
    g.file(
        "htdocs/map.var",
        "URI: map\n\nURI: doc.html.en\nContent-type: text/html\nContent-language: en\n\nURI: doc.html.fr\nContent-type: text/html; qs=0.8\nContent-language: fr\n\nURI: type.txt\nContent-type: text/plain; qs=0.3\n",
    )
}

under_each_mpm! {
    fn languages(mpm) {
        let mut g = site("languages", "LanguagePriority en fr de\nForceLanguagePriority Prefer Fallback").mpm(mpm);
        for accept in ["en", "fr", "de", "fr, en;q=0.5", "fr;q=0.5, de;q=0.9", "es", "es, *;q=0.1", "en-US", "pt-br", "pt", "*", "", "fr;q=0", "en;q=0.8, fr;q=0.8", "garbage;;q=x", "FR", "de-at, en;q=0.3"] {
            g = g.get_with("/doc", &format!("Accept-Language: {accept}")).get_with("/doc.html", &format!("Accept-Language: {accept}"));
        }
        g.get("/doc")
            .get("/doc.html.fr")
            .get("/doc.fr")
            .get("/doc.en.html")
            .get("/only")
            .get_with("/only", "Accept-Language: en")
            .ask("HEAD", "/doc", "Accept-Language: fr")
            .ask("OPTIONS", "/doc", "")
            .ask("POST", "/doc", "Content-Length: 0")
            .get_with("/doc", "Accept-Language: fr\nIf-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT")
            .get_with("/doc", "Negotiate: *")
            .get_with("/doc", "Negotiate: vlist")
            .get("/doc/extra")
            .get("/doc?q=1")
            .request("GET /doc HTTP/1.0\r\nAccept-Language: de\r\n\r\n")
            .check();
    }
}

#[test]
fn types_and_encodings() {
    let mut g = site("types", "");
    for accept in [
        "text/html",
        "text/plain",
        "text/*",
        "*/*",
        "text/html;q=0.5, text/plain",
        "image/png",
        "image/png, */*;q=0.1",
        "",
        "text/plain;q=0",
        "text/html;level=1",
        "text/plain; charset=x",
    ] {
        g = g.get_with("/type", &format!("Accept: {accept}"));
        g = g.get_with("/map.var", &format!("Accept: {accept}\nAccept-Language: fr"));
    }
    for accept in ["gzip", "x-gzip", "identity", "identity;q=0, gzip", "*", "", "br", "gzip;q=0.5"] {
        g = g
            .get_with("/enc", &format!("Accept-Encoding: {accept}"))
            .get_with("/enc.txt", &format!("Accept-Encoding: {accept}"));
    }
    for accept in ["utf-8", "iso-8859-1", "utf-8;q=0.5, iso-8859-1;q=0.9", "koi8-r", "*", ""] {
        g = g.get_with("/cs", &format!("Accept-Charset: {accept}"));
    }
    g.get("/type").get("/enc").get("/cs").get("/one").get("/nope").get("/map.var").get("/map").check();
}

#[test]
fn priorities() {
    for conf in [
        "",
        "LanguagePriority de fr en",
        "LanguagePriority de fr\nForceLanguagePriority Prefer",
        "LanguagePriority de fr\nForceLanguagePriority Fallback",
        "ForceLanguagePriority None",
        "DefaultLanguage en\nLanguagePriority fr",
        "MultiviewsMatch Any",
        "MultiviewsMatch Handlers",
    ] {
        let g = site(if conf.is_empty() { "no priority" } else { conf }, conf);
        g.get("/doc")
            .get_with("/doc", "Accept-Language: es")
            .get_with("/doc", "Accept-Language: fr, de")
            .get_with("/doc", "Accept-Language: de;q=0.5, en;q=0.5")
            .get("/type")
            .check();
    }
    group("CacheNegotiatedDocs").conf("CacheNegotiatedDocs On\nAddLanguage en .en\n<Directory @ROOT@/htdocs>\nOptions +MultiViews\n</Directory>\n").file("htdocs/doc.html.en", "x").get("/doc").request("GET /doc HTTP/1.0\r\n\r\n").check();
}

#[test]
fn errors() {
    group("negotiation errors").syntax(&[
        "LanguagePriority",
        "ForceLanguagePriority",
        "ForceLanguagePriority Foo",
        "ForceLanguagePriority None Prefer",
        "CacheNegotiatedDocs maybe",
        "CacheNegotiatedDocs",
    ]);
}

/// Type maps with names that are no files, comments, content of their own, and maps in maps; by method and condition.
#[test]
fn odd_maps() {
    let mut g = group("odd maps")
        .conf("AddHandler type-map var\nAddLanguage en .en\nAddLanguage fr .fr\n<Location /falls>\nLanguagePriority de fr\nForceLanguagePriority Prefer Fallback\n</Location>\n")
        .file("htdocs/doc.html.en", "en\n")
        .file("htdocs/doc.html.fr", "fr\n")
        .file("htdocs/d/x.txt", "x");
    for (name, text) in [
        (
            "plain",
            "URI: doc.html.en\nContent-Type: text/html\nContent-Language: en\n\nURI: doc.html.fr\nContent-Type: text/html; qs=0.5\nContent-Language: fr\n",
        ),
        ("body", "Content-Language: en\nContent-Type: text/plain\nBody:--x--\ninline\n--x--\n"),
        ("outside", "URI: http://x.example/a;b\nContent-Type: text/html\n"),
        ("above", "URI: ../x\nContent-Type: text/html\n"),
        ("query", "URI: doc.html.en?q=<1>\nContent-Type: text/html\n"),
        (
            "comment",
            "URI: doc (1).html\nContent-Type: (c) text/html (\"comment\") ; qs=0.7\nDescription: \"a (b) c\"\n",
        ),
        ("map", "URI: plain.var\nContent-Type: text/html\n"),
        ("directory", "URI: d\nContent-Type: text/html\nContent-Length: 5\n"),
    ] {
        let path = format!("/{name}.var");
        g = g.file(&format!("htdocs{path}"), text).file(&format!("htdocs/falls{path}"), text);
        for fields in [
            "",
            "Accept: text/plain",
            "Accept-Language: fr",
            "Accept-Language: es",
            "Negotiate: trans",
            "Accept: image/png\nNegotiate: *",
        ] {
            g = g.get_with(&path, fields).get_with(&format!("/falls{path}"), fields);
        }
    }
    g = g.file("htdocs/falls/doc.html.en", "en\n").file("htdocs/falls/doc.html.fr", "fr\n");
    for method in ["HEAD", "POST", "PUT", "OPTIONS", "DELETE"] {
        g = g.ask(method, "/body.var", "Content-Length: 0");
    }
    g.get_with("/body.var", "If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT")
        .get_with("/body.var", "If-None-Match: *")
        .request("GET /body.var HTTP/1.0\r\n\r\n")
        .request("GET /plain.var HTTP/1.0\r\n\r\n")
        .check();
}
