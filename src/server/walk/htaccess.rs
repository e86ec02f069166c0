//! .htaccess on the way down.

use super::apply;
use crate::config::{self, CoreServer, Permit};
use crate::log::{self, Level, raw};
use crate::request::{Request, Status};
use bstr::{BString, ByteSlice};

/// Merges the .htaccess of the directory `filename[..len]`.
pub(super) fn apply_htaccess(r: &mut Request, len: usize) -> Result<(), Status> {
    let Some(permit) = Permit::of(r.dir.core()) else { return Ok(()) };
    let default = [BString::from(".htaccess")];
    let names = r.server::<CoreServer>().access_file_names.as_deref().map_or(&default[..], Vec::as_slice);
    let dir = r.filename.get(..len).unwrap_or_default().as_bstr();
    let found = match config::htaccess(r.configuration, r.server, dir, names, &permit) {
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
