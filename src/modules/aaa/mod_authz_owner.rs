//! mod_authz_owner: `Require file-owner`, and for other modules the group that owns a file (`Require file-group`).
//! No directives, no hooks. Manual: mod/mod_authz_owner.html.

use crate::config::*;
use crate::engine;
use crate::log::Level;
use crate::module::{Authz, AuthzCheck, AuthzProvider, FileGroup, Hooks, Linked, Module};
use crate::request::{FileInfo, Request};
use crate::server;
use bstr::{BStr, BString};
use nix::unistd::{Gid, Group, Uid, User};
use std::any::Any;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authz_owner.c",
    ident: "authz_owner_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthzProvider>("file-owner", &FileOwner);
    on.providers.offer::<dyn FileGroup>("file-group", &GroupOfFile);
}

fn failed(r: &Request, tag: &str, error: Option<&std::io::Error>, reason: &str) {
    let user = r.user.clone().unwrap_or_default();
    let text = format_args!(
        "{tag}: Authorization of user {user} to access {} failed, reason: {reason}",
        crate::log::raw(&r.uri),
        user = crate::log::raw(&user)
    );
    match error {
        Some(error) => r.log_errno(Level::Error, "authz_owner", error, text),
        None => r.log(Level::Error, "authz_owner", text),
    }
}

/// Facts of the mapped file as it is now; a request without one, or with one that is not there, has no owner.
fn facts(r: &Request, no_name: &str, no_file: &str) -> Option<FileInfo> {
    if r.filename.is_empty() {
        failed(r, no_name, None, "no filename available");
        return None;
    }
    let found = engine::block(|| server::stat(&r.filename));
    if let Err(error) = &found {
        failed(r, no_file, Some(error), &format!("could not stat file {}", r.filename));
    }
    found.ok()
}

/// `Require file-owner`: the user has the name of the system account that owns the file.
struct FileOwner;

impl AuthzProvider for FileOwner {
    fn parse(&self, _: &mut Cx<'_>, _: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        Ok(Arc::new(()))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let Some(user) = r.user.clone() else { return AuthzCheck::Now(Authz::DeniedNoUser) };
        let Some(file) = facts(r, "AH01633", "AH01634") else { return AuthzCheck::Now(Authz::Denied) };
        let account = engine::block(|| User::from_uid(Uid::from_raw(file.uid)));
        let Some(owner) = account.ok().flatten().map(|account| account.name) else {
            failed(r, "AH01636", None, "could not get name of file owner");
            return AuthzCheck::Now(Authz::Denied);
        };
        if user != owner.as_bytes() {
            failed(r, "AH01637", None, &format!("file owner {owner} does not match."));
            return AuthzCheck::Now(Authz::Denied);
        }
        AuthzCheck::Now(Authz::Granted)
    }
}

struct GroupOfFile;

impl FileGroup for GroupOfFile {
    fn file_group(&self, r: &Request) -> Option<BString> {
        let file = facts(r, "AH01638", "AH01639")?;
        let group = engine::block(|| Group::from_gid(Gid::from_raw(file.gid)));
        let name = group.ok().flatten().map(|group| BString::from(group.name));
        if name.is_none() {
            failed(r, "AH01641", None, "could not get name of file group");
        }
        name
    }
}
