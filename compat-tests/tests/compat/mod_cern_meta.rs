//! mod_cern_meta: MetaFiles, MetaDir, MetaSuffix.

use compat_tests::group;

#[test]
fn meta_files() {
    let mut g = group("MetaFiles")
        .and_modules("cern_meta mime dir")
        .conf("MetaFiles On\n<Directory @ROOT@/htdocs/own>\nMetaDir .\nMetaSuffix .head\n</Directory>\n<Directory @ROOT@/htdocs/off>\nMetaFiles Off\n</Directory>\n\
               <Directory @ROOT@/htdocs/shut/.web>\nRequire all denied\n</Directory>\n<Directory @ROOT@/htdocs/h>\nAllowOverride Indexes\n</Directory>")
        .file("htdocs/own/a.txt", "a\n")
        .file("htdocs/own/a.txt.head", "X-Own: 1\n")
        .file("htdocs/off/a.txt", "a\n")
        .file("htdocs/off/.web/a.txt.meta", "X-Off: 1\n")
        .file("htdocs/shut/a.txt", "a\n")
        .file("htdocs/shut/.web/a.txt.meta", "X-Shut: 1\n")
        .file("htdocs/h/.htaccess", "MetaDir .other\nMetaSuffix .m\n")
        .file("htdocs/h/a.txt", "a\n")
        .file("htdocs/h/.other/a.txt.m", "X-H: 1\n")
        .file("htdocs/index.html", "index\n")
        .file("htdocs/.web/index.html.meta", "X-Index: 1\n")
        .get("/own/a.txt")
        .get("/off/a.txt")
        .get("/shut/a.txt")
        .get("/h/a.txt")
        .get("/")
        .get("/index.html")
        .get("/nope.txt")
        .ask("HEAD", "/own/a.txt", "");
    for (name, text) in [
        ("plain", "X-A: b\nx-a: c\nY:d\n"),
        ("typed", "Content-Type: Text/HTML; Charset=UTF-8  \nX-B: 1\r\n"),
        ("status", "Status: 410 Gone Fishing\nX: y\n"),
        ("odd", "Status: odd\n"),
        ("no-colon", "X: y\nnothing here\n"),
        ("empty-line", "X: y\n\nZ: z\n"),
        ("crlf", "X: y\r\n\r\n"),
        ("no-end", "X: y"),
        ("empty", ""),
        (
            "expires",
            "Expires: Thu, 01 Jan 2015 00:00:00 GMT\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\nETag: \"x\"\n",
        ),
        ("length", "Content-Length: 1\n"),
        ("transfer", "Transfer-Encoding: chunked\n"),
        ("connection", "connection: close\n"),
        ("upgrade", "X: y\nUpgrade: x\n"),
        ("space", "  X-S :  v  \n"),
        ("colon", ": v\n"),
        ("encoding", "Content-Encoding: x-mine\nVary: a\n"),
    ] {
        g = g.file(&format!("htdocs/{name}.txt"), "text\n").file(&format!("htdocs/.web/{name}.txt.meta"), text);
        g = g.get(&format!("/{name}.txt"));
    }
    g.get_with("/plain.txt", "Range: bytes=0-1").check();
}

#[test]
fn errors() {
    group("MetaFiles errors").and_modules("cern_meta").syntax(&[
        "MetaFiles",
        "MetaFiles maybe",
        "MetaDir",
        "MetaDir a b",
        "MetaSuffix",
        "<Location />\nMetaFiles On\nMetaDir x\nMetaSuffix y\n</Location>",
    ]);
    group("MetaFiles in .htaccess").and_modules("cern_meta").htaccess(&["MetaFiles x", "MetaDir", "MetaSuffix .m"]);
}
