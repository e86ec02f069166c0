//! mod_charset_lite: the filters XLATEOUT and XLATEIN translate responses and request bodies between character sets.
//!
//! Responses from CharsetSourceEnc into CharsetDefault, bodies of POST and PUT the other way round; the character sets
//! are the system's (iconv). Hooks: `fixups`, middle, which finds out what is asked for; `insert_filter`, really last, so that it
//! sees who else added the filters. Differences: none known. Manual: mod/mod_charset_lite.html.

use super::octets::{Next, Octets};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, REALLY_LAST};
use crate::request::{
    Body, Fault, Filter, FilterContext, FilterInstance, FilterKind, MethodNumber, Piece, Request, Source, Status,
};
use crate::sys::iconv::{Converter, Stopped};
use bstr::{BString, ByteSlice};
use bytes::Bytes;

pub static MODULE: Module = Module {
    name: "mod_charset_lite.c",
    ident: "charset_lite_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<CharsetDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("CharsetSourceEnc", ANYWHERE, FILE_INFO, source, "source (html,cgi,ssi) file charset"),
    take1("CharsetDefault", ANYWHERE, FILE_INFO, default, "name of default charset"),
    iterate(
        "CharsetOptions",
        ANYWHERE,
        FILE_INFO,
        options,
        "valid options: ImplicitAdd, NoImplicitAdd, TranslateAllMimeTypes, NoTranslateAllMimeTypes",
    ),
];

/// Per-directory settings.
#[derive(Clone, Default)]
struct CharsetDir {
    source: Option<BString>,
    default: Option<BString>,
    implicit: Option<bool>,
    all_types: Option<bool>,
}

impl Settings for CharsetDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CharsetDir {
            source: add.source.clone().or_else(|| base.source.clone()),
            default: add.default.clone().or_else(|| base.default.clone()),
            implicit: add.implicit.or(base.implicit),
            all_types: add.all_types.or(base.all_types),
        }
    }
}

fn source(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CharsetDir>().source = Some(word.into());
    Ok(())
}

fn default(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CharsetDir>().default = Some(word.into());
    Ok(())
}

fn options(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let dir = cx.dir::<CharsetDir>();
    match word.to_ascii_lowercase().as_slice() {
        b"implicitadd" => dir.implicit = Some(true),
        b"noimplicitadd" => dir.implicit = Some(false),
        b"translateallmimetypes" => dir.all_types = Some(true),
        b"notranslateallmimetypes" => dir.all_types = Some(false),
        _ => return Err(format!("Invalid CharsetOptions option: {word}").into()),
    }
    Ok(())
}

static OUTPUT: Filter = Filter { name: "XLATEOUT", kind: FilterKind::Resource, wrap: wrap_output };
static INPUT: Filter = Filter { name: "XLATEIN", kind: FilterKind::Resource, wrap: wrap_input };

fn hooks(on: &mut Hooks) {
    on.output_filter(&OUTPUT);
    on.input_filter(&INPUT);
    on.fixups(MIDDLE, look);
    on.insert_filter(REALLY_LAST, insert);
}

/// The two character sets, where there is something to translate.
fn pair(r: &Request) -> Option<(BString, BString)> {
    let dir = r.dir::<CharsetDir>();
    let (source, default) = (dir.source.clone()?, dir.default.clone()?);
    // What mod_rewrite is to answer is no file.
    let elsewhere: [&[u8]; 4] = [b"redirect:", b"gone:", b"passthrough:", b"forbidden:"];
    let ours = !source.eq_ignore_ascii_case(&default)
        && !elsewhere.iter().any(|prefix| r.filename.starts_with(prefix))
        // What is included by a document that is translated itself is translated with it.
        && r.main.as_ref().is_none_or(|main| main.dir_id != r.dir.id);
    ours.then_some((source, default))
}

fn has_body(r: &Request) -> bool {
    r.method.is(MethodNumber::PUT) || r.method.is(MethodNumber::POST)
}

fn look(r: &mut Request) -> Answer {
    let dir = r.dir::<CharsetDir>();
    if dir.source.is_none() || dir.default.is_none() {
        let shown =
            |set: &Option<BString>| set.as_ref().map_or("unspecified".into(), |set| set.to_str_lossy().into_owned());
        let (source, default) = (shown(&dir.source), shown(&dir.default));
        let text = format_args!("AH01448: incomplete configuration: src {source}, dst {default}");
        r.log(Level::Debug, "charset_lite", text);
        return Answer::Declined;
    }
    if let Some((source, default)) = pair(r).filter(|_| has_body(r))
        && let Err(error) = Converter::new(&source, &default)
    {
        let text = format_args!("AH01449: can't open translation {default}->{source}");
        r.log_errno(Level::Error, "charset_lite", error, text);
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    }
    Answer::Declined
}

fn insert(r: &mut Request) -> Answer {
    if r.dir::<CharsetDir>().implicit == Some(false) || pair(r).is_none() {
        return Answer::Ok;
    }
    if !r.output_filters.iter().any(|there| there.filter.name == OUTPUT.name) {
        r.output_filters.push(FilterInstance { filter: &OUTPUT, context: None });
    }
    if has_body(r) && !r.input_filters.iter().any(|there| there.filter.name == INPUT.name) {
        r.input_filters.push(FilterInstance { filter: &INPUT, context: None });
    }
    Answer::Ok
}

fn wrap_output(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let Some((source, default)) = pair(r) else { return Ok(body) };
    let converter = match Converter::new(&default, &source) {
        Ok(converter) => converter,
        Err(error) => {
            let text = format_args!("AH01453: can't open translation {source}->{default}");
            r.log_errno(Level::Error, "charset_lite", error, text);
            return Ok(body);
        }
    };
    let text = r.content_type.as_ref().is_some_and(|kind| {
        let begins = |prefix: &[u8]| kind.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        begins(b"text/") || begins(b"message/")
    });
    let wanted = text || r.content_type.is_some() && r.dir::<CharsetDir>().all_types == Some(true);
    if !wanted || body.is_empty() && !r.header_only {
        return Ok(body);
    }
    if Converter::keeps_length(&default, &source) {
        let length = body.length();
        return Ok(translated(body, converter, length, false));
    }
    r.headers_out.unset("Content-Length");
    r.content_length = None;
    Ok(translated(body, converter, None, false))
}

fn wrap_input(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    let Some((source, default)) = pair(r).filter(|_| has_body(r)) else { return Ok(body) };
    match Converter::new(&source, &default) {
        Ok(converter) => {
            if r.headers_in.contains("Content-Length") {
                let text = "Request body length may change, resulting in misprocessing by some modules or scripts";
                r.log(Level::Trace1, "charset_lite", format_args!("{text}"));
            }
            Ok(translated(body, converter, None, true))
        }
        Err(_) => Ok(body),
    }
}

fn translated(body: Body, converter: Converter, length: Option<u64>, input: bool) -> Body {
    let (left, out) = (Vec::new(), Vec::new());
    Body::Stream(Box::new(Translated {
        inner: Octets::new(body),
        converter,
        length,
        input,
        left,
        out,
        flush: false,
        ended: false,
    }))
}

/// Octets that are collected before they go on.
const ENOUGH: usize = 16 * 1024;
/// What the portable runtime calls a part of something.
const INCOMPLETE: i32 = 70_008;

struct Translated {
    inner: Octets,
    converter: Converter,
    /// What is still to come, where that is known.
    length: Option<u64>,
    input: bool,
    /// The beginning of a character.
    left: Vec<u8>,
    out: Vec<u8>,
    flush: bool,
    ended: bool,
}

impl Translated {
    fn fault(&self, errno: i32) -> Fault {
        match self.input {
            true => Fault::client(Status::BAD_REQUEST, "the body is not of its character set"),
            false => Fault::ours("the response is not of its character set"),
        }
        .errno(errno)
    }

    fn feed(&mut self, r: &Request, bytes: &[u8]) -> Result<(), Fault> {
        let mut whole = std::mem::take(&mut self.left);
        let input = match whole.is_empty() {
            true => bytes,
            false => {
                whole.extend_from_slice(bytes);
                &whole
            }
        };
        let (used, stopped) = self.converter.convert(input, &mut self.out);
        match stopped {
            Stopped::Done => {}
            Stopped::Incomplete => self.left = input.get(used..).unwrap_or_default().to_vec(),
            Stopped::Invalid => {
                let text = format_args!("AH02997: AH02198: xlate filter - returning error");
                r.log_errno(Level::Error, "charset_lite", libc::EINVAL, text);
                return Err(self.fault(libc::EINVAL));
            }
        }
        Ok(())
    }

    fn end(&mut self, r: &Request) -> Result<(), Fault> {
        if self.left.is_empty() {
            return Ok(());
        }
        let octets: String = self.left.iter().map(|octet| format!("{octet:02x}")).collect();
        let text = format_args!("AH02997: AH02196: xlate filter - incomplete char at end of input - {octets}");
        r.log(Level::Error, "charset_lite", text);
        Err(self.fault(INCOMPLETE))
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        while !self.ended && !self.flush && self.out.len() < ENOUGH {
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => self.feed(r, &bytes)?,
                Next::Flush => self.flush = true,
                Next::End => {
                    self.ended = true;
                    self.end(r)?;
                }
            }
        }
        if !self.out.is_empty() {
            let out = std::mem::take(&mut self.out);
            self.length = self.length.map(|length| length.saturating_sub(out.len() as u64));
            return Ok(Some(Piece::Bytes(Bytes::from(out))));
        }
        Ok(std::mem::take(&mut self.flush).then_some(Piece::Flush))
    }
}

impl Source for Translated {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn length(&self) -> Option<u64> {
        self.length
    }
    fn measurable(&self) -> bool {
        // The end of a response goes out on its own, however short it is.
        false
    }
}
