//! mod_unique_id: UNIQUE_ID, a name for each request that no other request of any server has.
//!
//! No directives. Hook: post_read_request, first, so that everything behind it can use the variable. The name is 20 octets in
//! an alphabet that needs no escapes: the second of the request, ten random octets of this child, a counter, a thread's
//! number. Manual: mod/mod_unique_id.html.

use crate::config::Config;
use crate::module::{Answer, FIRST, Hooks, Linked, Module};
use crate::request::Request;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::cell::Cell;
use std::io::Read;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

pub static MODULE: Module = Module {
    name: "mod_unique_id.c",
    ident: "unique_id_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.post_read_request(crate::module::REALLY_FIRST, name_request);
    on.child_init(FIRST, |_| {
        root();
    });
}

static ROOT: OnceLock<[u8; 10]> = OnceLock::new();
static COUNTER: AtomicU16 = AtomicU16::new(0);
static THREADS: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static THREAD: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Random octets of this child, drawn when it starts: children have no memory in common.
fn root() -> &'static [u8; 10] {
    ROOT.get_or_init(|| {
        let mut root = [0; 10];
        let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut root));
        if read.is_err() {
            // Without the system's generator: process and time still tell children apart.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            root[..4].copy_from_slice(&std::process::id().to_be_bytes());
            root[4..].copy_from_slice(&now.as_nanos().to_le_bytes()[..6]);
        }
        COUNTER.store(u16::from_be_bytes([root[3], root[7]]), Ordering::Relaxed);
        root
    })
}

fn thread() -> u32 {
    THREAD.with(|number| match number.get() {
        Some(number) => number,
        None => {
            let fresh = THREADS.fetch_add(1, Ordering::Relaxed);
            number.set(Some(fresh));
            fresh
        }
    })
}

fn fresh(second: u32) -> [u8; 27] {
    let mut name = [0; 20];
    let root = root();
    name[..4].copy_from_slice(&second.to_be_bytes());
    name[4..14].copy_from_slice(root);
    name[14..16].copy_from_slice(&COUNTER.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    name[16..].copy_from_slice(&thread().to_be_bytes());
    let mut text = [b'A'; 27];
    // 20 octets make exactly 27 letters.
    let _ = URL_SAFE_NO_PAD.encode_slice(name, &mut text);
    text
}

fn name_request(r: &mut Request) -> Answer {
    // A redirected request keeps the name that the client's request got.
    let kept = r.prev.as_ref().and_then(|prev| prev.env.get("UNIQUE_ID")).map(bstr::BString::from);
    match kept {
        Some(name) => r.env.set("UNIQUE_ID", name),
        None => r.env.set("UNIQUE_ID", fresh((r.time / 1_000_000) as u32)),
    }
    Answer::Declined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_need_no_escapes() {
        let names: std::collections::HashSet<_> = (0..1000).map(|_| fresh(1)).collect();
        assert_eq!(names.len(), 1000);
        assert!(names.iter().flatten().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)));
    }
}
