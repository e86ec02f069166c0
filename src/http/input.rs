//! What was received and not yet consumed, and the reading of more.

use super::pool;
use crate::engine::{self, Stream};
use crate::log::Level;
use crate::module::Dump;
use crate::request::{Connection, ReadLimit};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Bytes that one read asks for.
pub const BUFFER: usize = 8192;

/// A running [`ReadLimit`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    started: Option<std::time::Instant>,
    limit: ReadLimit,
    octets: u64,
    /// What is read, for the log.
    part: &'static str,
}

impl Clock {
    pub fn start(limit: ReadLimit, part: &'static str) -> Clock {
        let started = (!limit.first.is_zero()).then(engine::now);
        Clock { started, limit, octets: 0, part }
    }
    /// Tells of a deadline that has passed.
    pub fn tell(&self, connection: &Connection) {
        if self.left().is_some_and(|left| left.is_zero()) {
            let text = format_args!("AH01382: Request {} read timeout", self.part);
            connection.log(Level::Info, "reqtimeout", text);
            connection.overdue.store(true, Ordering::Relaxed);
        }
    }
    /// Time left of the deadline, if there is one.
    fn left(&self) -> Option<Duration> {
        let started = self.started?;
        let bought = self.octets.checked_div(u64::from(self.limit.min_rate)).unwrap_or(0);
        let until = self.limit.first + Duration::from_secs(bought);
        let until = if self.limit.most.is_zero() { until } else { until.min(self.limit.most) };
        Some(until.saturating_sub(engine::now().saturating_duration_since(started)))
    }
}

/// See the module text.
pub struct Input {
    pub stream: Stream,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Octets consumed since [`Input::take_count`]: what belongs to the next request is not counted to this one.
    consumed: u64,
    pub clock: Clock,
    /// Who is told what comes in.
    pub dump: Option<&'static dyn Dump>,
}

impl Input {
    pub fn new(stream: Stream) -> Input {
        Input {
            stream,
            buffer: pool::input_buffer(),
            start: 0,
            end: 0,
            consumed: 0,
            clock: Clock::default(),
            dump: None,
        }
    }
    /// With octets that were read already.
    pub fn with(stream: Stream, received: &[u8]) -> Input {
        let mut input = Input::new(stream);
        if input.buffer.len() < received.len() {
            input.buffer.resize(received.len(), 0);
        }
        if let Some(room) = input.buffer.get_mut(..received.len()) {
            room.copy_from_slice(received);
            input.end = received.len();
        }
        input
    }
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }
    /// Tells of the next octets that are consumed, if somebody wants to know.
    pub fn tell(&self, connection: &Connection, how: &str, count: usize) {
        if let Some(dump) = self.dump {
            dump.came(connection, how, self.unread().get(..count).unwrap_or_default());
        }
    }
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.consumed += count as u64;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
    /// Octets consumed since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.consumed)
    }
    /// Reads once, waiting at most `patience`, into what room there is; makes room for [`BUFFER`] more when there is none.
    /// 0 is the end of the stream.
    pub async fn fill(&mut self, patience: Duration) -> io::Result<usize> {
        if self.end == self.buffer.len() {
            if self.start > 0 {
                self.buffer.copy_within(self.start..self.end, 0);
                (self.start, self.end) = (0, self.end - self.start);
            } else {
                self.buffer.resize(self.buffer.len() + BUFFER, 0);
            }
        }
        let patience = self.clock.left().map_or(patience, |left| left.min(patience));
        if patience.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let count = engine::timeout(patience, self.stream.read(room)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        self.end += count;
        self.clock.octets += count as u64;
        Ok(count)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        pool::keep_input_buffer(std::mem::take(&mut self.buffer));
    }
}
