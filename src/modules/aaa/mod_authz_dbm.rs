//! mod_authz_dbm: AuthDBMGroupFile, `Require dbm-group NAME ...` and `Require dbm-file-group`.
//!
//! No hooks: two providers. The file is opened for each check, as in Apache.
//! Manual: mod/mod_authz_dbm.html.

use crate::config::*;
use crate::engine;
use crate::log::Level;
use crate::module::{Authz, AuthzCheck, AuthzProvider, FileGroup, Hooks, Linked, Module};
use crate::request::Request;
use crate::server::{self, dbm::Database};
use bstr::{BStr, BString, ByteSlice};
use std::any::Any;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authz_dbm.c",
    ident: "authz_dbm_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<GroupsDir>(),
    hooks,
};

const PLACES: Contexts = DIRECTORY.and(HTACCESS);

const DIRECTIVES: &[Directive] = &[
    take1(
        "AuthDBMGroupFile",
        PLACES,
        AUTH_CONFIG,
        group_file,
        "database file containing group names and member user IDs",
    ),
    take1("AuthzDBMType", PLACES, AUTH_CONFIG, kind, "what type of DBM file the group file is"),
];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct GroupsDir(Database);

impl Settings for GroupsDir {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn group_file(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    cx.dir::<GroupsDir>().0.file = Some(path);
    Ok(())
}

fn kind(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    cx.dir::<GroupsDir>().0.set_kind(name);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthzProvider>("dbm-group", &Group);
    on.providers.offer::<dyn AuthzProvider>("dbm-file-group", &OwnGroup);
}

/// The groups in a value: `GROUPS`, or `PASSWORD:GROUPS` with more behind another colon.
fn groups_in(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut fields = value.split(|byte| *byte == b':');
    let first = fields.next().unwrap_or_default();
    fields.next().unwrap_or(first).split(|byte| *byte == b',')
}

/// Tags of the complaints (no file configured, user not in it), and the answer when the file cannot be read.
struct Tags(&'static str, &'static str, Authz);

/// User and value of the request's user, or the answer where there is nothing to compare with.
fn entry(r: &mut Request, tags: &Tags) -> Result<(BString, BString), Authz> {
    let Some(user) = r.user.clone() else { return Err(Authz::DeniedNoUser) };
    let settings = r.dir.clone();
    let database = &settings.settings.of::<GroupsDir>().0;
    if database.file.is_none() {
        let text = format_args!("{}: No group file was specified in the configuration", tags.0);
        r.log(Level::Error, "authz_dbm", text);
        return Err(Authz::Denied);
    }
    // Who is in several realms may have an entry for each.
    let realm = server::auth_name(r).unwrap_or_default();
    let in_realm = [user.as_slice(), b":", &realm].concat();
    let (kind, shown) = (database.kind(), database.shown());
    match engine::block(|| database.fetch(&[&in_realm, &user])) {
        Err(error) => {
            let text = format_args!("AH01799: could not open dbm (type {kind}) group access file: {shown}");
            r.log_errno(Level::Error, "authz_dbm", error, text);
            Err(tags.2)
        }
        Ok(None) => {
            let text = format_args!(
                "{}: Authorization of user {user} to access {} failed, reason: user doesn't appear in DBM group file ({shown}).",
                tags.1,
                crate::log::raw(&r.uri),
                user = crate::log::raw(&user)
            );
            r.log(Level::Error, "authz_dbm", text);
            Err(Authz::Denied)
        }
        Ok(Some(value)) => Ok((user, value)),
    }
}

fn not_in(r: &Request, tag: &str, user: &BString) -> Authz {
    let text = format_args!(
        "{tag}: Authorization of user {user} to access {} failed, reason: user is not part of the 'require'ed group(s).",
        crate::log::raw(&r.uri),
        user = crate::log::raw(&user)
    );
    r.log(Level::Error, "authz_dbm", text);
    Authz::Denied
}

/// `Require dbm-group NAME ...`: names may be a string expression.
struct Group;

impl AuthzProvider for Group {
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        if arguments.is_empty() {
            // No group is named: nobody fulfils it.
            return Ok(Arc::new(()));
        }
        match Expression::string(arguments, cx.rights().without_vary(), cx.providers) {
            Ok(expression) => Ok(Arc::new(expression.at("authz_dbm", cx.file, cx.line))),
            Err(error) => Err(format!("Cannot parse expression in require line: {error}")),
        }
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let (user, value) = match entry(r, &Tags("AH01798", "AH01800", Authz::GeneralError)) {
            Ok(found) => found,
            Err(answer) => return AuthzCheck::Now(answer),
        };
        let names = parsed.downcast_ref::<Expression>().map(|expression| server::expression::text(expression, r));
        let names = match names.unwrap_or_else(|| Ok(BString::default())) {
            Ok(names) => names,
            Err(error) => {
                let text = format_args!(
                    "AH02591: authz_dbm authorize: require dbm-group: Can't evaluate require expression: {error}"
                );
                r.log(Level::Error, "authz_dbm", text);
                return AuthzCheck::Now(Authz::Denied);
            }
        };
        let granted = httpd_conf::words(&names).any(|name| groups_in(&value).any(|group| *group == **name));
        AuthzCheck::Now(if granted { Authz::Granted } else { not_in(r, "AH01801", &user) })
    }
}

/// `Require dbm-file-group`: the user is in the group that owns the file, by AuthDBMGroupFile.
struct OwnGroup;

impl AuthzProvider for OwnGroup {
    fn parse(&self, _: &mut Cx<'_>, _: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        Ok(Arc::new(()))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let (user, value) = match entry(r, &Tags("AH01802", "AH01804", Authz::Denied)) {
            Ok(found) => found,
            Err(answer) => return AuthzCheck::Now(answer),
        };
        let owner = r.configuration.providers.find::<dyn FileGroup>(b"file-group");
        let Some(owner) = owner.and_then(|owner| owner.file_group(r)) else { return AuthzCheck::Now(Authz::Denied) };
        let granted = groups_in(&value).any(|group| group == owner.as_bytes());
        AuthzCheck::Now(if granted { Authz::Granted } else { not_in(r, "AH01805", &user) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let of = |value: &'static str| groups_in(value.as_bytes()).map(|group| group.to_vec()).collect::<Vec<_>>();
        assert_eq!(of("a,b"), [b"a", b"b"]);
        assert_eq!(of("{SHA}x,y:a,b:c"), [b"a", b"b"]);
    }
}
