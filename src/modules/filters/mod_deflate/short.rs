//! Bodies whose length nobody knows yet: those that turn out too short to compress go out as they are, and so do the
//! fields that were changed for them.

use super::LEAST;
use crate::engine::BoxFuture;
use crate::request::{Body, Fault, Piece, Request, Source};
use bstr::{BString, ByteSlice};
use std::collections::VecDeque;

/// A body with its first pieces, as far as they were looked at.
pub(super) struct Opening {
    body: Body,
    ready: VecDeque<Piece>,
    /// What to restore when the body is short; None once that is decided.
    before: Option<Fields>,
}

impl Opening {
    pub(super) fn new(mut body: Body, before: Option<Fields>) -> Opening {
        body.read_steadily(true);
        Opening { body, ready: VecDeque::new(), before }
    }

    /// Whether the body is too short to compress. The fields are what they were, then.
    pub(super) async fn is_short(&mut self, r: &mut Request) -> Result<bool, Fault> {
        let Some(before) = self.before.take() else { return Ok(false) };
        let mut length = 0;
        while length <= LEAST {
            match self.body.next(r).await? {
                Some(piece) => {
                    length += piece.len();
                    let flush = matches!(piece, Piece::Flush);
                    self.ready.push_back(piece);
                    if flush {
                        return Ok(false);
                    }
                }
                None => {
                    before.restore(r);
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    pub(super) async fn next(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        match self.ready.pop_front() {
            Some(piece) => Ok(Some(piece)),
            None => self.body.next(r).await,
        }
    }

    pub(super) fn measurable(&self) -> bool {
        !matches!(&self.body, Body::Stream(source) if !source.measurable())
    }
}

/// A body that is not compressed, but has got fields as if its length mattered.
pub(super) struct Uncompressed(pub(super) Opening);

impl Source for Uncompressed {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            self.0.is_short(r).await?;
            self.0.body.read_steadily(false);
            self.0.next(r).await
        })
    }
    fn measurable(&self) -> bool {
        self.0.measurable()
    }
}

/// The fields that compression changes, as they were before it.
pub(super) struct Fields {
    named: [Option<BString>; 3],
    coding: Option<BString>,
    /// The same once they are changed: what something else changed later stays.
    changed: [Option<BString>; 3],
}

const NAMES: [&str; 3] = ["Vary", "ETag", "Content-Encoding"];

impl Fields {
    pub(super) fn of(r: &Request) -> Fields {
        let named = Fields::named(r);
        Fields { changed: named.clone(), named, coding: r.content_encoding.clone() }
    }

    fn named(r: &Request) -> [Option<BString>; 3] {
        NAMES.map(|name| r.headers_out.get(name).map(|value| value.as_bytes().into()))
    }

    /// Takes note of what they are now.
    pub(super) fn changed(self, r: &Request) -> Fields {
        Fields { changed: Fields::named(r), ..self }
    }

    fn restore(self, r: &mut Request) {
        for ((name, before), changed) in NAMES.iter().zip(self.named).zip(self.changed) {
            let Some(now) = r.headers_out.get(name).filter(|_| before != changed) else { continue };
            // What something else appended since then stays.
            let Some(appended) = now.strip_prefix(changed.unwrap_or_default().as_slice()) else { continue };
            let restored: BString = match before {
                Some(before) => [before.as_slice(), appended].concat().into(),
                None => appended.trim_start_with(|byte| byte == ',' || byte == ' ').into(),
            };
            if restored.is_empty() {
                r.headers_out.unset(name);
            } else {
                r.headers_out.set(name, restored);
            }
        }
        r.content_encoding = self.coding;
    }
}
