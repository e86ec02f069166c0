//! Sessions: a few keys and values of a visitor, from one request to the next (Apache's `session_rec`).
//!
//! mod_session has the directives and offers [`Sessions`]; modules that keep the text somewhere offer a [`SessionStore`],
//! those that change it on its way a [`SessionCoding`].

use crate::request::{Request, Status};
use bstr::{BStr, BString};

/// A session while a request has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub entries: Vec<(BString, BString)>,
    /// As it came from the store, until it is decoded.
    pub encoded: Option<BString>,
    /// When it ends, in microseconds since the epoch; 0: never.
    pub expires: i64,
    /// Seconds that it lasts without a request; 0: for ever.
    pub max_age: i64,
    /// Its entries were changed.
    pub dirty: bool,
    pub written: bool,
}

impl Session {
    pub fn get(&self, key: &[u8]) -> Option<&BStr> {
        self.entries.iter().find(|(known, _)| known == key).map(|(_, value)| BStr::new(value))
    }
    /// Sets an entry in its place, or takes it away.
    pub fn set(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.dirty = true;
        match (self.entries.iter_mut().find(|(known, _)| known == key), value) {
            (Some((_, old)), Some(value)) => *old = value.into(),
            (None, Some(value)) => self.entries.push((key.into(), value.into())),
            (Some(_), None) => self.entries.retain(|(known, _)| known != key),
            (None, None) => {}
        }
    }
}

/// Where sessions are kept, offered under its name (`cookie`).
pub trait SessionStore: Sync {
    /// The session with its text, empty where the visitor has none; None: the store has no part in this request.
    fn load(&self, r: &mut Request) -> Option<Result<Session, Status>>;
    /// Keeps the text, or forgets the session where it is empty. False: the store has no part in this request.
    fn save(&self, r: &mut Request, session: &Session, text: &BStr) -> bool;
}

/// What stands between a session's text and its store, offered under its name (`crypto`). Errors are errno values or APR's.
pub trait SessionCoding: Sync {
    fn encode(&self, r: &mut Request, text: BString) -> Result<BString, i32>;
    fn decode(&self, r: &mut Request, text: BString) -> Result<BString, i32>;
}

/// Offered as `session`: the request's session.
pub trait Sessions: Sync {
    /// Its entry under `key`.
    fn get(&self, r: &mut Request, key: &[u8]) -> Option<BString>;
    /// Sets or takes away an entry; the session is saved with the response.
    fn set(&self, r: &mut Request, key: &[u8], value: Option<&[u8]>);
}
