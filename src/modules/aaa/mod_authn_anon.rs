//! mod_authn_anon: users who need no account, with an e-mail address for a password.
//!
//! Offers the authentication provider `anon`. As in Apache, settings of a section take the place of all that stand above.
//! Manual: mod/mod_authn_anon.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Authn, AuthnProvider, Hooks, Linked, Module};
use crate::request::Request;
use bstr::{BStr, BString};

pub static MODULE: Module = Module {
    name: "mod_authn_anon.c",
    ident: "authn_anon_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<AnonDir>(),
    hooks,
};

const PLACES: Contexts = DIRECTORY.and(HTACCESS);

const DIRECTIVES: &[Directive] = &[
    iterate("Anonymous", PLACES, AUTH_CONFIG, user, "a space-separated list of user IDs"),
    flag("Anonymous_MustGiveEmail", PLACES, AUTH_CONFIG, must_give, "Limited to 'on' or 'off'"),
    flag("Anonymous_NoUserId", PLACES, AUTH_CONFIG, no_user, "Limited to 'on' or 'off'"),
    flag("Anonymous_VerifyEmail", PLACES, AUTH_CONFIG, verify, "Limited to 'on' or 'off'"),
    flag("Anonymous_LogEmail", PLACES, AUTH_CONFIG, log_email, "Limited to 'on' or 'off'"),
];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct AnonDir {
    users: Vec<BString>,
    anybody: bool,
    must_give: Option<bool>,
    no_user: bool,
    verify: bool,
    log_email: Option<bool>,
}

impl Settings for AnonDir {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn user(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    let dir = cx.dir::<AnonDir>();
    match name.as_ref() as &[u8] {
        b"" => return Err("Anonymous string cannot be empty, use Anonymous_NoUserId".into()),
        b"*" => dir.anybody = true,
        _ => dir.users.push(name.into()),
    }
    Ok(())
}

fn must_give(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<AnonDir>().must_give = Some(on);
    Ok(())
}

fn no_user(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<AnonDir>().no_user = on;
    Ok(())
}

fn verify(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<AnonDir>().verify = on;
    Ok(())
}

fn log_email(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<AnonDir>().log_email = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthnProvider>("anon", &Anonymous);
}

struct Anonymous;

impl AuthnProvider for Anonymous {
    fn check_password(&self, r: &mut Request, user: &BStr, password: &BStr) -> Authn {
        let settings = r.dir.clone();
        let dir = settings.settings.of::<AnonDir>();
        let known = match user.is_empty() {
            // Not where no user is named at all.
            true => dir.no_user && (dir.anybody || !dir.users.is_empty()),
            false => dir.anybody || dir.users.iter().any(|name| name.eq_ignore_ascii_case(user)),
        };
        if !known {
            return Authn::UserNotFound;
        }
        let given = dir.must_give == Some(false) || !password.is_empty();
        let looks_right = !dir.verify || password.contains(&b'@') && password.contains(&b'.');
        if !given || !looks_right {
            return Authn::Denied;
        }
        if dir.log_email != Some(false) && r.is_initial() {
            r.log(Level::Info, "authn_anon", format_args!("AH01672: Anonymous: Passwd <{password}> Accepted"));
        }
        Authn::Granted
    }
}
