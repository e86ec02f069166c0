//! The memory that all children share for balancers, and what BalancerPersist keeps of it over restarts and stops.

use super::super::mod_proxy::{Balancer, ProxyServer, live, word};
use crate::config::Configuration;
use crate::log::{self, Level};
use crate::module::SlotMemory;
use crate::server;
use bstr::{BString, ByteSlice};
use parking_lot::Mutex;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A balancer whose changes are kept, and in which file.
type Kept = (Arc<Balancer>, PathBuf);

/// The balancers that this process keeps.
static KEPT: Mutex<Vec<Kept>> = Mutex::new(Vec::new());
/// Each reading of the configuration has memory of its own: the old generation goes on with its.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// Begins every file of a kept balancer; changes with what the records hold.
const MAGIC: u64 = 0x5069_6e69_6f6e_0001;

/// Puts the states of all balancers into shared memory.
pub fn share(configuration: &mut Configuration) -> Result<(), String> {
    let failed = |text: String| {
        configuration.main().log(Level::Emerg, "proxy_balancer", format_args!("{text}"));
        log::process_always(Level::Emerg, "", format_args!("AH00020: Configuration Failed, exiting"));
        Err(String::new())
    };
    if !configuration.process.has_module("proxy_module") {
        return failed("AH02230: mod_proxy must be loaded for mod_proxy_balancer".into());
    }
    let Some(memory) = configuration.providers.find::<dyn SlotMemory>(b"shm") else {
        let text = "AH01177: Failed to lookup provider 'shm' for 'slotmem': is mod_slotmem_shm loaded??";
        return failed(text.into());
    };
    let generation = GENERATION.fetch_add(1, Relaxed);
    keep();
    let mut kept = Vec::new();
    for (at, server) in configuration.servers.iter().enumerate() {
        let settings = server.settings.of::<ProxyServer>();
        let count = settings.balancers.len();
        if count == 0 {
            continue;
        }
        let made = memory.create(format!("balancers-{generation}-{at}").as_str().into(), live::ALL, count);
        let Ok(all) = made else { return failed("AH01179: balancer slotmem_create failed".into()) };
        for (index, balancer) in settings.balancers.iter().enumerate() {
            let id = BString::from(format!("{}-{generation}-{at}", balancer.name));
            match balancer.share(memory, &all, index, id.as_bstr(), uuid().as_bytes()) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(_) => return failed("AH01185: worker slotmem_create failed".into()),
            }
            if settings.persist == Some(true) {
                let path = file(configuration, server.index, balancer);
                let _ = restore(balancer, &path);
                kept.push((balancer.clone(), path));
            }
        }
    }
    *KEPT.lock() = kept;
    server::at_end(keep);
    Ok(())
}

/// Where a balancer's changes are kept.
fn file(configuration: &Configuration, host: usize, balancer: &Balancer) -> PathBuf {
    let process = &configuration.process;
    let base = process.runtime_dir.as_ref().unwrap_or(&process.server_root);
    let name: String = balancer.name.iter().skip("balancer://".len()).map(|byte| format!("{byte:02x}")).collect();
    let name = name.get(..name.len().min(200)).unwrap_or_default();
    base.join(format!("balancer-{host}-{name}.persist"))
}

/// Writes down what is to be kept.
fn keep() {
    for (balancer, path) in KEPT.lock().iter() {
        if let Err(error) = store(balancer, path) {
            let text = format_args!("the state of {} could not be kept in {}", balancer.name, path.display());
            log::process_errno(Level::Error, "proxy_balancer", error, text);
        }
    }
}

/// What a file is for: members of another configuration find nothing there.
fn sum(balancer: &Balancer) -> u64 {
    let names = balancer.members.iter().flat_map(|member| member.name.iter().copied().chain([0]));
    names.fold(balancer.most() as u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

fn store(balancer: &Balancer, path: &Path) -> io::Result<()> {
    let members = balancer.all();
    let mut words = vec![MAGIC, sum(balancer), members.len() as u64];
    words.extend((0..live::ALL).map(|at| balancer.words().number(at) as u64));
    for member in &members {
        words.extend((0..word::ALL).map(|at| member.state().0.number(at) as u64));
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let temporary = path.with_extension("new");
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    file.write_all(&bytes)?;
    std::fs::rename(temporary, path)
}

/// Takes over what an earlier generation had, where it had the same members.
fn restore(balancer: &Balancer, path: &Path) -> io::Result<()> {
    let most = (3 + live::ALL + (balancer.most() + 1) * word::ALL) * 8;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    let words: Vec<AtomicU64> = bytes
        .chunks_exact(8)
        .map(|chunk| AtomicU64::new(chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))))
        .collect();
    let number = |at: usize| words.get(at).map_or(0, |word| word.load(Relaxed));
    if number(0) != MAGIC || number(1) != sum(balancer) {
        return Ok(());
    }
    let Some((own, mut rest)) = words.get(3..).and_then(|words| words.split_at_checked(live::ALL)) else {
        return Ok(());
    };
    let (nonce, before) = (balancer.words().text(live::NONCE), balancer.words().number(live::ADDED));
    balancer.words().take_over(own);
    balancer.words().set(live::ADDED, before);
    balancer.words().set_text(live::NONCE, &nonce);
    for at in 0..usize::try_from(number(2)).unwrap_or(0) {
        let Some((record, others)) = rest.split_at_checked(word::ALL) else { break };
        rest = others;
        match balancer.members.get(at) {
            Some(member) => member.state().0.take_over(record),
            None => balancer.add_again(record),
        }
    }
    for member in balancer.all() {
        // What counted requests in progress and octets begins anew.
        for at in [word::BUSY, word::SENT, word::RECEIVED] {
            member.state().0.set(at, 0);
        }
    }
    Ok(())
}

/// A random text in the form of a UUID.
fn uuid() -> String {
    let mut random = [0u8; 16];
    if std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random)).is_err() {
        random = u128::from(std::process::id()).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834).to_le_bytes();
    }
    let mut text = String::new();
    for (at, byte) in random.iter().enumerate() {
        if [4, 6, 8, 10].contains(&at) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}
