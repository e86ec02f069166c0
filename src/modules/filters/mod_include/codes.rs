//! Encodings that `echo` and `set` put on and strip off: URLs, forms, base64, HTML entities.

use crate::server::escape::{self, Slashes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::{BString, ByteSlice};

/// Entities with a name: markup and the letters of Latin-1.
const ENTITIES: &[(&str, u8)] = &[
    ("lt", b'<'),
    ("gt", b'>'),
    ("amp", b'&'),
    ("quot", b'"'),
    ("Agrave", 0xc0),
    ("Aacute", 0xc1),
    ("Acirc", 0xc2),
    ("Atilde", 0xc3),
    ("Auml", 0xc4),
    ("Aring", 0xc5),
    ("AElig", 0xc6),
    ("Ccedil", 0xc7),
    ("Egrave", 0xc8),
    ("Eacute", 0xc9),
    ("Ecirc", 0xca),
    ("Euml", 0xcb),
    ("Igrave", 0xcc),
    ("Iacute", 0xcd),
    ("Icirc", 0xce),
    ("Iuml", 0xcf),
    ("ETH", 0xd0),
    ("Ntilde", 0xd1),
    ("Ograve", 0xd2),
    ("Oacute", 0xd3),
    ("Ocirc", 0xd4),
    ("Otilde", 0xd5),
    ("Ouml", 0xd6),
    ("Oslash", 0xd8),
    ("Ugrave", 0xd9),
    ("Uacute", 0xda),
    ("Ucirc", 0xdb),
    ("Uuml", 0xdc),
    ("Yacute", 0xdd),
    ("THORN", 0xde),
    ("szlig", 0xdf),
    ("agrave", 0xe0),
    ("aacute", 0xe1),
    ("acirc", 0xe2),
    ("atilde", 0xe3),
    ("auml", 0xe4),
    ("aring", 0xe5),
    ("aelig", 0xe6),
    ("ccedil", 0xe7),
    ("egrave", 0xe8),
    ("eacute", 0xe9),
    ("ecirc", 0xea),
    ("euml", 0xeb),
    ("igrave", 0xec),
    ("iacute", 0xed),
    ("icirc", 0xee),
    ("iuml", 0xef),
    ("eth", 0xf0),
    ("ntilde", 0xf1),
    ("ograve", 0xf2),
    ("oacute", 0xf3),
    ("ocirc", 0xf4),
    ("otilde", 0xf5),
    ("ouml", 0xf6),
    ("oslash", 0xf8),
    ("ugrave", 0xf9),
    ("uacute", 0xfa),
    ("ucirc", 0xfb),
    ("uuml", 0xfc),
    ("yacute", 0xfd),
    ("thorn", 0xfe),
    ("yuml", 0xff),
];

/// What stands between `&` and `;`. None: it means nothing; an empty answer: a number that stands for no text.
fn entity(name: &[u8]) -> Option<Option<u8>> {
    let Some(digits) = name.strip_prefix(b"#") else {
        return ENTITIES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, byte)| Some(*byte));
    };
    // Whatever stands there counts as a digit.
    let number = digits.iter().fold(0i32, |sum, byte| sum.wrapping_mul(10).wrapping_add(i32::from(*byte) - 48));
    Some(u8::try_from(number).ok().filter(|byte| matches!(byte, 9 | 10 | 32..=126 | 161..)))
}

/// Replaces entities by what they stand for, in Latin-1.
pub(super) fn decode_entities(text: &[u8]) -> BString {
    let (mut out, mut rest) = (BString::default(), text);
    while let Some(at) = rest.find_byte(b'&') {
        let (before, behind) = rest.split_at(at);
        out.extend_from_slice(before);
        let name = behind.get(1..).and_then(|name| name.get(..name.find_byteset(b";&")?));
        let whole = name.filter(|name| behind.get(name.len() + 1) == Some(&b';'));
        match whole.and_then(|name| Some((name, entity(name)?))) {
            Some((name, byte)) => {
                out.extend(byte);
                rest = behind.get(name.len() + 2..).unwrap_or_default();
            }
            None => {
                out.push(b'&');
                rest = behind.get(1..).unwrap_or_default();
            }
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Strips the encodings off that a list names, one after the other. Err: the first that is unknown.
pub(super) fn decode(text: BString, list: &[u8]) -> Result<BString, &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|code| !code.is_empty()).try_fold(
        text,
        |text, code| {
            Ok(match code.to_ascii_lowercase().as_slice() {
                b"none" => text,
                b"url" => {
                    let mut plain = text.into();
                    // What cannot be decoded stays.
                    let _ = escape::unescape_url(&mut plain, Slashes::Decode);
                    plain.into()
                }
                b"urlencoded" => {
                    let mut plain: Vec<u8> = text.replace("+", " ");
                    let _ = escape::unescape_url(&mut plain, Slashes::Decode);
                    plain.into()
                }
                b"entity" => decode_entities(&text),
                b"base64" => escape::unbase64(&text),
                _ => return Err(code),
            })
        },
    )
}

/// Puts the encodings on that a list names.
pub(super) fn encode(text: BString, list: &[u8]) -> Result<BString, &[u8]> {
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|code| !code.is_empty()).try_fold(
        text,
        |text, code| {
            Ok(match code.to_ascii_lowercase().as_slice() {
                b"none" => text,
                b"url" => escape::uri(&text),
                b"urlencoded" => escape::form(&text),
                b"entity" => escape::html(&text),
                b"base64" => STANDARD.encode(&text).into(),
                _ => return Err(code),
            })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities() {
        assert_eq!(decode_entities(b"a&lt;&#65;&#65a;&foo;&&gt;&auml;;&#0;&x"), b"a<A&foo;&>\xe4;&x".as_bstr());
    }

    #[test]
    fn lists_of_codes() {
        assert_eq!(decode("YSUyYmI=".into(), b"base64, url"), Ok("a+b".into()));
        assert_eq!(encode("a b<".into(), b"urlencoded,base64"), Ok("YStiJTNj".into()));
        assert_eq!(encode("a".into(), b"none,rot13"), Err(&b"rot13"[..]));
    }
}
