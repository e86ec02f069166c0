//! Small files that stay open for a moment, so that a page that many ask for is opened once.
//!
//! Every request has looked the file up by its path already. If that found the very file that stands here, unchanged in
//! content, owner and mode (all of which show in the time of change), then opening it once more would give the same.
//! The content is read anew each time. Nobody looks at a file for some seconds: it is closed, so that a file system
//! can be unmounted and a deleted file's room is free again.

use crate::engine;
use crate::request::{FileInfo, FileKind};
use bstr::ByteSlice;
use parking_lot::Mutex;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Files that a child keeps open, one for each place.
const PLACES: usize = 128;
/// Larger files are not worth it, and a deleted one would hold its room.
const LARGEST: u64 = 64 * 1024;
/// Rounds of the clock after which a file that nobody asked for is closed.
const ROUNDS: u8 = 2;
const ROUND: Duration = Duration::from_secs(1);

struct Place {
    info: FileInfo,
    file: Arc<File>,
    rounds: u8,
}

static PLACES_HELD: Mutex<[Option<Place>; PLACES]> = Mutex::new([const { None }; PLACES]);
static CLOCK: AtomicBool = AtomicBool::new(false);

/// Opens a file for reading that a look at its path has just shown as `info`.
pub(super) fn open(path: &[u8], info: &FileInfo) -> io::Result<Arc<File>> {
    let fresh = || Ok(Arc::new(File::open(path.to_os_str_lossy())?));
    let small = info.kind == FileKind::File && info.size <= LARGEST && info.changed != 0;
    // Elsewhere a thread that waits could not close what it holds; and nobody waits for another's look.
    if !small || engine::event::handle().is_none() {
        return fresh();
    }
    let Some(mut places) = PLACES_HELD.try_lock() else { return fresh() };
    let at = (info.inode ^ info.device.rotate_left(3)) as usize % PLACES;
    let Some(place) = places.get_mut(at) else { return fresh() };
    if let Some(place) = place.as_mut().filter(|place| place.info == *info) {
        place.rounds = 0;
        return Ok(place.file.clone());
    }
    let file = fresh()?;
    // Between the look and the opening another file may have come into the path.
    if FileInfo::from(&file.metadata()?) == *info {
        *place = Some(Place { info: *info, file: file.clone(), rounds: 0 });
        if !CLOCK.swap(true, Ordering::Relaxed) {
            engine::spawn(close_old());
        }
    }
    Ok(file)
}

/// Closes what nobody asks for; ends when nothing is left.
async fn close_old() {
    loop {
        engine::sleep(ROUND).await;
        let mut places = PLACES_HELD.lock();
        let mut held = false;
        for place in places.iter_mut() {
            if let Some(old) = place {
                old.rounds += 1;
                if old.rounds > ROUNDS {
                    *place = None;
                } else {
                    held = true;
                }
            }
        }
        if !held {
            CLOCK.store(false, Ordering::Relaxed);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::PermissionsExt;

    fn text(file: Arc<File>) -> String {
        use std::io::Seek;
        let mut text = String::new();
        (&*file).rewind().unwrap();
        (&*file).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn the_same_file_is_opened_once_and_a_changed_one_anew() {
        let whole = async {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("a");
            let bytes = path.as_os_str().as_encoded_bytes().to_vec();
            let look = || FileInfo::from(&std::fs::metadata(&path).unwrap());
            std::fs::write(&path, "one").unwrap();
            let (first, second) = (open(&bytes, &look()).unwrap(), open(&bytes, &look()).unwrap());
            assert!(Arc::ptr_eq(&first, &second));
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            let third = open(&bytes, &look()).unwrap();
            assert!(!Arc::ptr_eq(&first, &third));
            // Content is never remembered.
            std::fs::write(&path, "two").unwrap();
            assert_eq!(text(third), "two");
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, "new").unwrap();
            assert_eq!(text(open(&bytes, &look()).unwrap()), "new");
            if let Some(handle) = engine::event::handle() {
                handle.stop();
            }
        };
        engine::event::run(engine::event::Options::default(), whole).unwrap();
    }
}
