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
