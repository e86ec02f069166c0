//! DBM files of users and groups.

use crate::server::dbm::{Access, Dbm, Format, NO_SUCH_FORMAT};
use bstr::{BStr, BString, ByteSlice};
use std::path::PathBuf;

/// Where a database is and in which format.
#[derive(Clone, Default)]
pub(super) struct Database {
    pub(super) file: Option<PathBuf>,
    kind: Option<BString>,
}

impl Database {
    /// Takes the name of a format. Nonsense is found out when the file is opened, as in Apache.
    pub(super) fn set_kind(&mut self, name: &BStr) {
        self.kind = Some(name.into());
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
        let format = Format::named(self.kind()).ok_or(NO_SUCH_FORMAT)?;
        let database = Dbm::open(format, self.file.as_deref().ok_or(libc::ENOENT)?, Access::Read, 0)?;
        for key in keys {
            // APR takes an empty value of Berkeley DB for none.
            let there = |value: &Vec<u8>| format != Format::Berkeley || !value.is_empty();
            if let Some(value) = database.fetch(key)?.filter(there) {
                return Ok(Some(value.into()));
            }
        }
        Ok(None)
    }
}
