//! The Accept fields: lists of names with qualities (RFC 9110 section 12.5).

use bstr::{BString, ByteSlice};

/// One element of a list, or a media type with the parameters that matter here.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    /// Lower case.
    pub name: BString,
    /// `q` or `qs`.
    pub quality: f32,
    /// Version of HTML; plain HTML counts as 2.
    pub level: f32,
    pub charset: Option<BString>,
}

/// The elements of a field; None where there is no field.
pub(super) fn list(field: Option<&[u8]>) -> Option<Vec<Item>> {
    Some(split(field?, b',').into_iter().map(item).filter(|item| !item.name.is_empty()).collect())
}

/// Splits at a separator that stands outside of quotes.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut from, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if byte == separator && !quoted => {
                parts.push(text.get(from..at).unwrap_or_default());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(from..).unwrap_or_default());
    parts
}

/// A name and its parameters.
pub(super) fn item(text: &[u8]) -> Item {
    let parts = split(text, b';');
    let name = parts.first().map_or(&b""[..], |name| name.trim());
    let name = name.fields().next().unwrap_or_default().to_ascii_lowercase();
    let mut item = Item { name: name.into(), quality: 1.0, level: 0.0, charset: None };
    for parameter in parts.get(1..).unwrap_or_default() {
        let Some((key, value)) = parameter.split_once_str("=") else { continue };
        let value = value.trim().trim_with(|c| c == '"');
        match key.trim().to_ascii_lowercase().as_slice() {
            b"q" | b"qs" => item.quality = quality(value),
            b"level" => item.level = value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0.0),
            b"charset" => item.charset = Some(value.to_ascii_lowercase().into()),
            _ => {}
        }
    }
    if item.level == 0.0 {
        item.level = match item.name.as_slice() {
            b"text/html" | b"text/x-server-parsed-html" => 2.0,
            b"text/x-server-parsed-html3" => 3.0,
            _ => 0.0,
        };
    }
    item
}

/// `0.5`, up to three decimals, between 0 and 1; anything else is 1.
fn quality(text: &[u8]) -> f32 {
    let fits = text.first().is_some_and(|first| matches!(first, b'0' | b'1' | b'.'));
    let value = text.to_str().ok().filter(|_| fits).and_then(|text| text.parse::<f32>().ok());
    value.filter(|value| (0.0..=1.0).contains(value)).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_qualities_and_levels() {
        let items = list(Some(b"text/html;level=1, image/*;q=0.5 , */* ; q=x, a/b;p=\"x,y\"")).unwrap();
        let brief: Vec<_> = items.iter().map(|item| (item.name.as_slice(), item.quality, item.level)).collect();
        assert_eq!(
            brief,
            [(&b"text/html"[..], 1.0, 1.0), (b"image/*", 0.5, 0.0), (b"*/*", 1.0, 0.0), (b"a/b", 1.0, 0.0)]
        );
        assert_eq!(item(b"Text/HTML; Charset=UTF-8").charset.unwrap(), "utf-8");
        assert!(list(None).is_none());
    }
}
