//! mod_allowmethods: AllowMethods.

use compat_tests::group;

#[test]
fn methods() {
    let mut g = group("AllowMethods").and_modules("allowmethods").conf(
        "RegisterHttpMethod BREW\n\
         <Location /get>\nAllowMethods GET\n</Location>\n<Location /post>\nAllowMethods POST OPTIONS\n</Location>\n\
         <Location /head>\nAllowMethods HEAD\n</Location>\n<Location /brew>\nAllowMethods BREW PROPFIND\n</Location>\n\
         <Location /get/all>\nAllowMethods reset\n</Location>\n<Location /get/more>\nAllowMethods POST\n</Location>\n\
         <Location /twice>\nAllowMethods GET\nAllowMethods POST\n</Location>\n<Location /again>\nAllowMethods GET\nAllowMethods reset\nAllowMethods POST\n</Location>\n\
         <Location /lower>\nAllowMethods Reset\n</Location>\n<Directory @ROOT@/htdocs/dir>\nAllowMethods GET\n</Directory>\n",
    );
    for path in [
        "/get",
        "/post",
        "/head",
        "/brew",
        "/get/all",
        "/get/more",
        "/twice",
        "/again",
        "/lower",
        "/dir/a.txt",
        "/dir/none",
    ] {
        for method in ["GET", "HEAD", "POST", "OPTIONS", "BREW", "TRACE", "PROPFIND", "FOO"] {
            g = g.ask(method, path, if method == "POST" { "Content-Length: 0" } else { "" });
        }
    }
    g.file("htdocs/dir/a.txt", "a\n").file("htdocs/get/a.txt", "a\n").check();
}

#[test]
fn errors() {
    group("AllowMethods errors").and_modules("allowmethods").syntax(&[
        "AllowMethods GET",
        "<Location />\nAllowMethods\n</Location>",
        "<Location />\nAllowMethods NOPE\n</Location>",
        "<Location />\nAllowMethods get\n</Location>",
        "<Location />\nAllowMethods GET +POST\n</Location>",
        "<Location />\nAllowMethods TRACE\n</Location>",
        "<Location />\nAllowMethods GET reset\n</Location>",
        "<Location />\nAllowMethods reset NOPE\n</Location>",
        "<VirtualHost *:1>\nAllowMethods GET\n</VirtualHost>",
    ]);
    group("AllowMethods .htaccess").and_modules("allowmethods").htaccess(&["AllowMethods GET"]);
}
