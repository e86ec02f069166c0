//! mod_data: the filter DATA makes a `data:` URL (RFC 2397) of a response.
//!
//! No directives. Three octets become four letters as they pass; nothing is held but what is left of a group of three.
//! Differences: none known. Manual: mod/mod_data.html.

use super::octets::{Next, Octets};
use crate::config::Config;
use crate::engine::BoxFuture;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice;
use bytes::Bytes;

pub static MODULE: Module = Module {
    name: "mod_data.c",
    ident: "data_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

static DATA: Filter = Filter { name: "DATA", kind: FilterKind::Resource, wrap: encode };

fn hooks(on: &mut Hooks) {
    on.output_filter(&DATA);
}

fn encode(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let prefix = prefix(r.content_type.as_ref().map_or(b"", |kind| kind.as_slice()));
    r.set_content_type("text/plain");
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    Ok(Body::Stream(Box::new(Encoded {
        inner: Octets::new(body),
        prefix: Some(prefix),
        left: Vec::new(),
        ended: false,
    })))
}

/// What stands before the data: the media type with the first word of its parameters, as it is written.
fn prefix(kind: &[u8]) -> Bytes {
    let (media, parameters) = kind.split_once_str(";").unwrap_or((kind, b""));
    let mut out = b"data:".to_vec();
    out.extend_from_slice(media.trim_ascii());
    if let Some(first) = parameters.fields().next() {
        out.push(b';');
        out.extend_from_slice(first);
    }
    out.extend_from_slice(b";base64,");
    out.into()
}

struct Encoded {
    inner: Octets,
    prefix: Option<Bytes>,
    /// One or two octets that wait for a third.
    left: Vec<u8>,
    ended: bool,
}

impl Encoded {
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        if let Some(prefix) = self.prefix.take() {
            return Ok(Some(Piece::Bytes(prefix)));
        }
        while !self.ended {
            match self.inner.next(r).await? {
                Next::Flush => return Ok(Some(Piece::Flush)),
                Next::Bytes(bytes) => {
                    let mut octets = std::mem::take(&mut self.left);
                    octets.extend_from_slice(&bytes);
                    self.left = octets.split_off(octets.len() - octets.len() % 3);
                    if !octets.is_empty() {
                        return Ok(Some(Piece::Bytes(STANDARD.encode(octets).into())));
                    }
                }
                Next::End => {
                    self.ended = true;
                    if !self.left.is_empty() {
                        return Ok(Some(Piece::Bytes(STANDARD.encode(std::mem::take(&mut self.left)).into())));
                    }
                }
            }
        }
        Ok(None)
    }
}

impl Source for Encoded {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn ends_at_once(&self) -> bool {
        false
    }
    fn length(&self) -> Option<u64> {
        let octets = self.inner.length()? + self.left.len() as u64;
        Some(self.prefix.as_ref().map_or(0, |prefix| prefix.len() as u64) + octets.div_ceil(3) * 4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        assert_eq!(prefix(b"text/plain"), "data:text/plain;base64,");
        assert_eq!(prefix(b"text/html; charset=utf-8"), "data:text/html;charset=utf-8;base64,");
        assert_eq!(prefix(b""), "data:;base64,");
    }
}
