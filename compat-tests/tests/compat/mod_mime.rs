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

/// Add and Remove directives of one extension in every order, at every depth.
#[test]
fn orders_of_adding_and_removing() {
    let kinds = [
        ("AddType text/x", "RemoveType"),
        ("AddEncoding foo", "RemoveEncoding"),
        ("AddLanguage en", "RemoveLanguage"),
        ("AddCharset u8", "RemoveCharset"),
        ("AddHandler send-as-is", "RemoveHandler"),
        ("AddOutputFilter X", "RemoveOutputFilter"),
    ];
    let (mut lines, mut names) = (String::new(), Vec::new());
    for (number, (add, remove)) in kinds.iter().enumerate() {
        for order in ["ar", "ra", "ara", "rar", "r"] {
            names.push(format!("f.{order}{number}"));
            for letter in order.chars() {
                let what = if letter == 'a' { add } else { remove };
                lines += &format!("{what} .{order}{number}\n");
            }
        }
    }
    let adds: String = lines.lines().filter(|line| line.starts_with("Add")).map(|line| format!("{line}\n")).collect();
    let section = |path: &str, text: &str| format!("<Directory @ROOT@/htdocs{path}>\n{text}</Directory>\n");
    let files = names.iter().flat_map(|name| ["", "d/", "d/s/"].map(|dir| format!("{dir}{name}")));
    for (number, conf) in [
        lines.clone(),
        section("", &lines),
        adds.clone() + &section("/d", &lines),
        section("", &lines) + &section("/d", &adds) + &section("/d/s", "AddType a/b .unrelated\n"),
        lines.clone() + "<VirtualHost *:@PORT@>\n" + &lines + "</VirtualHost>\n",
    ]
    .iter()
    .enumerate()
    {
        let mut group = group(&format!("adding and removing {number}"))
            .and_modules("asis filter headers")
            .conf(&format!("FileETag None\nFilterDeclare X\n{conf}"));
        for file in files.clone() {
            group = group.file(&format!("htdocs/{file}"), "X-Seen: 1\n\nhello\n").get(&format!("/{file}"));
        }
        group.check();
    }
}

/// Parameters of media types: which are kept, in which order, and what is no media type.
#[test]
fn parameters_of_types() {
    let types = [
        "text/html; charset",
        "text/html; charset=",
        "text/html;charset=;x",
        "text/html;",
        "text/html; =x",
        "text/html; a=b; c",
        "text/html; b=c; charset=u; d=e",
        "text/html; b=c; charset=u; d=e;charset=two",
        "text",
        "text/",
        "/x",
        "te xt/html",
        "text / html; a = b",
        "text/html x",
        "text/html xy=z",
        "text/html x =z",
        "text/html; a=b c; d=e",
        "text/html; a=b;; c=d",
        "text/html; a=b;",
        "text/html; a b=c",
        "text/html; a;b=c",
        "text/html; a=(x)",
        "TEXT/HTML; A=B;CHARSET=X",
        "text/html; a='b c'",
        "text/html; a=\\\"b\\\"c",
        "text/html; a=\\\"b",
        "text/html; a=\\\"b c\\\" ; d=e",
    ];
    let mut group = group("parameters of types").conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n");
    for (number, kind) in types.iter().enumerate() {
        let lines = format!("AddType \"{kind}\" .a\nAddType image/png .c\nAddCharset koi8 .k\n");
        group = group.file(&format!("htdocs/{number}/.htaccess"), lines);
        for name in ["n.a", "n.a.k", "n.k.a", "n.a.c"] {
            let file = format!("{number}/{name}");
            group = group.file(&format!("htdocs/{file}"), "x\n").get(&format!("/{file}"));
        }
    }
    group.check();
}

/// Languages are listed as often as they are named; an encoding is called as the client called it.
#[test]
fn languages_and_encodings_named_twice() {
    let mut group = group("named twice").and_modules("negotiation").conf(
        "AddLanguage - .l\nAddLanguage en .en\nAddLanguage EN .em\nAddEncoding x-gzip .gz\nAddEncoding gzip .gg\nAddEncoding x-x .x\n",
    );
    for name in ["n.l.l", "n.en.en", "n.en.em", "n.en.l.en", "n.gz", "n.gg", "n.gz.gz", "n.x", "n.gz.en"] {
        group = group.file(&format!("htdocs/{name}"), "x\n");
        for accepted in ["gzip", "x-gzip", "x-gzip, gzip;q=0", "GZIP", "br, x", ""] {
            group = group.get_with(&format!("/{name}"), &format!("Accept-Encoding: {accepted}"));
        }
    }
    group.check();
}
