//! mod_mime: media type, charset, encoding, language, handler and filters by file name extension.
//!
//! Hooks: `type_checker`, middle, so that MultiViews (mod_negotiation, first) has found the file; `post_config`, which
//! reads the TypesConfig file of the main server once for all. Offers `UnknownParts` as `mime`, by which negotiation
//! learns which parts of a name mean nothing.
//! Manual: mod/mod_mime.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, UnknownParts};
use crate::request::{FileKind, Request};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

mod media;

pub static MODULE: Module = Module {
    name: "mod_mime.c",
    ident: "mime_module",
    linked: Linked::Loadable,
    directives: &[ADDERS, REMOVERS, OTHERS],
    server: Config::of::<MimeServer>(),
    dir: Config::of::<MimeDir>(),
    hooks,
};

macro_rules! adders {
    ($($name:literal $field:ident $removal:ident $help:literal)*) => {
        const ADDERS: &[Directive] = &[$(
            iterate2($name, ANYWHERE, FILE_INFO, |cx, value, extension| {
                entry(cx, extension).$field.set(value.to_ascii_lowercase().into(), Removal::$removal);
                Ok(())
            }, $help),
        )*];
    };
}
macro_rules! removers {
    ($($name:literal $field:ident $removal:ident)*) => {
        const REMOVERS: &[Directive] = &[$(
            iterate($name, ANYWHERE, FILE_INFO, |cx, extension| {
                // A removal that comes last takes effect where sections meet, which the main server never comes to.
                if Removal::$removal == Removal::AtOnce || cx.place != Place::Main {
                    entry(cx, extension).$field.remove(Removal::$removal);
                }
                Ok(())
            }, "one or more file extensions"),
        )*];
    };
}

adders! {
    "AddCharset" charset AtOnce "a charset (e.g., iso-2022-jp), followed by one or more file extensions"
    "AddEncoding" encoding Last "an encoding (e.g., gzip), followed by one or more file extensions"
    "AddHandler" handler Last "a handler name followed by one or more file extensions"
    "AddInputFilter" input_filters Last "input filter name (or ; delimited names) followed by one or more file extensions"
    "AddLanguage" language Last "a language (e.g., fr), followed by one or more file extensions"
    "AddOutputFilter" output_filters Last "output filter name (or ; delimited names) followed by one or more file extensions"
    "AddType" kind AtOnce "a mime type followed by one or more file extensions"
}

removers! {
    "RemoveCharset" charset AtOnce
    "RemoveEncoding" encoding Last
    "RemoveHandler" handler Last
    "RemoveInputFilter" input_filters Last
    "RemoveLanguage" language Last
    "RemoveOutputFilter" output_filters Last
    "RemoveType" kind AtOnce
}

const OTHERS: &[Directive] = &[
    take1(
        "DefaultLanguage",
        ANYWHERE,
        FILE_INFO,
        |cx, language| {
            cx.dir::<MimeDir>().default_language = Some(language.into());
            Ok(())
        },
        "language to use for documents with no other language file extension",
    ),
    iterate(
        "MultiviewsMatch",
        ANYWHERE,
        FILE_INFO,
        multiviews_match,
        "NegotiatedOnly (default), Handlers and/or Filters, or Any",
    ),
    take1(
        "TypesConfig",
        SERVER,
        NO_OVERRIDE,
        |cx, path| {
            cx.server::<MimeServer>().file = Some(path.into());
            Ok(())
        },
        "the MIME types config file",
    ),
    flag(
        "ModMimeUsePathInfo",
        DIRECTORY,
        NO_OVERRIDE,
        |cx, on| {
            cx.dir::<MimeDir>().use_path_info = Some(on);
            Ok(())
        },
        "Set to 'yes' to allow mod_mime to use path info for type checking",
    ),
];

/// When a Remove directive of a section does its work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Removal {
    /// In the order of the lines.
    AtOnce,
    /// After every Add directive of the section.
    Last,
}

/// A value for an extension, which a more specific place may take away again.
#[derive(Clone, Debug, Default, PartialEq)]
enum Mark {
    #[default]
    Unset,
    /// With the value that it hides.
    Removed(Option<BString>),
    Set(BString),
}

impl Mark {
    fn set(&mut self, value: BString, removal: Removal) {
        match self {
            Mark::Removed(hidden) if removal == Removal::Last => *hidden = Some(value),
            mark => *mark = Mark::Set(value),
        }
    }
    fn remove(&mut self, removal: Removal) {
        *self = match std::mem::take(self) {
            Mark::Set(value) if removal == Removal::Last => Mark::Removed(Some(value)),
            Mark::Removed(hidden) => Mark::Removed(hidden),
            _ => Mark::Removed(None),
        };
    }
    /// A removal holds on below; only a value of its own section comes back in the next one with settings of this
    /// module.
    fn over(&self, base: &Mark) -> Mark {
        match (self, base) {
            (Mark::Unset, Mark::Removed(Some(hidden))) => Mark::Set(hidden.clone()),
            (Mark::Unset, _) => base.clone(),
            _ => self.clone(),
        }
    }
    /// As [`Mark::over`], but the value from above comes back too. So does Apache for all but types and filters.
    fn briefly_over(&self, base: &Mark) -> Mark {
        match (self, base) {
            (Mark::Unset, Mark::Removed(None)) => Mark::Unset,
            (Mark::Removed(None), Mark::Set(hidden)) => Mark::Removed(Some(hidden.clone())),
            (Mark::Removed(None), Mark::Removed(hidden)) => Mark::Removed(hidden.clone()),
            _ => self.over(base),
        }
    }
    fn value(&self) -> Option<&BString> {
        match self {
            Mark::Set(value) => Some(value),
            _ => None,
        }
    }
}

/// What one extension means.
#[derive(Clone, Debug, Default)]
struct Meaning {
    kind: Mark,
    charset: Mark,
    encoding: Mark,
    language: Mark,
    handler: Mark,
    input_filters: Mark,
    output_filters: Mark,
}

impl Meaning {
    fn over(&self, base: &Meaning) -> Meaning {
        Meaning {
            kind: self.kind.over(&base.kind),
            charset: self.charset.briefly_over(&base.charset),
            encoding: self.encoding.briefly_over(&base.encoding),
            language: self.language.briefly_over(&base.language),
            handler: self.handler.briefly_over(&base.handler),
            input_filters: self.input_filters.over(&base.input_filters),
            output_filters: self.output_filters.over(&base.output_filters),
        }
    }
}

/// FNV-1a: keys are short and come from the configuration, not from clients.
#[derive(Clone)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Fnv {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// By extension, lower case, without its dot.
type ByExtension<T> = HashMap<Box<[u8]>, T, BuildHasherDefault<Fnv>>;

/// Which extensions without a negotiable meaning MultiViews accepts.
const HANDLERS: u8 = 1;
const FILTERS: u8 = 2;
const NEGOTIATED_ONLY: u8 = 4;
const ANY: u8 = 8;

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct MimeDir {
    meanings: ByExtension<Meaning>,
    default_language: Option<BString>,
    /// Bits of MultiviewsMatch; 0 unset.
    multiviews: u8,
    use_path_info: Switch,
}

impl Settings for MimeDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut meanings = add.meanings.clone();
        for (extension, below) in &base.meanings {
            let merged = add.meanings.get(extension).unwrap_or(&Meaning::default()).over(below);
            meanings.insert(extension.clone(), merged);
        }
        MimeDir {
            meanings,
            default_language: add.default_language.clone().or_else(|| base.default_language.clone()),
            multiviews: if add.multiviews != 0 { add.multiviews } else { base.multiviews },
            use_path_info: add.use_path_info.or(base.use_path_info),
        }
    }
}

/// Per-server settings: where the types stand, and, once loaded, the types.
#[derive(Clone, Default)]
pub struct MimeServer {
    file: Option<BString>,
    types: Option<Arc<ByExtension<BString>>>,
}

impl Settings for MimeServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        MimeServer {
            file: add.file.clone().or_else(|| base.file.clone()),
            types: add.types.clone().or_else(|| base.types.clone()),
        }
    }
}

fn entry<'a>(cx: &'a mut Cx<'_>, extension: &BStr) -> &'a mut Meaning {
    let key = extension.strip_prefix(b".").unwrap_or(extension).to_ascii_lowercase();
    cx.dir::<MimeDir>().meanings.entry(key.into()).or_default()
}

fn multiviews_match(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_limit()?;
    cx.forbid_within(&["<Location", "<LocationMatch"])?;
    let set = &mut cx.dir::<MimeDir>().multiviews;
    let (bit, rivals, complaint) = match word.to_ascii_lowercase().as_slice() {
        b"any" => (ANY, !ANY, "Any is incompatible with NegotiatedOnly, Filters and Handlers"),
        b"negotiatedonly" => {
            (NEGOTIATED_ONLY, !NEGOTIATED_ONLY, "NegotiatedOnly is incompatible with Any, Filters and Handlers")
        }
        b"filters" => (FILTERS, ANY | NEGOTIATED_ONLY, "Filters is incompatible with Any and NegotiatedOnly"),
        b"handlers" => (HANDLERS, ANY | NEGOTIATED_ONLY, "Handlers is incompatible with Any and NegotiatedOnly"),
        _ => return Err(format!("Unrecognized option '{word}'").into()),
    };
    if *set & rivals != 0 {
        return Err(complaint.into());
    }
    *set |= bit;
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, load_types);
    on.type_checker(MIDDLE, find_type);
    on.providers.offer::<dyn UnknownParts>("mime", &Mime);
}

/// Where the types stand unless TypesConfig says otherwise, below ServerRoot.
const TYPES_CONFIG: &str = "mime.types";

fn load_types(configuration: &mut Configuration) -> Result<(), String> {
    let settings = configuration.main().settings.of::<MimeServer>();
    let name = settings.file.clone().unwrap_or_else(|| TYPES_CONFIG.into());
    let path = configuration.process.server_root.join(name.to_path_lossy());
    let text = std::fs::read(&path).map_err(|error| {
        let text = format_args!("AH01597: could not open mime types config file {}.", path.display());
        crate::log::process_errno(crate::log::Level::Error, "mime", &error, text);
        "AH00016: Configuration Failed".to_owned()
    })?;
    let types = Arc::new(parse_types(&text));
    for server in &mut configuration.servers {
        server.settings.edit::<MimeServer>().types = Some(types.clone());
    }
    Ok(())
}

/// Lines of a type and its extensions; `#` starts a comment line.
fn parse_types(text: &[u8]) -> ByExtension<BString> {
    let mut types = ByExtension::default();
    for line in text.lines() {
        let mut words = line.fields();
        let Some(kind) = words.next().filter(|kind| !kind.starts_with(b"#")) else { continue };
        for extension in words {
            types.insert(extension.to_ascii_lowercase().into(), kind.into());
        }
    }
    types
}

/// Looks a key up in lower case without allocating: no extension that means anything is longer than the buffer.
fn look<'a, T>(table: &'a ByExtension<T>, extension: &[u8]) -> Option<&'a T> {
    let mut buffer = [0u8; 64];
    match buffer.get_mut(..extension.len()) {
        Some(lower) => {
            lower.copy_from_slice(extension);
            lower.make_ascii_lowercase();
            table.get(&*lower)
        }
        None => table.get(extension.to_ascii_lowercase().as_slice()),
    }
}

/// The base name and the extensions of a path's last segment. Leading dots (of hidden files) belong to neither.
fn parts(path: &[u8]) -> (&[u8], impl Iterator<Item = &[u8]>) {
    let name = path.rfind_byte(b'/').map_or(path, |slash| path.get(slash + 1..).unwrap_or_default());
    let name = name.get(name.iter().position(|&byte| byte != b'.').unwrap_or(name.len())..).unwrap_or_default();
    let mut parts = name.split(|&byte| byte == b'.');
    (parts.next().unwrap_or_default(), parts.filter(|extension| !extension.is_empty()))
}

/// What one extension of a name means where the request stands.
struct Found<'a> {
    meaning: Option<&'a Meaning>,
    /// From the section, else from the TypesConfig file unless RemoveType took it away.
    kind: Option<&'a BString>,
}

fn find<'a>(dir: &'a MimeDir, types: Option<&'a ByExtension<BString>>, extension: &[u8]) -> Found<'a> {
    let meaning = if dir.meanings.is_empty() { None } else { look(&dir.meanings, extension) };
    let kind = match meaning.map(|meaning| &meaning.kind) {
        Some(Mark::Set(kind)) => Some(kind),
        Some(Mark::Removed(_)) => None,
        _ => types.and_then(|types| look(types, extension)),
    };
    Found { meaning, kind }
}

impl Found<'_> {
    /// Whether the extension counts as known when variants are looked for.
    fn known(&self, multiviews: u8) -> bool {
        let set = |mark: fn(&Meaning) -> &Mark| self.meaning.is_some_and(|meaning| mark(meaning).value().is_some());
        self.kind.is_some()
            || set(|meaning| &meaning.charset)
            || set(|meaning| &meaning.language)
            || set(|meaning| &meaning.encoding)
            || (multiviews & HANDLERS != 0 && set(|meaning| &meaning.handler))
            || (multiviews & FILTERS != 0
                && (set(|meaning| &meaning.input_filters) || set(|meaning| &meaning.output_filters)))
    }
}

fn find_type(r: &mut Request) -> Answer {
    if r.finfo.kind == FileKind::Directory {
        r.set_content_type("httpd/unix-directory");
        return Answer::Ok;
    }
    if r.filename.is_empty() {
        return Answer::Declined;
    }
    let shared = r.dir.clone();
    let dir = shared.settings.of::<MimeDir>();
    let types = r.server::<MimeServer>().types.as_deref();
    let filename = std::mem::take(&mut r.filename);
    let charset = if dir.use_path_info == Some(true) {
        let whole = [filename.as_slice(), &r.path_info].concat();
        apply(r, dir, types, &whole)
    } else {
        apply(r, dir, types, &filename)
    };
    r.filename = filename;
    if let Some(kind) = &r.content_type {
        match media::complete(kind, charset.map(|charset| charset.as_slice())) {
            Ok(Some(whole)) => r.content_type = Some(whole),
            Ok(None) => {}
            Err(text) => {
                r.server.log(Level::Warn, "mime", format_args!("{text}"));
            }
        }
    }
    if let Some(language) = dir.default_language.as_ref().filter(|_| r.content_languages.is_empty()) {
        r.content_languages.push(language.clone());
    }
    if r.content_type.is_some() { Answer::Ok } else { Answer::Declined }
}

/// Applies each extension of `path` in turn; later ones win where only one can hold. Answers the charset.
fn apply<'a>(
    r: &mut Request,
    dir: &'a MimeDir,
    types: Option<&'a ByExtension<BString>>,
    path: &[u8],
) -> Option<&'a BString> {
    let mut charset = None;
    for extension in parts(path).1 {
        let found = find(dir, types, extension);
        if let Some(kind) = found.kind {
            r.content_type = Some(kind.clone());
        }
        let Some(meaning) = found.meaning else { continue };
        charset = meaning.charset.value().or(charset);
        if let Some(language) = meaning.language.value() {
            r.content_languages.push(language.clone());
        }
        if let Some(encoding) = meaning.encoding.value() {
            match &mut r.content_encoding {
                Some(before) => {
                    before.extend_from_slice(b", ");
                    before.extend_from_slice(encoding);
                }
                none => *none = Some(encoding.clone()),
            }
        }
        if let Some(handler) = meaning.handler.value().filter(|_| !r.proxy_request) {
            r.handler = Some(handler.clone());
        }
        for name in meaning.input_filters.value().into_iter().flat_map(|names| names.split_str(";")) {
            server::add_input_filter(r, name);
        }
        for name in meaning.output_filters.value().into_iter().flat_map(|names| names.split_str(";")) {
            server::add_output_filter(r, name);
        }
    }
    charset
}

struct Mime;

impl UnknownParts for Mime {
    fn unknown_parts(&self, r: &Request) -> Option<Vec<BString>> {
        let dir = r.dir::<MimeDir>();
        let types = r.server::<MimeServer>().types.as_deref();
        let (base, extensions) = parts(&r.filename);
        let mut unknown = vec![BString::from(base)];
        let mut any = false;
        for extension in extensions {
            if find(dir, types, extension).known(dir.multiviews) {
                any = true;
            } else if dir.multiviews & ANY == 0 {
                unknown.push(extension.into());
            }
        }
        any.then_some(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(dir: &mut MimeDir, extension: &str, change: impl FnOnce(&mut Meaning)) {
        change(dir.meanings.entry(extension.as_bytes().into()).or_default());
    }
    fn split(path: &str) -> (BString, Vec<BString>) {
        let (base, extensions) = parts(path.as_bytes());
        (base.into(), extensions.map(BString::from).collect())
    }

    #[test]
    fn names_split_at_dots() {
        assert_eq!(split("/d.x/a.html.fr"), ("a".into(), vec!["html".into(), "fr".into()]));
        assert_eq!(split("/.html"), ("html".into(), vec![]));
        assert_eq!(split("/.foo.html"), ("foo".into(), vec!["html".into()]));
        assert_eq!(split("/a..html."), ("a".into(), vec!["html".into()]));
    }

    #[test]
    fn what_is_removed_comes_back_below() {
        let removed = Mark::Removed(None).briefly_over(&Mark::Set("en".into()));
        assert_eq!(removed.value(), None);
        assert_eq!(Mark::Unset.briefly_over(&removed), Mark::Set("en".into()));
        let gone = Mark::Removed(None).over(&Mark::Set("en".into()));
        assert_eq!(Mark::Unset.over(&gone).value(), None);
    }

    #[test]
    fn types_of_the_file_and_of_sections() {
        let types = parse_types(b"# text/none none\ntext/html html HTM\n\n  text/plain\ttxt\n");
        let mut base = MimeDir::default();
        set(&mut base, "foo", |meaning| meaning.kind = Mark::Set("text/x-foo".into()));
        let mut add = MimeDir::default();
        set(&mut add, "html", |meaning| meaning.kind = Mark::Removed(None));
        set(&mut add, "foo", |meaning| meaning.charset = Mark::Set("utf-8".into()));
        let merged = MimeDir::merge(&base, &add);
        let kind = |dir: &MimeDir, extension: &str| find(dir, Some(&types), extension.as_bytes()).kind.cloned();
        assert_eq!(kind(&base, "Html"), Some("text/html".into()));
        assert_eq!(kind(&merged, "HTML"), None);
        assert_eq!(kind(&merged, "htm"), Some("text/html".into()));
        assert_eq!(kind(&merged, "foo"), Some("text/x-foo".into()));
        assert_eq!(kind(&MimeDir::merge(&merged, &base), "html"), None);
        assert_eq!(kind(&merged, "none"), None);
        assert_eq!(kind(&merged, &"x".repeat(100)), None);
    }
}
