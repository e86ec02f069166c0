//! A server without HTTP: each line is a request, the answer is a line. Configured by a file of `key value` lines.
//!
//! `hello` answers pid, generation and whether the connection stays. `hold` takes a slot until the next line comes.
//! `status` answers the scoreboard. `crash` aborts the child.

use bstr::BString;
use pinion::config::{Configuration, Kinds, Listen, MpmKind, Process, Providers, Server, SettingsVec};
use pinion::engine::{BoxFuture, Stream};
use pinion::log::{Levels, Target};
use pinion::mpm::{Line, Listeners, Program, RunOptions, Service, run};
use pinion::server::{Handover, Mpm, SlotState, mpm};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

struct Echo(PathBuf);

/// The configuration of a file; Err for a line that nobody knows.
fn read(path: &Path) -> Result<Arc<Configuration>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut process = Process { pid_file: Some(BString::from("httpd.pid")), ..Process::default() };
    process.server_root = path.parent().unwrap_or(Path::new("/")).to_path_buf();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').ok_or_else(|| format!("Syntax error: {line}"))?;
        let number = value.parse::<i64>().ok();
        match key {
            "mpm" => {
                process.mpm = Some(match value {
                    "prefork" => MpmKind::Prefork,
                    "worker" => MpmKind::Worker,
                    _ => MpmKind::Event,
                })
            }
            "listen" => process.listen.push(Listen {
                addr: value.parse().map_err(|_| line.to_owned())?,
                protocol: "echo".into(),
                text: value.into(),
                any: false,
            }),
            "start" => process.numbers.start_servers = number,
            "threads" => process.numbers.threads_per_child = number,
            "workers" => process.numbers.max_request_workers = number,
            "limit" => process.numbers.server_limit = number,
            "min" => (process.numbers.min_spare_threads, process.numbers.min_spare_servers) = (number, number),
            "max" => (process.numbers.max_spare_threads, process.numbers.max_spare_servers) = (number, number),
            "connections" => process.numbers.max_connections_per_child = number,
            "patience" => process.graceful_shutdown_timeout = Duration::from_secs(number.unwrap_or(0) as u64),
            "user" => process.user = Some(value.into()),
            "group" => process.group = Some(value.into()),
            _ => return Err(format!("Invalid command '{key}'")),
        }
    }
    let main = Server {
        index: 0,
        defined_file: BString::default(),
        defined_line: 0,
        addresses: Vec::new(),
        name: None,
        scheme: None,
        port: 0,
        aliases: Vec::new(),
        wild_aliases: Vec::new(),
        admin: None,
        legacy_path: None,
        error_log: None,
        levels: None::<Levels>,
        log: Target::default(),
        timeout: None,
        keep_alive: None,
        keep_alive_timeout: None,
        max_keep_alive_requests: None,
        limit_request_line: None,
        limit_request_field_size: None,
        limit_request_fields: None,
        settings: SettingsVec::default(),
        defaults: SettingsVec::default(),
        ..Server::default()
    };
    Ok(Arc::new(Configuration {
        process,
        servers: vec![main],
        kinds: Kinds::default(),
        providers: Providers::default(),
        warnings: Vec::new(),
        ..Configuration::default()
    }))
}

fn say(line: &str) {
    // One write a line: parent and children share the pipe.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

impl Program for Echo {
    fn load(&self, _: u32) -> Result<Arc<Configuration>, String> {
        read(&self.0).inspect_err(|error| say(error))
    }
    fn child(&self, _: &'static Configuration) -> Arc<dyn Service> {
        Arc::new(Lines)
    }
    fn log(&self, line: &Line) {
        let Line { level, module, errno, text } = line;
        say(&format!("[{module}:{}] ({errno}) {text}", level.name()));
    }
}

struct Lines;

impl Service for Lines {
    fn connection(&self, stream: Stream, _: SocketAddr, _: usize) -> BoxFuture<'static, ()> {
        Box::pin(serve(stream, 0))
    }
    fn resume(&self, stream: Stream, _: SocketAddr, _: usize, keepalives: u32) -> BoxFuture<'static, ()> {
        Box::pin(serve(stream, keepalives))
    }
}

/// Waits for the next request; false when it is time to go and somebody else goes on.
async fn idle(mpm: &'static dyn Mpm, stream: &Stream, served: u32) -> bool {
    let mut offered = false;
    std::future::poll_fn(|cx| {
        if mpm.watch_stop(cx)
            && !std::mem::replace(&mut offered, true)
            && mpm.hand_over(stream, served) != Handover::Kept
        {
            return std::task::Poll::Ready(false);
        }
        stream.poll_readable(cx).map(|()| true)
    })
    .await
}

async fn line(stream: &Stream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    loop {
        match stream.read(&mut byte).await {
            Ok(1) if byte[0] == b'\n' => return String::from_utf8(text).ok(),
            Ok(1) => text.push(byte[0]),
            _ => return None,
        }
    }
}

async fn serve(stream: Stream, mut served: u32) {
    let Some(mpm) = mpm() else { return };
    loop {
        if !idle(mpm, &stream, served).await {
            return;
        }
        let Some(request) = line(&stream).await else { return };
        let slot = match mpm.try_acquire() {
            Some(slot) => slot,
            None => mpm.acquire().await,
        };
        mpm.update(slot, SlotState::Writing, None);
        served += 1;
        let answer = match request.as_str() {
            "hold" => {
                let _ = stream.write_all(b"held\n").await;
                let _ = line(&stream).await;
                String::from("released\n")
            }
            "crash" => std::process::abort(),
            "status" => status(mpm),
            _ => {
                let keep = if mpm.stopping() { "close" } else { "keep" };
                format!("{} {served} {keep}\n", std::process::id())
            }
        };
        let written = stream.write_all(answer.as_bytes()).await;
        mpm.update(slot, SlotState::KeepAlive, None);
        mpm.release(slot);
        if written.is_err() {
            return;
        }
    }
}

/// `pid:generation:quiescing:idle:busy` of each process, in one line.
fn status(mpm: &dyn Mpm) -> String {
    let mut text = String::new();
    for row in mpm.snapshot().processes.iter().filter(|row| row.pid != 0) {
        let idle = row.slots.iter().filter(|slot| matches!(slot.state, SlotState::Ready | SlotState::Starting)).count();
        let dead = row.slots.iter().filter(|slot| slot.state == SlotState::Dead).count();
        let (pid, generation, quiescing, busy) =
            (row.pid, row.generation, row.quiescing, row.slots.len() - idle - dead);
        text.push_str(&format!("{pid}:{generation}:{}:{idle}:{busy} ", u8::from(quiescing)));
    }
    text.push('\n');
    text
}

/// Runs in the foreground; the first line on standard error names the port.
pub fn main(path: &Path) -> ExitCode {
    let configuration = match read(path) {
        Ok(configuration) => configuration,
        Err(error) => {
            say(&error);
            return ExitCode::FAILURE;
        }
    };
    let program = Echo(path.to_path_buf());
    for warning in pinion::mpm::check(&configuration.process) {
        say(&warning.text.to_string());
    }
    let listeners = match Listeners::open(&configuration, &Listeners::default(), &mut Vec::new()) {
        Ok(listeners) => listeners,
        Err(lines) => {
            lines.iter().for_each(|line| program.log(line));
            return ExitCode::FAILURE;
        }
    };
    for bound in listeners.iter() {
        say(&format!("port {}", bound.local.port()));
    }
    let options = RunOptions {
        server_version: "Apache/2.4.71 (Pinion)".into(),
        command_line: "echo".into(),
        argv0: "echo".into(),
        ..RunOptions::default()
    };
    run(&program, configuration, listeners, options)
}
