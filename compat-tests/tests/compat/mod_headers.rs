//! mod_headers: Header and RequestHeader.

use compat_tests::group;

#[test]
fn actions() {
    group("Header")
        .and_modules("headers")
        .file("htdocs/a.txt", "a\n")
        .conf(
            r#"LogFormat "%{jnote}n %{X-In}i" note
Header set A "x%"
Header set B "a\tbc\qd\\"
Header set C "[%%][%{NOPE}e][%{HTTPS}s]"
Header set D "%Db%t"
Header edit* D "[0-9]+" "N"
Header set L "%l %i %b"
Header edit* L "[0-9]+" "N"
Header set E aaaab
Header edit* E "^a" "b"
Header set F aaaab
Header edit* F "a" "[$0]"
Header set H aaaab
Header edit H "(a)(b)" "<$2$1\1&>%%"
Header set I 'one, two'
Header merge I two
Header merge I three
Header merge I '"one"'
Header merge I on
Header append I x
Header add J 1
Header add J 2
Header append J 3
Header edit J "(.)" "$1!"
Header note J jnote
Header echo ^X-T
Header set K "expr=%{REQUEST_URI}:%{resp:J}"
Header set K2 y "expr=%{REQUEST_STATUS} == 404"
Header always set K3 "s" "expr=%{REQUEST_STATUS} == 404"
Header always set K4: always
Header setifempty K4 x
Header always setifempty K4 y
Header unset ETag
Header set Vary "%{foo}e" env=!NOPE
RequestHeader set X-T9 nine early
RequestHeader set X-In "in %{x}e"
RequestHeader append X-In more
RequestHeader merge X-T1 a
RequestHeader edit X-In "in" "out"
RequestHeader add X-In third
RequestHeader setifempty X-In fourth
RequestHeader unset X-T3
Header set EARLY yes early
Header always set EARLY-A yes early
Header set EARLY2 yes early
Header unset EARLY2
Header set Cache-Control "a=1"
Redirect /red http://x/
ErrorDocument 404 /a.txt
ErrorDocument 410 "gone"
Redirect gone /gone
"#,
        )
        .get_with("/a.txt", "X-T1: a\r\nx-t2: b\r\nX-T1: c\r\nX-T3: d\r\nX-In: client")
        .get("/a.txt?x")
        .get_with("/a.txt", "If-Modified-Since: Wed, 01 Jan 2098 00:00:00 GMT")
        .get("/red")
        .get("/nope")
        .get("/gone")
        .request("GET /a.txt HTTP/1.1\r\n\r\n")
        .check();
}

#[test]
fn content_type() {
    group("Header Content-Type")
        .and_modules("headers")
        .file("htdocs/a.txt", "a\n")
        .conf(
            r#"<If "%{QUERY_STRING} == 'set'">
Header set Content-Type "text/x"
</If>
<If "%{QUERY_STRING} == 'edit'">
Header edit Content-Type "text" "xet"
</If>
<If "%{QUERY_STRING} == 'unset'">
Header unset Content-Type
</If>
<If "%{QUERY_STRING} == 'append'">
Header append Content-Type zz
</If>
<If "%{QUERY_STRING} == 'add'">
Header add Content-Type zz
</If>
<If "%{QUERY_STRING} == 'setifempty'">
Header setifempty Content-Type zz
</If>
<If "%{QUERY_STRING} == 'merge'">
Header merge Content-Type zz
</If>
"#,
        )
        .get("/a.txt")
        .get("/a.txt?set")
        .get("/a.txt?edit")
        .get("/a.txt?unset")
        .get("/a.txt?append")
        .get("/a.txt?add")
        .get("/a.txt?setifempty")
        .get("/a.txt?merge")
        .check();
}

#[test]
fn request_header_reaches_conditions() {
    group("RequestHeader")
        .and_modules("headers")
        .log_format("%U in=%{X-In}i t=%{X-T1}i u=%{X-T3}i note=%{n}n")
        .conf(
            r#"RequestHeader set X-In "in %{x}e"
RequestHeader append X-In more
RequestHeader merge X-T1 a
RequestHeader merge X-T1 c
RequestHeader edit X-In "in" "out"
RequestHeader setifempty X-In fourth
RequestHeader setifempty X-New "%{REDIRECT_STATUS}e"
RequestHeader unset X-T3
RequestHeader edit* X-T1 "a" "b" early
Header set Server-Side one
Header note Server-Side n
"#,
        )
        .get_with("/", "X-T1: a\r\nX-T1: b\r\nX-T3: d\r\nX-In: client")
        .get("/nope")
        .check();
}

#[test]
fn places() {
    group("Header merging")
        .and_modules("headers")
        .dir("htdocs/d/e")
        .file("htdocs/d/e/x.txt", "x\n")
        .file("htdocs/d/x.txt", "x\n")
        .file("htdocs/d/.htaccess", "Header append Order htaccess\nHeader set Early no early\n")
        .conf(
            r#"Header append Order server
<Directory @ROOT@/htdocs/d>
AllowOverride FileInfo
Header append Order directory
Header set Early2 no early
</Directory>
<Files x.txt>
Header append Order files
</Files>
<Location /d>
Header append Order location
</Location>
<If "true">
Header append Order if
</If>
"#,
        )
        .get("/")
        .get("/d/x.txt")
        .get("/d/e/x.txt")
        .check();
}

#[test]
fn htaccess() {
    group("Header htaccess")
        .and_modules("headers")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>\n")
        .htaccess(&[
            "Header set X y",
            "Header set X",
            "Header set X \"expr=%{file:/etc/passwd}\"",
            "Header set X y \"expr=%{REQUEST_URI} =~ /x/\"",
            "RequestHeader echo X",
        ]);
    group("Header htaccess forbidden")
        .and_modules("headers")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>\n")
        .htaccess(&["Header set X y"]);
}

#[test]
fn errors() {
    group("headers errors").and_modules("headers").syntax(&[
        "Header",
        "Header set",
        "Header set X",
        "Header foo X y",
        "Header always",
        "Header always set",
        "Header set X y z",
        "Header set X y env=A extra",
        "Header set X y a b c d",
        "Header set X y expr=",
        "Header set X y \"expr=bad bad\"",
        "Header set X \"expr=%{bad:x}\"",
        "Header set X \"expr=bad\" early",
        "Header set X \"%\"",
        "Header set X \"%q\"",
        "Header set X \"%{foo}q\"",
        "Header set X \"%{foo\"",
        "Header set X \"%{foo}\"",
        "Header edit X",
        "Header edit X (",
        "Header edit X a",
        "Header edit X ( b",
        "Header edit X a b c",
        "Header edit X a b early",
        "Header edit X a \"%q\"",
        "Header unset X y",
        "Header unset X early",
        "Header unset X y env=foo",
        "Header unset X y z w",
        "Header echo (",
        "Header echo X y",
        "Header echo X y z",
        "Header note X",
        "RequestHeader echo X",
        "RequestHeader note X y",
        "RequestHeader foo X",
        "RequestHeader always set X y",
        "RequestHeader set X",
        "RequestHeader",
        "<Directory />\nHeader set X y early\n</Directory>",
        "Header set X y env=",
        "Header set X y env=!",
        "Header set X y foo=",
        "Header ONSUCCESS SET X y",
        "Header early set X y",
        "Header setifempty X",
    ]);
}

#[test]
fn control_characters() {
    let mut text = String::from("Header always set Kept x\n");
    for (name, escape) in [
        ("one", "%01"),
        ("feed", "%0a"),
        ("return", "%0d"),
        ("tab", "%09"),
        ("delete", "%7f"),
        ("high", "%ff"),
        ("nul", "%00"),
    ] {
        text += &format!("<Location /{name}>\nHeader set X \"expr=%{{unescape:a{escape}b}}\"\n</Location>\n");
        text +=
            &format!("<Location /always-{name}>\nHeader always set X \"expr=%{{unescape:a{escape}b}}\"\n</Location>\n");
    }
    let mut group = group("Header control characters").and_modules("headers").conf(&text);
    for name in ["one", "feed", "return", "tab", "delete", "high", "nul"] {
        for prefix in ["", "always-"] {
            group = group.file(&format!("htdocs/{prefix}{name}/a.txt"), "a\n").get(&format!("/{prefix}{name}/a.txt"));
        }
    }
    group.ask("HEAD", "/one/a.txt", "").check();
}

/// Where two lines name a field, the first's spelling stays; names that are no tokens end the response.
#[test]
fn names() {
    group("names of fields")
        .and_modules("headers")
        .conf(
            "<Location /set>\nHeader set X-A 1\nHeader set x-a 2\nHeader append X-a 3\n</Location>\n\
             <Location /space>\nHeader set \"X Y\" 1\n</Location>\n<Location /empty>\nHeader set \"\" 1\n</Location>\n\
             <Location /utf>\nHeader set X-ä 1\n</Location>\n<Location /always>\nHeader always set X(Y) 1\n</Location>",
        )
        .log_sizes_vary()
        .get("/set")
        .get("/space")
        .get("/empty")
        .get("/utf")
        .get("/always")
        .check();
}

/// `OPTIONS *` is answered before sections, filters and rights have their say.
#[test]
fn options_of_the_server() {
    group("OPTIONS *")
        .and_modules("headers expires rewrite")
        .conf("Header set X y\nHeader always set Z z\nExpiresActive On\nExpiresDefault A60\nSetOutputFilter DEFLATE\nRewriteEngine On\nRewriteRule x - [F]\n<LocationMatch \".*\">\nHeader set LM lm\nRequire all denied\n</LocationMatch>\n")
        .request("OPTIONS * HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\nOPTIONS / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .check();
}
