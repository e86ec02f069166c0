//! mod_unixd: User, Group, ChrootDir.

use compat_tests::{Mpm, group, under_each_mpm};

under_each_mpm! {
    fn children_run_as_user(mpm) {
        group("User and Group").mpm(mpm).facts_only(|server| {
            let identity = |pid: &i32| {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                let kept = ["Uid:", "Gid:", "Groups:"];
                status.lines().filter(|l| kept.iter().any(|k| l.starts_with(k))).collect::<String>()
            };
            // A child starts as the parent's user.
            server.wait(|s| {
                let children = s.children();
                !children.is_empty() && children.iter().all(|pid| !identity(pid).starts_with("Uid:\t0"))
            });
            let mut ids: Vec<String> = server.children().iter().map(identity).collect();
            ids.dedup();
            format!("{ids:?}")
        });
    }
}

#[test]
fn errors() {
    group("unixd errors").syntax(&[
        "User nosuchuser",
        "Group nosuchgroup",
        "User #33",
        "Group #33",
        "User #4000000",
        "Group #-1",
        "User",
        "User a b",
        "ChrootDir /nonexistent",
        "ChrootDir @ROOT@/conf/httpd.conf",
        "<Directory /x>\nUser www-data\n</Directory>",
        "Suexec On",
        "Suexec Off",
    ]);
}

#[test]
fn root_is_refused() {
    group("User root").conf("User root\n").start_fails(&["-DFOREGROUND"]);
}

/// Only prefork: Apache's threads need a library inside.
#[test]
fn chroot() {
    // DocumentRoot is looked for outside at the start; requests see what is inside.
    group("ChrootDir")
        .mpm(Mpm::Prefork)
        .conf(
            "ChrootDir \"@ROOT@\"\nDocumentRoot /usr/share\n<Directory /usr/share>\nAllowOverride All\n</Directory>\n",
        )
        .file("usr/share/a.txt", "inside\n")
        .file("usr/share/d/.htaccess", "AddType text/x-odd .odd\n")
        .file("usr/share/d/x.odd", "odd\n")
        .link("usr/share/out", "/etc/passwd")
        .get("/a.txt")
        .get("/d/x.odd")
        .get("/out")
        .get("/nope")
        .check();
}
