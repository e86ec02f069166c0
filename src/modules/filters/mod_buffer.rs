//! mod_buffer: the filters BUFFER, for responses and request bodies, collect small pieces into larger ones.
//!
//! Per-directory setting BufferSize: the most octets that are held. What is in files stays there until it is sent.
//! Manual: mod/mod_buffer.html.

use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use bstr::{BStr, ByteSlice};
use bytes::Bytes;

pub static MODULE: Module = Module {
    name: "mod_buffer.c",
    ident: "buffer_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<BufferDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[take1("BufferSize", DIRECTORY, NO_OVERRIDE, buffer_size, "Maximum size of the buffer used by the buffer filter")];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct BufferDir {
    size: Option<usize>,
}

impl Settings for BufferDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        BufferDir { size: add.size.or(base.size) }
    }
}

fn buffer_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    // Digits count up to the first other octet.
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = word.get(..digits).and_then(|digits| digits.to_str().ok()?.parse::<usize>().ok());
    match number.filter(|size| *size > 0) {
        Some(size) => cx.dir::<BufferDir>().size = Some(size),
        None => return Err("BufferSize must be a size in bytes, and greater than zero".into()),
    }
    Ok(())
}

static OUTPUT: Filter = Filter { name: "BUFFER", kind: FilterKind::ContentSet, wrap };
static INPUT: Filter = Filter { name: "BUFFER", kind: FilterKind::ContentSet, wrap };

fn hooks(on: &mut Hooks) {
    on.output_filter(&OUTPUT);
    on.input_filter(&INPUT);
}

const SIZE: usize = 131_072;

fn wrap(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    // What is whole already needs no collecting; what a response includes is collected with it.
    if r.is_sub() || !matches!(body, Body::Stream(_)) {
        return Ok(body);
    }
    let size = r.dir::<BufferDir>().size.unwrap_or(SIZE);
    Ok(Body::Stream(Box::new(Collector { inner: Octets::new(body), held: Vec::new(), size, flush: false })))
}

struct Collector {
    inner: Octets,
    held: Vec<u8>,
    size: usize,
    /// A flush goes out behind what is held.
    flush: bool,
}

impl Collector {
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        while !self.flush && self.held.len() < self.size {
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => self.held.extend_from_slice(&bytes),
                Next::Flush => self.flush = true,
                Next::End => break,
            }
        }
        if !self.held.is_empty() {
            return Ok(Some(Piece::Bytes(Bytes::from(std::mem::take(&mut self.held)))));
        }
        Ok(std::mem::take(&mut self.flush).then_some(Piece::Flush))
    }
}

impl Source for Collector {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn length(&self) -> Option<u64> {
        Some(self.inner.length()? + self.held.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    struct Drops(VecDeque<Piece>);
    impl Source for Drops {
        fn next<'a>(&'a mut self, _: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
            Box::pin(std::future::ready(Ok(self.0.pop_front())))
        }
    }

    #[test]
    fn pieces_are_joined_up_to_the_size() {
        let piece = |text: &'static str| Piece::Bytes(Bytes::from_static(text.as_bytes()));
        let inner = Drops([piece("a"), piece("bc"), piece("d"), Piece::Flush, piece("e"), piece("f")].into());
        let inner = Octets::new(Body::Stream(Box::new(inner)));
        let mut collector = Collector { inner, held: Vec::new(), size: 3, flush: false };
        let mut r = crate::request::testing::request();
        let mut seen = Vec::new();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            let std::task::Poll::Ready(piece) = collector.next(&mut r).as_mut().poll(&mut cx) else { panic!("waits") };
            match piece.unwrap() {
                Some(Piece::Bytes(bytes)) => seen.push(String::from_utf8(bytes.to_vec()).unwrap()),
                Some(Piece::Flush) => seen.push("|".into()),
                _ => break,
            }
        }
        assert_eq!(seen, ["abc", "d", "|", "ef"]);
    }
}
