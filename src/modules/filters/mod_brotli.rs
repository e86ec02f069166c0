//! mod_brotli: the output filter BROTLI_COMPRESS (RFC 7932).
//!
//! Differences: another encoder of the same format makes streams of other lengths. Manual: mod/mod_brotli.html.

use super::coding::{AlterETag, alter, is_compressible, is_plain};
use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use std::io::Write;

pub static MODULE: Module = Module {
    name: "mod_brotli.c",
    ident: "brotli_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<BrotliServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take12("BrotliFilterNote", SERVER, NO_OVERRIDE, note, "Set a note to report on compression ratio"),
    take1(
        "BrotliCompressionQuality",
        SERVER,
        NO_OVERRIDE,
        quality,
        "Compression quality between 0 and 11 (higher quality means slower compression)",
    ),
    take1(
        "BrotliCompressionWindow",
        SERVER,
        NO_OVERRIDE,
        window,
        "Sliding window size between 10 and 24 (larger windows can improve compression, but require more memory)",
    ),
    take1(
        "BrotliCompressionMaxInputBlock",
        SERVER,
        NO_OVERRIDE,
        input_block,
        "Maximum input block size between 16 and 24 (larger block sizes require more memory)",
    ),
    take1(
        "BrotliAlterETag",
        SERVER,
        NO_OVERRIDE,
        alter_etag,
        "Set how mod_brotli should modify ETag response headers: 'AddSuffix' (default), 'NoChange', 'Remove'",
    ),
];

/// Octets of compressed text that the encoder hands out at once.
const OUTPUT: usize = 8192;

/// Per-server settings.
#[derive(Clone, Default)]
pub struct BrotliServer {
    quality: Option<i32>,
    window: Option<i32>,
    block: Option<i32>,
    etag: Option<AlterETag>,
    ratio: Option<BString>,
    input: Option<BString>,
    output: Option<BString>,
}

impl Settings for BrotliServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let text = |add: &Option<BString>, base: &Option<BString>| add.clone().or_else(|| base.clone());
        BrotliServer {
            quality: add.quality.or(base.quality),
            window: add.window.or(base.window),
            block: add.block.or(base.block),
            etag: add.etag.or(base.etag),
            ratio: text(&add.ratio, &base.ratio),
            input: text(&add.input, &base.input),
            output: text(&add.output, &base.output),
        }
    }
}

fn note(cx: &mut Cx<'_>, first: &BStr, second: Option<&BStr>) -> Outcome {
    let server = cx.server::<BrotliServer>();
    let (place, name) = match second {
        None => (&mut server.ratio, first),
        Some(name) => match first.to_ascii_lowercase().as_slice() {
            b"ratio" => (&mut server.ratio, name),
            b"input" => (&mut server.input, name),
            b"output" => (&mut server.output, name),
            _ => return Err(format!("Unknown BrotliFilterNote type '{first}'").into()),
        },
    };
    *place = Some(name.into());
    Ok(())
}

fn between(word: &[u8], least: i32, most: i32, refusal: &str) -> Result<i32, Complaint> {
    let value = i32::try_from(atoi(word)).ok().filter(|value| (least..=most).contains(value));
    value.ok_or_else(|| refusal.into())
}

fn quality(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = between(word, 0, 11, "BrotliCompressionQuality must be between 0 and 11")?;
    cx.server::<BrotliServer>().quality = Some(value);
    Ok(())
}

fn window(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = between(word, 10, 24, "BrotliCompressionWindow must be between 10 and 24")?;
    cx.server::<BrotliServer>().window = Some(value);
    Ok(())
}

fn input_block(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = between(word, 16, 24, "BrotliCompressionMaxInputBlock must be between 16 and 24")?;
    cx.server::<BrotliServer>().block = Some(value);
    Ok(())
}

fn alter_etag(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let choice = match word.to_ascii_lowercase().as_slice() {
        b"addsuffix" => AlterETag::AddSuffix,
        b"nochange" => AlterETag::NoChange,
        b"remove" => AlterETag::Remove,
        _ => return Err("BrotliAlterETag accepts only 'AddSuffix', 'NoChange' and 'Remove'".into()),
    };
    cx.server::<BrotliServer>().etag = Some(choice);
    Ok(())
}

static BROTLI: Filter = Filter { name: "BROTLI_COMPRESS", kind: FilterKind::ContentSet, wrap: compress };

fn hooks(on: &mut Hooks) {
    on.output_filter(&BROTLI);
}

fn compress(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let untouched = r.is_sub()
        || r.status == Status::NO_CONTENT
        || r.status == Status::NOT_MODIFIED
        || r.env.contains("no-brotli")
        || r.headers_out.contains("Content-Range")
        || !is_compressible(r);
    if untouched {
        return Ok(body);
    }
    // Caches must know that the answer depends on the field, also when this client does not want brotli.
    r.headers_out.merge("Vary", "Accept-Encoding");
    if !r.headers_in.get("Accept-Encoding").is_some_and(|field| accepted(r, field)) {
        return Ok(body);
    }
    match r.content_encoding.as_ref().filter(|coding| !is_plain(coding)) {
        Some(coding) => r.content_encoding = Some([coding.as_slice(), b", br"].concat().into()),
        None => r.headers_out.merge("Content-Encoding", "br"),
    }
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    r.headers_out.unset("Content-MD5");
    let settings = r.server::<BrotliServer>();
    alter(r, settings.etag.unwrap_or(AlterETag::AddSuffix), "br");
    let params = BrotliEncoderParams {
        quality: settings.quality.unwrap_or(5),
        lgwin: settings.window.unwrap_or(18),
        lgblock: settings.block.unwrap_or(0),
        ..BrotliEncoderParams::default()
    };
    let encoder = CompressorWriter::with_params(Vec::new(), OUTPUT, &params);
    Ok(Body::Stream(Box::new(Compressed {
        inner: Octets::new(body),
        encoder: Some(encoder),
        input: 0,
        output: 0,
        pending_flush: None,
    })))
}

/// Whether Accept-Encoding lets the response be brotli: the first token `br` has a quality other than zero.
fn accepted(r: &Request, field: &BStr) -> bool {
    let mut items = field.split(|byte| *byte == b',').map(|item| item.split_once_str(";").unwrap_or((item, b"")));
    let Some((coding, parameter)) = items.find(|(coding, _)| coding.trim_ascii().eq_ignore_ascii_case(b"br")) else {
        return false;
    };
    let quality = parameter.trim_ascii();
    let shown = if quality.is_empty() { "NULL".into() } else { quality.to_str_lossy() };
    r.log(Level::Debug, "brotli", format_args!("token: '{}' - q: '{shown}'", coding.trim_ascii().as_bstr()));
    !(quality.len() >= 3 && b"q=0.000".starts_with(quality))
}

/// See the module text.
struct Compressed {
    inner: Octets,
    /// None once the stream has ended.
    encoder: Option<CompressorWriter<Vec<u8>>>,
    input: u64,
    output: u64,
    /// None before the first output, then whether it still has to be flushed.
    pending_flush: Option<bool>,
}

impl Compressed {
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        // What comes before the end goes out as it comes: the length of the whole is not waited for.
        if self.pending_flush == Some(true) {
            self.pending_flush = Some(false);
            return Ok(Some(Piece::Flush));
        }
        while let Some(encoder) = &mut self.encoder {
            let failed = |tag: &str| Fault::ours(format!("{tag}: Error while compressing data"));
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => {
                    self.input += bytes.len() as u64;
                    encoder.write_all(&bytes).map_err(|_| failed("AH03459"))?;
                    if !encoder.get_ref().is_empty() {
                        let out = std::mem::take(encoder.get_mut());
                        self.output += out.len() as u64;
                        self.pending_flush.get_or_insert(true);
                        return Ok(Some(Piece::Bytes(out.into())));
                    }
                }
                Next::Flush => {
                    encoder.flush().map_err(|_| failed("AH03460"))?;
                    let out = std::mem::take(encoder.get_mut());
                    self.output += out.len() as u64;
                    return Ok(Some(if out.is_empty() { Piece::Flush } else { Piece::Bytes(Bytes::from(out)) }));
                }
                Next::End => {
                    let out = self.encoder.take().map(CompressorWriter::into_inner).unwrap_or_default();
                    self.output += out.len() as u64;
                    self.settle(r);
                    return Ok(Some(Piece::Bytes(out.into())).filter(|piece| !piece.is_empty()));
                }
            }
        }
        Ok(None)
    }

    /// Writes the notes.
    fn settle(&self, r: &mut Request) {
        let settings = r.server::<BrotliServer>();
        if let Some(name) = &settings.input {
            r.notes.set(name, self.input.to_string());
        }
        if let Some(name) = &settings.output {
            r.notes.set(name, self.output.to_string());
        }
        if let Some(name) = &settings.ratio {
            let ratio =
                (self.output * 100).checked_div(self.input).map_or_else(|| "-".to_owned(), |part| part.to_string());
            r.notes.set(name, ratio);
        }
    }
}

impl Source for Compressed {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
