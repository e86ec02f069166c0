//! Debian's `/etc/apache2` as the package installs it, under each MPM. Changed: the port (in copies of ports.conf and the default
//! site) and, through the environment as Debian means it, the run, lock and log directories.

use std::fs;
use std::path::Path;

use compat_tests::normal::{BODY_LENGTH, STATUS_VALUES};
use compat_tests::tls::client;
use compat_tests::{Group, Mpm, group, under_each_mpm};

/// What a fresh installation has enabled, whatever this machine's administrator did since.
const ENABLED: &str = "access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user autoindex \
                       deflate dir env filter mime negotiation reqtimeout setenvif status";
const ENABLED_CONF: &str = "charset localized-error-pages other-vhosts-access-log security serve-cgi-bin";

fn stock(name: &str, mpm: Mpm) -> Option<Group> {
    let etc = Path::new("/etc/apache2");
    if !etc.is_dir() {
        compat_tests::binaries::both();
        return None;
    }
    let mut g = group(name)
        .mpm(mpm)
        .env("APACHE_RUN_USER", "www-data")
        .env("APACHE_RUN_GROUP", "www-data")
        .env("APACHE_PID_FILE", "@ROOT@/run/httpd.pid")
        .env("APACHE_RUN_DIR", "@ROOT@/run")
        .env("APACHE_LOCK_DIR", "@ROOT@/run")
        .env("APACHE_LOG_DIR", "@ROOT@/logs")
        .conf_file("apache2.conf")
        .also("logs/other_vhosts_access.log");
    for file in ["apache2.conf", "magic", "envvars"] {
        g = g.file(file, read(&etc.join(file)));
    }
    for folder in ["mods-available", "conf-available"] {
        for entry in fs::read_dir(etc.join(folder)).expect("a folder of the stock tree").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            g = g.file(&format!("{folder}/{name}"), read(&entry.path()));
        }
    }
    let mpm = format!("mpm_{}", mpm.name());
    for module in ENABLED.split_whitespace().chain([mpm.as_str()]) {
        for ending in ["load", "conf"] {
            if etc.join(format!("mods-available/{module}.{ending}")).exists() {
                g = g.link(&format!("mods-enabled/{module}.{ending}"), &format!("../mods-available/{module}.{ending}"));
            }
        }
    }
    for conf in ENABLED_CONF.split_whitespace() {
        g = g.link(&format!("conf-enabled/{conf}.conf"), &format!("../conf-available/{conf}.conf"));
    }
    let ports = String::from_utf8(read(&etc.join("ports.conf"))).expect("ports.conf is text");
    let site = String::from_utf8(read(&etc.join("sites-available/000-default.conf"))).expect("the site is text");
    Some(
        g.file("ports.conf", ports.replace("Listen 80\n", "Listen @PORT@\n"))
            .file("sites-available/000-default.conf", site.replace("*:80>", "*:@PORT@>"))
            .link("sites-enabled/000-default.conf", "../sites-available/000-default.conf"),
    )
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

under_each_mpm! {
    fn site(mpm) {
        let Some(g) = stock("stock site", mpm) else { return };
        g.log_sizes_vary()
            .get("/")
            .get("/index.html")
            .ask("HEAD", "/", "")
            .ask("OPTIONS", "/", "")
            .ask("POST", "/", "Content-Length: 0")
            .ask("TRACE", "/", "")
            .ask("DELETE", "/index.html", "")
            .get("/nope")
            .get("/icons")
            .get("/icons/")
            .get("/icons/README")
            .get("/icons/apache_pb.png")
            .get("/icons/small/")
            .get("/icons/nope.gif")
            .get("/.htaccess")
            .get("/.htpasswd")
            .get("/cgi-bin/x")
            .get("/manual/")
            .get("/../etc/passwd")
            .get("/%2e%2e/etc/passwd")
            .get_with("/", "Range: bytes=0-9")
            .get_with("/", "Range: bytes=-5")
            .get_with("/", "Range: bytes=99999999-")
            .get_with("/", "Range: bytes=0-1,5-6")
            .get_with("/", "If-Modified-Since: Sat, 01 Jan 2050 00:00:00 GMT")
            .get_with("/", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT")
            .get_with("/", "If-None-Match: *")
            .get_with("/", "If-Match: \"x\"")
            .get_with("/", "Accept-Encoding: gzip")
            .get_with("/icons/README", "Accept-Encoding: gzip")
            .get_with("/icons/apache_pb.png", "Accept-Encoding: gzip")
            .get_with("/nope", "Accept-Encoding: gzip")
            .get_with("/", "Accept-Encoding: gzip\nRange: bytes=0-9")
            .get_with("/", "Accept-Language: fr\nUser-Agent: Mozilla/4.0")
            .request("GET / HTTP/1.0\r\n\r\n")
            .request("GET /\r\n")
            .request("GET / HTTP/1.1\r\n\r\n")
            .request("GET / HTTP/1.1\r\nHost: x\r\nbad\r\n\r\n")
            .exchange(&["GET /icons/README HTTP/1.1\r\nHost: x\r\n\r\n", "GET /nope HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"])
            .check();
    }
}

under_each_mpm! {
    fn status(mpm) {
        let Some(g) = stock("stock status", mpm) else { return };
        g.get("/server-status?auto").masking(STATUS_VALUES).masking(BODY_LENGTH).log_sizes_vary().check();
    }
}

under_each_mpm! {
    fn reports(mpm) {
        let Some(g) = stock("stock reports", mpm) else { return };
        g.commands(&[&["-t"], &["-S"], &["-M"], &["-V"], &["-L"], &["-t", "-D", "DUMP_INCLUDES"], &["-t", "-D", "DUMP_RUN_CFG"], &["-l"]]);
    }
}

/// With what `a2enmod ssl` and `a2ensite default-ssl` enable, on the certificate that the package ssl-cert makes.
#[test]
fn default_ssl() {
    let Some(mut g) = stock("stock default-ssl", Mpm::Event) else { return };
    if !Path::new("/etc/ssl/private/ssl-cert-snakeoil.key").exists() {
        return;
    }
    for file in ["ssl.load", "ssl.conf", "socache_shmcb.load"] {
        g = g.link(&format!("mods-enabled/{file}"), &format!("../mods-available/{file}"));
    }
    let etc = Path::new("/etc/apache2");
    let text = |file: &str| String::from_utf8(read(&etc.join(file))).expect("text");
    let ports =
        text("ports.conf").replace("Listen 80\n", "Listen @PORT2@\n").replace("Listen 443\n", "Listen @PORT@\n");
    g.file("ports.conf", ports)
        .file(
            "sites-available/000-default.conf",
            text("sites-available/000-default.conf").replace("*:80>", "*:@PORT2@>"),
        )
        .file(
            "sites-available/default-ssl.conf",
            text("sites-available/default-ssl.conf").replace("*:443>", "*:@PORT@>"),
        )
        .link("sites-enabled/default-ssl.conf", "../sites-available/default-ssl.conf")
        // The octets of a handshake are each library's own.
        .log_sizes_vary()
        .over(client("localhost").version(13))
        .get("/")
        .get("/nope")
        .get("/icons/apache_pb.png")
        .over(client("localhost").version(12))
        .get("/")
        .plain()
        .get("/")
        .check();
}
