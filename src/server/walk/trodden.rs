//! Directories that a thread walked lately, and what held in them.
//!
//! Only walks that the disk had no other say in are kept: every directory let symbolic links be followed, and none could
//! have an .htaccess, or all are watched. What such a walk comes to depends on the configuration and on the state of
//! what is watched.

use crate::config::{Dir, watch};
use bstr::BString;
use std::cell::RefCell;

/// Places a thread remembers.
const PLACES: usize = 512;
/// Microseconds for which a watched walk is believed: not every change can be watched.
const BELIEVED: i64 = 1_000_000;

struct Place {
    /// Id of the settings at the walk's start.
    base: u64,
    /// The virtual host, whose sections were walked.
    server: usize,
    /// With its slash.
    path: BString,
    dir: Dir,
    next_section: usize,
    watched: Option<Watched>,
}

/// When a walk that looked for .htaccess files was made.
#[derive(Clone, Copy)]
pub(super) struct Watched {
    /// See [`watch::state`].
    pub state: u64,
    /// Microseconds since the epoch.
    pub time: i64,
}

thread_local! {
    static WALKED: RefCell<Vec<Option<Place>>> = const { RefCell::new(Vec::new()) };
}

fn place_of(base: u64, server: usize, path: &[u8]) -> usize {
    let start = (base ^ (server as u64).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = path.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ hash >> 32) as usize % PLACES
}

/// What holds in a directory, and the section from which on patterns are to be tried.
pub(super) fn find(base: u64, server: usize, path: &[u8], time: i64) -> Option<(Dir, usize)> {
    WALKED.with_borrow(|walked| {
        let place = walked.get(place_of(base, server, path))?.as_ref()?;
        if place.base != base || place.server != server || place.path != path {
            return None;
        }
        if let Some(watched) = place.watched
            && (!(0..BELIEVED).contains(&(time - watched.time)) || watch::state() != Some(watched.state))
        {
            return None;
        }
        Some((place.dir.clone(), place.next_section))
    })
}

/// Remembers what a walk came to.
pub(super) fn keep(base: u64, server: usize, path: &[u8], dir: &Dir, next_section: usize, watched: Option<Watched>) {
    let place = Place { base, server, path: path.into(), dir: dir.clone(), next_section, watched };
    WALKED.with_borrow_mut(|walked| {
        walked.resize_with(PLACES, || None);
        if let Some(old) = walked.get_mut(place_of(base, server, path)) {
            *old = Some(place);
        }
    });
}
