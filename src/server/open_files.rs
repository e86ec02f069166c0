//! Small files that stay open for a moment, so that a page that many ask for is opened once.
//!
//! Every request has looked the file up by its path already. If that found the very file that stands here, unchanged in
//! content, owner and mode (all of which show in the time of change), then opening it once more would give the same.
//! The content of a short one is kept too, once its time of change lies so far back that a new change must show in it,
//! and for a second at most: a program that writes through a mapping changes the time only now and then. Nobody looks at
//! a file for some seconds: it is closed, so that a file system can be unmounted and a deleted file's room is free again.

use crate::engine;
use crate::log::clock;
use crate::request::{FileInfo, FileKind, OpenFile};
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
/// Content up to here is kept.
const SHORT: u64 = 4 * 1024;
/// How old a change must be for the next one to have another time: the coarsest file systems count in two seconds.
const SETTLED: Duration = Duration::from_secs(3);
/// Rounds of the clock after which a file that nobody asked for is closed.
const ROUNDS: u8 = 2;
const ROUND: Duration = Duration::from_secs(1);

struct Place {
    info: FileInfo,
    file: Arc<OpenFile>,
    rounds: u8,
}

static PLACES_HELD: Mutex<[Option<Place>; PLACES]> = Mutex::new([const { None }; PLACES]);
static CLOCK: AtomicBool = AtomicBool::new(false);

/// Opens a file for reading that a look at its path has just shown as `info`.
pub(super) fn open(path: &[u8], info: &FileInfo) -> io::Result<Arc<OpenFile>> {
    keep(path, info, SETTLED)
}

fn keep(path: &[u8], info: &FileInfo, settled: Duration) -> io::Result<Arc<OpenFile>> {
    let fresh = || Ok(Arc::new(File::open(path.to_os_str_lossy())?.into()));
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
    let file = File::open(path.to_os_str_lossy())?;
    // Between the look and the opening another file may have come into the path.
    let same = FileInfo::from(&file.metadata()?) == *info;
    let mut file = OpenFile::from(file);
    if same && info.size <= SHORT && clock::now().saturating_sub(info.changed / 1000) > settled.as_micros() as i64 {
        file.read_whole(info.size as usize);
    }
    let file = Arc::new(file);
    if same {
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
                if old.rounds > ROUNDS || old.file.remembers() {
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
    use std::os::unix::fs::PermissionsExt;

    fn text(file: Arc<OpenFile>) -> String {
        let mut room = [0; 100];
        let length = file.read_at(&mut room, 0).unwrap();
        String::from_utf8(room[..length].to_vec()).unwrap()
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
            // What has just changed may change once more within the same tick of the clock: its content is read anew.
            std::fs::write(&path, "two").unwrap();
            assert_eq!(text(third), "two");
            std::thread::sleep(Duration::from_millis(50));
            let fourth = keep(&bytes, &look(), Duration::from_millis(20)).unwrap();
            std::fs::write(&path, "six").unwrap();
            assert_eq!(text(fourth), "two");
            assert_eq!(text(open(&bytes, &look()).unwrap()), "six");
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
