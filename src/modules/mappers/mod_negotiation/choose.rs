//! Choosing a variant: qualities by the Accept fields, then elimination, as content-negotiation.html describes it.

use super::accept::{self, Item};
use super::variant::Variant;
use super::{FALLBACK, NegotiationDir, PREFER};
use crate::request::Request;
use bstr::BString;
use std::cmp::Ordering;

/// The client's wishes.
pub(super) struct Wishes {
    types: Option<Vec<Item>>,
    charsets: Option<Vec<Item>>,
    encodings: Option<Vec<Item>>,
    languages: Option<Vec<Item>>,
    /// Qualities are written out somewhere in Accept: wildcards are then meant as they stand.
    explicit: bool,
    /// `prefer-language` of the environment.
    preferred: Option<BString>,
}

impl Wishes {
    pub fn of(r: &Request) -> Wishes {
        let field = |name: &str| {
            let all: Vec<&[u8]> = r.headers_in.all(name).map(|value| value.as_ref()).collect();
            (!all.is_empty()).then(|| bstr::join(", ", all))
        };
        let accept = field("Accept");
        let types = accept::list(accept.as_deref());
        let explicit = types.as_ref().is_some_and(|types| types.iter().any(|item| item.quality != 1.0));
        Wishes {
            explicit,
            types,
            charsets: accept::list(field("Accept-Charset").as_deref()),
            encodings: accept::list(field("Accept-Encoding").as_deref()),
            languages: accept::list(field("Accept-Language").as_deref()),
            preferred: r.env.get("prefer-language").map(|language| language.to_ascii_lowercase().into()),
        }
    }
}

/// What the fields say of one variant.
#[derive(Clone, Debug, PartialEq)]
struct Quality {
    kind: f32,
    language: f32,
    /// Position of the variant's language; smaller is better.
    language_index: usize,
    level: f32,
    charset: f32,
    plain_charset: bool,
    encoding: f32,
    length: u64,
    /// Nothing rests on a wildcard or a missing field: RFC 2296 lets a server choose only then.
    definite: bool,
}

/// The result.
pub(super) struct Choice {
    /// The best variant, if any is acceptable.
    pub best: Option<usize>,
    pub definite: bool,
    /// Content-Encoding as the client spelled it.
    pub encoding: Option<BString>,
}

pub(super) fn choose(wishes: &Wishes, dir: &NegotiationDir, variants: &[Variant]) -> Choice {
    let preferred = wishes.preferred.as_ref();
    let in_preferred = |variant: &Variant| preferred.is_some_and(|language| variant.languages.contains(language));
    let any_preferred = variants.iter().any(in_preferred);
    let pick = |fallback: bool| {
        let mut best: Option<(usize, Quality)> = None;
        for (at, variant) in variants.iter().enumerate() {
            if any_preferred && !in_preferred(variant) {
                continue;
            }
            let mut quality = rate(wishes, dir, variant, fallback);
            if any_preferred {
                quality.language = 1.0;
            }
            let acceptable =
                [quality.kind, quality.language, quality.charset, quality.encoding].iter().all(|q| *q > 0.0);
            if acceptable && best.as_ref().is_none_or(|(_, have)| compare(&quality, have) == Ordering::Greater) {
                best = Some((at, quality));
            }
        }
        best
    };
    let fallback = dir.force() & FALLBACK != 0;
    let best = pick(fallback);
    let encoding = best.as_ref().and_then(|(at, _)| spelled_encoding(wishes, variants.get(*at)?));
    Choice {
        definite: best.as_ref().is_some_and(|(_, quality)| quality.definite),
        best: best.map(|(at, _)| at),
        encoding,
    }
}

/// Greater is better.
fn compare(a: &Quality, b: &Quality) -> Ordering {
    a.kind
        .total_cmp(&b.kind)
        .then(a.language.total_cmp(&b.language))
        .then(b.language_index.cmp(&a.language_index))
        .then(a.level.total_cmp(&b.level))
        .then(a.charset.total_cmp(&b.charset))
        .then(b.plain_charset.cmp(&a.plain_charset))
        .then(a.encoding.total_cmp(&b.encoding))
        .then(b.length.cmp(&a.length))
}

fn rate(wishes: &Wishes, dir: &NegotiationDir, variant: &Variant, fallback: bool) -> Quality {
    let (kind, level, definite) = rate_kind(wishes, variant);
    // Only what LanguagePriority names can be fallen back on.
    let language_index = language_index(dir, variant);
    let language = rate_language(wishes.languages.as_deref(), variant, fallback && language_index != usize::MAX);
    let (charset, plain_charset) = rate_charset(wishes.charsets.as_deref(), variant);
    Quality {
        kind: kind * variant.source_quality,
        language,
        language_index,
        level,
        charset,
        plain_charset,
        encoding: rate_encoding(wishes.encodings.as_deref(), variant),
        length: variant.length.unwrap_or(0),
        definite,
    }
}

/// Quality, level matched, and whether the match was exact. The most specific element that matches counts.
fn rate_kind(wishes: &Wishes, variant: &Variant) -> (f32, f32, bool) {
    let any = [Item { name: "*/*".into(), quality: 1.0, level: 0.0, charset: None }];
    let types = wishes.types.as_deref().unwrap_or(&any);
    let (mut quality, mut level, mut stars) = (0.0, 0.0, 0);
    for item in types {
        let found = if item.name == "*/*" || item.name == "*" {
            1
        } else if let Some(main) = item.name.strip_suffix(b"/*") {
            let fits = variant.kind.strip_prefix(main).is_some_and(|rest| rest.starts_with(b"/"));
            if fits { 2 } else { 0 }
        } else if same_kind(&item.name, &variant.kind) && item.level >= variant.level {
            3
        } else {
            0
        };
        if found <= stars {
            continue;
        }
        stars = found;
        quality = match found {
            // Browsers that send wildcards without qualities do not mean them to be as good as what they name.
            1 if !wishes.explicit => 0.01,
            2 if !wishes.explicit => 0.02,
            _ => item.quality,
        };
        if found == 3 {
            level = variant.level;
        }
    }
    (quality, level, stars == 3)
}

fn same_kind(wish: &BString, kind: &BString) -> bool {
    let parsed = kind == "text/x-server-parsed-html" || kind == "text/x-server-parsed-html3";
    wish == kind || (wish == "text/html" && parsed)
}

/// Least qualities: of a parent language (`en` for `en-GB`), and of variants without language or by fallback.
const PARENT: f32 = 0.001;
const UNKNOWN: f32 = 0.0001;

fn rate_language(wishes: Option<&[Item]>, variant: &Variant, fallback: bool) -> f32 {
    if variant.languages.is_empty() {
        return UNKNOWN;
    }
    let Some(wishes) = wishes else { return 1.0 };
    let best = variant.languages.iter().map(|language| one_language(wishes, language)).fold(0.0, f32::max);
    if best <= 0.0 && fallback { UNKNOWN } else { best }
}

/// The longest range that covers the tag counts; else one of which the tag is a parent; else the star.
fn one_language(wishes: &[Item], language: &[u8]) -> f32 {
    let language = language.to_ascii_lowercase();
    let within = |tag: &[u8], range: &[u8]| {
        tag.strip_prefix(range).is_some_and(|rest| matches!(rest.first(), None | Some(b'-')))
    };
    let covering = wishes.iter().filter(|item| within(&language, &item.name));
    if let Some(item) = covering.max_by_key(|item| item.name.len()) {
        return item.quality;
    }
    if let Some(star) = wishes.iter().find(|item| item.name == "*") {
        return star.quality;
    }
    let parent = wishes.iter().any(|item| item.quality > 0.0 && within(&item.name, &language));
    if parent { PARENT } else { 0.0 }
}

/// LanguagePriority decides between equals, unless it is not to.
fn language_index(dir: &NegotiationDir, variant: &Variant) -> usize {
    if dir.force() & (PREFER | FALLBACK) == 0 {
        return usize::MAX;
    }
    let priority = dir.priority.as_deref().map_or(&[][..], Vec::as_slice);
    let position = |language: &BString| priority.iter().position(|known| known.eq_ignore_ascii_case(language));
    variant.languages.iter().filter_map(position).min().unwrap_or(usize::MAX)
}

/// Quality, and whether the charset is the one that may go without saying.
fn rate_charset(wishes: Option<&[Item]>, variant: &Variant) -> (f32, bool) {
    let charset: &[u8] = match &variant.charset {
        Some(charset) => charset,
        None if variant.kind.starts_with(b"text/") || variant.kind.is_empty() => b"iso-8859-1",
        None => return (1.0, false),
    };
    let plain = charset == b"iso-8859-1";
    let Some(wishes) = wishes else { return (1.0, plain) };
    let named = wishes.iter().find(|item| item.name == charset);
    let quality = match named.or_else(|| wishes.iter().find(|item| item.name == "*")) {
        Some(item) => item.quality,
        None => f32::from(u8::from(plain)),
    };
    (quality, plain)
}

/// `gzip` and `x-gzip` are one.
fn bare(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"x-").unwrap_or(name)
}

fn rate_encoding(wishes: Option<&[Item]>, variant: &Variant) -> f32 {
    let named = |wishes: &[Item], name: &[u8]| {
        let same = wishes.iter().find(|item| bare(&item.name) == bare(name));
        same.or_else(|| wishes.iter().find(|item| item.name == "*")).map(|item| item.quality)
    };
    match (wishes, &variant.encoding) {
        (None, None) => 1.0,
        // Not forbidden, but what is not encoded is safer.
        (None, Some(_)) => 0.5,
        (Some(wishes), Some(encoding)) => named(wishes, encoding).unwrap_or(0.0),
        // Whoever names an encoding, however little it is liked, gets it where it is there.
        (Some(wishes), None) => named(wishes, b"identity").unwrap_or(UNKNOWN),
    }
}

fn spelled_encoding(wishes: &Wishes, variant: &Variant) -> Option<BString> {
    let encoding = variant.encoding.as_ref()?;
    let named = wishes.encodings.as_ref()?.iter().find(|item| bare(&item.name) == bare(encoding));
    Some(named.map_or_else(|| encoding.clone(), |item| item.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variant(kind: &str, languages: &[&str], length: u64) -> Variant {
        let mut variant = Variant { length: Some(length), ..Variant::default() };
        variant.set_kind(kind.as_bytes());
        variant.languages = languages.iter().map(|language| BString::from(*language)).collect();
        variant
    }
    fn wishes(types: Option<&str>, languages: Option<&str>) -> Wishes {
        let types = accept::list(types.map(str::as_bytes));
        let explicit = types.as_ref().is_some_and(|types| types.iter().any(|item| item.quality != 1.0));
        Wishes {
            types,
            charsets: None,
            encodings: None,
            languages: accept::list(languages.map(str::as_bytes)),
            explicit,
            preferred: None,
        }
    }
    fn best(types: Option<&str>, languages: Option<&str>, variants: &[Variant]) -> Option<usize> {
        choose(&wishes(types, languages), &NegotiationDir::default(), variants).best
    }

    #[test]
    fn languages() {
        let files = [variant("text/html", &[], 1), variant("text/html", &["en"], 5), variant("text/html", &["fr"], 5)];
        assert_eq!(best(None, None, &files), Some(1));
        assert_eq!(best(None, Some("fr"), &files), Some(2));
        assert_eq!(best(None, Some("es"), &files), Some(0));
        assert_eq!(best(None, Some("en-gb, fr;q=0.1"), &files), Some(2));
        assert_eq!(best(None, Some("en-gb"), &files), Some(1));
        assert_eq!(best(None, Some("es"), &files[1..]), None);
    }

    #[test]
    fn encodings() {
        let mut packed = variant("text/html", &[], 5);
        packed.encoding = Some("x-gzip".into());
        let files = [variant("text/html", &[], 4), packed];
        for (field, at) in [(None, 0), (Some("gzip;q=0.5"), 1), (Some("*"), 0), (Some("identity"), 0), (Some("br"), 0)]
        {
            let mut wishes = wishes(None, None);
            wishes.encodings = accept::list(field.map(str::as_bytes));
            let choice = choose(&wishes, &NegotiationDir::default(), &files);
            assert_eq!(choice.best, Some(at), "{field:?}");
            assert_eq!(choice.encoding.is_some(), at == 1);
        }
    }

    #[test]
    fn types_and_wildcards() {
        let files = [variant("text/html", &[], 4), variant("image/png", &[], 3), variant("text/plain", &[], 17)];
        assert_eq!(best(None, None, &files), Some(1));
        assert_eq!(best(Some("text/plain, */*"), None, &files), Some(2));
        assert_eq!(best(Some("image/*, text/*;q=0.5"), None, &files), Some(1));
        assert_eq!(best(Some("text/html;level=1"), None, &files), None);
        assert_eq!(best(Some("text/html;q=0"), None, &files[..1]), None);
    }
}
