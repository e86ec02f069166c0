//! A request's slot in the scoreboard, and its end: logged and counted.

use crate::config::MpmKind;
use crate::engine::Stream;
use crate::request::{Connection, Request};
use crate::server::{self, SlotId, SlotState};
use std::sync::atomic::{AtomicU32, Ordering};

/// A slot of the scoreboard for as long as a request is worked on.
pub struct Slot(AtomicU32);

/// No slot.
const NONE: u32 = u32::MAX;

impl Slot {
    pub async fn take(connection: &Connection) -> Slot {
        let slot = Slot(AtomicU32::new(NONE));
        slot.acquire(connection).await;
        slot
    }
    async fn acquire(&self, connection: &Connection) {
        let Some(mpm) = server::mpm() else { return };
        let slot = match mpm.try_acquire() {
            Some(slot) => slot,
            None => mpm.acquire().await,
        };
        connection.slot.store(slot.0, Ordering::Relaxed);
        self.0.store(slot.0, Ordering::Relaxed);
    }
    fn id(&self) -> Option<SlotId> {
        Some(self.0.load(Ordering::Relaxed)).filter(|id| *id != NONE).map(SlotId)
    }
    fn release(&self) {
        let id = self.0.swap(NONE, Ordering::Relaxed);
        if let Some(mpm) = server::mpm().filter(|_| id != NONE) {
            mpm.release(SlotId(id));
        }
    }
    /// Gives the slot to others while `work` is done, where a slot is no thread.
    pub async fn lend(&self, connection: &Connection, work: impl Future<Output = ()>) {
        if !server::mpm().is_some_and(|mpm| mpm.kind() == MpmKind::Event) {
            return work.await;
        }
        self.release();
        work.await;
        self.acquire(connection).await;
    }
    pub fn show(&self, state: SlotState, r: Option<&Request>) {
        if let (Some(mpm), Some(slot)) = (server::mpm(), self.id()) {
            mpm.update(slot, state, r);
        }
    }
    fn count(&self, r: &Request) {
        if let (Some(mpm), Some(slot)) = (server::mpm(), self.id()) {
            mpm.count(slot, r);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
    }
}

/// Has a request logged and counted once its response is out.
pub async fn log(r: &mut Request, slot: &Slot, stream: Option<&Stream>) {
    if let Some((received, sent)) = stream.and_then(Stream::take_traffic) {
        (r.wire_in, r.wire_out) = (received, sent);
    }
    // What the connection did is told of every request of a chain.
    let facts = (r.wire_in, r.wire_out, r.keep_alive);
    let mut earlier = r.prev.as_deref_mut();
    while let Some(each) = earlier {
        (each.wire_in, each.wire_out, each.keep_alive) = facts;
        earlier = each.prev.as_deref_mut();
    }
    server::attribute_answer(r);
    // What the scoreboard tells of a request is there since it was read, unless a host or module changed it.
    let told = std::ptr::eq(r.server, r.connection.base) && r.useragent_ip == r.connection.client_ip;
    slot.show(SlotState::Logging, (!told).then_some(&*r));
    server::log_transaction(r).await;
    slot.count(r);
}
