//! Directories whose .htaccess was looked for, watched by inotify(7): as long as nothing happens in them, what was found
//! or not found there still holds, and need not be looked for again.
//!
//! One number stands for the state of all of them: whoever kept something asks whether the number is still the same.
//! What inotify does not tell (a file system mounted over a directory) is bounded by the age to which things are kept.

use bstr::{BStr, BString, ByteSlice};
use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use nix::sys::statfs::{self, FsType, statfs};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

/// Directories and files a child watches at most: the system bounds what all of a user's processes may.
const CAPACITY: usize = 1024;

/// File systems whose changes all pass through this kernel.
const LOCAL: [FsType; 5] =
    [statfs::EXT4_SUPER_MAGIC, statfs::XFS_SUPER_MAGIC, statfs::BTRFS_SUPER_MAGIC, statfs::TMPFS_MAGIC, OVERLAY];
const OVERLAY: FsType = statfs::OVERLAYFS_SUPER_MAGIC;

struct Watches {
    inotify: Inotify,
    /// Changes with everything that happens.
    state: u64,
    known: HashMap<BString, WatchDescriptor>,
    /// Names whose coming and going matters: .htaccess files and parts of paths.
    names: HashSet<BString>,
}

/// Made by the first who asks, in the child. None: the system has no more to give.
static WATCHES: LazyLock<Option<Mutex<Watches>>> = LazyLock::new(|| {
    let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).ok()?;
    Some(Mutex::new(Watches { inotify, state: 1, known: HashMap::new(), names: HashSet::new() }))
});

/// The state of all that is watched, at this very moment. None: it cannot be told now.
pub fn state() -> Option<u64> {
    let mut watches = WATCHES.as_ref()?.try_lock()?;
    watches.catch_up();
    Some(watches.state)
}

/// Watches a directory, in which `names` matter. False: it is no directory by itself (a symbolic link), or cannot be
/// watched. The path may end with a slash.
pub fn directory<'a>(path: &[u8], names: impl Iterator<Item = &'a [u8]>) -> bool {
    use AddWatchFlags as F;
    let bare = path.strip_suffix(b"/").filter(|bare| !bare.is_empty()).unwrap_or(path);
    let events = F::IN_CREATE | F::IN_DELETE | F::IN_MOVED_FROM | F::IN_MOVED_TO | F::IN_DELETE_SELF | F::IN_MOVE_SELF;
    watch(bare, names, events | F::IN_ATTRIB | F::IN_ONLYDIR | F::IN_DONT_FOLLOW)
}

/// Watches a file's content and attributes.
pub fn file(path: &[u8]) -> bool {
    use AddWatchFlags as F;
    let events = F::IN_MODIFY | F::IN_ATTRIB | F::IN_DELETE_SELF | F::IN_MOVE_SELF | F::IN_CLOSE_WRITE;
    watch(path, std::iter::empty(), events)
}

fn watch<'a>(path: &[u8], names: impl Iterator<Item = &'a [u8]>, events: AddWatchFlags) -> bool {
    let Some(mut watches) = WATCHES.as_ref().and_then(Mutex::try_lock) else { return false };
    for name in names.filter(|name| !name.is_empty()) {
        if !watches.names.contains(BStr::new(name)) {
            watches.names.insert(name.into());
        }
    }
    if watches.known.contains_key(BStr::new(path)) {
        return true;
    }
    let path_name = path.to_os_str_lossy();
    let local = statfs(&*path_name).is_ok_and(|system| LOCAL.contains(&system.filesystem_type()));
    if !local || watches.known.len() >= CAPACITY || watches.names.len() >= 64 * CAPACITY {
        return false;
    }
    match watches.inotify.add_watch(&*path_name, events) {
        Ok(descriptor) => watches.known.insert(path.into(), descriptor).is_none(),
        Err(_) => false,
    }
}

impl Watches {
    fn catch_up(&mut self) {
        loop {
            let events = match self.inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EINTR) => continue,
                Err(_) => return,
            };
            for event in events {
                let about_itself = event.name.is_none();
                let matters = event.name.is_none_or(|name| self.names.contains(BStr::new(name.as_bytes())));
                if !matters {
                    continue;
                }
                self.state += 1;
                if about_itself {
                    // Another may stand under its path: it is to be watched anew.
                    let gone = self.known.extract_if(|_, descriptor| *descriptor == event.wd).count();
                    if gone > 0 {
                        let _ = self.inotify.rm_watch(event.wd);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_changes_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().as_os_str().as_bytes();
        let names = || [b".htaccess".as_slice(), b"sub"].into_iter();
        if !directory(root, names()) {
            // No watches to be had, or a file system that is not known to report all.
            return;
        }
        let at = |name: &str| dir.path().join(name);
        let before = state().unwrap();
        std::fs::write(at("other"), "").unwrap();
        assert_eq!(state(), Some(before));
        std::fs::write(at(".htaccess"), "a").unwrap();
        let written = state().unwrap();
        assert!(written > before);
        assert!(file(at(".htaccess").as_os_str().as_bytes()));
        std::fs::write(at(".htaccess"), "b").unwrap();
        let changed = state().unwrap();
        assert!(changed > written);
        std::fs::create_dir(at("sub")).unwrap();
        let made = state().unwrap();
        assert!(made > changed && state() == Some(made));
        std::os::unix::fs::symlink("sub", at("link")).unwrap();
        assert!(!directory(at("link").as_os_str().as_bytes(), names()));
        assert!(directory(at("sub").as_os_str().as_bytes(), names()));
        std::fs::remove_dir(at("sub")).unwrap();
        assert!(state().unwrap() > made);
    }
}
