//! mod_mime: types, charsets, encodings, languages, handlers and filters by extension.

use compat_tests::{Group, group, under_each_mpm};

const NAMES: &str = "a.foo a.FOO a.html.fr a.fr.html a.html.en.fr a.html.gz a.gz.html a.html.gz.Z a.html.unknown a.unknown.html \
                     a.html. a. .html .foo.html a.foo.html a.html.foo a..html a.up a.tar.gz a.html.utf8 a.txt.utf8.l2 a.par \
                     a.par2 a.bad a.bad2 noext a.html.h1 a.h1 a.h2 a.html.us.en a.gif.png.html html a.en a.utf8 a.gz \
                     a.par.utf8 a.html.en.unknown a.en.html.gz.txt a.none";

const CONF: &str = r#"
AddType text/x-foo .foo
AddType Text/X-Upper .UP
AddType application/x-tar.gz .tar.gz
AddType "text/x-p; charset=latin1; q=2" .par
AddType "text/x-q;Charset=latin1" .par2
AddType bad .bad
AddType "text/x bad" .bad2
AddType text/x-empty .
AddLanguage en .en
AddLanguage fr .fr
AddLanguage EN-us .us
AddCharset UTF-8 .utf8
AddCharset iso-8859-2 .l2
AddEncoding x-gzip .gz
AddEncoding x-compress .Z
AddHandler my-h .h1
AddHandler MY-H2 .h2
"#;

fn with_names(mut group: Group, directory: &str, names: &str) -> Group {
    for name in names.split_whitespace() {
        let path = format!("{directory}/{name}");
        group = group.file(&format!("htdocs{path}"), "hello\n").get(&path);
    }
    group
}

under_each_mpm! {
    fn extensions(mpm) {
        with_names(group("extensions").mpm(mpm).conf(CONF), "", NAMES).check();
    }
}

#[test]
fn sections() {
    let names = "a.foo a.html a.html.en a.html.gz a.html.utf8 a.html.h1 a.txt a.html.fr noext a.par";
    let mut group = group("mime sections").conf(CONF).conf(
        r#"
AddType text/x-zz .zz
RemoveType .zz
AddType text/x-yy .yy
AddType text/x-yy2 .YY
<Directory @ROOT@/htdocs/rm>
  RemoveType .foo html
  RemoveEncoding .gz
  RemoveLanguage .en
  RemoveCharset .utf8
  RemoveHandler .h1
  AddType text/x-again .foo
</Directory>
<Directory @ROOT@/htdocs/rm/sub>
  AddCharset utf-8 .html
</Directory>
<Directory @ROOT@/htdocs/rm/sub2>
  AddType text/x-bhtml .html
  AddCharset utf-8 .html
</Directory>
<Directory @ROOT@/htdocs/dl>
  DefaultLanguage de
</Directory>
<Directory @ROOT@/htdocs/ft>
  ForceType image/gif
</Directory>
<Directory @ROOT@/htdocs/ftn>
  ForceType None
</Directory>
<Directory @ROOT@/htdocs/dc>
  AddDefaultCharset utf-8
</Directory>
<Directory @ROOT@/htdocs/ht>
  AllowOverride FileInfo
</Directory>
<Directory @ROOT@/htdocs/pi>
  ModMimeUsePathInfo On
  AcceptPathInfo On
</Directory>
"#,
    );
    for directory in ["/rm", "/rm/sub", "/rm/sub2", "/dl", "/ft", "/ftn", "/dc", "/ht"] {
        group = with_names(group, directory, names);
    }
    with_names(group, "", "a.zz a.yy")
        .file(
            "htdocs/ht/.htaccess",
            "AddType text/x-ht .html\nRemoveType .txt\nAddLanguage nl .foo\nDefaultLanguage da\n",
        )
        .file("htdocs/pi/noext", "x\n")
        .get("/pi/noext/x.foo")
        .get("/pi/noext/x.html.en")
        .check();
}

#[test]
fn filters() {
    // Compressors may differ in size: the access log leaves it out.
    group("mime filters")
        .log_format(r#"%r %>s"#)
        .conf("AddOutputFilter DeFlate .z\nAddOutputFilter NOSUCH;deflate .q\nAddInputFilter nosuch .q\n")
        .file("htdocs/a.txt.z", "text ".repeat(100))
        .file("htdocs/a.txt.q", "text ".repeat(100))
        .get_with("/a.txt.z", "Accept-Encoding: gzip")
        .get("/a.txt.z")
        .get_with("/a.txt.q", "Accept-Encoding: gzip")
        .check();
}

#[test]
fn types_config() {
    group("types config")
        .conf("TypesConfig conf/other.types\n<VirtualHost 127.0.0.1:@PORT@>\nTypesConfig conf/none\n</VirtualHost>\n")
        .file("conf/other.types", "# comment\ntext/x-other oth\ntext/x-later\toth2 OTH3\nonly/type\n")
        .file("htdocs/a.oth", "1")
        .file("htdocs/a.oth2", "1")
        .file("htdocs/a.oth3", "1")
        .file("htdocs/a.html", "1")
        .get("/a.oth")
        .get("/a.oth2")
        .get("/a.oth3")
        .get("/a.html")
        .check();
    group("types config missing").conf("TypesConfig conf/missing.types\n").start_fails(&["-DFOREGROUND"]);
}

#[test]
fn errors() {
    group("mime errors").syntax(&[
        "AddType text/html",
        "AddType",
        "AddType a x y",
        "AddCharset x",
        "AddHandler foo",
        "AddEncoding gzip",
        "AddLanguage en",
        "AddInputFilter a",
        "AddOutputFilter a",
        "AddOutputFilter a;b .x",
        "RemoveType",
        "RemoveType .x .y",
        "MultiviewsMatch foo",
        "MultiviewsMatch",
        "MultiviewsMatch Any Handlers",
        "MultiviewsMatch Handlers Any",
        "MultiviewsMatch NegotiatedOnly Filters",
        "MultiviewsMatch Filters NegotiatedOnly",
        "MultiviewsMatch Handlers Filters",
        "MultiviewsMatch Any Any",
        "<Directory />\nTypesConfig x\n</Directory>",
        "TypesConfig /nonexistent",
        "TypesConfig a b",
        "ModMimeUsePathInfo On",
        "<Directory />\nModMimeUsePathInfo maybe\n</Directory>",
        "DefaultLanguage en fr",
        "DefaultLanguage",
    ]);
}
