//! mod_dir: DirectoryIndex, DirectorySlash, FallbackResource, DirectoryIndexRedirect, DirectoryCheckHandler.

mod directives;

use compat_tests::{Group, group, under_each_mpm};

fn site(name: &str, conf: &str) -> Group {
    group(name)
        .conf(&format!("<Directory @ROOT@/htdocs>\n{conf}\n</Directory>\n"))
        .file("htdocs/one/first.html", "first\n")
        .file("htdocs/one/second.html", "second\n")
        .file("htdocs/two/second.html", "second\n")
        .file("htdocs/sub/inner/x.txt", "x\n")
        .file("htdocs/fallback.html", "fallback\n")
        .dir("htdocs/none")
        .dir("htdocs/dirindex/first.html")
        .get("/one/")
        .get("/two/")
        .get("/none/")
        .get("/one")
        .get("/one?q=1")
        .get("/dirindex/")
        .get("/one/nope")
        .get("/nope/nope?x")
        .get("/sub/inner")
        .get("/two/?q=2")
        .ask("POST", "/one", "Content-Length: 0")
        .ask("POST", "/one/", "Content-Length: 0")
        .ask("HEAD", "/one", "")
        .ask("OPTIONS", "/one/", "")
        .ask("OPTIONS", "/one", "")
}

under_each_mpm! {
    fn index(mpm) {
        site("DirectoryIndex", "DirectoryIndex first.html second.html").mpm(mpm).check();
    }
}

#[test]
fn options() {
    for conf in [
        "",
        "DirectoryIndex disabled",
        "DirectoryIndex first.html\nDirectoryIndex second.html",
        "DirectoryIndex second.html first.html /fallback.html",
        "DirectoryIndex nope.html /one/first.html",
        "DirectorySlash Off",
        "FallbackResource /fallback.html",
        "FallbackResource disabled",
        "FallbackResource /nope.html",
        "FallbackResource fallback.html",
        "DirectoryIndex first.html\nDirectoryIndexRedirect on",
        "DirectoryIndex first.html\nDirectoryIndexRedirect permanent",
        "DirectoryIndex first.html\nDirectoryIndexRedirect seeother",
        "DirectoryIndex first.html\nDirectoryIndexRedirect 307",
        "DirectoryIndex first.html\nDirectoryIndexRedirect off",
        "DirectoryIndex first.html\nSetHandler nope\nDirectoryCheckHandler On",
        "DirectoryIndex first.html\nSetHandler nope\nDirectoryCheckHandler Off",
        "DirectoryIndex ../fallback.html",
        "DirectoryIndex \"\"",
        "Options +Indexes\nDirectorySlash Off",
    ] {
        site(if conf.is_empty() { "default" } else { conf }, conf).check();
    }
}

#[test]
fn errors() {
    group("dir errors").syntax(&[
        "DirectoryIndex",
        "DirectorySlash",
        "DirectorySlash maybe",
        "DirectorySlash NotFound",
        "FallbackResource",
        "FallbackResource a b",
        "DirectoryIndexRedirect",
        "DirectoryIndexRedirect foo",
        "DirectoryIndexRedirect 200",
        "DirectoryIndexRedirect 399",
        "DirectoryIndexRedirect temp",
        "DirectoryCheckHandler maybe",
    ]);
}
