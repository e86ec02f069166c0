//! What the streams of one connection share.

use crate::config::Configuration;
use crate::module::{Http2, Http2Session};
use crate::request::Connection;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

/// See the module text.
pub struct Session {
    pub connection: Arc<Connection>,
    pub configuration: &'static Configuration,
    pub http2: &'static dyn Http2,
    pub limits: Http2Session,
    /// The client takes pushed responses.
    pub push: std::sync::atomic::AtomicBool,
    /// What was pushed, as hashes of URLs.
    pub diary: Mutex<VecDeque<u64>>,
    /// Streams that are worked on.
    active: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Session {
    pub fn new(
        connection: Arc<Connection>,
        configuration: &'static Configuration,
        http2: &'static dyn Http2,
    ) -> Arc<Session> {
        let limits = http2.session(connection.base);
        Arc::new(Session {
            connection,
            configuration,
            http2,
            limits,
            push: false.into(),
            diary: Mutex::default(),
            active: AtomicUsize::new(0),
            waker: Mutex::default(),
        })
    }
    pub fn active(&self) -> usize {
        self.active.load(Ordering::Acquire)
    }
    /// Has the connection's task woken when a stream is done.
    pub fn watch(&self, cx: &Context<'_>) {
        let mut waker = self.waker.lock();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
    /// Whether a resource is to be pushed: it was not yet. Notes that it is.
    pub fn is_news(&self, hash: u64) -> bool {
        if self.limits.diary == 0 {
            return true;
        }
        let mut diary = self.diary.lock();
        if diary.contains(&hash) {
            return false;
        }
        if diary.len() >= self.limits.diary {
            diary.pop_front();
        }
        diary.push_back(hash);
        true
    }
}

/// One stream that is worked on.
pub struct Active(Arc<Session>);

impl Active {
    pub fn new(session: &Arc<Session>) -> Active {
        session.active.fetch_add(1, Ordering::AcqRel);
        Active(session.clone())
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.0.active.fetch_sub(1, Ordering::AcqRel);
        let waker = self.0.waker.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
