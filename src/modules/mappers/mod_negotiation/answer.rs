//! What the client is told: which variant, by which fields they vary, or the list of all (RFC 2295).

use super::NegotiationDir;
use super::choose::{self, Wishes};
use super::variant::Variant;
use crate::log::Level;
use crate::request::{MethodNumber, Request, Status};
use crate::server::escape;
use bstr::{BString, ByteSlice};

/// The variant to send.
pub(super) struct Decision {
    pub at: usize,
    /// Content-Encoding in the client's spelling.
    pub encoding: Option<BString>,
}

/// What the Negotiate field allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Negotiate {
    /// The client understands lists of variants.
    transparent: bool,
    /// The server may choose for it ...
    may_choose: bool,
    /// ... but only by RVSA/1.0, where the choice is certain.
    rvsa: bool,
}

fn negotiate(field: Option<&[u8]>) -> Negotiate {
    let Some(field) = field else { return Negotiate { transparent: false, may_choose: true, rvsa: false } };
    let mut out = Negotiate { transparent: false, may_choose: false, rvsa: false };
    for word in field.split(|byte| *byte == b',').map(|word| word.trim().to_ascii_lowercase()) {
        match word.as_slice() {
            b"trans" | b"vlist" | b"guess-small" => out.transparent = true,
            b"1.0" => out = Negotiate { transparent: true, may_choose: true, rvsa: true },
            b"*" => out = Negotiate { transparent: true, may_choose: true, rvsa: false },
            // Another version of the algorithm: the client does know lists.
            _ if word.first().is_some_and(u8::is_ascii_digit) => out.transparent = true,
            _ => {}
        }
    }
    out
}

/// Chooses, and sets the fields that say so. An error is the status under which the list is sent.
pub(super) fn decide(r: &mut Request, variants: &mut [Variant]) -> Result<Decision, Status> {
    let transparent = r.method.is(MethodNumber::GET)
        && r.path_info.is_empty()
        && !variants.iter().any(|variant| variant.name.contains(&b'/') || variant.body.is_some());
    let allowed = negotiate(r.headers_in.get("Negotiate").filter(|_| transparent).map(|field| field.as_ref()));
    let shared = r.dir.clone();
    let choice = choose::choose(&Wishes::of(r), shared.settings.of::<NegotiationDir>(), variants);
    let chosen = choice.best.filter(|_| allowed.may_choose && (!allowed.rvsa || choice.definite));
    let result = match chosen {
        Some(at) => Ok(Decision { at, encoding: choice.encoding }),
        None if allowed.transparent => Err(Status::MULTIPLE_CHOICES),
        None => Err(Status::NOT_ACCEPTABLE),
    };
    set_fields(r, variants, transparent, allowed.transparent, chosen);
    if result.is_err() {
        r.notes.set("variant-list", list(variants));
    }
    if matches!(result, Err(Status::NOT_ACCEPTABLE)) {
        r.log(
            Level::Error,
            "negotiation",
            format_args!("AH00690: no acceptable variant: {}", crate::log::raw(&r.filename)),
        );
    }
    result
}

/// Content-Location, Alternates, Vary, TCN; in errors too.
fn set_fields(r: &mut Request, variants: &[Variant], transparent: bool, knows_lists: bool, chosen: Option<usize>) {
    let fields = &mut r.err_headers_out;
    if transparent && let Some(variant) = chosen.and_then(|at| variants.get(at)) {
        fields.set("Content-Location", escape::os_path(&variant.name, true));
    }
    if (chosen.is_none() || knows_lists) && !variants.is_empty() {
        fields.merge("Alternates", alternates(variants));
    }
    let mut vary: Vec<&str> = Vec::new();
    if transparent {
        vary.push("negotiate");
    }
    let differ =
        |part: fn(&Variant) -> Vec<u8>| variants.iter().zip(variants.iter().skip(1)).any(|(a, b)| part(a) != part(b));
    let charset = |variant: &Variant| variant.charset.clone().unwrap_or_default().into();
    let encoding = |variant: &Variant| variant.encoding.clone().unwrap_or_default().into();
    for (name, differs) in [
        ("accept", differ(|variant| variant.kind.to_vec())),
        ("accept-language", differ(|variant| bstr::join(",", &variant.languages))),
        ("accept-charset", differ(charset)),
        ("accept-encoding", differ(encoding)),
    ] {
        if differs {
            vary.push(name);
        }
    }
    if !vary.is_empty() {
        fields.merge("Vary", vary.join(","));
    }
    if transparent {
        fields.set("TCN", if chosen.is_some() { "choice" } else { "list" });
    }
}

/// `{"a.html.en" 1 {type text/html} {language en} {length 7}}, ...`
fn alternates(variants: &[Variant]) -> Vec<u8> {
    let one = |variant: &Variant| {
        let mut out = Vec::new();
        out.extend_from_slice(b"{\"");
        out.extend_from_slice(&escape::segment(&variant.name));
        out.extend_from_slice(format!("\" {}", quality_text(variant.source_quality)).as_bytes());
        let mut part = |name: &str, value: &[u8]| {
            if !value.is_empty() {
                out.extend_from_slice(&[b" {", name.as_bytes(), b" ", value, b"}"].concat());
            }
        };
        part("type", &variant.kind);
        part("charset", variant.charset.as_ref().map_or(b"", |charset| charset));
        part("language", &bstr::join(",", &variant.languages));
        part("encoding", variant.encoding.as_ref().map_or(b"", |encoding| encoding));
        part("length", variant.length.map(|length| length.to_string()).unwrap_or_default().as_bytes());
        out.push(b'}');
        out
    };
    bstr::join(", ", variants.iter().map(one))
}

/// At most three significant digits, no trailing zeros.
fn quality_text(quality: f32) -> String {
    let text = format!("{quality:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The part of the 300 and 406 pages that lists the variants.
fn list(variants: &[Variant]) -> Vec<u8> {
    let mut out = b"Available variants:\n<ul>\n".to_vec();
    for variant in variants {
        let name = escape::segment(&variant.name);
        out.extend_from_slice(b"<li><a href=\"");
        out.extend_from_slice(&escape::html(&name));
        out.extend_from_slice(b"\">");
        out.extend_from_slice(&escape::html(&variant.name));
        out.extend_from_slice(b"</a> ");
        if let Some(description) = &variant.description {
            out.extend_from_slice(description);
        }
        let mut part = |name: &str, value: &[u8]| {
            if !value.is_empty() {
                out.extend_from_slice(&[b", ", name.as_bytes(), b" ", value].concat());
            }
        };
        part("type", &variant.kind);
        part("language", &bstr::join(",", &variant.languages));
        part("charset", variant.charset.as_ref().map_or(b"", |charset| charset));
        part("encoding", variant.encoding.as_ref().map_or(b"", |encoding| encoding));
        out.extend_from_slice(b"</li>\n");
    }
    out.extend_from_slice(b"</ul>\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_negotiate_field() {
        let read = |field: &str| {
            let Negotiate { transparent, may_choose, rvsa } = negotiate(Some(field.as_bytes()));
            (transparent, may_choose, rvsa)
        };
        assert_eq!(read("trans"), (true, false, false));
        assert_eq!(read("trans, *"), (true, true, false));
        assert_eq!(read("1.0"), (true, true, true));
        assert_eq!(read("foo"), (false, false, false));
        assert!(negotiate(None).may_choose);
    }

    #[test]
    fn variants_as_a_field() {
        let mut variant = Variant { name: "a b.en".into(), length: Some(7), ..Variant::default() };
        variant.set_kind(b"text/html; charset=us-ascii; qs=0.8");
        variant.languages = vec!["en".into(), "fr".into()];
        let text = "{\"a%20b.en\" 0.8 {type text/html} {charset us-ascii} {language en,fr} {length 7}}";
        assert_eq!(alternates(&[variant]).as_bstr(), text);
    }
}
