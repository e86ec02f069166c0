//! Why a configuration was not accepted, with Apache's texts.

use crate::log::escape_error;
use bstr::BString;

/// The place of a directive.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct At {
    pub file: BString,
    pub line: u32,
}

/// What stops the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Found while the files were read: `httpd: Syntax error on line 1 of F: ...`. The text has all of that but the
    /// program's name.
    Read(BString),
    /// A directive of the tree was refused.
    Directive { at: At, text: BString },
    /// No MPM, or two.
    Mpm(&'static str),
    /// A line of its own: tag, then the program's name where `named`, then the text.
    Fatal { tag: &'static str, named: bool, text: BString },
}

impl Trouble {
    /// What goes to standard error, without the last line end. `program` is the name it was started by, without
    /// directories.
    pub fn render(&self, program: &str) -> BString {
        let mut out = Vec::new();
        // What the files say may hold anything; on the terminal and in logs it is escaped.
        match self {
            Trouble::Read(text) => {
                out.extend_from_slice(format!("{program}: ").as_bytes());
                escape_error(&mut out, text);
            }
            Trouble::Directive { at, text } => {
                out.extend_from_slice(format!("AH00526: Syntax error on line {} of ", at.line).as_bytes());
                escape_error(&mut out, &at.file);
                out.extend_from_slice(b":\n");
                escape_error(&mut out, text);
            }
            Trouble::Mpm(text) => {
                out.extend_from_slice(format!("AH00534: {program}: Configuration error: {text}").as_bytes());
            }
            Trouble::Fatal { tag, named, text } => {
                out.extend_from_slice(format!("{tag}: ").as_bytes());
                if *named {
                    out.extend_from_slice(format!("{program}: ").as_bytes());
                }
                escape_error(&mut out, text);
            }
        }
        out.into()
    }
}
