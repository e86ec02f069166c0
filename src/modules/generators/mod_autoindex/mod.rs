//! mod_autoindex: listings of directories that have no index file.
//!
//! Hook: `handler`, middle, for GET of what is still `httpd/unix-directory`. Every entry is looked up as a subrequest,
//! so that what a client may not fetch is not listed either; the directory is read and titles are scanned where blocking
//! is allowed.
//!
//! Differences: `NameWidth=0` (Apache's child crashes on it) means the least width, five.
//! Manual: mod/mod_autoindex.html.

mod entries;
mod order;
mod page;
mod pattern;

use crate::config::*;
use crate::engine::BoxFuture;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, Phase, declined};
use crate::request::Request;
use bstr::{BStr, BString, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_autoindex.c",
    ident: "autoindex_module",
    linked: Linked::Loadable,
    directives: &[TEXTS, LISTS],
    server: Config::none(),
    dir: Config::of::<IndexDir>(),
    hooks,
};

const BY_PATH: usize = 0;
const BY_TYPE: usize = 1;
const BY_ENCODING: usize = 2;

macro_rules! texts {
    ($($name:literal $field:ident $help:literal;)*) => {
        const TEXTS: &[Directive] = &[$(
            take1($name, ANYWHERE, INDEXES, |cx, text| {
                cx.dir::<IndexDir>().$field = Some(text.into());
                Ok(())
            }, $help),
        )*];
    };
}

texts! {
    "HeaderName" header "a filename";
    "ReadmeName" readme "a filename";
    "DefaultIcon" default_icon "an icon URL";
    "IndexStyleSheet" style_sheet "URL to style sheet";
    "IndexHeadInsert" head_insert "String to insert in HTML HEAD section";
}

const LISTS: &[Directive] = &[
    iterate2("AddIcon", ANYWHERE, INDEXES, add_icon, "an icon URL followed by one or more filenames").info(BY_PATH),
    iterate2("AddIconByType", ANYWHERE, INDEXES, add_icon, "an icon URL followed by one or more MIME types")
        .info(BY_TYPE),
    iterate2("AddIconByEncoding", ANYWHERE, INDEXES, add_icon, "an icon URL followed by one or more content encodings")
        .info(BY_ENCODING),
    iterate2("AddAlt", ANYWHERE, INDEXES, add_alt, "alternate descriptive text followed by one or more filenames")
        .info(BY_PATH),
    iterate2(
        "AddAltByType",
        ANYWHERE,
        INDEXES,
        add_alt,
        "alternate descriptive text followed by one or more MIME types",
    )
    .info(BY_TYPE),
    iterate2(
        "AddAltByEncoding",
        ANYWHERE,
        INDEXES,
        add_alt,
        "alternate descriptive text followed by one or more content encodings",
    )
    .info(BY_ENCODING),
    take_argv("IndexOptions", ANYWHERE, INDEXES, index_options, "one or more index options [+|-][]"),
    take2("IndexOrderDefault", ANYWHERE, INDEXES, order_default, "{Ascending,Descending} {Name,Size,Description,Date}"),
    iterate("IndexIgnore", ANYWHERE, INDEXES, index_ignore, "one or more file extensions"),
    flag(
        "IndexIgnoreReset",
        ANYWHERE,
        INDEXES,
        |cx, on| {
            cx.dir::<IndexDir>().ignore_reset = Some(on);
            Ok(())
        },
        "Reset the inherited list of IndexIgnore filenames",
    ),
    iterate2(
        "AddDescription",
        ANYWHERE,
        INDEXES,
        add_description,
        "Descriptive text followed by one or more filenames",
    ),
    raw_args(
        "FancyIndexing",
        ANYWHERE,
        Override::ALL,
        |_, _| Err("The FancyIndexing directive is no longer supported. Use IndexOptions FancyIndexing.".into()),
        "The FancyIndexing directive is no longer supported. Use IndexOptions FancyIndexing.",
    ),
];

/// IndexOptions without a value, by bit.
pub(super) mod option {
    pub const NONE: u32 = 1;
    /// Listings with facts: a table has them without FancyIndexing too.
    pub const FACTS: u32 = FANCY | TABLE;
    pub const FANCY: u32 = 1 << 1;
    pub const ICONS_ARE_LINKS: u32 = 1 << 2;
    pub const SCAN_TITLES: u32 = 1 << 3;
    pub const SUPPRESS_ICON: u32 = 1 << 4;
    pub const SUPPRESS_DATE: u32 = 1 << 5;
    pub const SUPPRESS_SIZE: u32 = 1 << 6;
    pub const SUPPRESS_DESCRIPTION: u32 = 1 << 7;
    pub const SUPPRESS_PREAMBLE: u32 = 1 << 8;
    pub const SUPPRESS_SORTING: u32 = 1 << 9;
    pub const SUPPRESS_RULES: u32 = 1 << 10;
    pub const FOLDERS_FIRST: u32 = 1 << 11;
    pub const VERSION_SORT: u32 = 1 << 12;
    pub const TRACK_MODIFIED: u32 = 1 << 13;
    pub const TABLE: u32 = 1 << 14;
    pub const IGNORE_CLIENT: u32 = 1 << 15;
    pub const IGNORE_CASE: u32 = 1 << 16;
    pub const XHTML: u32 = 1 << 17;
    pub const SHOW_FORBIDDEN: u32 = 1 << 18;
    pub const OLD_DATE: u32 = 1 << 19;
    pub const ALT_CLASS: u32 = 1 << 20;

    pub(super) const WORDS: &[(&str, u32)] = &[
        ("FancyIndexing", FANCY),
        ("FoldersFirst", FOLDERS_FIRST),
        ("HTMLTable", TABLE),
        ("IconsAreLinks", ICONS_ARE_LINKS),
        ("IgnoreCase", IGNORE_CASE),
        ("IgnoreClient", IGNORE_CLIENT),
        ("ScanHTMLTitles", SCAN_TITLES),
        ("SuppressColumnSorting", SUPPRESS_SORTING),
        ("SuppressDescription", SUPPRESS_DESCRIPTION),
        ("SuppressHTMLPreamble", SUPPRESS_PREAMBLE),
        ("SuppressIcon", SUPPRESS_ICON),
        ("SuppressLastModified", SUPPRESS_DATE),
        ("SuppressRules", SUPPRESS_RULES),
        ("SuppressSize", SUPPRESS_SIZE),
        ("TrackModified", TRACK_MODIFIED),
        ("VersionSort", VERSION_SORT),
        ("XHTML", XHTML),
        ("ShowForbidden", SHOW_FORBIDDEN),
        ("UseOldDateFormat", OLD_DATE),
        ("AddAltClass", ALT_CLASS),
        ("None", NONE),
    ];
}

/// An icon, alternative text, or ignored name, with what it applies to.
#[derive(Clone, Debug)]
struct Item {
    by: usize,
    /// Directory of the section, with a star behind it.
    below: BString,
    to: BString,
    value: BString,
}

/// AddDescription.
#[derive(Clone, Debug)]
struct Description {
    pattern: BString,
    /// Compared with the whole path rather than with the name.
    whole_path: bool,
    /// False: any name that contains the text.
    wildcards: bool,
    text: BString,
}

/// A column's width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Fixed(usize),
    /// `*`: as wide as the longest.
    Fit,
}

/// Widths that hold unless said otherwise.
const NAME_WIDTH: usize = 23;
const ICON_SIZE: (u32, u32) = (20, 22);

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct IndexDir {
    options: u32,
    plus: u32,
    minus: u32,
    /// Not merged yet, and not a server's own: signed words change what holds without any IndexOptions.
    alone: bool,
    icons: Vec<Item>,
    alts: Vec<Item>,
    descriptions: Vec<Description>,
    ignored: Vec<Item>,
    ignore_reset: Switch,
    header: Option<BString>,
    readme: Option<BString>,
    default_icon: Option<BString>,
    style_sheet: Option<BString>,
    head_insert: Option<BString>,
    content_type: Option<BString>,
    charset: Option<BString>,
    name_width: Option<Width>,
    description_width: Option<Option<Width>>,
    /// 0: not said.
    icon_width: u32,
    icon_height: u32,
    /// Column and whether ascending.
    order: Option<(order::Key, bool)>,
}

impl Settings for IndexDir {
    crate::slot!();
    /// Words without a sign replace what holds above; signed ones change it.
    fn merge(base: &Self, add: &Self) -> Self {
        let mut out = IndexDir { alone: false, ..add.clone() };
        macro_rules! inherit {
            ($($field:ident),* $(,)?) => {$( if out.$field.is_none() { out.$field = base.$field.clone(); } )*};
        }
        inherit!(
            header,
            readme,
            default_icon,
            style_sheet,
            head_insert,
            content_type,
            charset,
            name_width,
            description_width,
            order,
        );
        if add.options & option::NONE != 0 {
            (out.plus, out.minus) = (0, 0);
        } else if add.options == 0 {
            out.plus = (base.plus | add.plus) & !add.minus;
            out.minus = base.minus | add.minus;
            out.options = ((base.options & !option::NONE) | out.plus) & !out.minus;
        } else {
            (out.plus, out.minus) = (0, 0);
        }
        out.icon_width = if add.icon_width != 0 { add.icon_width } else { base.icon_width };
        out.icon_height = if add.icon_height != 0 { add.icon_height } else { base.icon_height };
        out.icons.extend_from_slice(&base.icons);
        out.alts.extend_from_slice(&base.alts);
        out.descriptions.extend_from_slice(&base.descriptions);
        if add.ignore_reset != Some(true) {
            out.ignored.extend_from_slice(&base.ignored);
        }
        out
    }
}

impl IndexDir {
    /// The options that hold.
    fn options(&self) -> u32 {
        if self.alone && self.options == 0 { self.plus & !self.minus } else { self.options }
    }
}

/// What an icon or text is for. A name without wildcards stands for the ends of paths.
fn item(cx: &Cx<'_>, by: usize, to: &BStr, value: &[u8]) -> Item {
    let below = [cx.path.as_ref().map_or(&b""[..], |path| path), b"*"].concat().into();
    let to = if by == BY_PATH && to == "**DIRECTORY**" { "^^DIRECTORY^^".into() } else { to };
    let plain = by == BY_PATH && to.find_byteset(b"*?").is_none();
    let to = if plain { [b"*", to.as_ref() as &[u8]].concat().into() } else { to.into() };
    Item { by, below, to, value: value.into() }
}

fn add_icon(cx: &mut Cx<'_>, icon: &BStr, to: &BStr) -> Outcome {
    let by = cx.directive.info;
    let mut url: &[u8] = icon;
    if let Some(pair) = icon.strip_prefix(b"(") {
        let pair = pair.get(..pair.find_byte(b')').ok_or("missing closing paren")?).unwrap_or_default();
        let comma = pair.find_byte(b',').unwrap_or(pair.len());
        let alt = pair.get(..comma).unwrap_or_default();
        url = pair.get(comma + 1..).unwrap_or_default();
        let alt = item(cx, by, to, alt);
        cx.dir::<IndexDir>().alts.push(alt);
    }
    let icon = item(cx, by, to, url);
    cx.dir::<IndexDir>().icons.push(icon);
    Ok(())
}

fn add_alt(cx: &mut Cx<'_>, alt: &BStr, to: &BStr) -> Outcome {
    let item = item(cx, cx.directive.info, to, alt);
    cx.dir::<IndexDir>().alts.push(item);
    Ok(())
}

fn index_ignore(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    let below = [cx.path.as_ref().map_or(&b""[..], |path| path), b"*"].concat().into();
    let item = Item { by: BY_PATH, below, to: name.into(), value: BString::default() };
    cx.dir::<IndexDir>().ignored.push(item);
    Ok(())
}

fn add_description(cx: &mut Cx<'_>, text: &BStr, to: &BStr) -> Outcome {
    let to = if to == "**DIRECTORY**" { "^^DIRECTORY^^".into() } else { to };
    let whole_path = to.contains(&b'/');
    let wildcards = whole_path || to.find_byteset(b"*?[").is_some();
    let pattern = match (wildcards, whole_path) {
        (false, _) => to.into(),
        (true, false) => [b"*", to.as_ref() as &[u8], b"*"].concat().into(),
        (true, true) => [b"*/", to.as_ref() as &[u8], b"*"].concat().into(),
    };
    let description = Description { pattern, whole_path, wildcards, text: text.into() };
    cx.dir::<IndexDir>().descriptions.push(description);
    Ok(())
}

fn order_default(cx: &mut Cx<'_>, direction: &BStr, column: &BStr) -> Outcome {
    let ascending = match direction.to_ascii_lowercase().as_slice() {
        b"ascending" => true,
        b"descending" => false,
        _ => return Err("First keyword must be 'Ascending' or 'Descending'".into()),
    };
    let key = match column.to_ascii_lowercase().as_slice() {
        b"name" => order::Key::Name,
        b"date" => order::Key::Date,
        b"size" => order::Key::Size,
        b"description" => order::Key::Description,
        _ => return Err("Second keyword must be 'Name', 'Date', 'Size', or 'Description'".into()),
    };
    cx.dir::<IndexDir>().order = Some((key, ascending));
    Ok(())
}

fn index_options(cx: &mut Cx<'_>, words: &[&BStr]) -> Outcome {
    let mut new = std::mem::take(cx.dir::<IndexDir>());
    new.alone = cx.path.is_some();
    let done = words.iter().filter(|word| !word.is_empty()).try_for_each(|word| one_option(&mut new, word));
    *cx.dir::<IndexDir>() = new;
    done
}

fn one_option(dir: &mut IndexDir, word: &BStr) -> Outcome {
    let (sign, word) = match word.first() {
        Some(&sign @ (b'+' | b'-')) => (Some(sign), word.get(1..).unwrap_or_default()),
        _ => (None, word.as_ref() as &[u8]),
    };
    let known = option::WORDS.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
    let Some(&(_, bit)) = known else { return valued_option(dir, sign, word) };
    if bit == option::NONE {
        if sign.is_some() {
            return Err("Cannot combine '+' or '-' with 'None' keyword".into());
        }
        (dir.options, dir.plus, dir.minus) = (option::NONE, 0, 0);
        return Ok(());
    }
    match sign {
        Some(b'+') => (dir.plus, dir.minus) = (dir.plus | bit, dir.minus & !bit),
        Some(_) => (dir.plus, dir.minus) = (dir.plus & !bit, dir.minus | bit),
        None => (dir.options, dir.plus, dir.minus) = (dir.options | bit, 0, 0),
    }
    if dir.options & option::NONE != 0 && dir.options != option::NONE {
        return Err("Cannot combine other IndexOptions keywords with 'None'".into());
    }
    Ok(())
}

fn valued_option(dir: &mut IndexDir, sign: Option<u8>, word: &[u8]) -> Outcome {
    let (name, value) = match word.find_byte(b'=') {
        Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
        None => (word, None),
    };
    let combined = |name: &str| Err(format!("Cannot combine '-' with {name}=n").into());
    let least = |name: &str, least: usize| Err(format!("{name} value must be greater than {least}").into());
    let bare = |name: &str| Err(format!("{name} with no value may only appear as '-{name}'").into());
    let (minus, name) = (sign == Some(b'-'), name.to_ascii_lowercase());
    match (name.as_slice(), value) {
        (b"iconwidth", _) | (b"iconheight", _) => {
            let (label, default) =
                if name == b"iconwidth" { ("IconWidth", ICON_SIZE.0) } else { ("IconHeight", ICON_SIZE.1) };
            let size = match value {
                Some(_) if minus => return combined(label),
                Some(value) => u32::try_from(atoi(value)).unwrap_or(0),
                None if minus => 0,
                None => default,
            };
            *(if name == b"iconwidth" { &mut dir.icon_width } else { &mut dir.icon_height }) = size;
        }
        (b"namewidth", None) if minus => dir.name_width = Some(Width::Fixed(NAME_WIDTH)),
        (b"namewidth", None) => return bare("NameWidth"),
        (b"namewidth", Some(_)) if minus => return combined("NameWidth"),
        (b"namewidth", Some(b"*")) => dir.name_width = Some(Width::Fit),
        (b"namewidth", Some(value)) => match atoi(value) {
            0 => dir.name_width = Some(Width::Fixed(5)),
            width if width < 5 => return least("NameWidth", 5),
            width => dir.name_width = Some(Width::Fixed(width as usize)),
        },
        (b"descriptionwidth", None) if minus => dir.description_width = Some(None),
        (b"descriptionwidth", None) => return bare("DescriptionWidth"),
        (b"descriptionwidth", Some(_)) if minus => return combined("DescriptionWidth"),
        (b"descriptionwidth", Some(b"*")) => dir.description_width = Some(Some(Width::Fit)),
        (b"descriptionwidth", Some(value)) => match atoi(value) {
            0 => dir.description_width = Some(Some(Width::Fixed(0))),
            width if width < 12 => return least("DescriptionWidth", 12),
            width => dir.description_width = Some(Some(Width::Fixed(width as usize))),
        },
        (b"type", Some(value)) => dir.content_type = Some(value.into()),
        (b"charset", Some(value)) => dir.charset = Some(value.into()),
        _ => return Err("Invalid directory indexing option".into()),
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.later(Phase::handler, MIDDLE, handle);
}

fn handle(r: &mut Request) -> BoxFuture<'_, Answer> {
    if r.handler.as_ref().is_some_and(|handler| handler == "httpd/unix-directory") {
        return Box::pin(page::answer(r));
    }
    declined()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(words: &[&str]) -> Result<IndexDir, Complaint> {
        let mut dir = IndexDir::default();
        words.iter().try_for_each(|word| one_option(&mut dir, (*word).into())).map(|()| dir)
    }

    #[test]
    fn signed_words_change_what_holds_above() {
        let base = options(&["FancyIndexing", "HTMLTable"]).unwrap();
        let merged = |words: &[&str]| IndexDir::merge(&base, &options(words).unwrap()).options;
        assert_eq!(merged(&["+XHTML", "-HTMLTable"]), option::FANCY | option::XHTML);
        assert_eq!(merged(&["XHTML"]), option::XHTML);
        assert_eq!(merged(&["XHTML", "+FancyIndexing"]), option::XHTML);
        assert_eq!(merged(&["None"]), option::NONE);
        assert_eq!(merged(&["IconWidth=3"]), option::FANCY | option::TABLE);
    }

    #[test]
    fn bad_words_have_their_texts() {
        for (words, text) in [
            (&["+None"][..], "Cannot combine '+' or '-' with 'None' keyword"),
            (&["None", "XHTML"], "Cannot combine other IndexOptions keywords with 'None'"),
            (&["NameWidth=2"], "NameWidth value must be greater than 5"),
            (&["NameWidth"], "NameWidth with no value may only appear as '-NameWidth'"),
            (&["-NameWidth=5"], "Cannot combine '-' with NameWidth=n"),
            (&["Type"], "Invalid directory indexing option"),
        ] {
            assert_eq!(options(words).err(), Some(Complaint::Text(text.into())), "{words:?}");
        }
        assert!(options(&["FancyIndexing", "None"]).is_ok());
    }
}
