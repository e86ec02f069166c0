//! DBM files of users and groups. Of the formats that Apache may know there is SDBM here, which is the default too.

use crate::config::Complaint;
use crate::server::sdbm::{Access, Sdbm};
use bstr::{BStr, BString, ByteSlice};
use std::io;
use std::path::PathBuf;

/// Where a database is and in which format.
#[derive(Clone, Default)]
pub(super) struct Database {
    pub(super) file: Option<PathBuf>,
    kind: Option<BString>,
}

/// What Apache's library says of a format that it was built without (`APR_EDSOOPEN`).
const NO_SUCH_FORMAT: i32 = 20019;

impl Database {
    /// Takes the name of a format. Those that a file of Apache's may well have are refused here; nonsense is found out when
    /// the file is opened, as in Apache.
    pub(super) fn set_kind(&mut self, directive: &str, name: &BStr) -> Result<(), Complaint> {
        if [&b"GDBM"[..], b"DB"].iter().any(|known| name.eq_ignore_ascii_case(known)) {
            let text =
                format!("{directive}: dbm type {name} is not supported; use SDBM (htdbm -TSDBM writes such files)");
            return Err(text.into());
        }
        self.kind = Some(name.into());
        Ok(())
    }
    /// The format as the configuration has it.
    pub(super) fn kind(&self) -> &BStr {
        self.kind.as_ref().map_or("default".into(), |kind| kind.as_bstr())
    }
    /// The file as messages show it.
    pub(super) fn shown(&self) -> BString {
        self.file.as_ref().map_or("(null)".into(), |path| path.as_os_str().as_encoded_bytes().into())
    }
    /// The value of the first of the keys that has one; Err with an errno (or APR status).
    pub(super) fn fetch(&self, keys: &[&[u8]]) -> Result<Option<BString>, i32> {
        let known = [&b"default"[..], b"SDBM"].iter().any(|kind| self.kind().eq_ignore_ascii_case(kind));
        if !known {
            return Err(NO_SUCH_FORMAT);
        }
        let errno = |error: io::Error| error.raw_os_error().unwrap_or(libc::EINVAL);
        let path = self.file.as_deref().ok_or(libc::ENOENT)?;
        let database = Sdbm::open(path, Access::Read).map_err(errno)?;
        for key in keys {
            if let Some(value) = database.fetch(key).map_err(errno)? {
                return Ok(Some(value.into()));
            }
        }
        Ok(None)
    }
}
