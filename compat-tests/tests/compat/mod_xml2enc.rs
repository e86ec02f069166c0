//! mod_xml2enc: xml2EncDefault, xml2EncAlias, xml2StartParse; the filter xml2enc.

use compat_tests::group;

#[test]
fn detection() {
    let files: [(&str, &[u8]); 34] = [
        ("a.l1", b"<html><p>caf\xe9"),
        ("a.l2", b"<html><p>caf\xe9"),
        ("a.fo", b"<html><p>caf\xe9"),
        ("a.no", b"<html><p>caf\xe9"),
        ("a.w", b"<p>caf\x93"),
        ("a.k", b"<p>caf\xe9"),
        ("a.u", b"<p>caf\xc3\xa9"),
        ("a.sj", b"<p>\x93\xfa"),
        ("a.c", b"<a>\xe9"),
        ("a.html", b"<html><p>caf\xe9"),
        (
            "meta.html",
            b"<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-15\"><p>caf\xa4",
        ),
        ("meta5.html", b"<html><head><meta charset=\"iso-8859-15\"><p>caf\xa4"),
        ("m1.html", b"<html><META HTTP-EQUIV=content-type CONTENT=\"text/html; charset=iso-8859-1\">\xe9"),
        ("m2.html", b"<html><meta content=\"text/html; charset=koi8-r\" http-equiv=\"Content-Type\"/>\xc1bc"),
        ("m3.html", b"<html><meta http-equiv=\"refresh\" content=\"text/html; charset=koi8-r\">\xc1bc"),
        ("m4.html", b"<html><meta http-equiv=\"content-type\" content=\"text/html\">\xc1bc"),
        ("q.html", b"<meta http-equiv=\"content-type\" content=\"text/html; charset='koi8-r'\">\xc1bc"),
        ("bad.html", b"<meta http-equiv=\"content-type\" content=\"text/html; charset=nope\">abc\xe9"),
        ("bom.html", b"\xef\xbb\xbf<p>x"),
        ("u16.html", b"\xff\xfe<\x00p\x00>\x00\xe9\x00"),
        ("u16be.html", b"\xfe\xff\x00a"),
        ("n.html", b"<\x00?\x00a\x00"),
        ("a.xml", b"<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><a>\xe9</a>"),
        ("b.xml", b"<?xml version=\"1.0\"?><a>\xc3\xa9</a>"),
        ("a.xh", b"<html>caf\xc3\xa9"),
        ("a.svg", b"<svg>\xe9"),
        ("a.txt", b"caf\xe9"),
        ("a.js", b"var \xe9"),
        ("a.bin", b"caf\xe9"),
        ("none", b"caf\xe9"),
        ("empty.html", b""),
        ("junk.html", b"junk junk<html>\xe9"),
        ("junk2.html", b"junk junk<body>\xe9"),
        ("inv.g", b"<p>caf\xd2x\xe1"),
    ];
    let mut g = group("xml2enc").and_modules("xml2enc").conf(
        "LogLevel xml2enc:info\nSetOutputFilter xml2enc\nxml2EncAlias iso-8859-1 foo-charset bar\nAddType \"text/html; charset=iso-8859-1\" l1\nAddType \"text/html;charset=iso-8859-1;x=y\" l2\n\
         AddType \"text/html; charset=foo-charset\" fo\nAddType \"text/html; charset=nope\" no\nAddType \"text/html; charset=windows-1252\" w\nAddType \"text/html; charset=windows-1253\" g\n\
         AddType \"text/html; charset=utf-8\" u\nAddType \"text/html; charset=koi8-r\" k\nAddType \"text/html; charset=Shift_JIS\" sj\nAddType \"text/html; CharSet=ISO-8859-1\" c\n\
         AddType application/xhtml+xml xh\nAddType application/xml xml\nAddType image/svg+xml svg\n\
         <Location /d/>\nxml2EncDefault iso-8859-2\n</Location>\nAlias /d/ @ROOT@/htdocs/\n<Location /d/l/>\nxml2EncDefault iso-8859-5\n</Location>\nAlias /d/l/ @ROOT@/htdocs/\n\
         <Location /s/>\nxml2StartParse html body\n</Location>\nAlias /s/ @ROOT@/htdocs/\n<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n",
    );
    for (name, text) in files {
        g = g.file(&format!("htdocs/{name}"), text).get(&format!("/{name}"));
    }
    g.file("htdocs/ht/.htaccess", "xml2EncDefault iso-8859-5\nxml2StartParse p\n")
        .file("htdocs/ht/a.html", b"junk<p>\xa4")
        .get("/ht/a.html")
        .get("/d/a.html")
        .get("/d/a.no")
        .get("/d/b.xml")
        .get("/d/l/a.html")
        .get("/s/junk2.html")
        .get("/s/a.l1")
        .ask("HEAD", "/a.u", "")
        .get_with("/a.html", "Range: bytes=0-2")
        .check();
}

#[test]
fn errors() {
    group("xml2enc errors").and_modules("xml2enc").syntax(&[
        "xml2EncDefault",
        "xml2EncDefault nonsense",
        "xml2EncDefault iso-8859-1",
        "xml2EncDefault koi8-r",
        "xml2EncDefault a b",
        "xml2EncAlias a",
        "xml2EncAlias nonsense x",
        "xml2EncAlias utf-8 x y",
        "<Location />\nxml2EncAlias utf-8 x\n</Location>",
        "<VirtualHost *:1>\nxml2EncAlias utf-8 x\n</VirtualHost>",
        "xml2StartParse",
        "xml2StartParse a b",
    ]);
    group("xml2enc .htaccess").and_modules("xml2enc").htaccess(&[
        "xml2EncDefault utf-8",
        "xml2StartParse a",
        "xml2EncAlias utf-8 x",
        "xml2EncDefault nonsense",
    ]);
}
