//! Where lines go, and when.
//!
//! Lines of many requests that an event loop answers in one round leave in one `write(2)`, at the round's end: before
//! the loop waits again, and before it blocks. A thread that has its connection to itself writes each line at once.
//! BufferedLogs holds lines back until a buffer is full.

use crate::engine;
use parking_lot::Mutex;
use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is held at most (PIPE_BUF): a longer write could be torn apart by another process's.
const MOST: usize = 4096;

/// An open log.
#[derive(Clone)]
pub struct Writer(Arc<Log>);

struct Log {
    file: Arc<File>,
    buffered: bool,
    held: Mutex<Vec<u8>>,
}

/// Logs that hold lines of this round.
static WAITING: Mutex<Vec<Writer>> = Mutex::new(Vec::new());
static SOME: AtomicBool = AtomicBool::new(false);

thread_local! {
    // What is being written: never under the lock that others add lines under.
    static LEAVING: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    // The logs whose turn it is, in the order of their first lines: they may share a file.
    static TURN: RefCell<Vec<Writer>> = const { RefCell::new(Vec::new()) };
}

impl Writer {
    pub fn new(file: Arc<File>, buffered: bool) -> Writer {
        Writer(Arc::new(Log { file, buffered, held: Mutex::default() }))
    }

    /// Hands a line over. A log that cannot be written to loses it: the request has been answered.
    pub fn line(&self, line: &[u8]) {
        let log = &*self.0;
        if line.len() >= MOST || !(log.buffered || engine::event::driven()) {
            self.flush();
            drop(log.file.as_ref().write_all(line));
            return;
        }
        let mut held = log.held.lock();
        if held.len() + line.len() > MOST {
            drop(held);
            self.flush();
            held = log.held.lock();
        }
        let first = held.is_empty();
        held.extend_from_slice(line);
        drop(held);
        if first && !log.buffered {
            WAITING.lock().push(self.clone());
            SOME.store(true, Ordering::Release);
        }
    }

    /// Writes what is held.
    pub fn flush(&self) {
        LEAVING.with(|leaving| match leaving.try_borrow_mut() {
            Ok(mut leaving) => self.flush_through(&mut leaving),
            Err(_) => self.flush_through(&mut Vec::new()),
        });
    }

    fn flush_through(&self, leaving: &mut Vec<u8>) {
        leaving.clear();
        std::mem::swap(&mut *self.0.held.lock(), leaving);
        if !leaving.is_empty() {
            drop(self.0.file.as_ref().write_all(leaving));
        }
    }
}

/// Writes the lines of the round that ends.
pub fn end_round() {
    if !SOME.swap(false, Ordering::AcqRel) {
        return;
    }
    TURN.with_borrow_mut(|turn| {
        std::mem::swap(&mut *WAITING.lock(), turn);
        for writer in turn.drain(..) {
            writer.flush();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::open_file;

    #[test]
    fn lines_of_a_round_leave_together_and_others_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let writer = Writer::new(Arc::new(open_file(&path, 0o644).unwrap()), false);
        let read = move || std::fs::read_to_string(&path).unwrap();
        writer.line(b"one\n");
        assert_eq!(read(), "one\n");
        engine::at_round_end(end_round);
        let whole = async move {
            writer.line(b"two\n");
            writer.line(b"three\n");
            assert_eq!(read(), "one\n");
            engine::sleep(std::time::Duration::from_millis(1)).await;
            assert_eq!(read(), "one\ntwo\nthree\n");
            writer.line(b"four\n");
            engine::block(|| assert_eq!(read(), "one\ntwo\nthree\nfour\n"));
            if let Some(handle) = engine::event::handle() {
                handle.stop();
            }
        };
        engine::event::run(engine::event::Options::default(), whole).unwrap();
    }

    #[test]
    fn a_full_buffer_leaves_before_the_line_that_does_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let writer = Writer::new(Arc::new(open_file(&path, 0o644).unwrap()), true);
        let size = || std::fs::metadata(&path).unwrap().len();
        writer.line(&[b'a'; 3000]);
        assert_eq!(size(), 0);
        writer.line(&[b'b'; 3000]);
        assert_eq!(size(), 3000);
        writer.line(&[b'c'; 5000]);
        assert_eq!(size(), 11_000);
        writer.flush();
        assert_eq!(size(), 11_000);
    }
}
