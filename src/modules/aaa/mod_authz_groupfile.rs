//! mod_authz_groupfile: AuthGroupFile, `Require group NAME ...` and `Require file-group`.
//!
//! No hooks: two providers. The file is read for each check, as in Apache, so that a change of membership holds at once;
//! of it only the groups of the user are kept. Manual: mod/mod_authz_groupfile.html.

use crate::config::*;
use crate::engine;
use crate::log::Level;
use crate::module::{Authz, AuthzCheck, AuthzProvider, FileGroup, Hooks, Linked, Module};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::any::Any;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authz_groupfile.c",
    ident: "authz_groupfile_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<GroupDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[take1(
    "AuthGroupFile",
    DIRECTORY.and(HTACCESS),
    AUTH_CONFIG,
    group_file,
    "text file containing group names and member user IDs",
)];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct GroupDir {
    path: Option<PathBuf>,
}

impl Settings for GroupDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        GroupDir { path: add.path.clone().or_else(|| base.path.clone()) }
    }
}

fn group_file(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    cx.dir::<GroupDir>().path = Some(path);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthzProvider>("group", &Group);
    on.providers.offer::<dyn AuthzProvider>("file-group", &OwnGroup);
}

/// The groups that list `user`.
fn groups_of(path: &Path, user: &BStr) -> io::Result<Vec<BString>> {
    let mut file = BufReader::new(server::open_plain(path)?);
    let (mut groups, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        // A backslash at the end of a line goes on with the next one.
        loop {
            let read = file.read_until(b'\n', &mut line)?;
            let bare = line.trim_end_with(|c| c == '\n' || c == '\r').len();
            if read == 0 || !line.get(..bare).unwrap_or_default().ends_with(b"\\") {
                break;
            }
            line.truncate(bare - 1);
        }
        if line.is_empty() {
            return Ok(groups);
        }
        let text = line.trim();
        if text.starts_with(b"#") {
            continue;
        }
        let Some((name, members)) = text.split_once_str(":") else { continue };
        if httpd_conf::words(members).any(|member| *member == *user) {
            groups.push(name.trim_end().into());
        }
    }
}

/// Tags of the complaints: no file configured, not readable, user not in it.
struct Tags(&'static str, &'static str, &'static str);

/// The groups of the request's user, or the answer where there is nothing to compare with.
fn groups(r: &mut Request, tags: &Tags) -> Result<(BString, Vec<BString>), Authz> {
    let Some(user) = r.user.clone() else { return Err(Authz::DeniedNoUser) };
    let Some(path) = r.dir::<GroupDir>().path.clone() else {
        let text = format_args!("{}: No group file was specified in the configuration", tags.0);
        r.log(Level::Error, "authz_groupfile", text);
        return Err(Authz::Denied);
    };
    let shown = path.as_os_str().as_encoded_bytes().as_bstr();
    match engine::block(|| groups_of(&path, user.as_bstr())) {
        Err(error) => {
            let text = format_args!("{}: Could not open group file: {shown}", tags.1);
            r.log_errno(Level::Error, "authz_groupfile", &error, text);
            Err(Authz::Denied)
        }
        Ok(groups) if groups.is_empty() => {
            let text = format_args!(
                "{}: Authorization of user {user} to access {} failed, reason: user doesn't appear in group file ({shown}).",
                tags.2,
                crate::log::raw(&r.uri),
                user = crate::log::raw(&user)
            );
            r.log(Level::Debug, "authz_groupfile", text);
            Err(Authz::Denied)
        }
        Ok(groups) => Ok((user, groups)),
    }
}

/// `Require group NAME ...`: names may be a string expression.
struct Group;

impl AuthzProvider for Group {
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        if arguments.is_empty() {
            // No group is named: nobody fulfils it.
            return Ok(Arc::new(()));
        }
        match Expression::string(arguments, cx.rights().without_vary(), cx.providers) {
            Ok(expression) => Ok(Arc::new(expression.at("authz_groupfile", cx.file, cx.line))),
            Err(error) => Err(format!("Cannot parse expression in require line: {error}")),
        }
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let (user, groups) = match groups(r, &Tags("AH01664", "AH01665", "AH01666")) {
            Ok(found) => found,
            Err(answer) => return AuthzCheck::Now(answer),
        };
        let names = parsed.downcast_ref::<Expression>().map(|expression| server::expression::text(expression, r));
        let names = match names.unwrap_or_else(|| Ok(BString::default())) {
            Ok(names) => names,
            Err(error) => {
                let text = format_args!(
                    "AH02592: authz_groupfile authorize: require group: Can't evaluate require expression: {error}"
                );
                r.log(Level::Error, "authz_groupfile", text);
                return AuthzCheck::Now(Authz::Denied);
            }
        };
        if httpd_conf::words(&names).any(|name| groups.iter().any(|group| *group == *name)) {
            return AuthzCheck::Now(Authz::Granted);
        }
        let text = format_args!(
            "AH01667: Authorization of user {user} to access {} failed, reason: user is not part of the 'require'ed group(s).",
            crate::log::raw(&r.uri),
            user = crate::log::raw(&user)
        );
        r.log(Level::Debug, "authz_groupfile", text);
        AuthzCheck::Now(Authz::Denied)
    }
}

/// `Require file-group`: the user is in the group that owns the file, by AuthGroupFile.
struct OwnGroup;

impl AuthzProvider for OwnGroup {
    fn parse(&self, _: &mut Cx<'_>, _: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        Ok(Arc::new(()))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let (user, groups) = match groups(r, &Tags("AH01668", "AH01669", "AH01670")) {
            Ok(found) => found,
            Err(answer) => return AuthzCheck::Now(answer),
        };
        let owner = r.configuration.providers.find::<dyn FileGroup>(b"file-group");
        if owner.and_then(|owner| owner.file_group(r)).is_some_and(|group| groups.contains(&group)) {
            return AuthzCheck::Now(Authz::Granted);
        }
        let text = format_args!(
            "AH01671: Authorization of user {user} to access {} failed, reason: user is not part of the 'require'ed file group.",
            crate::log::raw(&r.uri),
            user = crate::log::raw(&user)
        );
        r.log(Level::Debug, "authz_groupfile", text);
        AuthzCheck::Now(Authz::Denied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn memberships() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"# g: ann\n\nadmins : bob ann\nnobody:\nmore: x \\\n  ann y\nlast:ann").unwrap();
        let of = |user: &str| groups_of(file.path(), user.into()).unwrap();
        assert_eq!(of("ann"), ["admins", "more", "last"]);
        assert_eq!(of("bob"), ["admins"]);
        assert!(of("bo").is_empty());
    }
}
