//! mod_authn_dbm: AuthDBMUserFile, users and password hashes in a DBM file that htdbm writes.
//!
//! Offers the authentication provider `dbm`. As in Apache, settings of a section take the place of all that stand above, and the
//! file is opened for each check. Manual: mod/mod_authn_dbm.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Authn, AuthnProvider, Hooks, Linked, Module};
use crate::request::Request;
use crate::server::{self, dbm::Database};
use bstr::{BStr, BString};

pub static MODULE: Module = Module {
    name: "mod_authn_dbm.c",
    ident: "authn_dbm_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<UsersDir>(),
    hooks,
};

const PLACES: Contexts = DIRECTORY.and(HTACCESS);

const DIRECTIVES: &[Directive] = &[
    take1("AuthDBMUserFile", PLACES, AUTH_CONFIG, user_file, "dbm database file containing user IDs and passwords"),
    take1("AuthDBMType", PLACES, AUTH_CONFIG, kind, "what type of DBM file the user file is"),
];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct UsersDir(Database);

impl Settings for UsersDir {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn user_file(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    cx.dir::<UsersDir>().0.file = Some(path);
    Ok(())
}

fn kind(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    cx.dir::<UsersDir>().0.set_kind(name);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthnProvider>("dbm", &Users);
}

struct Users;

/// The hash under a key: what stands before a colon.
fn look_up(r: &Request, key: &[u8]) -> Result<BString, Authn> {
    let database = &r.dir::<UsersDir>().0;
    match database.fetch(&[key]) {
        Ok(Some(value)) => Ok(value.split(|byte| *byte == b':').next().unwrap_or_default().into()),
        Ok(None) => Err(Authn::UserNotFound),
        Err(error) => {
            let (kind, file) = (database.kind(), database.shown());
            let text = format_args!("AH10285: could not open dbm (type {kind}) file: {file}");
            r.log_errno(Level::Error, "authn_dbm", error, text);
            Err(Authn::GeneralError)
        }
    }
}

impl AuthnProvider for Users {
    fn check_password(&self, r: &mut Request, user: &BStr, password: &BStr) -> Authn {
        match look_up(r, user) {
            Err(error) => error,
            Ok(hash) => {
                server::keep_credentials(r, "dbm", user, None, &hash);
                if server::password_matches(password, &hash) { Authn::Granted } else { Authn::Denied }
            }
        }
    }
    fn knows_realms(&self) -> bool {
        true
    }
    fn realm_hash(&self, r: &mut Request, user: &BStr, realm: &BStr) -> Option<Result<Vec<u8>, Authn>> {
        let found = look_up(r, &[user, b":".as_ref(), realm].concat());
        if let Ok(hash) = &found {
            server::keep_credentials(r, "dbm", user, Some(realm), hash);
        }
        Some(found.map(Vec::from))
    }
}
