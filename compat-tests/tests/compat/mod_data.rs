//! mod_data: the filter DATA.

use compat_tests::group;

#[test]
fn urls() {
    group("data")
        .and_modules("data mime")
        .conf(
            "SetOutputFilter DATA\nAddType text/x-odd;charset=utf-8 .odd\nAddType \"text/x-two; a=b\" .two\n\
               <Files c.txt>\nAddDefaultCharset utf-8\n</Files>",
        )
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/three.txt", "abc")
        .file("htdocs/c.txt", "charset")
        .file("htdocs/x.odd", "odd")
        .file("htdocs/x.two", "two")
        .file("htdocs/none", "no type")
        .file("htdocs/empty.txt", "")
        .file("htdocs/big.png", vec![7; 20_000])
        .get("/a.txt")
        .get("/three.txt")
        .get("/c.txt")
        .get("/x.odd")
        .get("/x.two")
        .get("/none")
        .get("/empty.txt")
        .get("/big.png")
        .get("/nope.txt")
        .get_with("/three.txt", "Range: bytes=2-9")
        .ask("HEAD", "/three.txt", "")
        .check();
}
