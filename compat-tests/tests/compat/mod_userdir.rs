//! mod_userdir: UserDir.

use compat_tests::group;

#[test]
fn places() {
    for (name, line) in [
        ("directory", "UserDir @ROOT@/web"),
        ("pattern", "UserDir @ROOT@/home/*/www"),
        ("home", "UserDir public_html"),
        ("several", "UserDir public_html @ROOT@/web @ROOT@/home/*/www http://other.test/"),
        ("last counts", "UserDir @ROOT@/nowhere @ROOT@/nope/*/x"),
        ("url", "UserDir http://other.test/users"),
        ("url with slash", "UserDir http://other.test/users/"),
        ("url pattern", "UserDir http://other.test/*/usr"),
        ("url tilde", "UserDir http://other.test/~*/"),
        ("url alone and more", "UserDir http://other.test/ @ROOT@/web http://other.test/*"),
        ("relative with colon", "UserDir x:y"),
        ("star and colon", "UserDir *:80"),
        ("word and star", "UserDir x*"),
        ("star", "UserDir *"),
        ("star in front", "UserDir */www"),
        ("disabled", "UserDir @ROOT@/web\nUserDir disabled\nUserDir enabled bob"),
        ("some disabled", "UserDir @ROOT@/web\nUserDir disabled bob root"),
        ("enabled again", "UserDir @ROOT@/web\nUserDir disabled\nUserDir enable"),
        ("none", "UserDir disabled"),
    ] {
        group(&format!("UserDir {name}"))
            .and_modules("userdir headers")
            .file("web/bob/a.txt", "bob\n")
            .file("web/ann/a.txt", "ann\n")
            .file("home/bob/www/a.txt", "home of bob\n")
            .conf(&format!(
                "{line}\nHeader set Prefix \"expr=%{{CONTEXT_PREFIX}} %{{CONTEXT_DOCUMENT_ROOT}}\"\nAlias /~alias @ROOT@/web/ann\n\
                 <Directory @ROOT@>\nRequire all granted\n</Directory>\n"
            ))
            .get("/~bob/a.txt")
            .get("/~bob")
            .get("/~bob/")
            .get("/~ann/a.txt?x=y")
                .get("/~nobody-here/a%20b.txt")
            .get("/~/a.txt")
            .get("/~./a.txt")
            .get("/~%2e%2e/a.txt")
            .get("/~alias/a.txt")
            .get("/x/~bob/a.txt")
            .check();
    }
}

#[test]
fn hosts() {
    group("UserDir in hosts")
        .and_modules("userdir")
        .file("web/bob/a.txt", "bob\n")
        .file("other/bob/a.txt", "other bob\n")
        .conf(
            "UserDir @ROOT@/web\nUserDir disabled ann\n<Directory @ROOT@>\nRequire all granted\n</Directory>\n\
             <VirtualHost *:@PORT@>\nServerName one.test\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName two.test\nUserDir @ROOT@/other\nUserDir disabled bob\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName three.test\nUserDir disabled\n</VirtualHost>\n",
        )
        .request("GET /~bob/a.txt HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /~bob/a.txt HTTP/1.0\r\nHost: two.test\r\n\r\n")
        .request("GET /~ann/a.txt HTTP/1.0\r\nHost: two.test\r\n\r\n")
        .request("GET /~bob/a.txt HTTP/1.0\r\nHost: three.test\r\n\r\n")
        .check();
}

#[test]
fn errors() {
    group("UserDir errors").and_modules("userdir").syntax(&[
        "UserDir",
        "UserDir \"\"",
        "UserDir disabled",
        "UserDir enabled enabled",
        "UserDir a b http://c",
        "<Directory />\nUserDir x\n</Directory>",
    ]);
}
