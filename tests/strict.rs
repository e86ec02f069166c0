//! `httpd -t -D STRICT`: all problems of a tree in one run, each with its place.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Output};

fn check(dir: &Path, text: &str, flags: &[&str]) -> Output {
    let file = dir.join("httpd.conf");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = "LoadModule mpm_event_module mod_mpm_event.so\nLoadModule authz_core_module mod_authz_core.so\n\
                 ServerName x.test\nErrorLog error.log\nDocumentRoot .\nListen 127.0.0.1:";
    std::fs::write(&file, format!("{start}{port}\n{text}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_httpd"));
    command.arg("-d").arg(dir).arg("-f").arg(&file).arg("-t").args(flags).output().unwrap()
}

#[test]
fn every_problem_is_told_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let text = "Foo bar\nDirectoryIndex x\nKeepAlive maybe\nInclude /nonexistent\n<IfVersion bad>\nInner\n</IfVersion>\n\
                <Location /x>\nListen 5\n</Location>\n<VirtualHost *:1>\nServerName a\n</VirtualHost>\n\
                <VirtualHost *:1>\nServerName A\nDocumentRoot /none\n</VirtualHost>\nMutex default\n</Files>\n";
    let output = check(dir.path(), text, &["-D", "STRICT"]);
    assert_eq!(output.status.code(), Some(1));
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    let file = dir.path().join("httpd.conf");
    for (line, says) in [
        (7, "Invalid command 'Foo'"),
        (8, "LoadModule dir_module modules/mod_dir.so"),
        (9, "KeepAlive must be On or Off"),
        (10, "Could not open configuration file /nonexistent"),
        (11, "Version appears to be invalid"),
        (15, "Listen not allowed in <Location> context"),
        (20, "A is a name of the host at"),
        (24, "Mutex has no effect"),
        (25, "</Files> without matching"),
    ] {
        let place = format!("{}:{line}: ", file.display());
        assert!(all.lines().any(|one| one.starts_with(&place) && one.contains(says)), "{place}{says} in\n{all}");
    }
    assert!(all.contains("AH00112: Warning: DocumentRoot [/none] does not exist"), "{all}");
    assert!(all.ends_with("\n10 problems\n"), "{all}");
}

/// Each of these is fine for the plain check, which only warns of the last two.
#[test]
fn what_the_plain_check_lets_through() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = format!(
        "LoadModule authn_file_module mod_authn_file.so\nLoadModule authz_groupfile_module mod_authz_groupfile.so\n\
         Listen 127.0.0.1:{port}\n<Directory />\nAuthUserFile nobody\nAuthGroupFile nothing\n</Directory>\n\
         <FilesMatch x>\nSetHandler proxy:fcgi://127.0.0.1:9/\n</FilesMatch>\n\
         <VirtualHost *:1>\nServerName one\nServerAlias two\n</VirtualHost>\n\
         <VirtualHost *:1>\nServerName TWO\n</VirtualHost>\n<VirtualHost *:1>\nServerName one\n</VirtualHost>\n\
         <VirtualHost *:1>\nServerName three\nServerAlias one\nDocumentRoot /none\n</VirtualHost>\nMaxRequestWorkers 100000\n"
    );
    let output = check(dir.path(), &text, &["-D", "STRICT"]);
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{all}");
    let file = dir.path().join("httpd.conf");
    for (line, says) in [
        (11, "AuthUserFile"),
        (12, "AuthGroupFile"),
        (15, "mod_proxy is not loaded -- load proxy_module"),
        (21, "TWO is a name of the host at"),
        (24, "one is a name of the host at"),
        (27, "one is a name of the host at"),
    ] {
        let place = format!("{}:{line}: ", file.display());
        assert!(all.lines().any(|one| one.starts_with(&place) && one.contains(says)), "{place}{says} in\n{all}");
    }
    for says in [&format!("127.0.0.1:{port}"), "DocumentRoot [/none] does not exist", "MaxRequestWorkers of 100000"] {
        assert!(all.contains(says), "{says} in\n{all}");
    }
    let plain = check(dir.path(), &text, &[]);
    assert!(plain.status.success(), "{}", String::from_utf8_lossy(&plain.stderr));
}

#[test]
fn certificates_and_keys() {
    let dir = tempfile::tempdir().unwrap();
    let files = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/strict");
    let host = |name: &str, lines: &str| {
        format!("<VirtualHost *:1>\nServerName {name}\nSSLEngine on\n{lines}</VirtualHost>\n")
    };
    let pair =
        |cert: &str, key: &str| format!("SSLCertificateFile {files}/{cert}\nSSLCertificateKeyFile {files}/{key}\n");
    let text = "LoadModule ssl_module mod_ssl.so\n".to_owned()
        + &host("one.test", &pair("one.pem", "one.key"))
        + &host("a.one.test", "")
        + &host("two.test", &pair("two.pem", "one.key"))
        + &host("three.test", &pair("two.pem", "two.key"))
        + &host("b.one.test", &pair("one.key", "one.key"));
    let output = check(dir.path(), &text, &["-D", "STRICT"]);
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    let file = dir.path().join("httpd.conf");
    for (line, says) in [
        (16, "SSLEngine on without a certificate: the server does not start -- add SSLCertificateFile"),
        (22, "do not belong together: the server does not start -- name the key"),
        (27, "two.pem is not for three.test"),
        (33, "one.key has no certificate"),
    ] {
        let place = format!("{}:{line}: ", file.display());
        assert!(all.lines().any(|one| one.starts_with(&place) && one.contains(says)), "{place}{says} in\n{all}");
    }
    assert!(all.ends_with("\n4 problems\n"), "{all}");
}

/// Modules and directories that lines need, and the lines that cannot work.
#[test]
fn lines_that_need_more() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!(
        "LoadModule proxy_module mod_proxy.so\nLoadModule rewrite_module mod_rewrite.so\nLoadModule mime_module mod_mime.so\n\
         CustomLog nowhere/log common\nProxyPass /x http://b.test/\nRewriteRule ^/y fcgi://c.test/ [L,P]\n\
         <Location /x>\nProxyPass unix:/s|ws://d.test/\n</Location>\nSetOutputFilter NOTHING;DEFLATE\n\
         AddHandler cgi-script .cgi\nAddHandler application/x-httpd-php .php\nListen {}\nMaxRequestWorkers 100000\n\
         <VirtualHost *:1>\nDocumentRoot none\nServerName a\n</VirtualHost>\nAddHandler no-such-handler .x\n",
        taken.local_addr().unwrap()
    );
    let output = check(dir.path(), &text, &["-D", "STRICT"]);
    let all = String::from_utf8_lossy(&output.stderr).into_owned();
    let file = dir.path().join("httpd.conf");
    for (line, says) in [
        (10, "CustomLog nowhere/log: the server does not start -- create "),
        (11, "load proxy_http_module"),
        (12, "load proxy_fcgi_module"),
        (14, "load proxy_wstunnel_module"),
        (16, "load deflate_module"),
        (17, "load cgi_module or cgid_module"),
        (18, "use PHP-FPM"),
        (19, "(Address already in use) -- stop whoever listens there, or choose another port"),
        (20, "MaxRequestWorkers of 100000"),
        (22, "/none] does not exist -- create the directory, or correct the path"),
    ] {
        let place = format!("{}:{line}: ", file.display());
        assert!(all.lines().any(|one| one.starts_with(&place) && one.contains(says)), "{place}{says} in\n{all}");
    }
    assert!(all.ends_with("\n10 problems\n"), "{all}");
}

#[test]
fn the_plain_check_stays_apaches() {
    let dir = tempfile::tempdir().unwrap();
    let output = check(dir.path(), "Foo bar\nBar\n", &[]);
    let expected = format!(
        "AH00526: Syntax error on line 7 of {}:\nInvalid command 'Foo', perhaps misspelled or defined by a module not \
         included in the server configuration\n",
        dir.path().join("httpd.conf").display()
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
    let good = check(dir.path(), "", &["-D", "STRICT"]);
    assert_eq!(String::from_utf8_lossy(&good.stderr), "Syntax OK, and nothing else to complain about\n");
    assert!(good.status.success());
}

#[test]
fn responders_are_not_asked_about_clients_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.pem"), "x").unwrap();
    let refused = [
        "SSLOCSPEnable on",
        "SSLOCSPEnable Leaf no_ocsp_for_cert_ok",
        "SSLOCSPDefaultResponder http://127.0.0.1:1/",
        "SSLOCSPOverrideResponder off",
        "SSLOCSPResponderTimeout 5",
        "SSLOCSPResponseMaxAge 0",
        "SSLOCSPResponseTimeSkew 300",
        "SSLOCSPUseRequestNonce on",
        "SSLOCSPProxyURL http://127.0.0.1:1/",
        "SSLOCSPNoVerify off",
        "SSLOCSPResponderCertificateFile a.pem",
    ];
    for line in refused {
        for text in [line.to_owned(), format!("<VirtualHost *:1>\n{line}\n</VirtualHost>")] {
            let output = check(dir.path(), &format!("LoadModule ssl_module mod_ssl.so\n{text}\n"), &[]);
            assert_eq!(output.status.code(), Some(1), "{text}");
            let name = line.split(' ').next().unwrap_or_default();
            let says = format!("{name}: Pinion does not ask OCSP responders about certificates of clients");
            let all = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(all.contains(&says), "{text}:\n{all}");
        }
    }
}
