//! Inheritance as a matrix: every combination of what a directory says, what may be overridden, and what an .htaccess
//! below it says, by its effect on an answer.

use compat_tests::{Group, group};

/// One directory for each combination: `(above, allow, below)` and what to ask for in it.
fn cells(name: &str, modules: &str, above: &[&str], allow: &[&str], below: &[&str]) -> Group {
    let mut matrix = group(name).and_modules(modules);
    let mut conf = String::from("<Directory @ROOT@/htdocs>\nAllowOverride None\nRequire all granted\n</Directory>\n");
    for (a, above) in above.iter().enumerate() {
        for (o, allow) in allow.iter().enumerate() {
            conf += &format!("<Directory @ROOT@/htdocs/m{a}{o}>\n{above}\n{allow}\n</Directory>\n");
            for (b, below) in below.iter().enumerate() {
                let dir = format!("htdocs/m{a}{o}/c{b}");
                matrix = matrix.file(&format!("{dir}/x.txt"), "x\n").link(&format!("{dir}/link.txt"), "x.txt");
                if !below.is_empty() {
                    matrix = matrix.file(&format!("{dir}/.htaccess"), below);
                }
            }
        }
    }
    matrix.conf(&conf)
}

fn ask(mut matrix: Group, sizes: (usize, usize, usize), paths: &[&str]) {
    for a in 0..sizes.0 {
        for o in 0..sizes.1 {
            for b in 0..sizes.2 {
                for path in paths {
                    matrix = matrix.get(&format!("/m{a}{o}/c{b}/{path}"));
                }
            }
        }
    }
    matrix.check();
}

#[test]
fn options() {
    let above = [
        "",
        "Options None",
        "Options All",
        "Options Indexes",
        "Options Indexes SymLinksIfOwnerMatch",
        "Options -FollowSymLinks +Indexes",
        "Options +MultiViews -Indexes",
    ];
    let allow = [
        "",
        "AllowOverride None",
        "AllowOverride All",
        "AllowOverride Options",
        "AllowOverride Options=Indexes",
        "AllowOverride Options=FollowSymLinks,SymLinksIfOwnerMatch Indexes",
        "AllowOverrideList Options",
        "AllowOverride FileInfo Nonfatal=Override",
    ];
    let below = [
        "",
        "Options +Indexes\n",
        "Options -Indexes\n",
        "Options Indexes FollowSymLinks\n",
        "Options None\n",
        "Options -FollowSymLinks -SymLinksIfOwnerMatch\n",
    ];
    let matrix = cells("options", "", &above, &allow, &below).log_sizes_vary();
    ask(matrix, (above.len(), allow.len(), below.len()), &["", "link.txt"]);
}

#[test]
fn require() {
    let above = [
        "",
        "Require all denied",
        "Require ip 127.0.0.1",
        "<RequireAll>\nRequire all granted\nRequire not ip 10\n</RequireAll>",
        "Order allow,deny\nAllow from all",
        "Order deny,allow\nDeny from all",
        "Require all denied\nOrder deny,allow\nDeny from all\nSatisfy Any",
    ];
    let allow = ["AllowOverride None", "AllowOverride All", "AllowOverride AuthConfig", "AllowOverride Limit"];
    let below = [
        "",
        "Require all granted\n",
        "Require all denied\n",
        "Require not ip 127.0.0.1\n",
        "AuthMerging And\nRequire ip 10\n",
        "AuthMerging Or\nRequire ip 127\n",
        "Order deny,allow\nDeny from all\n",
        "Order allow,deny\nAllow from 127.0.0.1\n",
        "Satisfy Any\nRequire all denied\n",
        "<RequireNone>\nRequire ip 10\n</RequireNone>\n",
    ];
    let matrix = cells("require", "", &above, &allow, &below);
    ask(matrix, (above.len(), allow.len(), below.len()), &["x.txt"]);
}

#[test]
fn file_info() {
    let above = [
        "",
        "AddType text/x-above .txt",
        "ForceType text/x-forced",
        "SetEnv A above\nErrorDocument 404 above",
        "AddDefaultCharset utf-8",
    ];
    let allow = [
        "AllowOverride FileInfo",
        "AllowOverride Indexes",
        "AllowOverride All",
        "AllowOverrideList AddType ErrorDocument",
    ];
    let below = [
        "",
        "AddType text/x-below .txt\n",
        "RemoveType .txt\n",
        "ForceType None\n",
        "ErrorDocument 404 below\n",
        "ErrorDocument 404 default\n",
        "AddDefaultCharset Off\n",
        "DirectoryIndex x.txt\n",
        "<Files x.txt>\nForceType text/x-files\n</Files>\n",
        "<If \"true\">\nForceType text/x-if\n</If>\n",
    ];
    let matrix = cells("file info", "", &above, &allow, &below).log_sizes_vary();
    ask(matrix, (above.len(), allow.len(), below.len()), &["x.txt", "nope", ""]);
}
