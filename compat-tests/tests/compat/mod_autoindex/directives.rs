//! mod_autoindex: IndexOptions, icons, descriptions, headers and readmes, sorting, what is not listed.

use compat_tests::{Group, group, under_each_mpm};

/// The same files in every directory.
fn with_files(mut group: Group, directory: &str) -> Group {
    for (name, text) in [
        ("a.html", "<html><head><title>Title\n of a</title></head>"),
        ("b.txt", "some text\n"),
        ("a very long file name & with <specials> \"q\" that exceeds.txt", "y"),
        ("z10.txt", ""),
        ("z9.txt", "1"),
        ("a01", ""),
        ("a 1", "1"),
        (".hidden", "1"),
        ("sub/x", "1"),
        ("bin.bin", "bbbbbbbbbb"),
        ("p.png", "png"),
        ("g.txt.gz", "z"),
        ("back~", "1"),
        ("xRCS", "1"),
        ("README.html", "<p>readme</p>\n"),
        ("HEADER.html", "<p>header</p>\n"),
        ("H.txt", "<plain> header\n"),
        ("HEAD.html", "<html>whole head\n"),
        ("R.html", "rd\n"),
        ("Upper.txt", "u"),
        ("é.txt", "u"),
        ("a:b", "colon"),
        ("denied.html", "x"),
    ] {
        group = group.file(&format!("htdocs/{directory}/{name}"), text);
    }
    group
        .file(&format!("htdocs/{directory}/k"), vec![b'x'; 2000])
        .file(&format!("htdocs/{directory}/k1"), vec![b'x'; 1023])
        .file(&format!("htdocs/{directory}/m"), vec![b'x'; 5_000_000])
}

const CONF: &str = "Options +Indexes\nAddEncoding x-gzip .gz\n<Files denied.html>\nRequire all denied\n</Files>\n";

/// One directory with these settings, listed.
fn listing(name: &str, conf: &str, queries: &[&str]) {
    let mut group =
        with_files(group(name), "d").conf(CONF).conf(&format!("<Directory @ROOT@/htdocs/d>\n{conf}\n</Directory>\n"));
    for query in queries {
        group = group.get(&format!("/d/{query}"));
    }
    group.check();
}

#[test]
fn plain() {
    listing("index plain", "", &[""]);
}

#[test]
fn fancy() {
    listing(
        "index fancy",
        r#"
IndexOptions FancyIndexing
"#,
        &[""],
    );
}

#[test]
fn stock() {
    listing(
        "index stock",
        r#"
IndexOptions FancyIndexing VersionSort HTMLTable NameWidth=* DescriptionWidth=* Charset=UTF-8
AddIconByEncoding (CMP,/icons/compressed.gif) x-compress x-gzip x-bzip2
AddIconByType (TXT,/icons/text.gif) text/*
AddIconByType (IMG,/icons/image2.gif) image/*
AddIcon /icons/binary.gif .bin .exe
AddIcon /icons/back.gif ..
AddIcon /icons/folder.gif ^^DIRECTORY^^
AddIcon /icons/blank.gif ^^BLANKICON^^
DefaultIcon /icons/unknown.gif
ReadmeName README.html
HeaderName HEADER.html
IndexIgnore .??* *~ *# RCS CVS *,v *,t
"#,
        &[""],
    );
}

#[test]
fn later() {
    listing(
        "index later",
        r#"
IndexOptions FancyIndexing HTMLTable
IndexOptions +XHTML +IconHeight +IconWidth +SuppressRules
AddIconByEncoding (CMP,/icons/compressed.gif) x-compress x-gzip x-bzip2
AddIconByType (TXT,/icons/text.gif) text/*
AddIconByType (IMG,/icons/image2.gif) image/*
AddIcon /icons/binary.gif .bin .exe
AddIcon /icons/back.gif ..
AddIcon /icons/folder.gif ^^DIRECTORY^^
AddIcon /icons/blank.gif ^^BLANKICON^^
DefaultIcon /icons/unknown.gif
ReadmeName README.html
HeaderName HEADER.html
IndexIgnore .??* *~ *# RCS CVS *,v *,t
"#,
        &[""],
    );
}

#[test]
fn text() {
    listing(
        "index text",
        r#"
IndexOptions FancyIndexing IconHeight=10 IconWidth=11 IconsAreLinks
AddIconByEncoding (CMP,/icons/compressed.gif) x-compress x-gzip x-bzip2
AddIconByType (TXT,/icons/text.gif) text/*
AddIconByType (IMG,/icons/image2.gif) image/*
AddIcon /icons/binary.gif .bin .exe
AddIcon /icons/back.gif ..
AddIcon /icons/folder.gif ^^DIRECTORY^^
AddIcon /icons/blank.gif ^^BLANKICON^^
DefaultIcon /icons/unknown.gif
ReadmeName README.html
HeaderName HEADER.html
IndexIgnore .??* *~ *# RCS CVS *,v *,t
AddDescription "a <b>desc</b> that is rather long and goes beyond the width" *.txt
AddDescription two /text/sub
AddAlt "ALT text" *.html
"#,
        &[""],
    );
}

#[test]
fn noicon() {
    listing(
        "index noicon",
        r#"
IndexOptions FancyIndexing SuppressColumnSorting FoldersFirst ScanHTMLTitles SuppressDescription
"#,
        &[""],
    );
}

#[test]
fn suppressed() {
    listing(
        "index suppressed",
        r#"
IndexOptions FancyIndexing SuppressIcon SuppressLastModified SuppressSize SuppressRules NameWidth=10 DescriptionWidth=12 UseOldDateFormat
AddDescription "0123456789 12345678" *.txt
IndexStyleSheet /s.css
IndexHeadInsert "<meta x>"
"#,
        &[""],
    );
}

#[test]
fn tsuppressed() {
    listing(
        "index tsuppressed",
        r#"
IndexOptions FancyIndexing HTMLTable SuppressIcon SuppressLastModified SuppressSize SuppressDescription ScanHTMLTitles
"#,
        &[""],
    );
}

#[test]
fn titles() {
    listing(
        "index titles",
        r#"
IndexOptions FancyIndexing HTMLTable ScanHTMLTitles FoldersFirst UseOldDateFormat TrackModified NameWidth=8 AddAltClass
"#,
        &[""],
    );
}

#[test]
fn typed() {
    listing(
        "index typed",
        r#"
IndexOptions Type=text/plain Charset= XHTML
HeaderName H.txt
ReadmeName H.txt
"#,
        &[""],
    );
}

#[test]
fn header() {
    listing(
        "index header",
        r#"
IndexOptions FancyIndexing SuppressHTMLPreamble
HeaderName HEAD.html
ReadmeName H.txt
IndexIgnore *
"#,
        &[""],
    );
}

#[test]
fn header2() {
    listing(
        "index header2",
        r#"
IndexOptions FancyIndexing
HeaderName HEAD.html
ReadmeName R.html
IndexIgnore *
"#,
        &[""],
    );
}

#[test]
fn header3() {
    listing(
        "index header3",
        r#"
IndexOptions FancyIndexing
HeaderName H.txt
ReadmeName H.txt
IndexIgnore *
"#,
        &[""],
    );
}

#[test]
fn header4() {
    listing(
        "index header4",
        r#"
IndexOptions SuppressHTMLPreamble
HeaderName H.txt
ReadmeName R.html
"#,
        &[""],
    );
}

#[test]
fn header5() {
    listing(
        "index header5",
        r#"
IndexOptions SuppressHTMLPreamble
HeaderName nope
ReadmeName p.png
"#,
        &[""],
    );
}

#[test]
fn css() {
    listing(
        "index css",
        r#"
IndexOptions FancyIndexing HTMLTable AddAltClass
IndexStyleSheet /s.css
AddDescription dd b*
AddIcon (TXT,/t.gif) .txt
AddIcon /i/bin .bin
"#,
        &[""],
    );
}

#[test]
fn css2() {
    listing(
        "index css2",
        r#"
IndexOptions FancyIndexing HTMLTable SuppressIcon SuppressSize XHTML
IndexStyleSheet /s.css
"#,
        &[""],
    );
}

#[test]
fn csstext() {
    listing(
        "index csstext",
        r#"
IndexOptions FancyIndexing XHTML IconHeight IconWidth
IndexStyleSheet /s.css
AddIcon /b.gif ^^BLANKICON^^
DefaultIcon /def.gif
"#,
        &[""],
    );
}

#[test]
fn alts() {
    listing(
        "index alts",
        r#"
IndexOptions FancyIndexing HTMLTable XHTML SuppressRules IconsAreLinks IconWidth=5
AddIcon (TXT,/t.gif) .txt
AddAlt AA .txt
AddAlt PP ..
AddAlt DD ^^DIRECTORY^^
AddAltByType BT text/*
AddAltByEncoding BE x-gzip
DefaultIcon /d.gif
"#,
        &[""],
    );
}

#[test]
fn alts2() {
    listing(
        "index alts2",
        r#"
IndexOptions FancyIndexing
AddAlt DD ^^DIRECTORY^^
AddIcon /dir.gif **DIRECTORY**
AddIconByType /html.gif TEXT/HTML
AddIconByEncoding /gz.gif x-gzip
"#,
        &[""],
    );
}

#[test]
fn widths() {
    listing(
        "index widths",
        r#"
IndexOptions FancyIndexing NameWidth=* DescriptionWidth=* XHTML
AddDescription ddxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx b*
"#,
        &[""],
    );
}

#[test]
fn widths2() {
    listing(
        "index widths2",
        r#"
IndexOptions FancyIndexing SuppressLastModified SuppressSize
AddDescription "0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 0123456789 " b*
"#,
        &[""],
    );
}

#[test]
fn list() {
    listing(
        "index list",
        r#"
IndexOptions XHTML IconsAreLinks
IndexStyleSheet /s.css
"#,
        &[""],
    );
}

#[test]
fn plus() {
    listing(
        "index plus",
        r#"
IndexOptions +FancyIndexing
"#,
        &[""],
    );
}

#[test]
fn order() {
    listing(
        "index order",
        r#"
IndexOptions FancyIndexing IgnoreCase
IndexOrderDefault Descending Size
"#,
        &[""],
    );
}

#[test]
fn order2() {
    listing(
        "index order2",
        r#"
IndexOptions FancyIndexing IgnoreCase FoldersFirst
IndexOrderDefault Ascending Description
AddDescription d1 a.html
AddDescription d2 *.tx
AddDescription d4 c
AddDescription d5 "B?.*"
AddDescription d6 ..
"#,
        &[""],
    );
}

#[test]
fn none() {
    listing(
        "index none",
        r#"
IndexOptions FancyIndexing
IndexOptions None
"#,
        &[""],
    );
}

#[test]
fn forbidden() {
    listing(
        "index forbidden",
        r#"
IndexOptions FancyIndexing ShowForbidden
"#,
        &[""],
    );
}

#[test]
fn queries() {
    let queries = [
        "?C=M;O=D",
        "?C=S",
        "?C=S&O=D",
        "?C=D;O=D",
        "?C=X;O=D",
        "?C=N;O=D;F=0",
        "?F=1",
        "?F=2",
        "?F=2;V=1",
        "?P=b*",
        "?P=%62*",
        "?P=*",
        "?P=[a-c]*",
        "?C=N;O=A;P=a\"<*&V=1",
        "?foo",
        "?C=D;O=A;foo",
        "?O=D",
        "?C=S;O=X",
        "?V=1;C=N",
        "?C=N;O=Dx",
        "?C=N;O=D;",
        "?F=5",
        "?",
    ];
    listing("index queries", "IndexOptions FancyIndexing", &queries);
    listing(
        "index queries, table",
        "IndexOptions FancyIndexing HTMLTable VersionSort IgnoreCase FoldersFirst",
        &["", "?V=0", "?F=1", "?C=M"],
    );
    listing("index queries ignored", "IndexOptions FancyIndexing IgnoreClient", &["?C=S;O=D", "?F=0"]);
    listing("index queries, plain", "", &["?F=1", "?C=N;O=D"]);
    listing("index queries, no links", "IndexOptions FancyIndexing SuppressColumnSorting", &["?C=N;O=D"]);
}

under_each_mpm! {
    fn sections(mpm) {
        let mut group = group("index sections").mpm(mpm).conf(CONF).conf(
            r#"
IndexOptions FancyIndexing
IndexIgnore RCS
AddIcon /main.gif .txt
<Directory @ROOT@/htdocs>
  AllowOverride Indexes
</Directory>
<Directory @ROOT@/htdocs/a>
  IndexOptions +HTMLTable
  IndexIgnore *.txt ..
  AddDescription above *
</Directory>
<Directory @ROOT@/htdocs/a/b>
  IndexOptions -FancyIndexing
  IndexIgnoreReset On
  IndexIgnore a.html
</Directory>
<Directory @ROOT@/htdocs/a/c>
  IndexOptions XHTML
  IndexIgnoreReset On
</Directory>
<Directory @ROOT@/htdocs/no>
  Options -Indexes
</Directory>
<Directory @ROOT@/htdocs/no2>
  Options -Indexes
  DirectoryIndex disabled
</Directory>
"#,
        );
        for directory in ["a", "a/b", "a/c", "ht", "no", "no2"] {
            group = with_files(group, directory);
        }
        group
            .file("htdocs/ht/.htaccess", "IndexOptions +SuppressSize\nAddDescription mine *.txt\nHeaderName H.txt\n")
            .get("/a/")
            .get("/a/b/")
            .get("/a/c/")
            .get("/ht/")
            .get("/no/")
            .get("/no2/")
            .ask("HEAD", "/a/", "")
            .ask("POST", "/a/", "Content-Length: 0")
            .ask("OPTIONS", "/a/", "")
            .check();
    }
}

#[test]
fn the_root_has_no_parent() {
    group("index of the root")
        .conf("Options +Indexes\nDirectoryIndex disabled\n")
        .file("htdocs/a b", "x")
        .get("/")
        .check();
}

#[test]
fn long_listings_are_chunked() {
    let mut group = group("long index").conf("Options +Indexes\n");
    for number in 0..200 {
        group = group.file(&format!("htdocs/d/{number:030}"), "");
    }
    group.get("/d/").check();
}

#[test]
fn errors() {
    group("index errors").syntax(&[
        "IndexOptions Foo",
        "IndexOptions +Foo",
        "IndexOptions FancyIndexing +HTMLTable",
        "IndexOptions +FancyIndexing HTMLTable",
        "IndexOptions",
        "IndexOptions None",
        "IndexOptions +None",
        "IndexOptions -None",
        "IndexOptions None FancyIndexing",
        "IndexOptions FancyIndexing None",
        "IndexOptions NameWidth=x",
        "IndexOptions NameWidth=2",
        "IndexOptions NameWidth=*",
        "IndexOptions NameWidth=5",
        "IndexOptions NameWidth",
        "IndexOptions -NameWidth",
        "IndexOptions -NameWidth=5",
        "IndexOptions +NameWidth=30",
        "IndexOptions DescriptionWidth=5",
        "IndexOptions DescriptionWidth=12",
        "IndexOptions DescriptionWidth=11",
        "IndexOptions DescriptionWidth=x",
        "IndexOptions IconHeight",
        "IndexOptions IconHeight=0",
        "IndexOptions IconHeight=x",
        "IndexOptions -IconHeight=5",
        "IndexOptions -IconHeight",
        "IndexOptions Type=text/plain Charset=UTF-8",
        "IndexOptions -Type=a",
        "IndexOptions Type",
        "IndexOptions Charset=",
        "IndexOrderDefault Foo Name",
        "IndexOrderDefault Ascending Foo",
        "IndexOrderDefault Ascending",
        "IndexOrderDefault asc Name",
        "FancyIndexing on",
        "FancyIndexing",
        "AddIcon (x,/y .z",
        "AddIcon (x,/y) .z",
        "AddIcon (x /y) .z",
        "AddIcon /y",
        "AddIcon (x,) .z",
        "AddIcon () .z",
        "AddIcon (,/y) .z",
        "AddAlt x",
        "AddAlt x y z",
        "AddDescription x",
        "AddIconByType (x,/i) text/*",
        "HeaderName",
        "HeaderName a b",
        "IndexIgnoreReset x",
        "IndexIgnoreReset On",
        "IndexHeadInsert",
        "IndexStyleSheet",
        "DefaultIcon",
        "IndexIgnore",
        "ReadmeName",
        "IndexOptions SuppressColumnSorting ShowForbidden FoldersFirst IgnoreCase IgnoreClient IconsAreLinks ScanHTMLTitles SuppressDescription SuppressHTMLPreamble SuppressIcon SuppressLastModified SuppressRules SuppressSize TrackModified VersionSort XHTML UseOldDateFormat AddAltClass",
        "IndexOptions fancyindexing",
        "IndexOptions SuppressIcon=5",
        "AddDescription \"\" x",
        "AddDescription a \"\"",
        "IndexOptions NameWidth=-5",
        "IndexOptions IconWidth=-5",
        "IndexOptions -DescriptionWidth",
        "IndexOptions -DescriptionWidth=12",
        "IndexOptions DescriptionWidth",
    ]);
}
