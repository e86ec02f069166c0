//! A program that runs: its three pipes, and its end.

use super::{Kind, log, soon};
use crate::engine::{self, Child, PipeReader};
use crate::log::{Level, raw};
use crate::request::{Connection, Fault, Request, Status};
use crate::server::{cgi, escape};
use crate::sys::limits::{self, Resource};
use bstr::{BString, ByteSlice};
use bytes::Bytes;
use nix::sys::signal::Signal;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Octets read at once.
const CHUNK: usize = 16 * 1024;
/// Longest line of standard error that becomes one line of the log.
const LONGEST: usize = 8191;
/// Time between asking a program to end and killing it.
const GRACE: Duration = Duration::from_secs(3);

/// Why there is no more output.
pub(super) enum Failure {
    Timeout,
    Read(io::Error),
}

/// What a program says on standard error, line by line.
struct Complaints {
    pipe: PipeReader,
    line: Vec<u8>,
}

impl Complaints {
    /// Whole lines of what was just read; at the end also the one without an end.
    fn lines(&mut self, read: &[u8]) -> Vec<BString> {
        self.line.extend_from_slice(read);
        let mut lines = Vec::new();
        while let Some(end) = self.line.find_byte(b'\n').or((self.line.len() >= LONGEST).then_some(LONGEST - 1)) {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            lines.push(line.trim_end_with(|end| end == '\n' || end == '\r').into());
        }
        if read.is_empty() && !self.line.is_empty() {
            lines.push(std::mem::take(&mut self.line).into());
        }
        lines
    }
}

/// See the module text.
pub(super) struct Running {
    child: Option<Child>,
    output: Option<PipeReader>,
    complaints: Option<Complaints>,
    patience: Duration,
    kind: &'static Kind,
    filename: BString,
    connection: Arc<Connection>,
    /// Nobody waits for more output: the program may end at its leisure.
    done: bool,
}

enum Event {
    Output(io::Result<usize>),
    Complaint(io::Result<usize>),
}

impl Running {
    /// Starts the script of `r` with the environment that `r` has.
    pub(super) fn start(r: &Request, kind: &'static Kind, patience: Duration) -> io::Result<Running> {
        let mut command = Command::new(r.filename.to_os_str_lossy());
        for word in arguments(r) {
            command.arg(word.to_os_str_lossy());
        }
        Running::spawn(r, kind, patience, command)
    }
    /// Starts a shell with a line to run; nothing comes in.
    pub(super) fn shell(r: &Request, kind: &'static Kind, patience: Duration, line: &[u8]) -> io::Result<Running> {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(line.to_os_str_lossy());
        let mut running = Running::spawn(r, kind, patience, command)?;
        running.child.as_mut().map(|child| child.stdin.take());
        Ok(running)
    }

    fn spawn(r: &Request, kind: &'static Kind, patience: Duration, mut command: Command) -> io::Result<Running> {
        let directory = r.filename.rfind_byte(b'/').map_or(&b"/"[..], |slash| r.filename.get(..=slash).unwrap_or(b"/"));
        command.current_dir(directory.to_os_str_lossy()).env_clear();
        for (name, value) in cgi::environment(r) {
            command.env(name.to_os_str_lossy(), value.to_os_str_lossy());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(if kind.pipes_errors { Stdio::piped() } else { Stdio::inherit() });
        let resources = [Resource::Cpu, Resource::Memory, Resource::Processes];
        for (resource, limit) in resources.into_iter().zip(r.dir.core().rlimits) {
            if let Some((soft, hard)) = limit {
                limits::limit(&mut command, resource, soft, hard);
            }
        }
        let mut child = Child::spawn(&mut command)?;
        let complaints = child.stderr.take().map(|pipe| Complaints { pipe, line: Vec::new() });
        Ok(Running {
            output: child.stdout.take(),
            child: Some(child),
            complaints,
            patience,
            kind,
            filename: r.filename.clone(),
            connection: r.connection.clone(),
            done: r.header_only,
        })
    }

    fn poll_complaint(&mut self, cx: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        match &self.complaints {
            Some(complaints) => complaints.pipe.poll_read(cx, room),
            None => Poll::Pending,
        }
    }

    /// Writes lines of standard error; the first octets of `room` are what was read.
    fn complain(&mut self, r: &Request, read: io::Result<usize>, room: &[u8]) {
        let read = read.ok().and_then(|read| room.get(..read)).unwrap_or_default();
        let Some(complaints) = &mut self.complaints else { return };
        for line in complaints.lines(read) {
            let text = format_args!("AH01215: stderr from {}: {}", raw(&self.filename), raw(&line));
            r.log(Level::Error, self.kind.module, text);
            log::error(r, r.status, &line);
        }
        if read.is_empty() {
            self.complaints = None;
        }
    }

    /// Hands the request's body over, and tells how it starts where a log of scripts wants that.
    pub(super) async fn feed(&mut self, r: &mut Request) -> Result<Vec<u8>, Fault> {
        let Some(input) = self.child.as_mut().and_then(|child| child.stdin.take()) else { return Ok(Vec::new()) };
        let (kept, patience) = (log::kept(r), self.patience);
        let (mut start, mut listens) = (Vec::new(), true);
        while let Some(bytes) = r.read_body().await? {
            let left = kept.saturating_sub(start.len());
            start.extend_from_slice(bytes.get(..left.min(bytes.len())).unwrap_or_default());
            if !listens {
                continue;
            }
            let mut room = vec![0; CHUNK];
            let mut writing = pin!(input.write_all(&bytes));
            loop {
                let step = engine::timeout(
                    patience,
                    poll_fn(|cx| {
                        if let Poll::Ready(read) = self.poll_complaint(cx, &mut room) {
                            return Poll::Ready(Event::Complaint(read));
                        }
                        writing.as_mut().poll(cx).map(|written| Event::Output(written.map(|()| 0)))
                    }),
                );
                match step.await {
                    Ok(Event::Complaint(read)) => self.complain(r, read, &room),
                    Ok(Event::Output(Ok(_))) => break,
                    // A script need not read what it does not care for.
                    Ok(Event::Output(Err(error))) => {
                        let text =
                            format_args!("AH02651: Error writing request body to script {}", raw(&self.filename));
                        r.log_errno(Level::Error, self.kind.module, &error, text);
                        listens = false;
                    }
                    Err(_) => {
                        return Err(Fault::client(Status::GATEWAY_TIME_OUT, "the script does not read its input"));
                    }
                }
                if !listens {
                    break;
                }
            }
        }
        Ok(start)
    }

    /// The next octets of the output; None at its end.
    pub(super) async fn read(&mut self, r: &mut Request) -> Result<Option<Bytes>, Failure> {
        let (mut room, mut said) = (vec![0; CHUNK], vec![0; if self.complaints.is_some() { CHUNK } else { 0 }]);
        let patience = self.patience;
        loop {
            let step = poll_fn(|cx| {
                if let Poll::Ready(read) = self.poll_complaint(cx, &mut said) {
                    return Poll::Ready(Event::Complaint(read));
                }
                match &self.output {
                    Some(output) => output.poll_read(cx, &mut room).map(Event::Output),
                    None => Poll::Ready(Event::Output(Ok(0))),
                }
            });
            match engine::timeout(patience, step).await {
                Ok(Event::Complaint(read)) => {
                    self.complain(r, read, &said);
                    // Who floods the log must not hold up the others.
                    engine::yield_now().await;
                }
                Ok(Event::Output(Ok(0))) => {
                    self.output = None;
                    return Ok(None);
                }
                Ok(Event::Output(Ok(read))) => {
                    room.truncate(read);
                    return Ok(Some(Bytes::from(room)));
                }
                Ok(Event::Output(Err(error))) => return Err(Failure::Read(error)),
                Err(_) => {
                    // The daemon's module leaves it to whoever waits.
                    if self.kind.module == "cgi" {
                        let text =
                            format_args!("AH01220: Timeout waiting for output from CGI script {}", raw(&self.filename));
                        r.log(Level::Warn, self.kind.module, text);
                    }
                    return Err(Failure::Timeout);
                }
            }
        }
    }

    /// Reads to the end; the start of what came.
    pub(super) async fn drain(&mut self, r: &mut Request) -> Result<Vec<u8>, Failure> {
        let mut start = Vec::new();
        while let Some(bytes) = self.read(r).await? {
            if start.len() < CHUNK {
                start.extend_from_slice(&bytes);
            }
        }
        self.finish(r).await;
        Ok(start)
    }

    /// The output has ended: what still comes on standard error within a moment is logged for `r`.
    pub(super) async fn finish(&mut self, r: &mut Request) {
        self.done = true;
        let mut said = vec![0; if self.complaints.is_some() { CHUNK } else { 0 }];
        while self.complaints.is_some() {
            match soon(poll_fn(|cx| self.poll_complaint(cx, &mut said))).await {
                Some(read) => self.complain(r, read, &said),
                None => break,
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        let (complaints, patience, connection) = (self.complaints.take(), self.patience, self.connection.clone());
        let (filename, module, done) = (std::mem::take(&mut self.filename), self.kind.module, self.done);
        engine::spawn(async move {
            if done && let Some(mut complaints) = complaints {
                let mut said = vec![0; CHUNK];
                while let Ok(Ok(read)) = engine::timeout(patience, complaints.pipe.read(&mut said)).await {
                    for line in complaints.lines(said.get(..read).unwrap_or_default()) {
                        let text = format_args!("AH01215: stderr from {}: {}", raw(&filename), raw(&line));
                        connection.log(Level::Error, module, text);
                    }
                    if read == 0 {
                        break;
                    }
                }
            }
            // One that closed its pipes is mostly about to end.
            if done && soon(child.wait()).await.is_some() {
                return;
            }
            let _ = child.signal(Signal::SIGTERM);
            if engine::timeout(GRACE, child.wait()).await.is_err() {
                let _ = child.kill();
                let _ = child.wait().await;
            }
        });
    }
}

/// Words of a query without `=`: the command line of an old kind of search.
fn arguments(r: &Request) -> Vec<BString> {
    let Some(args) = r.args.as_ref().filter(|args| !args.is_empty() && !args.contains(&b'=')) else {
        return Vec::new();
    };
    let word = |word: &[u8]| {
        let mut plain = word.to_vec();
        // What cannot be decoded stays as it is.
        if escape::unescape_url(&mut plain, escape::Slashes::Decode).is_err() {
            plain = word.to_vec();
        }
        escape::shell(&plain)
    };
    args.split(|byte| *byte == b'+').map(word).filter(|word| !word.contains(&0)).collect()
}
