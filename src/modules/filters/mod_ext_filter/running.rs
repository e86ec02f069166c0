//! A program that runs: the body goes in, the filtered body comes out.
//!
//! Writing and reading take turns as the pipes allow. What is read is collected up to one buffer; while nobody takes it
//! the program waits, and so does whoever sends the body. A program that has said all it wants to say, or that nobody
//! listens to any more, is asked to end, and killed when it does not.

use super::super::octets::{Next, Octets};
use super::{Definition, ExtFilterDir};
use crate::config::CoreServer;
use crate::engine::{self, BoxFuture, Child, PipeReader, PipeWriter};
use crate::log::Level;
use crate::request::{Body, Fault, Piece, Request, Source, Status};
use crate::server::cgi;
use crate::sys::limits::{self, Resource};
use bstr::ByteSlice;
use bytes::{Buf, Bytes};
use nix::sys::signal::Signal;
use std::future::poll_fn;
use std::io;
use std::os::unix::process::CommandExt;
use std::pin::pin;
use std::process::{Command, Stdio};
use std::task::Poll;
use std::time::Duration;

/// Octets read at once.
const CHUNK: usize = 16 * 1024;
/// Octets that are collected before they go on.
const ENOUGH: usize = 64 * 1024;
/// Time between asking a program to end and killing it.
const GRACE: Duration = Duration::from_secs(3);
/// What a program may take to answer what it was sent before whoever waits for it sees what there is.
const MOMENT: Duration = Duration::from_millis(20);
/// What the portable runtime calls a timeout, and an end of file.
const TIMEOUT: i32 = 70_007;
const END_OF_FILE: i32 = 70_014;

/// A program that was started.
pub(super) struct Running {
    child: Child,
    patience: Duration,
}

impl Running {
    pub(super) fn start(r: &Request, filter: &Definition) -> io::Result<Running> {
        let program = filter.command.first().map(|program| program.as_slice()).unwrap_or_default();
        if program.is_empty() {
            return Err(io::Error::from_raw_os_error(libc::ENOENT));
        }
        // A name without a slash is a file of the working directory: nothing is looked for along PATH.
        let path = if program.contains(&b'/') { program.to_vec() } else { [b"./", program].concat() };
        let mut command = Command::new(path.to_os_str_lossy());
        command.arg0(program.to_os_str_lossy());
        for argument in filter.command.iter().skip(1) {
            command.arg(argument.to_os_str_lossy());
        }
        command.env_clear();
        for (name, value) in cgi::environment(r) {
            command.env(name.to_os_str_lossy(), value.to_os_str_lossy());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(match (r.dir::<ExtFilterDir>().log_stderr, r.server.log.as_file()) {
            (Some(true), Some(log)) => Stdio::from(log.try_clone()?),
            (Some(true), None) => Stdio::inherit(),
            _ => Stdio::null(),
        });
        let resources = [Resource::Cpu, Resource::Memory, Resource::Processes];
        for (resource, limit) in resources.into_iter().zip(r.dir.core().rlimits) {
            if let Some((soft, hard)) = limit {
                limits::limit(&mut command, resource, soft, hard);
            }
        }
        let timeout = r.server.timeout.or(r.server.settings.of::<CoreServer>().timeout);
        Ok(Running { child: Child::spawn(&mut command)?, patience: timeout.unwrap_or(Duration::from_secs(60)) })
    }

    /// Lets the program filter a body.
    pub(super) fn filter(mut self, body: Body, filter: &Definition) -> Box<dyn Source> {
        let length = body.length().filter(|length| filter.preserves_length && (filter.input || *length > super::SMALL));
        Box::new(Filtered {
            inner: Octets::new(body),
            stdin: self.child.stdin.take(),
            stdout: self.child.stdout.take(),
            child: Some(self.child),
            patience: self.patience,
            input: filter.input,
            waiting: Bytes::new(),
            out: Vec::new(),
            flush: false,
            length,
        })
    }
}

struct Filtered {
    inner: Octets,
    /// None: the body has ended, or the program does not listen any more.
    stdin: Option<PipeWriter>,
    /// None: the program has said everything.
    stdout: Option<PipeReader>,
    child: Option<Child>,
    patience: Duration,
    /// The body is a request's.
    input: bool,
    /// What the program is yet to take.
    waiting: Bytes,
    out: Vec<u8>,
    /// Whoever sends the body wants the rest to go out now.
    flush: bool,
    /// What is still to come, where the program is said to keep the length.
    length: Option<u64>,
}

/// What happened while both sides were tried.
enum Step {
    Input(Result<Next, Fault>),
    Taken(io::Result<usize>),
    Output(io::Result<usize>),
}

impl Filtered {
    /// The program broke off, or hangs: what it did not filter goes nowhere.
    fn broken(&self, r: &Request, errno: i32) -> Fault {
        r.log_errno(Level::Error, "ext_filter", errno, format_args!("AH01468: ef_unified_filter() failed"));
        match self.input {
            true if errno == TIMEOUT => Fault::client(Status::REQUEST_TIME_OUT, "a filter's program hangs"),
            true => Fault::client(Status::BAD_REQUEST, "a filter's program broke off"),
            false => Fault { status: Status::INTERNAL_SERVER_ERROR, ..Fault::upstream("a filter's program hangs") },
        }
    }

    fn timed_out(&self, r: &Request) -> Fault {
        match self.stdin {
            Some(_) => r.log_errno(Level::Warn, "ext_filter", TIMEOUT, format_args!("AH01462: apr_pollset_poll()")),
            None => {
                let text = format_args!("AH01466: apr_file_read(child output), len 0");
                r.log_errno(Level::Error, "ext_filter", TIMEOUT, text);
            }
        }
        self.broken(r, TIMEOUT)
    }

    /// Goes on until there is something to pass on, or an end.
    async fn work(&mut self, r: &mut Request) -> Result<(), Fault> {
        let mut room = vec![0; CHUNK];
        while self.stdout.is_some() && self.out.len() < ENOUGH {
            let step = if self.stdin.is_none() || !self.waiting.is_empty() {
                self.step(&mut room, self.patience).await.map_err(|_| self.timed_out(r))?
            } else if self.flush {
                match self.step(&mut room, MOMENT).await {
                    Ok(step) => step,
                    Err(_) => return Ok(()),
                }
            } else {
                self.input_or_output(r, &mut room).await
            };
            match step {
                Step::Input(Ok(Next::Bytes(bytes))) => self.waiting = bytes,
                Step::Input(Ok(Next::Flush)) => self.flush = true,
                Step::Input(Ok(Next::End)) => self.stdin = None,
                Step::Input(Err(fault)) => return Err(fault),
                Step::Taken(Ok(taken)) => self.waiting.advance(taken.min(self.waiting.len())),
                // It need not read what it does not care for.
                Step::Taken(Err(error)) => {
                    if self.input {
                        return Err(self.broken(r, error.raw_os_error().unwrap_or(libc::EPIPE)));
                    }
                    self.stdin = None;
                }
                Step::Output(Ok(0)) => self.stdout = None,
                Step::Output(Ok(read)) => self.out.extend_from_slice(room.get(..read).unwrap_or_default()),
                Step::Output(Err(error)) => return Err(self.broken(r, error.raw_os_error().unwrap_or(libc::EIO))),
            }
        }
        if self.stdout.is_none() && self.input && self.stdin.is_some() {
            // Of a request's body nothing may be left over.
            let rest = match self.waiting.is_empty() {
                true => self.inner.next(r).await?,
                false => return Err(self.broken(r, END_OF_FILE)),
            };
            if !matches!(rest, Next::End) {
                return Err(self.broken(r, END_OF_FILE));
            }
        }
        Ok(())
    }

    /// Writes or reads, whichever the program is ready for.
    async fn step(&mut self, room: &mut [u8], patience: Duration) -> Result<Step, engine::Elapsed> {
        let (stdin, stdout, waiting) = (&self.stdin, &self.stdout, &self.waiting);
        let either = poll_fn(|cx| {
            if let Some(stdout) = stdout
                && let Poll::Ready(read) = stdout.poll_read(cx, room)
            {
                return Poll::Ready(Step::Output(read));
            }
            match stdin {
                Some(stdin) if !waiting.is_empty() => stdin.poll_write(cx, waiting).map(Step::Taken),
                _ => Poll::Pending,
            }
        });
        engine::timeout(patience, either).await
    }

    /// Waits for more of the body; what the program says meanwhile is collected.
    async fn input_or_output(&mut self, r: &mut Request, room: &mut [u8]) -> Step {
        let mut next = pin!(self.inner.next(r));
        let (stdout, out, input) = (&self.stdout, &mut self.out, self.input);
        poll_fn(|cx| {
            loop {
                if let Poll::Ready(next) = next.as_mut().poll(cx) {
                    return Poll::Ready(Step::Input(next));
                }
                match stdout {
                    Some(stdout) if out.len() < ENOUGH => match stdout.poll_read(cx, room) {
                        Poll::Ready(Ok(read)) if read > 0 => {
                            out.extend_from_slice(room.get(..read).unwrap_or_default());
                        }
                        // A request's body goes on: the end of the program is seen again when more of it comes.
                        Poll::Ready(end) if !input => return Poll::Ready(Step::Output(end)),
                        _ => return Poll::Pending,
                    },
                    _ => return Poll::Pending,
                }
            }
        })
        .await
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        if self.out.is_empty() && !self.flush && self.length != Some(0) {
            self.work(r).await?;
        }
        let mut out = std::mem::take(&mut self.out);
        if let Some(left) = &mut self.length {
            // The length was announced: not an octet more.
            out.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= out.len() as u64;
        }
        if !out.is_empty() {
            return Ok(Some(Piece::Bytes(out.into())));
        }
        if std::mem::take(&mut self.flush) {
            return Ok(Some(Piece::Flush));
        }
        match self.length {
            Some(left) if left > 0 => Err(self.broken(r, END_OF_FILE)),
            _ => Ok(None),
        }
    }
}

impl Source for Filtered {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn length(&self) -> Option<u64> {
        self.length
    }
}

impl Drop for Filtered {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let ended = self.stdout.is_none();
        (self.stdin, self.stdout) = (None, None);
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return;
        }
        engine::spawn(async move {
            // One that closed its output is mostly about to end.
            if ended && engine::timeout(MOMENT, child.wait()).await.is_ok() {
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
