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

/// Requirement trees with methods, containers and merging as chance has them, always the same: by answer and, since the
/// log tells what each node said, by log.
#[test]
fn requirements() {
    let mut dice = Dice(7);
    let mut matrix = group("requirements")
        .and_modules("authz_user authn_file auth_basic")
        .file("users", "u:{SHA}UW6nL1J1JeIVn5HvzF/2uvfTVA8=\n")
        .conf(
            "LogLevel warn authz_core:debug\nSetEnv YES 1\nSetEnvIf Host . YES=1\n<Directory @ROOT@/htdocs>\nAllowOverride All\n\
             AuthType Basic\nAuthName x\nAuthUserFile @ROOT@/users\nRequire ip 127.0.0.1\n</Directory>\n",
        );
    for number in 0..60 {
        let mut text = String::new();
        if dice.roll(3) == 0 {
            text += ["AuthMerging And\n", "AuthMerging Or\n", "AuthMerging Off\n"][dice.roll(3)];
        }
        if dice.roll(8) == 0 {
            text += "Satisfy Any\n";
        }
        for _ in 0..=dice.roll(2) {
            requirement(&mut dice, &mut text, 0, false);
        }
        matrix =
            matrix.file(&format!("htdocs/r{number}/x.txt"), "x\n").file(&format!("htdocs/r{number}/.htaccess"), &text);
        for method in ["GET", "POST", "PUT"] {
            for who in ["", "Authorization: Basic dTpw\r\n"] {
                matrix = matrix.ask(method, &format!("/r{number}/x.txt"), who);
            }
        }
    }
    matrix.check();
}

fn requirement(dice: &mut Dice, text: &mut String, depth: usize, negatable: bool) {
    let (open, close, negatable) = match dice.roll(12) {
        0 if depth < 3 => ("<RequireAll>", "</RequireAll>", true),
        1 if depth < 3 => ("<RequireAny>", "</RequireAny>", dice.roll(9) == 0),
        2 if depth < 3 => ("<RequireNone>", "</RequireNone>", false),
        3 if depth < 2 => ("<Limit GET>", "</Limit>", negatable),
        4 if depth < 2 => ("<LimitExcept GET>", "</LimitExcept>", negatable),
        5 if depth < 2 => ("<Limit PUT POST>", "</Limit>", negatable),
        _ => {
            let leaves = [
                "all granted",
                "all denied",
                "ip 127",
                "ip 10",
                "valid-user",
                "user u",
                "user v",
                "method GET",
                "env YES",
                "env NO",
                "expr %{REQUEST_METHOD} == 'GET'",
                "local",
            ];
            let not = if negatable && dice.roll(2) == 0 { "not " } else { "" };
            *text += &format!("Require {not}{}\n", leaves[dice.roll(leaves.len())]);
            return;
        }
    };
    *text += &format!("{open}\n");
    for _ in 0..=dice.roll(3) {
        requirement(dice, text, depth + 1, negatable);
    }
    *text += &format!("{close}\n");
}

/// A small generator of numbers: the same ones in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
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

/// Hosts, locations, files and three levels of .htaccess over one another: who may, and with which methods.
#[test]
fn levels() {
    let outer = [
        "",
        "Require all denied",
        "Require ip 127",
        "Satisfy Any\nRequire all denied\nOrder allow,deny\nAllow from 127",
    ];
    let middle = [
        "",
        "Require ip 10\n",
        "AuthMerging Or\nRequire ip 10\n",
        "AuthMerging And\nRequire ip 127\n",
        "<Limit POST>\nRequire all denied\n</Limit>\n<LimitExcept POST>\nRequire all granted\n</LimitExcept>\n",
        "Satisfy All\nOrder deny,allow\nDeny from 127\n",
    ];
    let inner = [
        "",
        "<Files x.txt>\nRequire all granted\n</Files>\n",
        "<RequireAny>\n<RequireAll>\nRequire ip 127\n<RequireNone>\nRequire method POST\n</RequireNone>\n</RequireAll>\nRequire env NO\n</RequireAny>\n",
        "AuthMerging And\n<RequireNone>\nRequire ip 10\n</RequireNone>\n",
        "<If \"%{REQUEST_METHOD} == 'POST'\">\nRequire all denied\n</If>\n<Else>\nRequire all granted\n</Else>\n",
    ];
    let mut matrix =
        group("levels").conf("<Directory @ROOT@/htdocs>\nAllowOverride All\nRequire all granted\n</Directory>\n");
    let mut paths = Vec::new();
    for (o, outer) in outer.iter().enumerate() {
        matrix = matrix.conf(&format!(
            "<Location /l{o}>\n{outer}\n</Location>\n<VirtualHost *:@PORT@>\nServerName h{o}.test\nDocumentRoot @ROOT@/htdocs\n\
             <Directory @ROOT@/htdocs>\nAuthMerging Or\n{outer}\n</Directory>\n</VirtualHost>\n"
        ));
        for (m, middle) in middle.iter().enumerate() {
            let dir = format!("htdocs/l{o}/m{m}");
            if !middle.is_empty() {
                matrix = matrix.file(&format!("{dir}/.htaccess"), middle);
            }
            for (i, inner) in inner.iter().enumerate() {
                matrix = matrix.file(&format!("{dir}/i{i}/x.txt"), "x\n");
                if !inner.is_empty() {
                    matrix = matrix.file(&format!("{dir}/i{i}/.htaccess"), inner);
                }
                paths.push(format!("/l{o}/m{m}/i{i}/x.txt"));
            }
        }
    }
    for path in paths {
        for (method, host) in [("GET", "none.test"), ("POST", "none.test"), ("GET", "h1.test"), ("GET", "h3.test")] {
            matrix = matrix.request(format!(
                "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ));
        }
    }
    matrix.check();
}

/// What AllowOverride and AllowOverrideList let through, directive by directive, with errors that end a request and such
/// that do not.
#[test]
fn overrides() {
    let above = [""];
    let allow = [
        "AllowOverride None",
        "AllowOverride None\nAllowOverrideList Require Redirect Options",
        "AllowOverride AuthConfig",
        "AllowOverride FileInfo Nonfatal=Unknown",
        "AllowOverride Indexes Nonfatal=All",
        "AllowOverride Limit\nAllowOverrideList ErrorDocument",
        "AllowOverride Options=Indexes,MultiViews Nonfatal=Override",
        "AllowOverride All",
        "AllowOverride All\nAllowOverrideList None",
        "AllowOverride None\nAllowOverrideList None",
    ];
    let below = [
        "Require all denied\n",
        "Redirect /nowhere http://x.example/\n",
        "Options +Indexes -FollowSymLinks\n",
        "Options All\n",
        "ErrorDocument 403 below\nOrder allow,deny\n",
        "DirectoryIndex x.txt\n",
        "IndexOptions FancyIndexing\n",
        "Bogus word\n",
        "ServerName x\n",
        "<Limit GET>\nDeny from all\n</Limit>\n",
        "<IfModule mod_alias.c>\nRedirect /m http://x.example/\n</IfModule>\n",
        "<Files x.txt>\nRequire all denied\n</Files>\n",
        "<Directory /x>\n</Directory>\n",
        "AddType text/x-below txt\nBogus\n",
    ];
    let matrix = cells("overrides", "", &above, &allow, &below).log_sizes_vary();
    ask(matrix, (above.len(), allow.len(), below.len()), &["x.txt", "", "nope"]);
}
