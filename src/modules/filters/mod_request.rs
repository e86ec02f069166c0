//! mod_request: bodies of requests that subrequests and internal redirects find again: KeptBodySize.
//!
//! Hook: `handler`, first: reads a body that is short enough, and puts it back for the handler. Manual: mod/mod_request.html.

use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, Module, Phase, REALLY_FIRST, declined};
use crate::request::{Body, Fault, Piece, Request, Source, Status};
use crate::server::KeptBody;
use bstr::{BStr, ByteSlice};
use bytes::{Bytes, BytesMut};

pub static MODULE: Module = Module {
    name: "mod_request.c",
    ident: "request_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<RequestDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[take1(
    "KeptBodySize",
    DIRECTORY,
    NO_OVERRIDE,
    kept_body_size,
    "Maximum size of request bodies kept aside for use by filters",
)];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct RequestDir {
    /// Octets of a body that is kept; 0: none is.
    kept: Option<u64>,
}

impl Settings for RequestDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        RequestDir { kept: add.kept.or(base.kept) }
    }
}

fn kept_body_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let size: Option<i64> = word.trim_start().to_str().ok().and_then(|word| word.parse().ok());
    let Some(size) = size.and_then(|size| u64::try_from(size).ok()) else {
        return Err("KeptBodySize must be a valid size in bytes, or zero.".into());
    };
    cx.dir::<RequestDir>().kept = Some(size);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.later(Phase::handler, REALLY_FIRST, |r| {
        let kept = r.dir::<RequestDir>().kept.unwrap_or(0);
        if kept == 0 || r.is_sub() || r.extensions.of::<KeptBody>().is_some() {
            return declined();
        }
        Box::pin(async move {
            match keep(r, kept).await {
                Ok(body) => {
                    r.body_in = body.clone().into();
                    r.extensions.put(KeptBody(body));
                    Answer::Declined
                }
                Err(fault) => {
                    r.body_out = Body::Stream(Box::new(Refusal(Some(fault))));
                    Answer::Ok
                }
            }
        })
    });
}

/// A response that is refused while it is read, as Apache's input filters do: its page goes out without a length.
struct Refusal(Option<Fault>);

impl Source for Refusal {
    fn next<'a>(&'a mut self, _: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        let fault = self.0.take();
        Box::pin(async move { fault.map_or(Ok(None), Err) })
    }
}

/// Reads the body whole. One that is too long is told of, by its announced length or by the piece that was too much.
async fn keep(r: &mut Request, limit: u64) -> Result<Bytes, Fault> {
    let too_long = |r: &Request, tag: &str, length: u64, left: u64| {
        let text =
            format_args!("{tag}: Requested content-length of {length} is larger than the configured limit of {left}");
        r.log(Level::Error, "request", text);
        Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, "the body is too long to be kept")
    };
    if let Some(field) = r.headers_in.get("Content-Length") {
        let Some(length) = field.to_str().ok().and_then(|field| field.parse().ok()) else {
            r.log(Level::Error, "request", format_args!("AH01411: Invalid Content-Length '{}'", raw(field)));
            return Err(Fault::client(Status::REQUEST_ENTITY_TOO_LARGE, "its length is no number"));
        };
        if length > limit {
            return Err(too_long(r, "AH01412", length, limit));
        }
    }
    let mut body = BytesMut::new();
    while let Some(piece) = r.read_body().await? {
        if (body.len() + piece.len()) as u64 > limit {
            return Err(too_long(r, "AH01413", piece.len() as u64, 0));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
