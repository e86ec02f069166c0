//! mod_authn_file: AuthUserFile, the text file that htpasswd and htdigest write.
//!
//! Offers the authentication provider `file`. The file is read for each check, as in Apache, so that a changed password
//! holds at once. Manual: mod/mod_authn_file.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Authn, AuthnProvider, Hooks, Linked, Module};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

pub static MODULE: Module = Module {
    name: "mod_authn_file.c",
    ident: "authn_file_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<FileDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[take1(
    "AuthUserFile",
    DIRECTORY.and(HTACCESS),
    AUTH_CONFIG,
    user_file,
    "text file containing user IDs and passwords",
)];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct FileDir {
    path: Option<PathBuf>,
}

impl Settings for FileDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        FileDir { path: add.path.clone().or_else(|| base.path.clone()) }
    }
}

fn user_file(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    cx.dir::<FileDir>().path = Some(path);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthnProvider>("file", &Users);
}

struct Users;

/// The rest of the line whose first fields are those given.
fn find(path: &Path, fields: &[&[u8]]) -> io::Result<Option<BString>> {
    let mut line = Vec::new();
    let mut file = BufReader::new(server::open_plain(path)?);
    loop {
        line.clear();
        if file.read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        let text = line.trim();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let mut rest = text.splitn_str(fields.len() + 1, ":");
        if fields.iter().all(|field| rest.next() == Some(field)) {
            // A password may be followed by more fields, as in passwd(5); none at all is an empty one.
            let password = rest.next().unwrap_or_default().split(|byte| *byte == b':').next();
            return Ok(Some(password.unwrap_or_default().into()));
        }
    }
}

/// Looks the fields up and logs why that is impossible.
fn look_up(r: &Request, fields: &[&[u8]], tags: (&str, &str)) -> Result<Option<BString>, Authn> {
    let Some(path) = r.dir::<FileDir>().path.clone() else {
        let text = format_args!("{}: AuthUserFile not specified in the configuration", tags.0);
        r.log(Level::Error, "authn_file", text);
        return Err(Authn::GeneralError);
    };
    find(&path, fields).map_err(|error| {
        let shown = path.into_os_string().into_vec();
        let text = format_args!("{}: Could not open password file: {}", tags.1, shown.as_bstr());
        r.log_errno(Level::Error, "authn_file", &error, text);
        Authn::GeneralError
    })
}

impl AuthnProvider for Users {
    fn check_password(&self, r: &mut Request, user: &BStr, password: &BStr) -> Authn {
        match look_up(r, &[user], ("AH01619", "AH01620")) {
            Err(error) => error,
            Ok(None) => Authn::UserNotFound,
            Ok(Some(hash)) => {
                server::keep_credentials(r, "file", user, None, &hash);
                if server::password_matches(password, &hash) { Authn::Granted } else { Authn::Denied }
            }
        }
    }
    fn knows_realms(&self) -> bool {
        true
    }
    fn realm_hash(&self, r: &mut Request, user: &BStr, realm: &BStr) -> Option<Result<Vec<u8>, Authn>> {
        Some(match look_up(r, &[user, realm], ("AH01621", "AH01622")) {
            Err(error) => Err(error),
            Ok(None) => Err(Authn::UserNotFound),
            Ok(Some(hash)) => {
                server::keep_credentials(r, "file", user, Some(realm), &hash);
                Ok(hash.into())
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn finds_users_and_realms() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"# users\n\nbob:{SHA}x:more\nann:realm:hash").unwrap();
        let path = file.path().to_path_buf();
        assert_eq!(find(&path, &[b"bob"]).unwrap(), Some("{SHA}x".into()));
        assert_eq!(find(&path, &[b"ann", b"realm"]).unwrap(), Some("hash".into()));
        assert_eq!(find(&path, &[b"bo"]).unwrap(), None);
    }
}
