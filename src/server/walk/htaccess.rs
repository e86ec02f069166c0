//! .htaccess on the way down.

use super::apply;
use crate::config::{self, CoreServer, Permit, watch};
use crate::log::{self, Level, raw};
use crate::request::{Request, Status};
use bstr::{BString, ByteSlice};
use std::sync::Arc;

/// Whether what a walk finds could be kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lasting {
    No,
    /// The disk was not asked.
    Always,
    /// The disk was asked; all that was looked at is watched, since this state.
    Watched(u64),
}

/// Merges the .htaccess of the directory `filename[..len]`.
pub(super) fn apply_htaccess(r: &mut Request, len: usize, lasting: &mut Lasting) -> Result<(), Status> {
    let Some(permit) = Permit::of(r.dir.core()) else { return Ok(()) };
    let default = [BString::from(".htaccess")];
    let names = r.server::<CoreServer>().access_file_names.as_deref().map_or(&default[..], Vec::as_slice);
    let dir = r.filename.get(..len).unwrap_or_default().as_bstr();
    watch_directories(&r.filename, len, names, lasting);
    let look = || config::htaccess(r.configuration, r.server, dir, names, &permit);
    let found = match look() {
        Ok(None) => return Ok(()),
        Ok(Some(found)) => found,
        Err(unreadable) => {
            let path = raw(&unreadable.path);
            if unreadable.irregular {
                let text = format_args!("AH00554: Access to file {path} denied by server: not a regular file");
                log::process(Level::Error, "core", text);
            }
            let text = format_args!(
                "AH00529: {path} pcfg_openfile: unable to check htaccess file, ensure it is readable and that '{}' is \
                 executable",
                raw(dir.as_bytes())
            );
            r.log_errno(Level::Crit, "core", &unreadable.error, text);
            r.notes.set("error-notes", "Server unable to read htaccess file, denying access to be safe");
            return Err(Status::FORBIDDEN);
        }
    };
    // A subrequest walks where the request has been.
    for warning in found.warnings.iter().filter(|_| !r.is_sub()) {
        log::process(warning.level, warning.module, format_args!("{}", raw(&warning.text)));
    }
    if matches!(lasting, Lasting::Watched(_)) {
        // It may have changed between the look and the watch.
        let same = || look().is_ok_and(|again| again.is_some_and(|again| Arc::ptr_eq(&again, &found)));
        if !found.warnings.is_empty() || !watch::file(&found.path) || !same() {
            *lasting = Lasting::No;
        }
    }
    match &found.outcome {
        Ok(section) => {
            apply(r, section);
            Ok(())
        }
        Err(error) => {
            r.log(Level::Alert, "core", format_args!("{}: {}", raw(&found.path), raw(error)));
            Err(Status::INTERNAL_SERVER_ERROR)
        }
    }
}

/// Watches the directory `filename[..len]`, where a walk that could be kept looks for an .htaccess, and, the first time,
/// those above it: one of them may be replaced.
fn watch_directories(filename: &[u8], len: usize, names: &[BString], lasting: &mut Lasting) {
    let mut from = match lasting {
        Lasting::No => return,
        Lasting::Always => {
            *lasting = watch::state().map_or(Lasting::No, Lasting::Watched);
            0
        }
        Lasting::Watched(_) => len - 1,
    };
    while let Some(slash) = filename.get(from..len).and_then(|rest| rest.find_byte(b'/')) {
        let end = from + slash + 1;
        let component = filename.get(end..).unwrap_or_default().split(|byte| *byte == b'/').next();
        let matter = names.iter().map(|name| name.as_slice()).chain(component);
        if !watch::directory(filename.get(..end).unwrap_or_default(), matter) {
            *lasting = Lasting::No;
            return;
        }
        from = end;
    }
}
