//! mod_expires: ExpiresActive, ExpiresByType, ExpiresDefault.

use compat_tests::group;

#[test]
fn by_type() {
    group("Expires")
        .and_modules("expires headers")
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/a.html", "a\n")
        .file("htdocs/a.gif", "a\n")
        .file("htdocs/a.png", "a\n")
        .file("htdocs/off/a.txt", "a\n")
        .file("htdocs/merge/a.txt", "a\n")
        .file("htdocs/merge/a.gif", "a\n")
        .file("htdocs/own/a.txt", "a\n")
        .mtime("htdocs/a.txt", 1_577_836_800)
        .conf(
            r#"ExpiresActive on
ExpiresDefault "access plus 1 hour"
ExpiresByType text/plain M3600
ExpiresByType image/* "now plus 2 days 3 hours"
ExpiresByType IMAGE/gif A60
ErrorDocument 404 /a.html
Redirect /red http://x/
Redirect gone /gone
Header set Expires-Seen "%{x}e" "expr=%{resp:Cache-Control} =~ /max-age/"
Header set Cache-Control public "expr=%{QUERY_STRING} == 'own'"
<Directory @ROOT@/htdocs/off>
ExpiresActive off
</Directory>
<Directory @ROOT@/htdocs/merge>
ExpiresByType text/plain A7
</Directory>
<Location /own>
Header set Expires 0 early
Header set Expires 0
</Location>
"#,
        )
        .get("/a.txt")
        .request("HEAD /a.txt HTTP/1.0\r\n\r\n")
        .get("/off/a.txt")
        .get("/red")
        .get("/gone")
        .get("/nope")
        .check();
    group("Expires max-age")
        .and_modules("expires headers")
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/a.html", "a\n")
        .file("htdocs/a.gif", "a\n")
        .file("htdocs/a.png", "a\n")
        .file("htdocs/merge/a.txt", "a\n")
        .file("htdocs/merge/a.gif", "a\n")
        .conf(
            r#"ExpiresActive on
ExpiresDefault "access plus 1 hour"
ExpiresByType text/plain "access plus 1 week"
ExpiresByType image/* "now plus 2 days 3 hours"
ExpiresByType IMAGE/gif A60
Header unset Expires
<Directory @ROOT@/htdocs/merge>
ExpiresByType text/plain A7
</Directory>
"#,
        )
        .get("/a.txt")
        .get("/a.html")
        .get("/a.gif")
        .get("/a.png")
        .get("/merge/a.txt")
        .get("/merge/a.gif")
        .get("/")
        .check();
}

#[test]
fn htaccess() {
    group("Expires htaccess")
        .and_modules("expires headers")
        .conf("Header unset Expires\n<Directory @ROOT@/htdocs>\nAllowOverride Indexes\n</Directory>\n")
        .htaccess(&[
            "ExpiresActive on\nExpiresDefault A60",
            "ExpiresDefault A60",
            "ExpiresDefault x",
            "ExpiresActive on",
        ]);
    group("Expires htaccess forbidden")
        .and_modules("expires")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>\n")
        .htaccess(&["ExpiresActive on"]);
}

#[test]
fn errors() {
    group("expires errors").and_modules("expires").syntax(&[
        "ExpiresActive maybe",
        "ExpiresByType text/html",
        "ExpiresByType text/html X100",
        "ExpiresByType text/html A1x",
        "ExpiresByType text/html A-5",
        "ExpiresByType text/html \"\"",
        "ExpiresByType foo A1",
        "ExpiresByType image/* \"bad\"",
        "ExpiresDefault \"foo plus 1 day\"",
        "ExpiresDefault \"access plus\"",
        "ExpiresDefault \"access plus 1\"",
        "ExpiresDefault \"access plus day\"",
        "ExpiresDefault \"access plus 1 foo\"",
        "ExpiresDefault \"access plus plus 1 day\"",
        "ExpiresDefault \"mod 1 y\"",
        "ExpiresDefault \"access plus 1 m\"",
        "ExpiresDefault \"modification plus -1 week\"",
        "ExpiresDefault \" access 1 day\"",
        "ExpiresDefault 100",
        "ExpiresDefault A1 B",
        "ExpiresDefault NOW",
        "ExpiresDefault \"access plus 1day\"",
    ]);
}
