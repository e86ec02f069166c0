//! What is known of a worker or balancer while the server runs: words that all children share where there is slotted
//! memory for them, and that each child has for itself otherwise.

use super::worker::{Parameters, bits};
use crate::module::Slots;
use crate::sys::shared_lock::{self, Held};
use bstr::BString;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Words of a record.
pub enum Words {
    Own(Box<[AtomicU64]>),
    Slot(Arc<Slots>, usize),
}

static NONE: AtomicU64 = AtomicU64::new(0);

impl Words {
    pub fn own(count: usize) -> Words {
        Words::Own((0..count).map(|_| AtomicU64::new(0)).collect())
    }
    fn all(&self) -> &[AtomicU64] {
        match self {
            Words::Own(words) => words,
            Words::Slot(slots, index) => slots.slot(*index).unwrap_or_default(),
        }
    }
    /// One word.
    pub fn at(&self, index: usize) -> &AtomicU64 {
        self.all().get(index).unwrap_or(&NONE)
    }
    pub fn number(&self, index: usize) -> i64 {
        self.at(index).load(Relaxed) as i64
    }
    pub fn set(&self, index: usize, value: i64) {
        self.at(index).store(value as u64, Relaxed);
    }
    pub fn add(&self, index: usize, value: i64) {
        self.at(index).fetch_add(value as u64, Relaxed);
    }
    /// The lock that the record's first word is. Held for moments only.
    pub fn lock(&self) -> Held<'_> {
        shared_lock::lock(self.at(LOCK))
    }
    /// The text of `place`; written and read under the record's lock.
    pub fn text(&self, place: Text) -> BString {
        let _held = self.lock();
        let length = usize::try_from(self.number(place.at)).unwrap_or(0).min((place.words - 1) * 8);
        let words = self.all().get(place.at + 1..place.at + place.words).unwrap_or_default();
        let mut text: Vec<u8> = words.iter().flat_map(|word| word.load(Relaxed).to_le_bytes()).collect();
        text.truncate(length);
        text.into()
    }
    /// Puts a text there; one that is too long is cut.
    pub fn set_text(&self, place: Text, text: &[u8]) {
        let _held = self.lock();
        let text = text.get(..text.len().min((place.words - 1) * 8)).unwrap_or_default();
        for (word, octets) in self.all().iter().skip(place.at + 1).zip(text.chunks(8)) {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
            word.store(u64::from_le_bytes(bytes), Relaxed);
        }
        self.set(place.at, text.len() as i64);
    }
    /// Copies the record of an earlier generation.
    pub fn take_over(&self, old: &[AtomicU64]) {
        for (to, from) in self.all().iter().zip(old).skip(1) {
            to.store(from.load(Relaxed), Relaxed);
        }
    }
}

/// Where a text stands in a record: a word for its length, then its octets.
#[derive(Clone, Copy)]
pub struct Text {
    pub at: usize,
    pub words: usize,
}

/// Every record begins with its lock.
const LOCK: usize = 0;

/// Words of a worker's record.
pub mod word {
    use super::Text;
    pub const STATUS: usize = 1;
    /// Microseconds since 1970.
    pub const ERROR_TIME: usize = 2;
    pub const RETRIES: usize = 3;
    pub const LB_STATUS: usize = 4;
    /// Hundredths.
    pub const FACTOR: usize = 5;
    pub const SET: usize = 6;
    pub const ELECTED: usize = 7;
    pub const BUSY: usize = 8;
    /// Octets to and from the backend.
    pub const SENT: usize = 9;
    pub const RECEIVED: usize = 10;
    pub const ROUTE: Text = Text { at: 11, words: 9 };
    pub const REDIRECT: Text = Text { at: 20, words: 9 };
    /// The URL of a worker that was added while the server runs.
    pub const NAME: Text = Text { at: 29, words: 41 };
    /// Health checks: method, microseconds between two, how many decide, how many there were, when the last was.
    pub const METHOD: usize = 70;
    pub const INTERVAL: usize = 71;
    pub const PASSES: usize = 72;
    pub const FAILS: usize = 73;
    pub const PASSED: usize = 74;
    pub const FAILED: usize = 75;
    pub const CHECKED: usize = 76;
    pub const URI: Text = Text { at: 77, words: 33 };
    pub const EXPRESSION: Text = Text { at: 110, words: 9 };
    pub const ALL: usize = 119;
}

/// The live part of a worker.
pub struct State(pub Words);

impl State {
    /// For one child alone.
    pub fn own(parameters: &Parameters) -> State {
        State::begin(Words::own(word::ALL), parameters)
    }
    /// A record filled with what the configuration says.
    pub fn begin(words: Words, parameters: &Parameters) -> State {
        words.set(word::STATUS, i64::from(parameters.status | bits::INITIALIZED));
        words.set(word::FACTOR, (parameters.factor.unwrap_or(1.0) * 100.0) as i64);
        words.set(word::SET, parameters.lbset.unwrap_or(0));
        words.set_text(word::ROUTE, parameters.route.as_ref().map_or(b"", |route| route));
        words.set_text(word::REDIRECT, parameters.redirect.as_ref().map_or(b"", |redirect| redirect));
        let health = &parameters.health;
        words.set(word::METHOD, health.method.unwrap_or(0));
        words.set(word::INTERVAL, health.interval.unwrap_or(30_000_000));
        words.set(word::PASSES, health.passes.unwrap_or(1));
        words.set(word::FAILS, health.fails.unwrap_or(1));
        words.set(word::CHECKED, clock());
        words.set_text(word::URI, health.uri.as_ref().map_or(b"", |uri| uri));
        words.set_text(word::EXPRESSION, health.expression.as_ref().map_or(b"", |name| name));
        State(words)
    }
    pub fn status(&self) -> u32 {
        self.0.number(word::STATUS) as u32
    }
    pub fn has(&self, bits: u32) -> bool {
        self.status() & bits != 0
    }
    /// Sets or clears bits of the status.
    pub fn mark(&self, bits: u32, on: bool) {
        let word = self.0.at(word::STATUS);
        match on {
            true => word.fetch_or(u64::from(bits), Relaxed),
            false => word.fetch_and(!u64::from(bits), Relaxed),
        };
    }
    pub fn usable(&self) -> bool {
        !self.has(bits::UNUSABLE)
    }
    /// Nobody asks it until its time to retry has come, unless its errors are to be ignored.
    pub fn fail(&self, now: i64) {
        if !self.has(bits::IGNORE_ERRORS) {
            self.mark(bits::IN_ERROR, true);
            self.0.set(word::ERROR_TIME, now);
        }
    }
    pub fn route(&self) -> BString {
        self.0.text(word::ROUTE)
    }
    /// The status in words: `Init Ok `.
    pub fn shown(&self) -> String {
        const NAMES: [(u32, &str); 9] = [
            (bits::INITIALIZED, "Init "),
            (bits::IGNORE_ERRORS, "Ign "),
            (bits::DRAIN, "Drn "),
            (bits::DISABLED, "Dis "),
            (bits::STOPPED, "Stop "),
            (bits::IN_ERROR, "Err "),
            (bits::HOT_STANDBY, "Stby "),
            (bits::HOT_SPARE, "Spar "),
            (bits::HEALTH_FAILED, "HcFl "),
        ];
        let mut out: String = NAMES.iter().filter(|(bit, _)| self.has(*bit)).map(|(_, name)| *name).collect();
        if self.usable() {
            out.push_str("Ok ");
        }
        out
    }
}

/// Now, in microseconds since 1970.
pub fn clock() -> i64 {
    crate::log::clock::now()
}

/// A counter of requests at a worker, counted down when the last of its holders is done.
pub struct Busy(Arc<super::Worker>);

impl Busy {
    pub fn begin(worker: &Arc<super::Worker>) -> Arc<Busy> {
        worker.state().0.add(word::BUSY, 1);
        Arc::new(Busy(worker.clone()))
    }
    /// Counts octets to the backend.
    pub fn sent(&self, count: usize) {
        self.0.state().0.add(word::SENT, count as i64);
    }
    /// Counts octets from the backend.
    pub fn received(&self, count: usize) {
        self.0.state().0.add(word::RECEIVED, count as i64);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let word = self.0.state().0.at(word::BUSY);
        let _ = word.fetch_update(Relaxed, Relaxed, |busy| busy.checked_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_states() {
        let state = State::own(&Parameters { route: Some("a".repeat(63).into()), ..Parameters::default() });
        assert_eq!(state.route(), "a".repeat(63));
        state.0.set_text(word::ROUTE, b"short");
        assert_eq!((state.route(), state.shown()), ("short".into(), "Init Ok ".into()));
        state.0.set_text(word::REDIRECT, &[b'x'; 100]);
        assert_eq!(state.0.text(word::REDIRECT).len(), 64);
        state.fail(7);
        assert!(!state.usable() && state.shown() == "Init Err ");
        state.mark(bits::IN_ERROR, false);
        state.mark(bits::IGNORE_ERRORS, true);
        state.fail(8);
        assert!(state.usable());
        assert_eq!(state.0.number(word::ERROR_TIME), 7);
        state.0.add(word::LB_STATUS, -5);
        assert_eq!(state.0.number(word::LB_STATUS), -5);
    }
}
