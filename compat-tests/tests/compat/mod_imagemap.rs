//! mod_imagemap: maps, menus, ImapMenu, ImapDefault, ImapBase.

use compat_tests::{Group, group};

const MAP: &str = "#A comment <hr>\n\nbase http://base.example/dir/sub/\ndefault /nowhere.html \"the default\"\n\
    poly map \"Could I have a menu?\" 0,0 0,10 10,10 10,0\nrect .. 20,0 77,27 \"the directory\"\n\
    circle http://c.example/feedback/ 195,20 205,27\nrect another_file \"in \"same\" place\" 306,0 419,27\n\
    point http://near.example/ 100,100\npoint ../../up 200,200\nrect mailto:a@b.example 100,150 200,0 \"Bugs?\"\n\
    other thing 1,2\n";

fn maps(name: &str, conf: &str) -> Group {
    group(name)
        .and_modules("imagemap mime")
        .conf(&format!("AddHandler imap-file map\nAddType application/x-httpd-imap imap\n{conf}\n"))
        .file("htdocs/a.map", MAP)
        .file("htdocs/a.imap", MAP)
        .file("htdocs/plain.map", "rect inside.html 1,1 10,10\npoly /root.html 20,20 30,20 25,30 \"three\"\n")
        .file("htdocs/points.map", "point a 5,5\npoint b 50 , 50\npoint c -1,-1\n")
        .file("htdocs/broken.map", "rect a 0,0 10,10\nalone\nrect b 20,20 30,30\n")
        .file("htdocs/up.map", "base http://h.example/\nrect ../x 0,0 10,10\nrect ../../../y 20,20 30,30\n")
        .file("htdocs/nobase.map", "base word\nrect ../x 0,0 10,10\nrect y 20,20 30,30\n")
        .file(
            "htdocs/default.map",
            "default error\nrect nocontent 1,1 10,10\nrect referer 20,20 30,30\nrect error 40,40 50,50\n",
        )
        .file("htdocs/empty.map", "")
        .file("htdocs/same.map", "BASE_URI referer\ndefault referer\nrect x 1,1 10,10\n")
}

const PATHS: [&str; 48] = [
    "/a.map?5,0",
    "/a.map?5,10",
    "/a.map?10,5",
    "/a.map?0,10",
    "/a.map?10,0",
    "/plain.map?25,30",
    "/plain.map?20,20",
    "/plain.map?22,25",
    "/a.map",
    "/a.imap",
    "/a.map?5,5",
    "/a.map?0,0",
    "/a.map?10,10",
    "/a.map?0,5",
    "/a.map?25,5",
    "/a.map?195,21",
    "/a.map?400,20",
    "/a.map?100,101",
    "/a.map?1000,1000",
    "/a.map?150,50",
    "/a.map?x=5&y=5",
    "/a.map?x=5,y=5",
    "/a.map?5",
    "/a.map?,5",
    "/a.map?abc",
    "/a.imap?25,5",
    "/plain.map",
    "/plain.map?5,5",
    "/plain.map?25,22",
    "/plain.map?29,29",
    "/plain.map/info?5,5",
    "/points.map?6,6",
    "/points.map?60,60",
    "/broken.map",
    "/broken.map?5,5",
    "/broken.map?25,25",
    "/up.map",
    "/up.map?5,5",
    "/up.map?25,25",
    "/nobase.map",
    "/nobase.map?5,5",
    "/nobase.map?25,25",
    "/default.map",
    "/default.map?5,5",
    "/default.map?25,25",
    "/default.map?45,45",
    "/empty.map?1,1",
    "/none.map",
];

#[test]
fn menus() {
    for (name, conf) in [
        ("imagemap", ""),
        ("ImapMenu none", "ImapMenu none"),
        ("ImapMenu semiformatted", "ImapMenu SemiFormatted"),
        ("ImapMenu unformatted", "ImapMenu unformatted\nImapBase referer"),
        ("ImapMenu other", "ImapMenu other\nImapDefault menu"),
        ("ImapBase", "ImapBase http://over.there.example/a/b\nImapDefault http://default.example/"),
        ("ImapDefault error", "ImapDefault error\nImapBase map"),
    ] {
        let g = PATHS.iter().fold(maps(name, conf), |g, path| g.get(path));
        g.get_with("/default.map?25,25", "Referer: http://ref.example/x/y")
            .get_with("/same.map?5,5", "Referer: http://ref.example/x/y")
            .get("/same.map")
            .ask("HEAD", "/a.map", "")
            .ask("POST", "/a.map", "Content-Length: 0")
            .check();
    }
}

#[test]
fn merging() {
    maps("ImapMenu merged", "ImapMenu none\n<Directory @ROOT@/htdocs>\nAllowOverride Indexes\n</Directory>")
        .file("htdocs/h/.htaccess", "ImapMenu unformatted\nImapBase http://h.example/\n")
        .file("htdocs/h/a.map", MAP)
        .get("/a.map")
        .get("/h/a.map")
        .check();
}

#[test]
fn errors() {
    group("imagemap errors").and_modules("imagemap").syntax(&[
        "ImapMenu",
        "ImapMenu a b",
        "ImapDefault",
        "ImapBase",
        "ImapMenu nope",
    ]);
    group("imagemap in .htaccess").and_modules("imagemap").htaccess(&["ImapMenu", "ImapBase x"]);
}
