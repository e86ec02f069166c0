//! mod_alias: Alias, AliasMatch, Redirect, RedirectMatch, ScriptAlias.

use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn alias(mpm) {
        group("alias")
            .mpm(mpm)
            .conf(r#"
Alias "/a" "@ROOT@/other"
Alias "/slash/" "@ROOT@/other/"
Alias "/file" "@ROOT@/other/x.txt"
AliasMatch "^/m/(.*)\.pic$" "@ROOT@/other/$1.txt"
<Location "/loc">
  Alias "@ROOT@/other"
</Location>
"#)
            .file("other/x.txt", "x\n")
            .get("/a/x.txt")
            .get("/a/y.txt")
            .get("/ab/x.txt")
            .get("/a")
            .get("/slash")
            .get("/slash/x.txt")
            .get("/file")
            .get("/file/more")
            .get("/m/x.pic")
            .get("/loc/x.txt")
            .get("/a//x.txt")
            .check();
    }
}

#[test]
fn redirect() {
    group("redirect")
        .conf(
            r#"
Redirect "/one" "http://other.test/two"
Redirect permanent "/perm" "http://other.test/"
Redirect temp "/temp" "/local"
Redirect seeother "/see" "https://other.test:8443/x"
Redirect gone "/gone"
Redirect 307 "/t307" "http://other.test/"
Redirect 308 "/t308" "http://other.test/"
Redirect 404 "/missing"
Redirect 403 "/closed"
RedirectPermanent "/rp" "http://other.test/rp"
RedirectTemp "/rt" "http://other.test/rt"
RedirectMatch "^/rm/(.*)\.gif$" "http://other.test/$1.jpg"
RedirectMatch 410 "\.old$"
"#,
        )
        .get("/one")
        .get("/one/deeper?q=1&r=2")
        .get("/onemore")
        .get("/perm/a%20b")
        .get("/temp/x")
        .get("/see")
        .get("/gone")
        .get("/gone/x")
        .get("/t307/a")
        .get("/t308/a")
        .get("/missing")
        .get("/closed/x")
        .get("/rp/1")
        .get("/rt/2")
        .get("/rm/pic.gif")
        .get("/rm/pic.gif?x=y")
        .get("/thing.old")
        .ask("POST", "/one", "Content-Length: 0")
        .ask("HEAD", "/one", "")
        .get("/one/%0d%0aSet-Cookie:x")
        .check();
}

#[test]
fn errors() {
    group("alias errors").syntax(&[
        "Redirect /a",
        "Redirect gone /x http://e/",
        "Redirect 410 /x http://e/",
        "Redirect a http://e/",
        "Redirect /a e",
        "Redirect 999 /a http://e/",
        "Redirect 99 /a http://e/",
        "Redirect foo /a http://e/",
        "RedirectMatch ( http://e/",
        "RedirectMatch ^/a$",
        "Alias /a",
        "Alias /a /b /c",
        "Alias /a @ROOT@/other\nAlias /a @ROOT@/third",
        "Alias /a @ROOT@/other\nAlias /a/b @ROOT@/third",
        "Alias /a/b @ROOT@/other\nAlias /a @ROOT@/third",
        "AliasMatch ( /x",
        "AliasMatch ^/x$ @ROOT@/a\nAliasMatch ^/x$ @ROOT@/a",
        "<Directory />\nAlias /a /b\n</Directory>",
        "<Location /x>\nAlias /a /b\n</Location>",
        "<Location /x>\nRedirect http://e/\n</Location>",
        "<Location /x>\nRedirect 302 http://e/\n</Location>",
        "ScriptAlias /cgi-bin/",
        "ScriptAliasMatch ( /x",
        "RedirectRelative maybe",
        "RedirectPermanent /a",
        "RedirectTemp /a",
    ]);
}

#[test]
fn targets_that_are_expressions_are_escaped() {
    let group = group("Redirect to expressions").conf("<Location /whole>\nRedirect \"http://e.test/%{HTTP:X-To}\"\n</Location>\n<Location /path>\nRedirect \"/%{HTTP:X-To}\"\n</Location>\n<Location /own>\nRedirect \"%{HTTP:X-To}\"\n</Location>\n");
    let targets =
        ["a b", "a%20b?c d#e f", "\"<>", "a%zz", "[x]{y}|^`\\~", "http://z.test:80/a b?c d", "//net/a b", "rel/a b"];
    let mut group = group;
    for target in targets {
        for place in ["/whole?q%20r", "/path", "/own"] {
            group = group.get_with(place, &format!("X-To: {target}"));
        }
    }
    group.check();
}
