//! mod_filter: FilterDeclare, FilterProvider, FilterChain, FilterProtocol, AddOutputFilterByType.

use compat_tests::group;

#[test]
fn chains() {
    let mut conf = String::from(
        "FilterDeclare pack\nFilterProvider pack DEFLATE \"%{CONTENT_TYPE} = 'text/plain'\"\nFilterProvider pack DEFLATE \"%{CONTENT_TYPE} =~ m#^text/html#\"\n",
    );
    let mut g = group("FilterChain").log_format("%U %>s");
    for (number, chain) in [
        "FilterChain pack",
        "FilterChain +pack",
        "FilterChain =pack",
        "FilterChain @pack",
        "FilterChain !",
        "FilterChain pack\nFilterChain -pack",
        "FilterChain DEFLATE",
        "AddOutputFilterByType DEFLATE text/plain",
        "AddOutputFilterByType DEFLATE text/html",
        "AddOutputFilterByType DEFLATE text/plain text/html",
        "SetOutputFilter pack",
        "FilterChain pack\nFilterChain !",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Location /d{number}>\n{chain}\n</Location>\n"));
        for file in ["a.txt", "a.html", "a.css"] {
            g = g
                .file(&format!("htdocs/d{number}/{file}"), "text ".repeat(50))
                .get_with(&format!("/d{number}/{file}"), "Accept-Encoding: gzip");
        }
    }
    g.conf(&conf).check();
}

#[test]
fn documents_of_errors() {
    group("filter-errordocs")
        .and_modules("cgi")
        .conf(
            "AddOutputFilterByType DEFLATE text/html text/plain\nScriptAlias /cgi/ @ROOT@/cgi/\nErrorDocument 404 /gone.html\n\
             ErrorDocument 403 \"no\"\n<Location /no>\nRequire all denied\n</Location>\n\
             <Location /all>\nSetEnv filter-errordocs 1\nErrorDocument 404 /all/gone.html\n</Location>\n\
             SetEnvIf X-All y filter-errordocs\n\
             <Location /set>\nSetOutputFilter DEFLATE\n</Location>\n",
        )
        .file("htdocs/gone.html", "gone ".repeat(50))
        .file("htdocs/all/gone.html", "gone ".repeat(50))
        .file("htdocs/a.txt", "text ".repeat(50))
        .file("cgi/made", "#!/bin/sh\nprintf 'Status: 201 Made\\nContent-Type: text/plain\\n\\nbody'\nsleep 0.1\n")
        .mode("cgi/made", 0o755)
        .log_sizes_vary()
        .get_with("/nope", "Accept-Encoding: gzip")
        .get_with("/nope.txt", "Accept-Encoding: gzip\nX-All: y")
        .get_with("/all/nope", "Accept-Encoding: gzip")
        .get_with("/set/nope", "Accept-Encoding: gzip")
        .get_with("/no/x", "Accept-Encoding: gzip")
        .get_with("/no/x", "Accept-Encoding: gzip\nX-All: y")
        .get_with("/cgi/made", "Accept-Encoding: gzip")
        .get_with("/a.txt", "Accept-Encoding: gzip\nRange: bytes=0-3")
        .get_with("/a.txt", "Accept-Encoding: gzip\nIf-Modified-Since: Tue, 02 Jan 2024 03:04:05 GMT")
        .get_with("/a.txt", "Accept-Encoding: gzip\nIf-Match: \"x\"")
        .check();
}

#[test]
fn errors() {
    group("filter errors").syntax(&[
        "FilterDeclare",
        "FilterDeclare a RESOURCE",
        "FilterDeclare a FOO",
        "FilterDeclare a\nFilterDeclare a",
        "FilterProvider a",
        "FilterProvider a DEFLATE",
        "FilterProvider a DEFLATE (",
        "FilterProvider a NOPE true",
        "FilterProvider DEFLATE DEFLATE true",
        "FilterChain",
        "FilterChain nope",
        "FilterChain +",
        "FilterProtocol",
        "FilterProtocol a change=yes",
        "FilterDeclare a\nFilterProtocol a \"change=yes;byteranges=no\"",
        "FilterDeclare a\nFilterProtocol a foo",
        "FilterDeclare a\nFilterProvider a DEFLATE true\nFilterProtocol a DEFLATE change=yes",
        "FilterTrace a 1",
        "FilterTrace a x",
        "AddOutputFilterByType DEFLATE",
        "AddOutputFilterByType NOPE text/plain",
        "AddOutputFilterByType DEFLATE text",
    ]);
}

/// A declaration begins anew: what was provided above it is gone.
#[test]
fn declared_again() {
    group("filters declared again")
        .and_modules("substitute")
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/d/a.txt", "a\n")
        .file("htdocs/e/a.txt", "a\n")
        .file("htdocs/e/.htaccess", "FilterProvider f SUBSTITUTE \"true\"\n")
        .conf(
            "Substitute s/a/b/\n<Location /a.txt>\nFilterProvider f SUBSTITUTE \"true\"\nFilterDeclare f\nFilterChain f\n</Location>\n\
             <Location /d>\nFilterDeclare g\nFilterProvider g SUBSTITUTE \"true\"\nFilterChain g\n</Location>\n\
             <Directory @ROOT@/htdocs/e>\nAllowOverride All\nFilterDeclare f CONTENT_SET\nFilterChain f\n</Directory>\n",
        )
        .get("/a.txt")
        .get("/d/a.txt")
        .get("/e/a.txt")
        .check();
}

/// Media types in the configuration are taken as they stand, those of responses in lower case; an empty body behind a filter.
#[test]
fn types_to_the_letter() {
    let mut g = group("types of filters")
        .and_modules("filter substitute")
        .file("htdocs/x.txt", "x\n")
        .file("htdocs/empty.txt", "");
    for (name, types, forced) in [
        ("lower", "text/plain", "TEXT/PLAIN"),
        ("upper", "TEXT/PLAIN", "text/plain"),
        ("both", "TEXT/PLAIN text/plain", "Text/Plain;a=b"),
    ] {
        g = g
            .conf(&format!("Alias /{name} @ROOT@/htdocs\n<Location /{name}>\nSubstitute s/x/y/\nAddOutputFilterByType SUBSTITUTE {types}\nForceType \"{forced}\"\n</Location>\n"))
            .get(&format!("/{name}/x.txt"))
            .get(&format!("/{name}/empty.txt"));
    }
    g.check();
}
