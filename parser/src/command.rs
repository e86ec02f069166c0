//! What a line says: a directive, the start or the end of a section.

use crate::word::cut_word;
use bstr::{BStr, ByteSlice};
use memchr::memrchr;
use std::borrow::Cow;

/// A line (trimmed, expanded, neither blank nor a comment), split at its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// `Name args`.
    Directive {
        /// Unquoted: `"ServerName" x` is ServerName. Case is kept.
        name: Cow<'a, BStr>,
        /// The rest of the line, as it stands.
        args: &'a BStr,
    },
    /// `<Name args>`.
    Open {
        /// Without `<`, and without `>` where that follows at once, as in `<Else>`. May be empty (`<`, `< x>`).
        name: Cow<'a, BStr>,
        /// The rest of the line with its `>`; see [`section_args`]. Of `<Else>` it is what comes after the `>`.
        args: &'a BStr,
        /// Whether `>` followed the name at once.
        bare: bool,
    },
    /// `</Name>`.
    Close {
        /// Without `</` and one trailing `>`.
        name: Cow<'a, BStr>,
        /// Whether the name ended in `>`. Not so in `</Directory`, `</Directory >`, `</Directory>x`.
        closed: bool,
        /// Text after the name. httpd ignores it.
        args: &'a BStr,
    },
}

impl<'a> Command<'a> {
    /// Splits a line at its first word.
    pub fn split(text: &'a [u8]) -> Command<'a> {
        let (word, args) = cut_word(text);
        if let Some(name) = part(&word, b"</", b"") {
            let closed = name.ends_with(b">");
            let name = part(&name, b"", b">").unwrap_or(name);
            return Command::Close { name, closed, args };
        }
        if let Some(name) = part(&word, b"<", b"") {
            return match part(&name, b"", b">") {
                Some(name) => Command::Open { name, args, bare: true },
                None => Command::Open { name, args, bare: false },
            };
        }
        Command::Directive { name: word, args }
    }

    /// The name, for any kind.
    pub fn name(&self) -> &BStr {
        match self {
            Command::Directive { name, .. } | Command::Open { name, .. } | Command::Close { name, .. } => name.as_ref(),
        }
    }

    /// The rest of the line, for any kind.
    pub fn args(&self) -> &'a BStr {
        match self {
            Command::Directive { args, .. } | Command::Open { args, .. } | Command::Close { args, .. } => args,
        }
    }
}

/// `word` without `prefix` and `suffix`, when it has both.
fn part<'a>(word: &Cow<'a, BStr>, prefix: &[u8], suffix: &[u8]) -> Option<Cow<'a, BStr>> {
    match word {
        Cow::Borrowed(w) => Some(Cow::Borrowed(w.as_bytes().strip_prefix(prefix)?.strip_suffix(suffix)?.as_bstr())),
        Cow::Owned(w) => Some(Cow::Owned(w.as_bytes().strip_prefix(prefix)?.strip_suffix(suffix)?.into())),
    }
}

/// The arguments of a section opener: what stands before the last `>` of the line. Text after it is ignored. `None`
/// when there is no `>`: httpd's message is then `<Name> directive missing closing '>'`.
pub fn section_args(args: &[u8]) -> Option<&BStr> {
    memrchr(b'>', args).and_then(|end| args.get(..end)).map(ByteSlice::as_bstr)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(text: &str) -> (String, String, bool) {
        match Command::split(text.as_bytes()) {
            Command::Open { name, args, bare } => (name.to_string(), args.to_string(), bare),
            other => panic!("{other:?}"),
        }
    }
    fn close(text: &str) -> (String, bool) {
        match Command::split(text.as_bytes()) {
            Command::Close { name, closed, .. } => (name.to_string(), closed),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn directives() {
        let command = Command::split(b"ServerName  \"a b\" c");
        assert_eq!((command.name(), command.args()), (BStr::new("ServerName"), BStr::new("\"a b\" c")));
        let command = Command::split(b"\"Error\"x  y");
        assert_eq!((command.name(), command.args()), (BStr::new("Error"), BStr::new("x  y")));
    }

    #[test]
    fn sections() {
        assert_eq!(open("<Directory /x> junk"), ("Directory".into(), "/x> junk".into(), false));
        assert_eq!(open("<Else>"), ("Else".into(), "".into(), true));
        assert_eq!(open("< IfModule x>"), ("".into(), "IfModule x>".into(), false));
        assert_eq!(open("<>"), ("".into(), "".into(), true));
        assert_eq!(open("<\"Directory\" x>").0, "\"Directory\"");
        assert_eq!(close("</IfModule>"), ("IfModule".into(), true));
        assert_eq!(close("</IfModule >"), ("IfModule".into(), false));
        assert_eq!(close("</Directory>foo"), ("Directory>foo".into(), false));
        assert_eq!(close("\"</Directory>\""), ("Directory".into(), true));
        assert_eq!(close("</>"), ("".into(), true));
    }

    #[test]
    fn section_arguments_end_at_the_last_bracket() {
        assert_eq!(section_args(b"\"a > b\"> # c"), Some(BStr::new("\"a > b\"")));
        assert_eq!(section_args(b"/x"), None);
        assert_eq!(section_args(b">"), Some(BStr::new("")));
    }
}
