//! mod_mime: types, encodings, languages, charsets, handlers and filters by extension.

mod directives;

use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn extensions(mpm) {
        let mut g = group("extensions").mpm(mpm).conf(
            r#"
AddType text/x-one .one one2
AddType "text/plain; charset=koi8-r" .koi
AddEncoding x-gzip .gz
AddEncoding x-compress Z
AddLanguage en .en
AddLanguage fr .fr
AddCharset ISO-8859-1 .latin1
AddCharset UTF-8 .utf8
AddHandler no-such-handler .hand
DefaultLanguage de
ForceType None
RemoveType .bin
<Location /noml>
  ModMimeUsePathInfo On
</Location>
"#,
        );
        for name in [
            "a.txt", "a.html", "a.HTML", "a", "a.unknown", "a.one", "a.one2", "a.koi", "a.tar.gz", "a.txt.gz", "a.gz", "a.txt.Z", "a.html.en", "a.en.html", "a.html.en.fr", "a.html.latin1",
            "a.html.utf8.gz", "a.txt.unknown", "a.unknown.txt", "a.txt.hand", "a.hand.txt", "a.bin", ".txt", "a.", "a..txt", "a.txt.", "a.gz.txt", "a.html.one", "txt", "a.txt.html", "a b.txt",
            "a.en", "a.latin1", "a.gz.Z", "a.txt~",
        ] {
            g = g.file(&format!("htdocs/m/{name}"), "x\n").get(&format!("/m/{}", name.replace(' ', "%20")));
        }
        g.get("/m/a.txt/b.html").get("/m/nope.gz").check();
    }
}

#[test]
fn removals_and_merging() {
    group("Remove*")
        .conf("AddType text/x-a .a\nAddEncoding x-gzip .gz\nAddLanguage en .en\nAddCharset utf-8 .u8\nAddHandler nope .h\n<Location /r>\nRemoveType .a txt\nRemoveEncoding gz\nRemoveLanguage .en\nRemoveCharset .u8\nRemoveHandler h\n</Location>\n<Location /r/again>\nAddType text/x-again .a\n</Location>\n<Location /dl>\nDefaultLanguage fr\n</Location>\n")
        .file("htdocs/x.a.en.u8.gz", "x").file("htdocs/r/x.a.en.u8.gz", "x").file("htdocs/r/again/x.a", "x").file("htdocs/r/x.txt", "x").file("htdocs/r/x.txt.h", "x").file("htdocs/x.txt.h", "x").file("htdocs/dl/x.txt", "x")
        .get("/x.a.en.u8.gz")
        .get("/r/x.a.en.u8.gz")
        .get("/r/again/x.a")
        .get("/r/x.txt")
        .get("/r/x.txt.h")
        .get("/x.txt.h")
        .get("/dl/x.txt")
        .check();
}

#[test]
fn multiviews_match() {
    group("types file").file("conf/mime.types", "# comment\n\ntext/html\thtml htm\ntext/plain txt # not a comment\napplication/x-twice twice\ntext/x-twice twice\nTEXT/UPPER UP\nnoslash ns\n   text/indented ind\n")
        .file("htdocs/a.htm", "x").file("htdocs/a.twice", "x").file("htdocs/a.UP", "x").file("htdocs/a.up", "x").file("htdocs/a.ns", "x").file("htdocs/a.ind", "x").file("htdocs/a.comment", "x").file("htdocs/a.#", "x")
        .get("/a.htm").get("/a.twice").get("/a.UP").get("/a.up").get("/a.ns").get("/a.ind").get("/a.comment").get("/a.%23")
        .check();
}

#[test]
fn errors() {
    group("mime errors").syntax(&[
        "AddType",
        "AddType text/plain",
        "AddType text .x",
        "AddType TEXT/Plain .x y",
        "AddEncoding x",
        "AddLanguage en",
        "AddCharset x",
        "AddHandler x",
        "AddInputFilter x",
        "AddOutputFilter x",
        "AddOutputFilter NOPE;DEFLATE .x",
        "RemoveType",
        "RemoveHandler",
        "DefaultLanguage",
        "DefaultLanguage a b",
        "TypesConfig",
        "TypesConfig /nonexistent",
        "TypesConfig conf",
        "MultiviewsMatch Foo",
        "MultiviewsMatch Any Handlers",
        "MultiviewsMatch NegotiatedOnly",
        "ModMimeUsePathInfo maybe",
        "RemoveInputFilter",
        "RemoveOutputFilter .x",
    ]);
}
