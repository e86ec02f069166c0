//! mod_userdir: `/~user/` leads to a directory of the user, or to another server.
//!
//! Hook: `translate_name`, middle, after mod_alias, before mod_vhost_alias.
//!
//! Differences: none known; of URLs httpd does less than its manual (mod/mod_userdir.html) says.

use crate::config::*;
use crate::engine;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::{FileKind, Request, Status};
use crate::server;
use bstr::{BString, ByteSlice};
use nix::unistd::User;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_userdir.c",
    ident: "userdir_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<UserDirs>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[raw_args(
    "UserDir",
    SERVER,
    NO_OVERRIDE,
    user_dir,
    "the public subdirectory in users' home directories, or 'disabled', or 'disabled username username...', or 'enabled \
     username username...'",
)];

/// The module's settings of a server.
#[derive(Clone, Default)]
pub struct UserDirs {
    /// `enabled` or `disabled` for everyone.
    everyone: Option<bool>,
    places: Option<Arc<Vec<BString>>>,
    enabled: Vec<BString>,
    disabled: Vec<BString>,
}

impl Settings for UserDirs {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let own = |own: &Vec<BString>, other: &Vec<BString>| if own.is_empty() { other.clone() } else { own.clone() };
        UserDirs {
            everyone: add.everyone.or(base.everyone),
            places: add.places.clone().or_else(|| base.places.clone()),
            enabled: own(&add.enabled, &base.enabled),
            disabled: own(&add.disabled, &base.disabled),
        }
    }
}

fn user_dir(cx: &mut Cx<'_>, line: Word<'_>) -> Outcome {
    let mut words = httpd_conf::words(line).take_while(|word| !word.is_empty());
    let Some(first) = words.next() else { return Err("UserDir requires an argument.".into()) };
    let names: Vec<BString> = words.map(|word| word.into_owned()).collect();
    let is = |word: &str| first.eq_ignore_ascii_case(word.as_bytes());
    let enabled = is("enable") || is("enabled");
    let dirs = cx.server::<UserDirs>();
    match (enabled || is("disable") || is("disabled"), names.is_empty()) {
        (true, true) => dirs.everyone = Some(enabled),
        (true, false) if enabled => dirs.enabled.extend(names),
        (true, false) => dirs.disabled.extend(names),
        (false, _) => dirs.places = Some(Arc::new([first.into_owned()].into_iter().chain(names).collect())),
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.translate_name(MIDDLE, translate).after(&["mod_alias.c"]).before(&["mod_vhost_alias.c"]);
}

/// Where a word of UserDir leads for a user.
enum Place {
    File(BString),
    Url(BString),
    /// The user is not known here.
    Nowhere,
}

fn translate(r: &mut Request) -> Answer {
    let Some(rest) = r.uri.strip_prefix(b"/~") else { return Answer::Declined };
    let (user, path) = rest.split_at(rest.find_byte(b'/').unwrap_or(rest.len()));
    let dirs = r.server::<UserDirs>();
    let Some(places) = dirs.places.clone() else { return Answer::Declined };
    let named = |list: &[BString]| list.iter().any(|name| name.as_slice() == user);
    let off = dirs.everyone == Some(false) && !named(&dirs.enabled);
    if matches!(user, b"" | b"." | b"..") || named(&dirs.disabled) || off {
        return Answer::Declined;
    }
    for (number, place) in places.iter().enumerate() {
        match lead(place, user, path) {
            Place::Url(url) => {
                r.headers_out.set("Location", url);
                return Answer::Status(Status::FOUND);
            }
            // The last is taken in any case: a handler may know what to do.
            Place::File(file) if number + 1 == places.len() || exists(&file) => {
                let prefix = BString::from([b"/~", user].concat());
                r.notes.set("mod_userdir_user", user);
                r.filename = [file.as_slice(), path].concat().into();
                r.context = Some((prefix, file));
                return Answer::Ok;
            }
            Place::File(_) | Place::Nowhere => {}
        }
    }
    Answer::Declined
}

fn exists(file: &[u8]) -> bool {
    server::stat(file).is_ok_and(|info| info.kind != FileKind::None)
}

/// A URL needs a `*`, and what stands behind that is left out: so does httpd, whatever its manual says.
fn lead(place: &[u8], user: &[u8], path: &[u8]) -> Place {
    let (before, after) = match place.split_once_str("*") {
        Some((before, after)) => (Some(before), after),
        None => (None, place),
    };
    let whole = after.is_empty() || after.starts_with(b"/");
    match before {
        Some(before) if before.contains(&b':') && !before.starts_with(b"/") => {
            Place::Url([before, user, path].concat().into())
        }
        Some(before) if whole => Place::File([before, user, after].concat().into()),
        None if whole => Place::File([after, b"/", user].concat().into()),
        _ => match engine::block(|| user.to_str().ok().and_then(|user| User::from_name(user).ok().flatten())) {
            Some(known) => Place::File([known.dir.as_os_str().as_bytes(), b"/", after].concat().into()),
            None => Place::Nowhere,
        },
    }
}
