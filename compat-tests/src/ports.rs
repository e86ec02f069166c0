//! Ports that nobody else takes: outside of the range from which the kernel serves outgoing connections, in a block of
//! numbers that this process alone holds.
//!
//! A port that was merely free a moment ago may belong to another test's client, or to another run's server, when the server
//! that it was meant for binds it.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::net::TcpListener;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Five digits, so that bodies keep their length.
const RANGES: [Range<u16>; 2] = [10_000..32_768, 61_000..65_400];
const BLOCK: u16 = 200;

/// Two ports, taken until the last copy is dropped.
#[derive(Clone, Debug)]
pub struct Ports {
    /// `@PORT@` and `@PORT2@`.
    pub numbers: [u16; 2],
    _held: Arc<[Held; 2]>,
}

#[derive(Debug)]
struct Held(u16);

impl Drop for Held {
    fn drop(&mut self) {
        block().lock().unwrap_or_else(PoisonError::into_inner).taken.remove(&self.0);
    }
}

/// The numbers of this process.
struct Block {
    range: Range<u16>,
    next: u16,
    taken: BTreeSet<u16>,
    /// Locked as long as the process lives; `None` where no block was to be had.
    _lock: Option<File>,
}

impl Ports {
    /// Takes two.
    ///
    /// # Panics
    /// When all ports are in use.
    pub fn take() -> Ports {
        let numbers = [(); 2].map(|()| one());
        Ports { numbers, _held: Arc::new(numbers.map(Held)) }
    }
}

fn one() -> u16 {
    let mut block = block().lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..block.range.len() {
        let port = block.next;
        block.next = if port + 1 < block.range.end { port + 1 } else { block.range.start };
        if !block.taken.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            block.taken.insert(port);
            return port;
        }
    }
    panic!("no free port in {:?}", block.range);
}

fn block() -> &'static Mutex<Block> {
    static BLOCK: OnceLock<Mutex<Block>> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let (range, lock) = reserve();
        Mutex::new(Block { next: range.start, range, taken: BTreeSet::new(), _lock: lock })
    })
}

/// The first block that no other process holds and that lies outside of the kernel's own range.
fn reserve() -> (Range<u16>, Option<File>) {
    let kernel = ephemeral();
    let dir = std::env::temp_dir().join(format!("compat-ports-{}", nix::unistd::getuid()));
    let _ = fs::create_dir_all(&dir);
    for range in RANGES {
        let mut start = range.start;
        while start + BLOCK <= range.end {
            let block = start..start + BLOCK;
            start = block.end;
            if block.start < kernel.end && kernel.start < block.end {
                continue;
            }
            let lock = OpenOptions::new().create(true).append(true).open(dir.join(block.start.to_string()));
            if let Ok(lock) = lock
                && lock.try_lock().is_ok()
            {
                return (block, Some(lock));
            }
        }
    }
    // Everything is the kernel's or others': a part chosen by our number, and the check that a port is free.
    let own = u16::try_from(std::process::id() % 100).unwrap_or(0);
    (10_000 + own * BLOCK..10_000 + (own + 1) * BLOCK, None)
}

/// From where the kernel takes ports for outgoing connections.
fn ephemeral() -> Range<u16> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut words = text.split_whitespace().map_while(|word| word.parse::<u16>().ok());
    match (words.next(), words.next()) {
        (Some(first), Some(last)) => first..last.saturating_add(1),
        _ => 32_768..61_000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice_and_none_is_the_kernels() {
        let all: Vec<Ports> = (0..20).map(|_| Ports::take()).collect();
        let numbers: BTreeSet<u16> = all.iter().flat_map(|ports| ports.numbers).collect();
        assert_eq!(numbers.len(), 40);
        let kernel = ephemeral();
        assert!(numbers.iter().all(|port| !kernel.contains(port)));
        // Held by a listener: passed over.
        let next = block().lock().unwrap().next;
        let _listener = TcpListener::bind(("127.0.0.1", next)).unwrap();
        assert!(!Ports::take().numbers.contains(&next));
    }
}
