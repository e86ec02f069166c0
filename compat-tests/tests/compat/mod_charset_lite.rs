//! mod_charset_lite: CharsetSourceEnc, CharsetDefault, CharsetOptions; the filters XLATEOUT and XLATEIN.

use compat_tests::group;

fn location(name: &str, source: &str, default: &str, more: &str) -> String {
    format!(
        "<Location /{name}/>\nCharsetSourceEnc {source}\nCharsetDefault {default}\n{more}\n</Location>\nAlias /{name}/ @ROOT@/htdocs/\n"
    )
}

#[test]
fn responses() {
    let conf = [
        location("l1", "ISO-8859-1", "UTF-8", ""),
        location("u8", "UTF-8", "ISO-8859-1", ""),
        location("same", "utf-8", "UTF-8", ""),
        location("bad", "nonsense", "UTF-8", ""),
        location("all", "ISO-8859-1", "UTF-8", "CharsetOptions TranslateAllMimeTypes"),
        location("noadd", "ISO-8859-1", "UTF-8", "CharsetOptions NoImplicitAdd"),
        location("once", "ISO-8859-1", "UTF-8", "SetOutputFilter XLATEOUT"),
        location("wide", "UTF-16", "UTF-8", ""),
        location("ebcdic", "IBM1047", "ISO-8859-1", ""),
        location("ascii", "UTF-8", "ASCII//TRANSLIT", ""),
        location("states", "UTF-8", "ISO-2022-JP", ""),
        location("sjis", "SHIFT_JIS", "UTF-8", ""),
    ];
    group("charset_lite responses")
        .and_modules("charset_lite")
        .conf(&format!(
            "AddOutputFilter XLATEOUT xo\nAddType text/plain xo\nAddType message/rfc822 eml\n{}",
            conf.concat()
        ))
        .file("htdocs/a.txt", b"caf\xe9 x\n")
        .file("htdocs/a.xo", b"caf\xe9 x\n")
        .file("htdocs/a.eml", b"caf\xe9 x\n")
        .file("htdocs/a.html", b"<p>\xe9")
        .file("htdocs/a.bin", b"\xe9")
        .file("htdocs/none", b"\xe9")
        .file("htdocs/empty.txt", "")
        .file("htdocs/u.txt", "caf\u{e9} x\n")
        .file("htdocs/ja.txt", "\u{65e5}\u{672c}")
        .file("htdocs/sj.txt", b"\x93\xfa\x96\x7b\n")
        .file("htdocs/wide.txt", b"\xff\xfea\x00\xe9\x00")
        .file("htdocs/cut.txt", b"abc\xc3")
        .file("htdocs/wrong.txt", b"abc\xffdef\n")
        .file("htdocs/other.txt", "ab\u{20ac}cd\n")
        .file("htdocs/big.txt", "caf\u{e9} \u{fc}ber\n".repeat(20_000))
        .get("/l1/a.txt")
        .get("/l1/a.html")
        .get("/l1/a.eml")
        .get("/l1/a.bin")
        .get("/l1/none")
        .get("/l1/empty.txt")
        .get("/l1/nope.txt")
        .get("/l1/a.xo")
        .get("/u8/u.txt")
        .get("/u8/big.txt")
        .get("/u8/other.txt")
        .get("/u8/cut.txt")
        .get("/u8/wrong.txt")
        .get("/same/a.txt")
        .get("/bad/a.txt")
        .get("/all/a.bin")
        .get("/all/none")
        .get("/noadd/a.txt")
        .get("/noadd/a.xo")
        .get("/once/a.txt")
        .get("/wide/wide.txt")
        .get("/ebcdic/a.txt")
        .get("/ascii/u.txt")
        .get("/states/ja.txt")
        .get("/sjis/sj.txt")
        .ask("HEAD", "/l1/a.txt", "")
        .get_with("/l1/a.txt", "Range: bytes=1-3")
        .get_with("/l1/a.txt", "If-None-Match: *")
        .request("GET /l1/a.txt HTTP/1.0\r\n\r\n")
        .check();
}

#[test]
fn request_bodies() {
    let post = |path: &str, kind: &str, pieces: &[&[u8]]| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        let chunk = |piece: &&[u8]| [format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat();
        [head.as_bytes(), &pieces.iter().map(chunk).collect::<Vec<_>>().concat(), b"0\r\n\r\n"].concat()
    };
    group("charset_lite request bodies")
        .and_modules("charset_lite reflector")
        .conf(&format!(
            "SetHandler reflector\n{}{}{}{}{}",
            location("l1", "ISO-8859-1", "UTF-8", ""),
            location("noadd", "ISO-8859-1", "UTF-8", "CharsetOptions NoImplicitAdd"),
            location("said", "ISO-8859-1", "UTF-8", "CharsetOptions NoImplicitAdd\nSetInputFilter XLATEIN"),
            location("bad", "nonsense", "UTF-8", ""),
            location("wide", "UTF-8", "UTF-16", "")
        ))
        .request(post("/l1/", "a/b", &["caf\u{e9}x".as_bytes()]))
        .request(post("/l1/", "text/plain", &["caf\u{e9}x".as_bytes()]))
        .request(post("/l1/", "a/b", &[b"caf\xc3", b"\xa9x"]))
        .request(post("/l1/", "a/b", &[b"\xe9x"]))
        .request(post("/l1/", "a/b", &["caf\u{e9}x".repeat(5000).as_bytes()]))
        .request(post("/noadd/", "a/b", &["caf\u{e9}x".as_bytes()]))
        .request(post("/said/", "a/b", &["caf\u{e9}x".as_bytes()]))
        .request(post("/bad/", "a/b", &["caf\u{e9}x".as_bytes()]))
        .request(post("/wide/", "a/b", &[b"\xff\xfea\x00\xe9\x00"]))
        .check();
}

#[test]
fn merging_and_includes() {
    group("charset_lite merging")
        .and_modules("charset_lite include")
        .conf(
            "CharsetSourceEnc ISO-8859-1\nCharsetDefault UTF-8\nAddType text/html .shtml\nAddOutputFilter INCLUDES .shtml\n<Directory @ROOT@/htdocs>\nOptions Includes\nAllowOverride FileInfo\n</Directory>\n\
             <Directory @ROOT@/htdocs/to>\nCharsetDefault UTF-16LE\n</Directory>\n<Directory @ROOT@/htdocs/off>\nCharsetOptions NoImplicitAdd\n</Directory>\n",
        )
        .file("htdocs/a.txt", b"caf\xe9\n")
        .file("htdocs/to/a.txt", b"caf\xe9\n")
        .file("htdocs/off/a.txt", b"caf\xe9\n")
        .file("htdocs/off/on/a.txt", b"caf\xe9\n")
        .file("htdocs/off/on/.htaccess", "CharsetOptions ImplicitAdd\nCharsetSourceEnc ISO-8859-2\n")
        .file("htdocs/page.shtml", b"<p>\xe9 <!--#include virtual=\"a.txt\" -->\n")
        .get("/a.txt")
        .get("/to/a.txt")
        .get("/off/a.txt")
        .get("/off/on/a.txt")
        .get("/page.shtml")
        .check();
}

#[test]
fn errors() {
    group("charset_lite errors").and_modules("charset_lite").syntax(&[
        "CharsetSourceEnc",
        "CharsetSourceEnc nonsense",
        "CharsetSourceEnc a b",
        "CharsetDefault",
        "CharsetOptions",
        "CharsetOptions x",
        "CharsetOptions implicitadd NOIMPLICITADD TranslateAllMimetypes NoTranslateAllMimeTypes",
        "CharsetOptions DebugLevel=3",
    ]);
    group("charset_lite .htaccess").and_modules("charset_lite").htaccess(&[
        "CharsetSourceEnc utf-8",
        "CharsetDefault utf-8",
        "CharsetOptions ImplicitAdd",
        "CharsetOptions x",
    ]);
}
