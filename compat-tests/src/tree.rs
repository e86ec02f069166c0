//! Lays a server root out twice, alike to the inode: plain files are hard links, times are fixed.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use memchr::memmem;

use crate::ports::Ports;

/// Tue, 02 Jan 2024 03:04:05 GMT: the modification time of every file and directory of a case.
pub const MTIME: u64 = 1_704_164_645;

/// One entry of a case's tree, its path relative to the server root.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A file; `@ROOT@`, `@PORT@` and `@PORT2@` in it are replaced.
    File(String, Vec<u8>),
    /// An empty directory.
    Dir(String),
    /// A symbolic link and its target.
    Link(String, String),
    /// Permission bits for an entry made before.
    Mode(String, u32),
    /// Modification time, seconds since 1970, for an entry made before.
    Mtime(String, u64),
}

/// What differs between the two sides; also what the normalisers need to know.
#[derive(Clone, Debug)]
pub struct Names {
    /// The server root.
    pub root: PathBuf,
    /// The program.
    pub httpd: PathBuf,
    /// `@PORT@` and `@PORT2@`.
    pub ports: Ports,
}

impl Names {
    /// Replaces the placeholders of a case's text.
    pub fn fill(&self, text: &[u8]) -> Vec<u8> {
        let text = replace(text, b"@ROOT@", self.root.as_os_str().as_bytes());
        let text = replace(&text, b"@PORT@", self.ports.numbers[0].to_string().as_bytes());
        replace(&text, b"@PORT2@", self.ports.numbers[1].to_string().as_bytes())
    }
}

/// Every occurrence of `from` replaced by `to`.
pub fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for at in memmem::find_iter(text, from) {
        out.extend_from_slice(&text[done..at]);
        out.extend_from_slice(to);
        done = at + from.len();
    }
    out.extend_from_slice(&text[done..]);
    out
}

/// Writes a file that was laid out before; the other side may share its inode, so it is a new one.
pub fn write_anew(path: &Path, bytes: &[u8]) {
    let _ = fs::remove_file(path);
    fs::write(path, bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Makes `entries` under the roots of both sides.
pub fn lay_out(sides: &[&Names; 2], entries: &[Entry]) {
    for side in sides {
        for dir in ["conf", "logs", "run", "htdocs"] {
            fs::create_dir_all(side.root.join(dir)).expect("a directory of the server root");
        }
    }
    for entry in entries {
        make(sides, entry);
    }
    for side in sides {
        settle(&side.root);
    }
    for entry in entries {
        if let Entry::Mtime(path, seconds) = entry {
            for side in sides {
                set_mtime(&side.root.join(path), *seconds);
            }
        }
    }
}

fn make(sides: &[&Names; 2], entry: &Entry) {
    for (number, side) in sides.iter().enumerate() {
        match entry {
            Entry::File(path, bytes) => {
                let at = place(side, path);
                // Placeholders are looked for in files of a size that people write.
                let own = if bytes.len() < 256 * 1024 { side.fill(bytes) } else { bytes.clone() };
                if number == 1 && own == *bytes {
                    // The same inode on both sides: ETags with INode agree.
                    fs::hard_link(sides[0].root.join(path), at).expect("a hard link");
                } else {
                    fs::write(&at, own).unwrap_or_else(|e| panic!("{}: {e}", at.display()));
                }
            }
            Entry::Dir(path) => fs::create_dir_all(side.root.join(path)).expect("a directory"),
            Entry::Link(path, target) => {
                let target = side.fill(target.as_bytes());
                symlink(Path::new(OsStr::from_bytes(&target)), place(side, path)).expect("a symbolic link");
            }
            Entry::Mode(path, mode) => {
                fs::set_permissions(side.root.join(path), Permissions::from_mode(*mode)).expect("permission bits")
            }
            Entry::Mtime(..) => {}
        }
    }
}

fn place(side: &Names, path: &str) -> PathBuf {
    let at = side.root.join(path);
    if let Some(parent) = at.parent() {
        fs::create_dir_all(parent).expect("a directory");
    }
    at
}

/// Fixed times for everything, leaves first: making an entry touches its directory.
fn settle(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            settle(&entry.path());
        } else if kind.is_file() {
            set_mtime(&entry.path(), MTIME);
        }
    }
    set_mtime(dir, MTIME);
}

fn set_mtime(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    if let Ok(file) = File::open(path) {
        file.set_times(FileTimes::new().set_accessed(time).set_modified(time)).expect("file times");
    }
}
