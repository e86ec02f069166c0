//! mod_deflate: gzip for responses (DEFLATE), and back (INFLATE), and for request bodies.
//!
//! Filters: output DEFLATE and INFLATE (content set), input DEFLATE. Differences: zlib-rs makes other, mostly smaller
//! gzip streams than zlib, so lengths of compressed bodies differ. Manual: mod/mod_deflate.html.

mod codec;
mod inflate;
mod short;

use super::coding::{AlterETag, alter, is_compressible, is_plain};
use crate::config::*;
use crate::log::Level;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Filter, FilterContext, FilterKind, Request, Status};
use bstr::{BStr, BString, ByteSlice};
use codec::{Deflater, Settle};
use short::{Fields, Opening, Uncompressed};

pub static MODULE: Module = Module {
    name: "mod_deflate.c",
    ident: "deflate_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<DeflateServer>(),
    dir: Config::of::<DeflateDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take12("DeflateFilterNote", SERVER, NO_OVERRIDE, note, "Set a note to report on compression ratio"),
    take1("DeflateWindowSize", SERVER, NO_OVERRIDE, window_size, "Set the Deflate window size (1-15)"),
    take1("DeflateBufferSize", SERVER, NO_OVERRIDE, buffer_size, "Set the Deflate Buffer Size"),
    take1("DeflateMemLevel", SERVER, NO_OVERRIDE, mem_level, "Set the Deflate Memory Level (1-9)"),
    take1("DeflateCompressionLevel", SERVER, NO_OVERRIDE, level, "Set the Deflate Compression Level (1-9)"),
    take1(
        "DeflateAlterEtag",
        SERVER,
        NO_OVERRIDE,
        alter_etag,
        "Set how mod_deflate should modify ETAG response headers: 'AddSuffix' (default), 'NoChange' (2.2.x behavior), 'Remove'",
    ),
    take1(
        "DeflateInflateLimitRequestBody",
        ANYWHERE,
        Override::ALL,
        limit_body,
        "Set a limit on size of inflated input",
    ),
    take1(
        "DeflateInflateRatioLimit",
        ANYWHERE,
        Override::ALL,
        ratio_limit,
        "Set the inflate ratio limit above which inflation is aborted (default: 200)",
    ),
    take1(
        "DeflateInflateRatioBurst",
        ANYWHERE,
        Override::ALL,
        ratio_burst,
        "Set the maximum number of following inflate ratios above limit (default: 3)",
    ),
];

/// What DeflateFilterNote reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum NoteKind {
    Ratio,
    Input,
    Output,
}

/// Per-server settings.
#[derive(Clone, Debug, Default)]
pub struct DeflateServer {
    window: Option<u8>,
    mem_level: Option<u8>,
    level: Option<u8>,
    buffer: Option<usize>,
    notes: Vec<(NoteKind, BString)>,
    etag: Option<AlterETag>,
}

impl DeflateServer {
    fn window(&self) -> u8 {
        self.window.unwrap_or(15)
    }
}

impl Settings for DeflateServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DeflateServer {
            window: add.window.or(base.window),
            mem_level: add.mem_level.or(base.mem_level),
            level: add.level.or(base.level),
            buffer: add.buffer.or(base.buffer),
            notes: if add.notes.is_empty() { base.notes.clone() } else { add.notes.clone() },
            etag: add.etag.or(base.etag),
        }
    }
}

/// Per-directory settings: limits on inflated request bodies.
#[derive(Clone, Debug, Default)]
pub struct DeflateDir {
    limit: Option<u64>,
    ratio: Option<u64>,
    burst: Option<u32>,
}

impl Settings for DeflateDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let ratio = add.ratio.or(base.ratio);
        DeflateDir { limit: add.limit.or(base.limit), ratio, burst: add.burst.or(base.burst) }
    }
}

fn in_range(word: &[u8], most: i64, refusal: &str) -> Result<u8, Complaint> {
    let value = atoi(word);
    if (1..=most).contains(&value) { Ok(value as u8) } else { Err(refusal.into()) }
}

fn note(cx: &mut Cx<'_>, first: &BStr, second: Option<&BStr>) -> Outcome {
    let (kind, name) = match second {
        None => (NoteKind::Ratio, first),
        Some(name) => match first.to_ascii_lowercase().as_slice() {
            b"ratio" => (NoteKind::Ratio, name),
            b"input" => (NoteKind::Input, name),
            b"output" => (NoteKind::Output, name),
            _ => return Err(format!("Unknown note type {first}").into()),
        },
    };
    cx.server::<DeflateServer>().notes.push((kind, name.into()));
    Ok(())
}

fn window_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = in_range(word, 15, "DeflateWindowSize must be between 1 and 15")?;
    cx.server::<DeflateServer>().window = Some(value);
    Ok(())
}

fn buffer_size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = atoi(word);
    if value <= 0 {
        return Err("DeflateBufferSize should be positive".into());
    }
    cx.server::<DeflateServer>().buffer = Some(value as usize);
    Ok(())
}

fn mem_level(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = in_range(word, 9, "DeflateMemLevel must be between 1 and 9")?;
    cx.server::<DeflateServer>().mem_level = Some(value);
    Ok(())
}

fn level(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = in_range(word, 9, "Compression Level must be between 1 and 9")?;
    cx.server::<DeflateServer>().level = Some(value);
    Ok(())
}

fn alter_etag(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let choice = match word.to_ascii_lowercase().as_slice() {
        b"addsuffix" => AlterETag::AddSuffix,
        b"nochange" => AlterETag::NoChange,
        b"remove" => AlterETag::Remove,
        _ => return Err("DeflateAlterETAG accepts only 'NoChange', 'AddSuffix', and 'Remove'".into()),
    };
    cx.server::<DeflateServer>().etag = Some(choice);
    Ok(())
}

fn limit_body(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = strtol(word);
    if matches!(value, i64::MIN | i64::MAX) {
        return Err("DeflateInflateLimitRequestBody is not parsable.".into());
    }
    let whole = whole_number(word).and_then(|value| u64::try_from(value).ok());
    let refusal = "DeflateInflateLimitRequestBody requires a non-negative integer.";
    cx.dir::<DeflateDir>().limit = Some(whole.ok_or(refusal)?);
    Ok(())
}

fn ratio_limit(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = atoi(word);
    if value <= 0 {
        return Err("DeflateInflateRatioLimit must be positive".into());
    }
    cx.dir::<DeflateDir>().ratio = Some(value as u64);
    Ok(())
}

fn ratio_burst(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = atoi(word);
    if value <= 0 {
        return Err("DeflateInflateRatioBurst must be positive".into());
    }
    cx.dir::<DeflateDir>().burst = Some(value.min(i64::from(u32::MAX)) as u32);
    Ok(())
}

/// Windows below these are accepted where they are set, and refused where they are used.
const LEAST_DEFLATE_WINDOW: u8 = 9;
const LEAST_INFLATE_WINDOW: u8 = 8;

/// Bodies of known length up to this are not compressed.
const LEAST: u64 = 68;

static DEFLATE: Filter = Filter { name: "DEFLATE", kind: FilterKind::ContentSet, wrap: compress };
static INFLATE: Filter = Filter { name: "INFLATE", kind: FilterKind::Resource, wrap: inflate::response };
static DEFLATE_IN: Filter = Filter { name: "DEFLATE", kind: FilterKind::ContentSet, wrap: inflate::request };

fn hooks(on: &mut Hooks) {
    on.output_filter(&DEFLATE);
    on.output_filter(&INFLATE);
    on.input_filter(&DEFLATE_IN);
}

/// Whether Accept-Encoding lets the response be gzip: the token is there and its quality is not zero.
fn accepts_gzip(field: &BStr) -> bool {
    field.split(|byte| *byte == b',').any(|item| {
        let mut parts = item.split(|byte| *byte == b';');
        let coding = parts.next().unwrap_or_default().trim_ascii();
        let refused = parts.any(|parameter| {
            let value = parameter
                .trim_ascii()
                .split_once_str("=")
                .filter(|(name, _)| name.trim_ascii().eq_ignore_ascii_case(b"q"));
            value.is_some_and(|(_, value)| {
                let value = value.trim_ascii();
                value.starts_with(b"0") && value.iter().all(|byte| *byte == b'0' || *byte == b'.')
            })
        });
        coding.eq_ignore_ascii_case(b"gzip") && !refused
    })
}

fn skip(r: &Request, reason: &str) {
    r.log(Level::Trace1, "deflate", format_args!("Not compressing ({reason})"));
}

/// The output filter DEFLATE.
fn compress(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    if r.status == Status::NOT_MODIFIED || body.is_empty() && !r.header_only {
        return Ok(body);
    }
    // What gzip could only make longer stays as it is, whoever asks.
    let apart = matches!(&body, Body::Stream(source) if !source.ends_at_once());
    if !apart && body.length().is_some_and(|length| length <= LEAST) {
        return Ok(body);
    }
    let reason = if r.is_sub() {
        Some("subrequest")
    } else if r.status == Status::NO_CONTENT {
        Some("no content")
    } else if r.env.contains("no-gzip") {
        Some("no-gzip")
    } else if r.headers_out.contains("Content-Range") {
        Some("Content-Range")
    } else {
        None
    };
    if let Some(reason) = reason {
        skip(r, reason);
        return Ok(body);
    }
    let html = r.content_type.as_ref().is_some_and(|kind| kind.starts_with(b"text/html"));
    if r.env.get("gzip-only-text/html").is_some_and(|value| value == "1") && !html {
        skip(r, "gzip-only-text/html");
        return Ok(body);
    }
    if !is_compressible(r) {
        skip(r, "content-encoding already  set");
        return Ok(body);
    }
    let before = (!apart && matches!(&body, Body::Stream(_))).then(|| Fields::of(r));
    // Caches must know that the answer depends on the field, also when this client does not want gzip.
    r.headers_out.merge("Vary", "Accept-Encoding");
    if r.env.contains("force-gzip") {
        r.log(Level::Trace1, "deflate", format_args!("Forcing compression (force-gzip set)"));
    } else if !r.headers_in.get("Accept-Encoding").is_some_and(accepts_gzip) {
        skip(r, "no Accept-Encoding: gzip or q=0");
        return Ok(match before.map(|before| before.changed(r)) {
            None => body,
            before => Body::Stream(Box::new(Uncompressed(Opening::new(body, before)))),
        });
    }
    let settings = r.server::<DeflateServer>();
    if settings.window() < LEAST_DEFLATE_WINDOW {
        let text =
            format_args!("AH01383: unable to init Zlib: deflateInit2 returned -2: URL {}", crate::log::raw(&r.uri));
        r.log(Level::Error, "deflate", text);
        return Ok(body);
    }
    match r.content_encoding.as_ref().filter(|coding| !is_plain(coding)) {
        Some(coding) => r.content_encoding = Some([coding.as_slice(), b", gzip"].concat().into()),
        None => r.headers_out.merge("Content-Encoding", "gzip"),
    }
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    r.headers_out.unset("Content-MD5");
    alter(r, settings.etag.unwrap_or(AlterETag::AddSuffix), "gzip");
    let settle = Settle {
        ratio: named(settings, NoteKind::Ratio),
        input: named(settings, NoteKind::Input),
        output: named(settings, NoteKind::Output),
    };
    let before = before.map(|before| before.changed(r));
    let level = settings.level.map_or(-1, i32::from);
    let buffer = settings.buffer.unwrap_or(8096);
    Ok(Body::Stream(Box::new(Deflater::new(
        Opening::new(body, before),
        level,
        settings.window(),
        settings.mem_level.unwrap_or(9),
        buffer,
        settle,
    ))))
}

fn named(settings: &DeflateServer, kind: NoteKind) -> Option<BString> {
    settings.notes.iter().rfind(|(one, _)| *one == kind).map(|(_, name)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_zero_is_a_refusal() {
        for (field, accepts) in [
            ("gzip", true),
            ("deflate, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("x-gzip", false),
        ] {
            assert_eq!(accepts_gzip(field.into()), accepts, "{field}");
        }
    }
}
