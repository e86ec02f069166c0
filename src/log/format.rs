//! ErrorLogFormat, compiled: what stands on a line of the error log.
//!
//! A format is divided into fields by spaces; a token without a value takes its whole field along, with the spaces
//! before it. `\ ` is a space that divides nothing, `% ` divides and prints nothing. Manual: mod/core.html.

use super::Level;
use super::clock::Fraction;
use bstr::{BStr, BString, ByteSlice};
use std::sync::LazyLock;

/// What holds where no ErrorLogFormat is set. In syslog the stamp is left to syslog.
static DEFAULT: LazyLock<[Layout; 2]> = LazyLock::new(|| {
    let rest = "[%-m:%l] [pid %P:tid %{g}T] %7F: %E: [client\\ %a] %M% ,\\ referer:\\ %{Referer}i";
    [format!("[%{{u}}t] {rest}"), rest.to_owned()]
        .map(|text| Layout::parse(text.as_bytes(), Kind::Message).unwrap_or_default())
        .map(Layout::with_side)
});

/// The compiled ErrorLogFormat lines of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorFormat {
    pub(super) message: Option<Layout>,
    /// Written once, before a request's first line.
    pub(super) request: Vec<Layout>,
    /// Written once, before a connection's first line.
    pub(super) connection: Vec<Layout>,
}

/// Which of the three kinds a format is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Message,
    Request,
    Connection,
}

impl Layout {
    /// Whether it is httpd's own, which holds where no ErrorLogFormat is set.
    pub(super) fn is_default(&self) -> bool {
        DEFAULT.iter().any(|own| std::ptr::eq(own, self))
    }
}

impl ErrorFormat {
    /// Adds one directive: `ErrorLogFormat [connection|request] format`.
    pub fn add(&mut self, first: &BStr, second: Option<&BStr>) -> Result<(), String> {
        let Some(format) = second else {
            self.message = Some(Layout::parse(first, Kind::Message)?);
            return Ok(());
        };
        if first.eq_ignore_ascii_case(b"request") {
            self.request.push(Layout::parse(format, Kind::Request)?);
        } else if first.eq_ignore_ascii_case(b"connection") {
            self.connection.push(Layout::parse(format, Kind::Connection)?);
        } else {
            return Err("ErrorLogFormat type must be one of request, connection".to_owned());
        }
        Ok(())
    }
    /// A virtual host's formats on top of the main server's: each kind for itself.
    pub fn merged(base: &ErrorFormat, add: &ErrorFormat) -> ErrorFormat {
        let list = |base: &Vec<Layout>, add: &Vec<Layout>| if add.is_empty() { base.clone() } else { add.clone() };
        ErrorFormat {
            message: add.message.clone().or_else(|| base.message.clone()),
            request: list(&base.request, &add.request),
            connection: list(&base.connection, &add.connection),
        }
    }
    /// The layout of messages.
    pub(super) fn of(format: Option<&ErrorFormat>, syslog: bool) -> &Layout {
        match format.and_then(|format| format.message.as_ref()) {
            Some(layout) => layout,
            None => &DEFAULT[usize::from(syslog)],
        }
    }
}

/// A parsed format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout(pub(super) Vec<Item>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Literal(BString),
    /// A field begins; the spaces that stand before it.
    Field(usize),
    Token {
        token: Token,
        /// `-`: a hyphen stands for no value.
        hyphen: bool,
        /// `+`: no value, no line.
        required: bool,
        /// Shown only on messages of this level or one more verbose.
        verbosity: Option<Level>,
    },
}

/// Which log id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Request,
    Connection,
    /// The connection's, unless the line belongs to a request.
    ConnectionOnly,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Client,
    /// `[client ` or `[remote `.
    Side,
    Peer,
    Local,
    Env(BString),
    Errno,
    Source,
    Header(BString),
    Keepalives,
    Level,
    Id(Id),
    Module,
    Message,
    Note(BString),
    Pid,
    Tid {
        system: bool,
    },
    Stamp {
        fraction: Fraction,
        compact: bool,
        zone: bool,
    },
    Strftime(BString),
    ServerName,
    CanonicalName,
}

const RAN_OFF: &str = "Ran off end of error log format parsing args to some directive";

impl Layout {
    /// The layout that holds where none is set tells who is at the other end.
    fn with_side(mut self) -> Layout {
        for item in &mut self.0 {
            if matches!(item, Item::Literal(text) if text == "[client ") {
                *item = Item::Token { token: Token::Side, hyphen: false, required: false, verbosity: None };
            }
        }
        self
    }
    fn parse(text: &[u8], kind: Kind) -> Result<Layout, String> {
        let mut items: Vec<Item> = Vec::new();
        let (mut spaces, mut rest) = (0, text);
        let literal = |items: &mut Vec<Item>, byte: u8| match items.last_mut() {
            Some(Item::Literal(text)) => text.push(byte),
            _ => items.push(Item::Literal([byte].as_slice().into())),
        };
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            if byte == b' ' {
                spaces += 1;
                continue;
            }
            if spaces > 0 {
                items.push(Item::Field(std::mem::take(&mut spaces)));
            }
            match byte {
                b'\\' => {
                    let (escaped, after) = rest.split_first().map_or((b'\\', rest), |(byte, after)| (*byte, after));
                    rest = after;
                    let escaped = match escaped {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        other => other,
                    };
                    literal(&mut items, escaped);
                }
                b'%' => {
                    let (item, after) = Layout::token(rest, kind)?;
                    rest = after;
                    match item {
                        Item::Literal(text) => text.iter().for_each(|byte| literal(&mut items, *byte)),
                        item => items.push(item),
                    }
                }
                _ => literal(&mut items, byte),
            }
        }
        items.extend((spaces > 0).then_some(Item::Field(spaces)));
        let message = |item: &Item| matches!(item, Item::Token { token: Token::Message, .. });
        if kind == Kind::Message && !items.iter().any(message) {
            return Err("main ErrorLogFormat must contain message format string '%M'".to_owned());
        }
        Ok(Layout(items))
    }

    /// What stands behind a percent sign, and the text after it.
    fn token(text: &[u8], kind: Kind) -> Result<(Item, &[u8]), String> {
        let (mut rest, mut argument) = (text, None);
        let (mut hyphen, mut required, mut verbosity) = (false, false, None);
        loop {
            let (&byte, after) = rest.split_first().ok_or(RAN_OFF)?;
            match byte {
                b'-' => hyphen = true,
                b'+' if kind == Kind::Message => {
                    return Err("The '+' flag cannot be used in the main error log format".to_owned());
                }
                b'+' => required = true,
                b'0'..=b'9' if kind != Kind::Message => {
                    return Err("The loglevel cannot be used as a condition in once-per-request or \
                                once-per-connection formats"
                        .to_owned());
                }
                b'0'..=b'9' => {
                    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                    let number = rest.get(..digits).unwrap_or_default().to_str_lossy().parse().unwrap_or(usize::MAX);
                    if number >= 16 {
                        return Err("The specified loglevel modifier is out of range".to_owned());
                    }
                    verbosity = Level::numbered(number).filter(|_| number > 0);
                    rest = rest.get(digits..).unwrap_or_default();
                    continue;
                }
                b'{' => {
                    let end = after.find_byte(b'}').ok_or(RAN_OFF)?;
                    argument = after.get(..end);
                    rest = after.get(end + 1..).unwrap_or_default();
                    continue;
                }
                _ => {
                    let item = match byte {
                        b'%' => Item::Literal("%".into()),
                        b' ' if rest.len() == text.len() => Item::Field(0),
                        b'M' if kind != Kind::Message => {
                            return Err("%M cannot be used in once-per-request or once-per-connection formats".into());
                        }
                        _ => {
                            let unknown = || format!("Unrecognized error log format directive %{}", char::from(byte));
                            let token = Token::named(byte, argument).ok_or_else(unknown)?;
                            Item::Token { token, hyphen, required, verbosity }
                        }
                    };
                    return Ok((item, after));
                }
            }
            rest = after;
        }
    }
}

impl Token {
    fn named(letter: u8, argument: Option<&[u8]>) -> Option<Token> {
        let argument = argument.unwrap_or_default();
        let name = || BString::from(argument);
        Some(match letter {
            b'a' if argument == b"c" => Token::Peer,
            b'a' => Token::Client,
            b'A' => Token::Local,
            b'e' => Token::Env(name()),
            b'E' => Token::Errno,
            b'F' => Token::Source,
            b'i' => Token::Header(name()),
            b'k' => Token::Keepalives,
            b'l' => Token::Level,
            b'L' => Token::Id(match argument {
                b"c" => Id::Connection,
                b"C" => Id::ConnectionOnly,
                _ => Id::Request,
            }),
            b'm' => Token::Module,
            b'M' => Token::Message,
            b'n' => Token::Note(name()),
            b'P' => Token::Pid,
            b'T' => Token::Tid { system: argument == b"g" },
            b't' if argument.contains(&b'%') => Token::Strftime(name()),
            b't' => Token::Stamp {
                fraction: match () {
                    () if argument.contains(&b'u') => Fraction::Microseconds,
                    () if argument.contains(&b'm') => Fraction::Milliseconds,
                    () => Fraction::None,
                },
                compact: argument.contains(&b'c'),
                zone: argument.contains(&b'z'),
            },
            b'v' => Token::ServerName,
            b'V' => Token::CanonicalName,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(first: &str, second: Option<&str>) -> String {
        ErrorFormat::default().add(first.into(), second.map(Into::into)).unwrap_err()
    }

    #[test]
    fn refuses_as_apache_does() {
        assert_eq!(error("%x", None), "Unrecognized error log format directive %x");
        assert_eq!(error("foo", Some("%a")), "ErrorLogFormat type must be one of request, connection");
        assert_eq!(error("%{x", None), RAN_OFF);
        assert_eq!(error("%M %", None), RAN_OFF);
        assert_eq!(error("%+M", None), "The '+' flag cannot be used in the main error log format");
        assert_eq!(error("%16M", None), "The specified loglevel modifier is out of range");
        assert_eq!(error("foo", None), "main ErrorLogFormat must contain message format string '%M'");
        assert!(error("request", Some("%7F")).starts_with("The loglevel cannot be used as a condition"));
        assert!(error("connection", Some("%M")).starts_with("%M cannot be used in"));
    }

    #[test]
    fn kinds_are_inherited_one_by_one() {
        let (mut base, mut add) = (ErrorFormat::default(), ErrorFormat::default());
        base.add("%M".into(), None).unwrap();
        base.add("request".into(), Some("%L".into())).unwrap();
        add.add("%l %M".into(), None).unwrap();
        let merged = ErrorFormat::merged(&base, &add);
        assert_eq!((&merged.message, &merged.request), (&add.message, &base.request));
    }
}
