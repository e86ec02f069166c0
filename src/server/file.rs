//! Facts of files.

use crate::log::{self, Level};
use crate::request::{FileInfo, FileKind};
use bstr::ByteSlice;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

impl From<&Metadata> for FileInfo {
    fn from(meta: &Metadata) -> FileInfo {
        let kind = match meta.file_type() {
            kind if kind.is_file() => FileKind::File,
            kind if kind.is_dir() => FileKind::Directory,
            _ => FileKind::Other,
        };
        FileInfo {
            kind,
            looked_up: true,
            size: meta.size(),
            changed: meta.ctime().wrapping_mul(1_000_000_000).wrapping_add(meta.ctime_nsec()),
            mtime: meta.mtime().wrapping_mul(1_000_000).wrapping_add(meta.mtime_nsec() / 1000),
            inode: meta.ino(),
            device: meta.dev(),
            uid: meta.uid(),
            gid: meta.gid(),
            mode: meta.mode(),
        }
    }
}

/// `stat(2)`: follows symbolic links.
pub fn stat(path: &[u8]) -> io::Result<FileInfo> {
    Ok((&std::fs::metadata(path.to_os_str_lossy())?).into())
}

/// `lstat(2)` and whether the path is a symbolic link.
pub fn lstat(path: &[u8]) -> io::Result<(FileInfo, bool)> {
    let meta = std::fs::symlink_metadata(path.to_os_str_lossy())?;
    Ok(((&meta).into(), meta.file_type().is_symlink()))
}

/// Opens a file of the configuration's kind: a regular one, or /dev/null. The log says so where it is neither.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_file() || path == Path::new("/dev/null") {
        return Ok(file);
    }
    let text = format_args!("AH00554: Access to file {} denied by server: not a regular file", path.display());
    log::process(Level::Error, "core", text);
    Err(io::Error::from_raw_os_error(libc::EBADF))
}

/// The part of a path up to and with its last slash.
pub fn dirname(path: &[u8]) -> &[u8] {
    path.rfind_byte(b'/').map_or(&[], |slash| &path[..=slash])
}

/// A size in four octets: up to 972 as it is, then with one decimal below ten units.
pub fn short_size(size: Option<u64>) -> String {
    let Some(size) = size else { return "  - ".to_owned() };
    if size < 973 {
        return format!("{size:3} ");
    }
    let mut whole = size;
    for unit in ["K", "M", "G", "T", "P", "E"] {
        let rest = whole & 1023;
        whole >>= 10;
        if whole >= 973 {
            continue;
        }
        if whole < 9 || (whole == 9 && rest < 973) {
            let tenths = (rest * 5 + 256) / 512;
            return if tenths >= 10 { format!("{}.0{unit}", whole + 1) } else { format!("{whole}.{tenths}{unit}") };
        }
        return format!("{:3}{unit}", whole + u64::from(rest >= 512));
    }
    "****".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_four_octets() {
        for (octets, text) in [
            (0, "  0 "),
            (972, "972 "),
            (973, "1.0K"),
            (1023, "1.0K"),
            (2000, "2.0K"),
            (5_000_000, "4.8M"),
            (20_480, " 20K"),
        ] {
            assert_eq!(short_size(Some(octets)), text);
        }
        assert_eq!(short_size(None), "  - ");
    }
}
