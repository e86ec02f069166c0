//! mod_speling: CheckSpelling, CheckCaseOnly, CheckBasenameMatch.

use compat_tests::{Group, group};

fn tree(name: &str, conf: &str) -> Group {
    group(name)
        .and_modules("speling mime alias dir cgi")
        .conf(&format!("LogLevel speling:info\nAlias /al @ROOT@/htdocs\n{conf}\n"))
        .file("htdocs/index.html", "index\n")
        .file("htdocs/about.html", "about\n")
        .file("htdocs/foo.gif", "gif\n")
        .file("htdocs/foo.html", "html\n")
        .file("htdocs/pair1.txt", "1\n")
        .file("htdocs/pair2.txt", "2\n")
        .file("htdocs/bare", "bare\n")
        .file("htdocs/with space.txt", "space\n")
        .file("htdocs/Dir/sub.txt", "sub\n")
        .file("htdocs/a&b<c.txt", "odd\n")
        .link("htdocs/broken.html", "nowhere")
}

const PATHS: [&str; 34] = [
    "/Index.html",
    "/idnex.html",
    "/index.htm",
    "/indx.html",
    "/indeex.html",
    "/indax.html",
    "/about.htm",
    "/about",
    "/foo",
    "/foo.jpg",
    "/fo.gif",
    "/FOO.GIF",
    "/pair3.txt",
    "/pair.txt",
    "/pair1.text",
    "/bare.html",
    "/Bare",
    "/with%20spac.txt",
    "/dir/sub.txt",
    "/dir/",
    "/Dir/sub",
    "/Dir/SUB.txt?q=a%20b",
    "/dir/sub.txt/more?x",
    "/A&b%3cc.txt",
    "/broken.html",
    "/brokn.html",
    "/nothing.like",
    "/al/Index.html",
    "/a",
    "/.html",
    "/index.html/x",
    "/Index.html/x",
    "/pair0.txt/info?q=<",
    "/",
];

#[test]
fn spelling() {
    for (name, conf) in [
        ("CheckSpelling", "CheckSpelling On"),
        ("CheckCaseOnly", "CheckSpelling On\nCheckCaseOnly On"),
        ("CheckBasenameMatch", "CheckSpelling On\nCheckBasenameMatch Off"),
        ("CheckCaseOnly, no base names", "CheckSpelling On\nCheckCaseOnly On\nCheckBasenameMatch Off"),
        ("unset", "CheckCaseOnly On"),
    ] {
        let g = PATHS.iter().fold(tree(name, conf), |g, path| g.get(path));
        g.get_with("/Index.html", "Referer: http://there.example/<a>")
            .get_with("/pair3.txt", "Referer: http://there.example/<a>&\"")
            .ask("HEAD", "/Index.html", "")
            .ask("POST", "/Index.html", "Content-Length: 0")
            .check();
    }
}

#[test]
fn merging() {
    tree("CheckSpelling merged", "CheckCaseOnly On\n<Location /Dir>\nCheckSpelling On\n</Location>\n<Directory @ROOT@/htdocs>\nAllowOverride Options\n</Directory>")
        .file("htdocs/h/.htaccess", "CheckSpelling On\nCheckCaseOnly Off\n")
        .file("htdocs/h/index.html", "h\n")
        .file("htdocs/h/k/.htaccess", "CheckSpelling Off\n")
        .file("htdocs/h/k/index.html", "k\n")
        .get("/Dir/Sub.txt")
        .get("/Dir/sux.txt")
        .get("/Index.html")
        .get("/h/idnex.html")
        .get("/h/k/idnex.html")
        .check();
}

#[test]
fn errors() {
    group("CheckSpelling errors").and_modules("speling").syntax(&[
        "CheckSpelling",
        "CheckSpelling maybe",
        "CheckCaseOnly 1",
        "CheckBasenameMatch On Off",
        "<Location />\nCheckSpelling On\n</Location>",
    ]);
    group("CheckSpelling in .htaccess").and_modules("speling").htaccess(&["CheckSpelling 2", "CheckCaseOnly On"]);
}
