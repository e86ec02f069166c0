//! mod_dir: DirectoryIndex, DirectorySlash, DirectoryIndexRedirect, DirectoryCheckHandler, FallbackResource.

use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn indexes(mpm) {
        group("directory indexes")
            .mpm(mpm)
            .conf(
                r#"
DirectoryIndex index.html index.htm
<Directory @ROOT@/htdocs>
  AllowOverride Indexes
</Directory>
<Directory @ROOT@/htdocs/off>
  DirectoryIndex disabled
</Directory>
<Directory @ROOT@/htdocs/off2>
  DirectoryIndex disabled x.txt
</Directory>
<Directory @ROOT@/htdocs/add>
  DirectoryIndex x.txt
  DirectoryIndex y.txt "z z.txt"
</Directory>
<Directory @ROOT@/htdocs/add/more>
  DirectoryIndex "z z.txt"
</Directory>
<Directory @ROOT@/htdocs/denied>
  DirectoryIndex a.html b.html
</Directory>
<Directory @ROOT@/htdocs/denied1>
  DirectoryIndex a.html
</Directory>
<Files a.html>
  Require all denied
</Files>
<Directory @ROOT@/htdocs/moved>
  DirectoryIndex sub x.txt
</Directory>
<Directory @ROOT@/htdocs/away>
  DirectoryIndex /gonefile x.txt
</Directory>
Redirect /gonefile http://other.test/
Redirect /redirected/index.html http://other.test/index
<Directory @ROOT@/htdocs/query>
  DirectoryIndex x.txt?a=b
</Directory>
<Directory @ROOT@/htdocs/absolute>
  DirectoryIndex nope.html /x.txt
</Directory>
<Directory @ROOT@/htdocs/info>
  DirectoryIndex x.txt/path/info
</Directory>
"#,
            )
            .file("htdocs/x.txt", "x\n")
            .file("htdocs/off/index.html", "i\n")
            .file("htdocs/off2/disabled", "d\n")
            .file("htdocs/add/y.txt", "y\n")
            .file("htdocs/add/more/z z.txt", "zz\n")
            .file("htdocs/denied/a.html", "1\n")
            .file("htdocs/denied/b.html", "2\n")
            .file("htdocs/denied1/x", "")
            .file("htdocs/moved/sub/x", "2")
            .file("htdocs/away/x.txt", "2")
            .file("htdocs/redirected/x.txt", "2")
            .file("htdocs/empty/a", "1")
            .file("htdocs/query/x.txt", "x\n")
            .file("htdocs/absolute/a", "")
            .file("htdocs/info/x.txt", "x\n")
            .file("htdocs/ht/.htaccess", "DirectoryIndex other.html\nDirectorySlash Off\n")
            .file("htdocs/ht/other.html", "other\n")
            .get("/")
            .get("/?q")
            .get("/off/")
            .get("/off2/")
            .get("/add/")
            .get("/add/more/")
            .get("/denied/")
            .get("/denied1/")
            .get("/moved/")
            .get("/away/")
            .get("/redirected/")
            .get("/empty/")
            .get("/query/")
            .get("/absolute/?q=1")
            .get("/info/")
            .get("/index.html/")
            .get("/ht/")
            .get("/ht")
            .ask("POST", "/", "Content-Length: 0")
            .ask("HEAD", "/", "")
            .check();
    }
}

#[test]
fn slashes() {
    group("directory slashes")
        .conf(
            r#"
<Directory @ROOT@/htdocs/no>
  DirectorySlash Off
</Directory>
<Directory @ROOT@/htdocs/check>
  DirectoryCheckHandler On
  SetHandler some-handler
</Directory>
BrowserMatch careful redirect-carefully
"#,
        )
        .file("htdocs/d/x", "")
        .file("htdocs/no/x", "")
        .file("htdocs/check/index.html", "i\n")
        .file("htdocs/a b%c/x", "")
        .get("/d")
        .get("/d?a=1")
        .get("/%64")
        .get("/d/../d?%20")
        .get("/a%20b%25c")
        .get("/no")
        .get("/check")
        .get("/check/")
        .ask("HEAD", "/d", "")
        .ask("POST", "/d", "Content-Length: 0")
        .ask("OPTIONS", "/d", "")
        .ask("POST", "/d", "User-Agent: careful\nContent-Length: 0")
        .ask("GET", "/d", "User-Agent: careful")
        .check();
}

#[test]
fn redirects_to_the_index() {
    group("directory index redirects")
        .conf(
            r#"
DirectoryIndexRedirect on
<Directory @ROOT@/htdocs/p>
  DirectoryIndexRedirect permanent
  DirectoryIndex "a b.txt" index.html
</Directory>
<Directory @ROOT@/htdocs/u>
  DirectoryIndexRedirect 305
  DirectoryIndex /x.txt
</Directory>
<Directory @ROOT@/htdocs/off>
  DirectoryIndexRedirect off
</Directory>
"#,
        )
        .file("htdocs/x.txt", "x\n")
        .file("htdocs/p/a b.txt", "x\n")
        .file("htdocs/u/x", "")
        .file("htdocs/off/index.html", "off\n")
        .get("/")
        .get("/?q=1")
        .get("/p/?z")
        .get("/u/")
        .get("/off/")
        .ask("POST", "/", "Content-Length: 0")
        .check();
}

#[test]
fn fallback_resource() {
    group("fallback resource")
        .conf(
            r#"
<Directory @ROOT@/htdocs/fb>
  FallbackResource /x.txt
</Directory>
<Directory @ROOT@/htdocs/fb/sub>
  FallbackResource disabled
</Directory>
<Directory @ROOT@/htdocs/fb/none>
  DirectoryIndex disabled
</Directory>
<Directory @ROOT@/htdocs/flat>
  DirectorySlash Off
  FallbackResource /x.txt
</Directory>
<Directory @ROOT@/htdocs/missing>
  FallbackResource /nothere
</Directory>
<Directory @ROOT@/htdocs/relative>
  FallbackResource x.txt
</Directory>
<Directory @ROOT@/htdocs/handler>
  SetHandler some-handler
  FallbackResource /x.txt
</Directory>
<Directory @ROOT@/htdocs/moved>
  FallbackResource /moved/sub
</Directory>
"#,
        )
        .file("htdocs/x.txt", "x\n")
        .file("htdocs/fb/a.txt", "a\n")
        .file("htdocs/fb/sub/x", "")
        .file("htdocs/fb/none/x", "")
        .file("htdocs/flat/sub/x", "")
        .file("htdocs/missing/x", "")
        .file("htdocs/relative/x.txt", "rel\n")
        .file("htdocs/handler/x", "")
        .file("htdocs/moved/sub/x", "")
        .get("/fb/nope?q")
        .get("/fb/a.txt")
        .get("/fb/a.txt/more")
        .get("/fb/")
        .get("/fb/nope/deeper")
        .get("/fb/sub/zz")
        .get("/fb/sub/")
        .get("/fb/none/")
        .get("/flat")
        .get("/flat/")
        .get("/flat/sub")
        .get("/flat/zz")
        .get("/missing/zz")
        .get("/relative/zz")
        .get("/handler/zz")
        .get("/moved/zz")
        .get("/moved/")
        .ask("POST", "/fb/nope", "Content-Length: 0")
        .check();
}

#[test]
fn errors() {
    group("directory errors").syntax(&[
        "DirectoryIndexRedirect 200",
        "DirectoryIndexRedirect 400",
        "DirectoryIndexRedirect foo",
        "DirectoryIndexRedirect 302x",
        "DirectoryIndexRedirect On",
        "DirectoryIndexRedirect SEEOTHER",
        "DirectoryIndexRedirect",
        "DirectoryIndexRedirect 3",
        "DirectoryIndexRedirect -5",
        "DirectorySlash x",
        "DirectoryIndex",
        "FallbackResource",
        "FallbackResource a b",
        "FallbackResource rel",
        "DirectoryCheckHandler maybe",
    ]);
}
