//! Directories that a thread walked lately, and what held in them.
//!
//! Only walks that asked the disk for nothing are kept: every directory let symbolic links be followed and none could
//! have an .htaccess. What such a walk comes to depends on the configuration alone.

use crate::config::Dir;
use bstr::BString;
use std::cell::RefCell;

/// Directories a thread remembers.
const PLACES: usize = 32;

struct Place {
    /// Id of the settings at the walk's start.
    base: u64,
    /// The virtual host, whose sections were walked.
    server: usize,
    /// With its slash.
    path: BString,
    dir: Dir,
    next_section: usize,
}

#[derive(Default)]
struct Places {
    known: Vec<Place>,
    /// The next to be forgotten.
    oldest: usize,
}

thread_local! {
    static PLACES_WALKED: RefCell<Places> = RefCell::default();
}

/// What holds in a directory, and the section from which on patterns are to be tried.
pub(super) fn find(base: u64, server: usize, path: &[u8]) -> Option<(Dir, usize)> {
    PLACES_WALKED.with_borrow(|places| {
        let mut known = places.known.iter();
        let place = known.find(|place| place.base == base && place.server == server && place.path == path)?;
        Some((place.dir.clone(), place.next_section))
    })
}

/// Remembers what a walk came to.
pub(super) fn keep(base: u64, server: usize, path: &[u8], dir: &Dir, next_section: usize) {
    let place = Place { base, server, path: path.into(), dir: dir.clone(), next_section };
    PLACES_WALKED.with_borrow_mut(|places| {
        if places.known.len() < PLACES {
            return places.known.push(place);
        }
        let at = places.oldest;
        places.oldest = (at + 1) % PLACES;
        if let Some(old) = places.known.get_mut(at) {
            *old = place;
        }
    });
}
