//! What a child is, whatever its MPM: its rows in the scoreboard, its slots, whether it is to end, whom it hands idle
//! connections to. The http side sees it as [`Mpm`].

use super::Service;
use super::limits::Limits;
use super::scoreboard::{ProcessShare, Scoreboard};
use super::slots::Slots;
use crate::config::MpmKind;
use crate::engine::{BoxFuture, Stream};
use crate::log::clock;
use crate::request::Request;
use crate::server::{Handover, Mpm, SlotId, SlotState, Snapshot, Waiting};
use crate::sys::fork::exit_now;
use crate::sys::passing;
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use parking_lot::Mutex;
use slab::Slab;
use std::cell::Cell;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

thread_local! {
    /// The slot of this thread, under prefork and worker.
    static OWN: Cell<u32> = const { Cell::new(0) };
}

/// Exit status of a child that must not be replaced: the server ends.
pub const EXIT_FATAL: i32 = 15;
/// Exit status of a child that lacked some resource: the server spawns more slowly.
pub const EXIT_SICK: i32 = 7;

/// One child process. It lives as long as the process.
pub struct Child {
    pub limits: Limits,
    pub board: Scoreboard,
    pub row: usize,
    pub generation: u32,
    pub pid: i32,
    /// With mod_logio, what mod_status counts are the octets on the wire.
    counts_wire: bool,
    /// Slots to take and give back; None where each thread has its own.
    slots: Option<Slots>,
    stopping: AtomicBool,
    /// Connections accepted so far.
    accepted: AtomicU64,
    /// Idle connections that are asked to go because descriptors ran short.
    shed: AtomicU32,
    /// Tasks of open connections, to be woken when the child is to end.
    open: Mutex<Slab<Waker>>,
    /// Who waits for the end to begin, or for the last connection's end after that.
    ends: Mutex<Vec<Waker>>,
    /// Where idle connections go when this child ends; children that go on take them from its other end.
    lobby: OwnedFd,
    /// Set while no new connection is accepted for want of slots.
    paused: AtomicBool,
    admission: Box<dyn Fn(bool) + Send + Sync>,
    /// Second of the last look at the CPU times.
    timed: AtomicI64,
    /// Who is told that the child ends.
    service: OnceLock<Arc<dyn Service>>,
}

impl Child {
    pub fn new(board: Scoreboard, row: usize, generation: u32, limits: Limits, lobby: OwnedFd) -> Child {
        let slots = (limits.kind == MpmKind::Event).then(|| Slots::new(limits.threads));
        let pid = nix::unistd::getpid().as_raw();
        board.process(row).begin(pid, generation);
        Child {
            slots,
            board,
            row,
            generation,
            pid,
            counts_wire: false,
            limits,
            lobby,
            stopping: AtomicBool::new(false),
            accepted: AtomicU64::new(0),
            shed: AtomicU32::new(0),
            open: Mutex::default(),
            ends: Mutex::default(),
            paused: AtomicBool::new(false),
            admission: Box::new(|_| {}),
            timed: AtomicI64::new(0),
            service: OnceLock::new(),
        }
    }
    /// Whom to tell of an end that does not wait for connections.
    pub fn serves(&self, service: Arc<dyn Service>) {
        let _ = self.service.set(service);
    }
    /// Ends the process at once, whatever is open. What was held back for a last write is written.
    pub fn exit(&self) -> ! {
        if let Some(service) = self.service.get() {
            service.end();
        }
        exit_now(0)
    }
    /// What to call when new connections are welcome no more (false) and again (true).
    pub fn on_admission(&mut self, switch: impl Fn(bool) + Send + Sync + 'static) {
        self.admission = Box::new(switch);
    }
    /// Has octets counted as they go over the wire, not those of bodies alone.
    pub fn count_wire(&mut self) {
        self.counts_wire = true;
    }
    pub fn process(&self) -> ProcessShare {
        self.board.process(self.row)
    }
    /// Shows all slots as ready.
    pub fn ready(&self) {
        for slot in 0..self.limits.threads {
            self.board.slot(self.row, slot as usize).begin(self.pid, self.generation, SlotState::Ready);
        }
    }
    /// Sets the slot of the calling thread.
    pub fn own(&self, slot: u32) {
        OWN.set(slot);
    }
    /// The calling thread has a connection, `resumed` where another child has served on it: it is not idle any more, whatever
    /// the client sends or does not send.
    pub fn busy(&self, resumed: bool) {
        let state = if resumed { SlotState::KeepAlive } else { SlotState::Reading };
        self.board.slot(self.row, OWN.get() as usize).state(state);
    }
    /// The calling thread waits for a connection.
    pub fn idle(&self) {
        self.board.slot(self.row, OWN.get() as usize).state(SlotState::Ready);
    }
    /// The calling thread ends.
    pub fn dead(&self) {
        self.board.slot(self.row, OWN.get() as usize).state(SlotState::Dead);
    }
    /// Begins the end: no new connections; those that wait between requests are woken and look.
    pub fn stop(&self) {
        if self.stopping.swap(true, SeqCst) {
            return;
        }
        self.process().quiesce();
        self.process().not_accepting(true);
        self.wake_all();
        self.wake_ends();
    }
    fn wake_ends(&self) {
        let wakers = std::mem::take(&mut *self.ends.lock());
        wakers.into_iter().for_each(Waker::wake);
    }
    /// Ready when the child is to end.
    pub fn ending(&self) -> impl Future<Output = ()> + use<'_> {
        self.when(|child| child.stopping())
    }
    /// Ready when the child is to end and no connection is open.
    pub fn ended(&self) -> impl Future<Output = ()> + use<'_> {
        self.when(|child| child.stopping() && child.process().connections() == 0)
    }
    fn when(&self, so: impl Fn(&Child) -> bool) -> impl Future<Output = ()> {
        std::future::poll_fn(move |cx| {
            if so(self) {
                return Poll::Ready(());
            }
            let mut ends = self.ends.lock();
            if !ends.iter().any(|waker| waker.will_wake(cx.waker())) {
                ends.push(cx.waker().clone());
            }
            drop(ends);
            // It may have come true while the waker was not yet in place.
            if so(self) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
    fn wake_all(&self) {
        let wakers: Vec<Waker> = self.open.lock().iter().map(|(_, waker)| waker.clone()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }
    /// Counts an accepted connection. True: it was the last that MaxConnectionsPerChild allows.
    pub fn accepted(&self) -> bool {
        let count = self.accepted.fetch_add(1, Relaxed) + 1;
        self.limits.max_connections != 0 && count >= self.limits.max_connections
    }
    /// Asks some idle connections to go: descriptors ran short.
    pub fn shed(&self) {
        self.shed.store(16, SeqCst);
        self.wake_all();
    }
    /// Whether slots are left for what another connection may bring: while idle slots exist, AsyncRequestWorkerFactor
    /// requests may stand in line for each.
    pub fn admits(&self) -> bool {
        let Some(slots) = &self.slots else { return true };
        let (taken, waiting) = (slots.taken(), slots.waiting());
        let idle = (self.limits.threads as usize).saturating_sub(taken);
        ((taken + waiting) as f64) < f64::from(self.limits.threads) + self.limits.async_factor * idle as f64
    }
    /// A slot was taken: no new connections if it was the last to spare.
    fn taken(&self) {
        if self.admits() || self.paused.swap(true, SeqCst) {
            return;
        }
        self.process().not_accepting(true);
        (self.admission)(false);
        // A slot given back in between found nothing to resume.
        self.unpause();
    }
    fn unpause(&self) {
        if self.paused.load(Relaxed) && self.admits() && self.paused.swap(false, SeqCst) && !self.stopping() {
            self.process().not_accepting(false);
            (self.admission)(true);
        }
    }
    /// Shows how many tasks and requests wait for their turn; the parent counts them as busy slots.
    pub fn publish_queue(&self) {
        let ready = crate::engine::event::handle().map_or(0, |handle| handle.ready());
        let waiting = self.slots.as_ref().map_or(0, Slots::waiting);
        self.process().set_queued((ready + waiting) as u64);
    }
    /// A connection's whole life, known to [`stop`](Child::stop) and counted.
    pub fn tend<F: Future<Output = ()>>(&'static self, connection: F) -> Tended<F> {
        self.process().connected();
        Tended { child: self, connection, key: None }
    }
    fn cpu(&self, now: i64) {
        let second = now / 1_000_000;
        if self.timed.swap(second, Relaxed) == second {
            return;
        }
        let ticks =
            |usage: &Usage| [usage.user_time(), usage.system_time()].map(|time| (time.num_milliseconds() / 10) as u64);
        if let (Ok(own), Ok(children)) = (getrusage(UsageWho::RUSAGE_SELF), getrusage(UsageWho::RUSAGE_CHILDREN)) {
            let ([user, system], [child_user, child_system]) = (ticks(&own), ticks(&children));
            self.process().times([user, system, child_user, child_system]);
        }
    }
}

impl Mpm for Child {
    fn kind(&self) -> MpmKind {
        self.limits.kind
    }
    fn try_acquire(&self) -> Option<SlotId> {
        match &self.slots {
            None => Some(SlotId(OWN.get())),
            Some(slots) => slots.try_acquire().map(|slot| {
                self.taken();
                SlotId(slot)
            }),
        }
    }
    fn acquire(&self) -> BoxFuture<'_, SlotId> {
        match &self.slots {
            None => Box::pin(std::future::ready(SlotId(OWN.get()))),
            Some(slots) => Box::pin(async move {
                let place = slots.acquire();
                self.publish_queue();
                let slot = place.await;
                self.taken();
                SlotId(slot)
            }),
        }
    }
    fn release(&self, slot: SlotId) {
        let Some(slots) = &self.slots else { return };
        self.board.slot(self.row, slot.0 as usize).state(SlotState::Ready);
        slots.release(slot.0);
        if self.process().queued() != 0 {
            self.publish_queue();
        }
        self.unpause();
    }
    fn update(&self, slot: SlotId, state: SlotState, r: Option<&Request>) {
        let share = self.board.slot(self.row, slot.0 as usize);
        share.state(state);
        if let Some(r) = r
            && self.board.extended()
        {
            share.describe(r, self.board.tails());
        }
    }
    fn count(&self, slot: SlotId, r: &Request) {
        if !self.board.extended() {
            return;
        }
        let now = clock::now();
        let share = self.board.slot(self.row, slot.0 as usize);
        if r.connection.keepalives.load(Relaxed) == 0 {
            share.new_connection();
        }
        let sent = if self.counts_wire { r.wire_out } else { r.bytes_sent };
        share.count(sent, r.time, now);
        self.cpu(now);
    }
    fn waiting(&self, from: Waiting, to: Waiting) {
        self.process().waiting(from, to);
    }
    fn stopping(&self) -> bool {
        self.stopping.load(Relaxed)
    }
    fn watch_stop(&self, _: &mut Context<'_>) -> bool {
        // Every open connection's task is woken by `stop` and by `shed`, so a look is enough.
        if self.stopping.load(Relaxed) {
            return true;
        }
        self.shed.load(Relaxed) > 0 && self.shed.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
    }
    fn hand_over(&self, stream: &Stream, keepalives: u32) -> Handover {
        if !self.stopping() || self.board.stopping() {
            return Handover::Unwanted;
        }
        if stream.is_secured() {
            // What protects it lives here.
            return Handover::Kept;
        }
        match passing::send(&self.lobby, stream.as_raw_fd(), &keepalives.to_ne_bytes()) {
            Ok(_) => Handover::Taken,
            Err(_) => Handover::Kept,
        }
    }
    fn snapshot(&self) -> Snapshot {
        self.board.snapshot()
    }
}

/// See [`Child::tend`].
pub struct Tended<F> {
    child: &'static Child,
    connection: F,
    key: Option<usize>,
}

impl<F: Future<Output = ()> + Unpin> Future for Tended<F> {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.key.is_none() {
            self.key = Some(self.child.open.lock().insert(cx.waker().clone()));
        }
        Pin::new(&mut self.connection).poll(cx)
    }
}

impl<F> Drop for Tended<F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.child.open.lock().try_remove(key);
        }
        self.child.process().disconnected();
        if self.child.stopping() {
            self.child.wake_ends();
        } else {
            if self.child.process().queued() != 0 {
                self.child.publish_queue();
            }
            self.child.unpause();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MpmNumbers;
    use std::os::unix::net::UnixDatagram;

    fn child() -> (&'static Child, UnixDatagram) {
        let numbers = MpmNumbers { threads_per_child: Some(2), ..MpmNumbers::default() };
        let (limits, _) = super::super::settle(MpmKind::Event, &numbers, None);
        let (send, receive) = UnixDatagram::pair().unwrap();
        let board = Scoreboard::new(1, 2).unwrap();
        (Box::leak(Box::new(Child::new(board, 0, 1, limits, send.into()))), receive)
    }

    #[test]
    fn idle_connections_move_on_only_while_the_child_ends() {
        let (child, receive) = child();
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let stream = Stream::from_unix(socket).unwrap();
        assert_eq!(child.hand_over(&stream, 3), Handover::Unwanted);
        child.stop();
        assert_eq!(child.hand_over(&stream, 3), Handover::Taken);
        let mut note = [0; 8];
        let (_, length) = passing::receive(&receive, &mut note).unwrap();
        assert_eq!(&note[..length], 3u32.to_ne_bytes());
        child.board.stop();
        assert_eq!(child.hand_over(&stream, 3), Handover::Unwanted);
    }

    #[test]
    fn slots_taken_stop_and_resume_accepting() {
        let (child, _receive) = child();
        assert!(child.admits());
        let slots = [child.try_acquire().unwrap(), child.try_acquire().unwrap()];
        assert!(!child.admits() && child.paused.load(SeqCst));
        child.release(slots[0]);
        assert!(child.admits() && !child.paused.load(SeqCst));
    }

    #[test]
    fn stop_wakes_open_connections_once() {
        use std::sync::Arc;
        use std::task::Wake;
        struct Flag(AtomicBool);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.0.store(true, SeqCst);
            }
        }
        let (child, _receive) = child();
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let mut tended = child.tend(std::future::pending());
        let waker = Waker::from(flag.clone());
        assert!(Pin::new(&mut tended).poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!(child.process().connections(), 1);
        child.stop();
        assert!(flag.0.load(SeqCst));
        drop(tended);
        assert_eq!(child.process().connections(), 0);
    }
}
