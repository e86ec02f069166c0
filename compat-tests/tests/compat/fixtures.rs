//! Whole configurations as people have them, from `compat-tests/fixtures`, each with a table of requests.

use std::fs;
use std::path::{Path, PathBuf};

use compat_tests::{Group, group};

/// What surrounds a `.htaccess` that comes without a virtual host of its own, much as Debian's configuration does.
const AROUND: &str = r#"
<Directory "@ROOT@/htdocs">
    Options Indexes FollowSymLinks ExecCGI
    AllowOverride All
    Require all granted
</Directory>
<FilesMatch "^\.ht">
    Require all denied
</FilesMatch>
AddHandler cgi-script .php
DirectoryIndex index.php index.html
AddOutputFilterByType DEFLATE text/html text/plain text/css application/javascript image/svg+xml
"#;

macro_rules! fixtures {
    ($($name:ident $directory:literal,)*) => {
        $(#[test]
        fn $name() {
            run($directory);
        })*
        const ALL: &[&str] = &[$($directory),*];
    };
}

fixtures! {
    awstats "awstats",
    cakephp "cakephp",
    codeigniter "codeigniter",
    dokuwiki "dokuwiki",
    drupal "drupal",
    gitweb "gitweb",
    h5bp "h5bp",
    hotlink "hotlink",
    joomla "joomla",
    languages "languages",
    laravel "laravel",
    magento "magento",
    matomo "matomo",
    mediawiki "mediawiki",
    moodle "moodle",
    munin "munin",
    mybb "mybb",
    nagios "nagios",
    nextcloud "nextcloud",
    phpbb "phpbb",
    phpmyadmin "phpmyadmin",
    pipermail "pipermail",
    prestashop "prestashop",
    reverse_proxy "reverse-proxy",
    roundcube "roundcube",
    slim "slim",
    smokeping "smokeping",
    spa "spa",
    symfony "symfony",
    typo3 "typo3",
    wordpress "wordpress",
    wordpress_hardened "wordpress-hardened",
    wordpress_multisite "wordpress-multisite",
    yii "yii",
}

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The text of a fixture's file, empty when there is none.
fn text(directory: &str, file: &str) -> Option<String> {
    fs::read_to_string(place().join(directory).join(file)).ok()
}

/// Lines that say something.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn run(directory: &str) {
    let modules = text(directory, "modules").unwrap_or_default();
    let mut group = group(directory)
        .and_modules("filter rewrite headers expires cgi")
        .and_modules(&modules)
        .conf(&text(directory, "vhost.conf").unwrap_or_else(|| AROUND.to_owned()))
        .log_sizes_vary();
    if let Some(htaccess) = text(directory, "htaccess") {
        group = group.file("htdocs/.htaccess", htaccess);
    }
    for line in lines(&text(directory, "files").unwrap_or_default()) {
        group = with_file(group, line);
    }
    let requests = text(directory, "requests").expect("a table of requests");
    for line in lines(&requests) {
        group = group.request(request(line));
    }
    group.check();
}

/// A line of `files`.
fn with_file(group: Group, line: &str) -> Group {
    if let Some((path, target)) = line.split_once(" -> ") {
        group.link(path, target)
    } else if let Some((path, content)) = line.split_once(" = ") {
        group.file(path, content.replace("\\n", "\n") + "\n")
    } else if let Some(path) = line.strip_suffix(" *") {
        let script = fs::read(place().join("front-controller.sh")).expect("the front controller");
        group.file(path, script).mode(path, 0o755)
    } else if let Some(path) = line.strip_suffix('/') {
        group.dir(path)
    } else {
        group.file(line, format!("contents of {line}\n"))
    }
}

/// A line of `requests` as bytes on a connection.
fn request(line: &str) -> String {
    let mut fields = line.split(" | ");
    let head = fields.next().unwrap_or_default();
    let (mut host, mut headers, mut body) = ("Host: www.example.test\r\n".to_owned(), String::new(), String::new());
    for field in fields {
        if field.starts_with("Host:") {
            host = format!("{field}\r\n");
        } else if let Some(text) = field.strip_prefix("= ") {
            headers.push_str(&format!("Content-Length: {}\r\n", text.len()));
            text.clone_into(&mut body);
        } else {
            headers.push_str(&format!("{field}\r\n"));
        }
    }
    format!("{head} HTTP/1.1\r\n{host}{headers}Connection: close\r\n\r\n{body}")
}

/// No directory lies there without being asked.
#[test]
fn all_of_them() {
    for entry in fs::read_dir(place()).expect("the fixtures").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(!entry.path().is_dir() || ALL.contains(&name.as_str()), "fixtures/{name} has no test");
    }
}
