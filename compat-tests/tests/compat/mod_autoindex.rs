//! mod_autoindex: directory listings, plain, fancy and as a table, with every IndexOptions word.

mod directives;

use compat_tests::{Group, group, under_each_mpm};

fn listed(name: &str, conf: &str) -> Group {
    let mut g = group(name)
        .conf(&format!("<Directory @ROOT@/htdocs>\nOptions +Indexes\nAllowOverride None\n{conf}\n</Directory>\n"))
        .file("htdocs/l/a.txt", "a\n")
        .file("htdocs/l/B.html", "<html><head><title>The  title &amp; more</title></head>\n")
        .file("htdocs/l/c.tgz", vec![0u8; 5000])
        .file("htdocs/l/v1.10.txt", vec![b'x'; 2_000_000])
        .file("htdocs/l/v1.9.txt", vec![b'x'; 1023])
        .file("htdocs/l/a very long file name that is surely cut somewhere.txt", "x")
        .file("htdocs/l/<odd>&\"name'.txt", "x")
        .file("htdocs/l/sp ace#hash?mark%percent.txt", "x")
        .file("htdocs/l/ünï.txt", "x")
        .file("htdocs/l/.hidden", "x")
        .file("htdocs/l/backup~", "x")
        .file("htdocs/l/README.html", "<p>readme</p>\n")
        .file("htdocs/l/HEADER.html", "<p>header</p>\n")
        .file("htdocs/l/empty.bin", "")
        .dir("htdocs/l/sub")
        .dir("htdocs/l/Zdir")
        .file("htdocs/l/closed.txt", "x")
        .mode("htdocs/l/closed.txt", 0o600)
        .mtime("htdocs/l/a.txt", 1_000_000_000)
        .mtime("htdocs/l/c.tgz", 1_500_000_000);
    g = g.dir("htdocs/l/nothing");
    g
}

under_each_mpm! {
    fn plain_and_sorted(mpm) {
        let mut g = listed("plain", "").mpm(mpm);
        for query in ["", "?C=N;O=D", "?C=M;O=A", "?C=S&O=D", "?C=D", "?F=0", "?F=1", "?F=2", "?V=1", "?P=a*", "?C=X", "?garbage", "?F=1;P=*.txt;V=1"] {
            g = g.get(&format!("/l/{query}"));
        }
        g.get("/l").get("/l/nothing/").ask("HEAD", "/l/", "").ask("POST", "/l/", "Content-Length: 0").check();
    }
}

#[test]
fn index_options() {
    for options in [
        "FancyIndexing",
        "FancyIndexing HTMLTable",
        "FancyIndexing HTMLTable VersionSort FoldersFirst NameWidth=*",
        "FancyIndexing NameWidth=20 DescriptionWidth=15",
        "FancyIndexing IgnoreCase",
        "FancyIndexing IconsAreLinks IconHeight=10 IconWidth=12 SuppressRules",
        "FancyIndexing IconHeight IconWidth",
        "FancyIndexing SuppressIcon SuppressSize SuppressDescription SuppressLastModified",
        "FancyIndexing SuppressColumnSorting TrackModified",
        "FancyIndexing SuppressHTMLPreamble",
        "FancyIndexing XHTML HTMLTable",
        "FancyIndexing ScanHTMLTitles DescriptionWidth=*",
        "FancyIndexing ShowForbidden IgnoreClient",
        "FancyIndexing Type=text/plain Charset=ISO-8859-1",
        "FancyIndexing UseOldDateFormat",
        "HTMLTable",
        "None",
        "+FancyIndexing +HTMLTable -VersionSort",
        "FancyIndexing AddAltClass HTMLTable",
    ] {
        listed(options, &format!("IndexOptions {options}"))
            .get("/l/")
            .get("/l/?C=S;O=D")
            .get("/l/?F=2&V=1&C=N")
            .get("/l/sub/")
            .check();
    }
}

#[test]
fn decoration() {
    listed(
        "decoration",
        r#"
IndexOptions FancyIndexing
AddIcon /icons/text.gif .txt
AddIcon (TGZ,/icons/tgz.gif) .tgz
AddIcon /icons/dir.gif ^^DIRECTORY^^
AddIcon /icons/blank.gif ^^BLANKICON^^
AddIcon /icons/back.gif ..
AddIconByType (IMG,/icons/image.gif) image/*
AddIconByType /icons/html.gif text/html
AddIconByEncoding (CMP,/icons/cmp.gif) x-gzip
DefaultIcon /icons/unknown.gif
AddAlt "a text" .txt
AddAltByType "a page" text/html
AddAltByEncoding "packed" x-gzip
AddDescription "the <b>a</b> file" a.txt
AddDescription "all text files of this place" *.txt
AddDescription "a directory" sub
IndexIgnore .??* *~ README* HEADER*
HeaderName HEADER.html
ReadmeName README.html
IndexStyleSheet "/style.css"
IndexHeadInsert "<meta name=x>"
IndexOrderDefault Descending Size
"#,
    )
    .get("/l/")
    .get("/l/?C=N;O=A")
    .get("/l/sub/")
    .check();
    listed(
        "IndexIgnoreReset",
        "IndexOptions FancyIndexing\nIndexIgnore *.txt\nIndexIgnoreReset ON\nIndexIgnore *.html",
    )
    .get("/l/")
    .check();
    listed("HeaderName missing", "HeaderName nope.html\nReadmeName /l/README.html\n").get("/l/").check();
    listed("no Indexes", "Options -Indexes").get("/l/").get("/l/?C=N").check();
}

#[test]
fn errors() {
    group("autoindex errors").syntax(&[
        "IndexOptions Foo",
        "IndexOptions FancyIndexing \"\" Foo",
        "IndexOptions \"",
        "IndexOptions EmitAMP",
        "IndexOptions",
        "IndexOptions NameWidth=x",
        "IndexOptions NameWidth",
        "IndexOptions +NameWidth=5",
        "IndexOptions -NameWidth=5",
        "IndexOptions IconHeight=x",
        "IndexOptions DescriptionWidth=x",
        "IndexOptions DescriptionWidth=10",
        "IndexOptions NameWidth=4",
        "IndexOptions +None",
        "IndexOptions FancyIndexing -HTMLTable",
        "FancyIndexing On",
        "IndexOrderDefault Up Name",
        "IndexOrderDefault Ascending Foo",
        "IndexOrderDefault Ascending",
        "AddIcon",
        "AddIcon /x",
        "AddIcon (TXT /x .txt",
        "AddIcon (TXT,/x) .txt",
        "AddIcon (,/x) .txt",
        "AddIconByType x",
        "AddDescription x",
        "AddAlt x",
        "IndexIgnore",
        "IndexIgnoreReset maybe",
        "HeaderName",
        "ReadmeName",
        "HeaderName a b",
        "IndexStyleSheet",
        "IndexHeadInsert",
        "DefaultIcon",
    ]);
}

/// What clients have already does not leave header and readme out; folders first needs facts; an empty pattern is none.
#[test]
fn conditions_and_orders() {
    let mut g = group("autoindex, conditions and orders");
    for (dir, options) in [
        ("plain", "FoldersFirst"),
        ("fancy", "FancyIndexing FoldersFirst"),
        ("table", "HTMLTable FoldersFirst"),
        ("tracked", "FancyIndexing TrackModified"),
    ] {
        g = g
            .conf(&format!("<Location /{dir}>\nOptions +Indexes\nHeaderName H.html\nReadmeName R.html\nIndexOptions {options}\n</Location>\n"))
            .file(&format!("htdocs/{dir}/H.html"), "<h2>head</h2>\n")
            .file(&format!("htdocs/{dir}/R.html"), "<p>foot</p>\n")
            .file(&format!("htdocs/{dir}/a.txt"), "a")
            .file(&format!("htdocs/{dir}/b/x.txt"), "b")
            .file(&format!("htdocs/{dir}/c.txt"), "c");
        for query in ["", "?P=", "?P=*.txt", "?F=0", "?F=1", "?F=2", "?F=1;P=;C=S;O=D"] {
            g = g.get(&format!("/{dir}/{query}"));
        }
        for condition in [
            "If-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT",
            "If-None-Match: *",
            "If-Match: \"x\"",
            "If-Unmodified-Since: Tue, 02 Jan 2020 03:04:05 GMT",
        ] {
            g = g.get_with(&format!("/{dir}/"), condition);
        }
    }
    g.check();
}
