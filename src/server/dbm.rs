//! DBM files in the formats that Debian's APR has: Berkeley DB, which is its default, GDBM and SDBM. The libraries of the
//! first two are loaded when they are needed. Errors are errno values, or APR's.

use super::sdbm::Sdbm;
use crate::sys::dbm::{Berkeley, Gdbm, Pairs, has_berkeley, has_gdbm};
use bstr::{BStr, BString, ByteSlice};
use std::io;
use std::path::{Path, PathBuf};

pub use crate::sys::dbm::Access;

/// What APR says of a format that it does not have (`APR_EDSOOPEN`).
pub const NO_SUCH_FORMAT: i32 = 20019;
/// Numbers of the libraries' own begin here (`APR_OS_START_USERERR`).
const LIBRARY: i32 = 120_000;

/// A format that is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Sdbm,
    Berkeley,
    Gdbm,
}

impl Format {
    /// By its name (`default`, `DB`, `GDBM`, `SDBM`), as APR tells them apart. None: there is none of that name, or its
    /// library is missing.
    pub fn named(name: &[u8]) -> Option<Format> {
        if name.eq_ignore_ascii_case(b"default") || name.eq_ignore_ascii_case(b"db") {
            return has_berkeley().then_some(Format::Berkeley);
        }
        match name.split_first()? {
            (b'g' | b'G', rest) if rest.eq_ignore_ascii_case(b"dbm") => has_gdbm().then_some(Format::Gdbm),
            (b's' | b'S', rest) if rest.eq_ignore_ascii_case(b"dbm") => Some(Format::Sdbm),
            _ => None,
        }
    }
    /// The files of a database, that whose change tells of every change last.
    pub fn files(self, name: &Path) -> Vec<PathBuf> {
        match self {
            Format::Sdbm => Sdbm::files(name).into(),
            Format::Berkeley | Format::Gdbm => vec![name.to_owned()],
        }
    }
}

/// An open database.
pub enum Dbm {
    Sdbm(Sdbm),
    Berkeley(Berkeley),
    Gdbm(Gdbm),
}

fn errno(error: io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EINVAL)
}

fn of_library(number: i32) -> i32 {
    LIBRARY + number
}

impl Dbm {
    /// `mode` is that of files that are made, under the umask, but for SDBM, whose files are never executable.
    pub fn open(format: Format, name: &Path, access: Access, mode: u32) -> Result<Dbm, i32> {
        match format {
            Format::Sdbm => Sdbm::open(name, access).map(Dbm::Sdbm).map_err(errno),
            Format::Berkeley => Berkeley::open(name, access, mode).map(Dbm::Berkeley).map_err(of_library),
            Format::Gdbm => Gdbm::open(name, access, mode).map(Dbm::Gdbm).map_err(of_library),
        }
    }
    pub fn fetch(&self, key: &[u8]) -> Result<Option<Vec<u8>>, i32> {
        match self {
            Dbm::Sdbm(file) => file.fetch(key).map_err(errno),
            Dbm::Berkeley(file) => file.fetch(key).map_err(of_library),
            Dbm::Gdbm(file) => file.fetch(key).map_err(of_library),
        }
    }
    /// As APR gives it: an empty value of Berkeley DB is taken for none.
    pub fn value(&self, key: &[u8]) -> Result<Option<BString>, i32> {
        let there = |value: &Vec<u8>| !matches!(self, Dbm::Berkeley(_)) || !value.is_empty();
        Ok(self.fetch(key)?.filter(there).map(BString::from))
    }
    /// EINVAL: the pair is too long for the format.
    pub fn store(&mut self, key: &[u8], value: &[u8]) -> Result<(), i32> {
        match self {
            Dbm::Sdbm(file) => file.store(key, value).map_err(errno)?.map_err(|_| libc::EINVAL),
            Dbm::Berkeley(file) => file.store(key, value).map_err(of_library),
            Dbm::Gdbm(file) => file.store(key, value).map_err(of_library),
        }
    }
    /// False: the key was not there.
    pub fn delete(&mut self, key: &[u8]) -> Result<bool, i32> {
        match self {
            Dbm::Sdbm(file) => file.delete(key).map_err(errno),
            Dbm::Berkeley(file) => file.delete(key).map_err(of_library),
            Dbm::Gdbm(file) => file.delete(key).map_err(of_library),
        }
    }
    /// All keys and values, in the order of the file.
    pub fn pairs(&self) -> Result<Pairs, i32> {
        match self {
            Dbm::Sdbm(file) => file.pairs().map_err(errno),
            Dbm::Berkeley(file) => file.pairs().map_err(of_library),
            Dbm::Gdbm(file) => file.pairs().map_err(of_library),
        }
    }
}

/// Where a database is and in which format, as directives have it.
#[derive(Clone, Default)]
pub struct Database {
    pub file: Option<PathBuf>,
    kind: Option<BString>,
}

impl Database {
    /// Takes the name of a format. Nonsense is found out when the file is opened, as in Apache.
    pub fn set_kind(&mut self, name: &BStr) {
        self.kind = Some(name.into());
    }
    /// The format as the configuration has it.
    pub fn kind(&self) -> &BStr {
        self.kind.as_ref().map_or("default".into(), |kind| kind.as_bstr())
    }
    /// The file as messages show it.
    pub fn shown(&self) -> BString {
        self.file.as_ref().map_or("(null)".into(), |path| path.as_os_str().as_encoded_bytes().into())
    }
    /// Opens it to be read; Err with an errno (or APR status).
    pub fn open(&self) -> Result<Dbm, i32> {
        let format = Format::named(self.kind()).ok_or(NO_SUCH_FORMAT)?;
        Dbm::open(format, self.file.as_deref().ok_or(libc::ENOENT)?, Access::Read, 0)
    }
    /// The value of the first of the keys that has one; Err with an errno (or APR status).
    pub fn fetch(&self, keys: &[&[u8]]) -> Result<Option<BString>, i32> {
        let database = self.open()?;
        for key in keys {
            if let Some(value) = database.value(key)? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(Format::named(b"SdbM"), Some(Format::Sdbm));
        for name in [&b""[..], b"ndbm", b"xdbm", b"dbm", b"sdbmx", b"nonsense"] {
            assert_eq!(Format::named(name), None);
        }
    }

    #[test]
    fn there_and_back_in_every_format() {
        let formats = [&b"sdbm"[..], b"db", b"gdbm"].into_iter().filter_map(Format::named);
        for format in formats {
            let dir = tempfile::tempdir().unwrap();
            let name = dir.path().join("file");
            assert!(Dbm::open(format, &name, Access::Write, 0o600).is_err());
            let mut file = Dbm::open(format, &name, Access::Create, 0o600).unwrap();
            for number in 0..3000 {
                file.store(format!("key {number}").as_bytes(), &vec![b'v'; number % 90]).unwrap();
            }
            file.store(b"key 7", b"other").unwrap();
            assert_eq!((file.delete(b"key 8"), file.delete(b"key 8")), (Ok(true), Ok(false)));
            drop(file);
            let file = Dbm::open(format, &name, Access::Read, 0).unwrap();
            assert_eq!(file.fetch(b"key 7"), Ok(Some(b"other".to_vec())));
            assert_eq!(file.fetch(b"key 8"), Ok(None));
            assert_eq!(file.fetch(b"key 90"), Ok(Some(Vec::new())));
            assert_eq!(file.pairs().unwrap().len(), 2999);
            drop(file);
            let last = format.files(&name).pop().unwrap();
            std::fs::write(&last, [0xa5; 1 << 20]).unwrap();
            let file = Dbm::open(format, &name, Access::Read, 0);
            assert!(file.and_then(|file| file.fetch(b"key 7")).is_err(), "{format:?}");
        }
    }
}
