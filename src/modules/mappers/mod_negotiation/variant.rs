//! Variants, and the type maps that list them.

use super::accept::{self, Item};
use crate::request::Request;
use bstr::{BString, ByteSlice};
use std::ops::Range;

/// One representation that may be chosen.
#[derive(Default)]
pub(super) struct Variant {
    /// Name of the file, relative to the resource's directory; or a path or URL as the map has it.
    pub name: BString,
    /// The looked-up file, for MultiViews.
    pub sub: Option<Box<Request>>,
    /// Where in the map the content itself stands.
    pub body: Option<Range<usize>>,
    /// Media type without parameters; empty where unknown.
    pub kind: BString,
    pub source_quality: f32,
    pub level: f32,
    pub charset: Option<BString>,
    /// Lower case.
    pub encoding: Option<BString>,
    pub languages: Vec<BString>,
    pub description: Option<BString>,
    pub length: Option<u64>,
}

impl Variant {
    /// Takes over a media type with its parameters.
    pub fn set_kind(&mut self, text: &[u8]) {
        let Item { name, quality, level, charset } = accept::item(text);
        (self.kind, self.source_quality, self.level) = (name, quality, level);
        self.charset = charset.or(self.charset.take());
    }
}

/// Why a map, or the rest of it, is of no use. The text is for the log.
pub(super) enum MapError {
    /// The whole map: an internal error.
    Broken(String),
    /// What came before still counts.
    Cut(String),
}

/// Reads a map. The variants read up to a mistake are kept in `variants`.
pub(super) fn read_map(text: &[u8], file: &bstr::BStr, variants: &mut Vec<Variant>) -> Result<(), MapError> {
    let mut at = 0;
    let mut record = Record::default();
    while let Some(line) = field(text, &mut at) {
        if line.trim().is_empty() {
            record.finish(variants);
            continue;
        }
        let Some((name, value)) = line.split_once_str(":") else {
            let shown = BString::from([&line.to_ascii_lowercase()[..], b"\n"].concat());
            return Err(MapError::Broken(format!(
                "AH00681: Syntax error in type map, no ':' in {file} for header {shown}"
            )));
        };
        let value = without_comments(value);
        let value = value.trim();
        let name = name.trim().to_ascii_lowercase();
        if value.is_empty() {
            let shown = name.as_bstr();
            return Err(MapError::Broken(format!(
                "AH00682: Syntax error in type map --- no header body: {shown} for {file}"
            )));
        }
        let variant = &mut record.variant;
        match name.as_slice() {
            b"uri" => {
                variant.name =
                    value.fields().next().unwrap_or_default().split_str(";").next().unwrap_or_default().into()
            }
            b"content-type" => variant.set_kind(value),
            b"content-length" => match value.to_str().ok().and_then(|text| text.parse().ok()) {
                Some(length) => variant.length = Some(length),
                None => {
                    let text = value.as_bstr();
                    return Err(MapError::Cut(format!(
                        "AH00684: Parse error in type map, Content-Length: '{text}' in {file} is invalid."
                    )));
                }
            },
            b"content-language" => {
                let words = value.split(|byte| *byte == b',').map(|word| word.trim().to_ascii_lowercase());
                variant.languages = words.filter(|word| !word.is_empty()).map(BString::from).collect();
            }
            b"content-encoding" => {
                let word = value.fields().next().unwrap_or_default();
                variant.encoding = Some(word.to_ascii_lowercase().into());
            }
            b"description" => variant.description = Some(value.into()),
            b"body" => match find_tag(text, at, value) {
                Some((body, behind)) => {
                    variant.length = Some(body.len() as u64);
                    variant.body = Some(body);
                    if variant.name.is_empty() {
                        variant.name = file.rsplit_str("/").next().unwrap_or_default().into();
                    }
                    at = behind;
                    record.content = true;
                }
                None => {
                    let tag = value.as_bstr();
                    return Err(MapError::Cut(format!(
                        "AH00685: Syntax error in type map, no end tag '{tag}' found in {file} for Body: content."
                    )));
                }
            },
            _ => {}
        }
        record.content |= name.starts_with(b"content-");
    }
    record.finish(variants);
    Ok(())
}

struct Record {
    variant: Variant,
    /// Something was said of its content; a lone URI only names the resource.
    content: bool,
}

impl Default for Record {
    fn default() -> Record {
        Record { variant: Variant { source_quality: 1.0, ..Variant::default() }, content: false }
    }
}

impl Record {
    fn finish(&mut self, variants: &mut Vec<Variant>) {
        let record = std::mem::take(self);
        if record.content && !record.variant.name.is_empty() {
            variants.push(record.variant);
        }
    }
}

/// The value of a field with blanks in place of its comments.
fn without_comments(value: &[u8]) -> Vec<u8> {
    let mut inside = false;
    let one = |byte: &u8| {
        inside |= *byte == b'(';
        let out = if inside { b' ' } else { *byte };
        inside &= *byte != b')';
        out
    };
    value.iter().map(one).collect()
}

/// The next line with those that continue it (which start with a blank); comments are skipped.
fn field(text: &[u8], at: &mut usize) -> Option<Vec<u8>> {
    let mut out: Option<Vec<u8>> = None;
    loop {
        let rest = text.get(*at..).unwrap_or_default();
        if rest.is_empty() {
            return out;
        }
        let length = rest.find_byte(b'\n').map_or(rest.len(), |end| end + 1);
        let line = rest.get(..length).unwrap_or_default();
        let continues = matches!(line.first(), Some(b' ' | b'\t')) && !line.trim().is_empty();
        match &mut out {
            None if line.starts_with(b"#") => {}
            None => out = Some(line.trim_end().to_vec()),
            Some(whole) if continues && !whole.is_empty() => {
                whole.push(b' ');
                whole.extend_from_slice(line.trim());
            }
            Some(_) => return out,
        }
        *at += length;
    }
}

/// The octets up to the line that starts with `tag`, and where that line ends.
fn find_tag(text: &[u8], from: usize, tag: &[u8]) -> Option<(Range<usize>, usize)> {
    let mut at = from;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = rest.find_byte(b'\n').map_or(rest.len(), |end| end + 1);
        if rest.starts_with(tag) {
            return Some((from..at, at + length));
        }
        at += length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Variant>, bool) {
        let mut variants = Vec::new();
        let result = read_map(text.as_bytes(), "/d/m.var".into(), &mut variants);
        (variants, result.is_ok())
    }

    #[test]
    fn records_end_at_blank_lines() {
        let (variants, ok) = read(
            "# c\nURI: m\n\nURI: a.en; vary=\"language\"\nContent-type: text/html; qs=0.5;\n charset=UTF-8\n\
             Content-language: en, fr\n\nURI: b\nContent-encoding: x-gzip",
        );
        assert!(ok && variants.len() == 2);
        assert_eq!((variants[0].name.as_slice(), variants[0].source_quality), (&b"a.en"[..], 0.5));
        assert_eq!(variants[0].charset, Some("utf-8".into()));
        assert_eq!(variants[0].languages, ["en", "fr"]);
        assert_eq!(variants[1].encoding, Some("x-gzip".into()));
    }

    #[test]
    fn bodies_stand_in_the_map() {
        let text = "Content-type: text/html\nBody:--x--\nhello\n--x--\n";
        let (variants, ok) = read(text);
        assert!(ok && variants[0].name == "m.var");
        assert_eq!(&text[variants[0].body.clone().unwrap()], "hello\n");
        assert!(!read("Content-type: text/html\nBody:--x--\nhello\n").1);
        assert!(!read("Foo\n").1);
    }
}
