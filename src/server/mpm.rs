//! What the wire code and the modules need of the MPM that runs them: slots, states, the scoreboard's picture.
//!
//! The MPM implements [`Mpm`] once per child and puts it here before it runs the first connection.

use crate::config::MpmKind;
use crate::engine::{BoxFuture, Stream};
use crate::request::Request;
use bstr::BString;
use std::sync::OnceLock;
use std::task::Context;

/// State of a worker slot; the letters are mod_status's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(u8)]
pub enum SlotState {
    /// `.`
    #[default]
    Dead = 0,
    /// `S`
    Starting,
    /// `_`
    Ready,
    /// `R`
    Reading,
    /// `W`
    Writing,
    /// `K`
    KeepAlive,
    /// `L`
    Logging,
    /// `D`
    Dns,
    /// `C`
    Closing,
    /// `G`
    Graceful,
    /// `I`
    IdleKill,
}

/// Where a connection of the event MPM waits, outside of any slot: mod_status's async columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waiting {
    /// Not counted: being read or processed.
    None,
    KeepAlive,
    Writing,
    /// Waiting for input in the middle of a request or handshake.
    WaitIo,
    Closing,
}

/// A slot that a request holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SlotId(pub u32);

/// One MPM in one child.
pub trait Mpm: Send + Sync {
    fn kind(&self) -> MpmKind;
    /// A free slot at once, or none. In prefork and worker it is the thread's own.
    fn try_acquire(&self) -> Option<SlotId>;
    /// Waits in line for a slot.
    fn acquire(&self) -> BoxFuture<'_, SlotId>;
    fn release(&self, slot: SlotId);
    /// Shows the slot's state; with ExtendedStatus the facts of the request too.
    fn update(&self, slot: SlotId, state: SlotState, r: Option<&Request>);
    /// Counts a finished request (bytes sent, duration) for the slot.
    fn count(&self, slot: SlotId, r: &Request);
    /// A connection moves from one way of waiting to another.
    fn waiting(&self, from: Waiting, to: Waiting);
    /// The child is to end: answer what is in progress, then close (`Connection: close`).
    fn stopping(&self) -> bool;
    /// As [`stopping`](Mpm::stopping), and if not yet, the task is woken when it becomes so. For waits between
    /// requests: `poll_fn(|cx| if mpm.watch_stop(cx) { stopping } else { stream.poll_readable(cx) })`. Costs a look
    /// at a flag.
    fn watch_stop(&self, cx: &mut Context<'_>) -> bool;
    /// Offers a plain connection that waits between two requests, with nothing read ahead, to a child that goes on
    /// (`keepalives` requests were served on it).
    fn hand_over(&self, stream: &Stream, keepalives: u32) -> Handover;
    /// The whole server's picture.
    fn snapshot(&self) -> Snapshot;
}

static CURRENT: OnceLock<&'static dyn Mpm> = OnceLock::new();

/// Installs the child's MPM; a second call is without effect.
pub fn install_mpm(mpm: &'static dyn Mpm) {
    let _ = CURRENT.set(mpm);
}

/// The child's MPM; None in the parent and in tests.
pub fn mpm() -> Option<&'static dyn Mpm> {
    CURRENT.get().copied()
}

/// What becomes of a connection that waits between two requests while its child is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handover {
    /// It is another child's: drop the stream without a shutdown.
    Taken,
    /// Nobody takes it now: keep it, and answer the next request with `Connection: close`.
    Kept,
    /// Nobody ever will, or descriptors ran short: close it.
    Unwanted,
}

/// The scoreboard at one moment, in plain data.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    pub extended: bool,
    /// Generation of the running configuration (graceful restarts and restarts).
    pub generation: u32,
    /// Configuration reads since the start.
    pub config_generation: u32,
    /// Microseconds since the epoch.
    pub started: i64,
    pub restarted: i64,
    /// Slots per process.
    pub threads: u32,
    pub async_mpm: bool,
    /// As many as MaxRequestWorkers allows, and more where children of older generations hold later rows.
    pub processes: Vec<ProcessRow>,
}

/// One child.
#[derive(Clone, Debug, Default)]
pub struct ProcessRow {
    pub pid: i32,
    pub generation: u32,
    pub quiescing: bool,
    /// Accepts no more for lack of slots or because it ends.
    pub not_accepting: bool,
    pub connections: u32,
    pub write_completion: u32,
    pub wait_io: u32,
    pub lingering_close: u32,
    pub keep_alive: u32,
    pub suspended: u32,
    pub slots: Vec<SlotRow>,
}

/// One worker slot.
#[derive(Clone, Debug, Default)]
pub struct SlotRow {
    pub state: SlotState,
    pub pid: i32,
    pub generation: u32,
    pub access_count: u64,
    pub bytes_served: u64,
    pub my_access_count: u64,
    pub my_bytes_served: u64,
    pub conn_bytes: u64,
    pub conn_count: u32,
    /// Microseconds since the epoch.
    pub start_time: i64,
    pub stop_time: i64,
    pub last_used: i64,
    /// Microseconds spent in all requests of the slot.
    pub duration: u64,
    /// CPU ticks of the slot's requests: user, system, of children.
    pub times: [u64; 4],
    pub client: BString,
    pub client64: BString,
    pub request: BString,
    pub vhost: BString,
    pub protocol: BString,
}
