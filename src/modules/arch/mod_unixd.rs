//! mod_unixd: who the children run as.
//!
//! Directives: User, Group, ChrootDir, Suexec; `crate::mpm` acts on them. Manual: mod/mod_unixd.html.

use crate::config::*;
use crate::module::{Linked, Module};
use crate::sys::account;
use bstr::{BStr, ByteSlice};
use nix::unistd;

pub static MODULE: Module = Module {
    name: "mod_unixd.c",
    ident: "unixd_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[
    take1("User", GLOBAL, NO_OVERRIDE, user, "Effective user id for this server"),
    take1("Group", GLOBAL, NO_OVERRIDE, group, "Effective group id for this server"),
    take1("ChrootDir", GLOBAL, NO_OVERRIDE, chroot, "The directory to chroot(2) into"),
    flag("Suexec", GLOBAL, NO_OVERRIDE, suexec, "Enable or disable suEXEC support")
        .ignored("scripts run as the server's own user: there is no mod_suexec; the reports say what is set"),
];

/// Where Debian has the suEXEC wrapper.
const SUEXEC: &str = "/usr/lib/apache2/suexec";

const ROOT: &str = "Error:\tApache has not been designed to serve pages while\n\trunning as root.  There are known race conditions that\n\t\
    will allow any local user to read any file on the system.\n\tIf you still desire to serve pages as root then\n\t\
    add -DBIG_SECURITY_HOLE to the CFLAGS env variable\n\tand then rebuild the server.\n\tIt is strongly suggested that you \
    instead modify the User\n\tdirective in your httpd.conf file to list a non-root\n\tuser.\n";

fn unknown(what: &str, tag: &'static str, word: &BStr) -> Complaint {
    Complaint::Fatal(tag, format!("bad {what} name {word}").into())
}

fn user(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let known = word.starts_with(b"#") || matches!(unistd::User::from_name(&word.to_str_lossy()), Ok(Some(_)));
    if !known {
        return Err(unknown("user", "AH00543", word));
    }
    if account::user_id(word).is_some_and(|id| id.is_root()) {
        return Err(ROOT.into());
    }
    cx.process.user = Some(word.into());
    Ok(())
}

fn group(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let known = word.starts_with(b"#") || matches!(unistd::Group::from_name(&word.to_str_lossy()), Ok(Some(_)));
    if !known {
        return Err(unknown("group", "AH00544", word));
    }
    cx.process.group = Some(word.into());
    Ok(())
}

fn chroot(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let dir = word.to_path_lossy().into_owned();
    if !dir.is_dir() {
        return Err("ChrootDir must be a valid directory".into());
    }
    cx.process.chroot_dir = Some(dir);
    Ok(())
}

fn suexec(cx: &mut Cx<'_>, on: bool) -> Outcome {
    if on && !std::path::Path::new(SUEXEC).exists() {
        return Err(format!("suEXEC isn't supported: Missing suexec binary {SUEXEC}").into());
    }
    cx.process.suexec = on;
    Ok(())
}
