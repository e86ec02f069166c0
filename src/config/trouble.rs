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

/// A configuration that was not accepted, with what was found until then.
#[derive(Clone, Debug)]
pub struct Refused {
    pub trouble: Trouble,
    pub warnings: Vec<super::Warning>,
    pub included: Vec<super::Included>,
    /// Those that were gathered.
    pub complaints: Vec<(At, BString)>,
    /// The MPM that was loaded before.
    pub mpm: Option<super::MpmKind>,
}

impl Trouble {
    /// What goes to standard error, without the last line end. `program` is the name it was started by, without
    /// directories.
    pub fn render(&self, program: &str) -> BString {
        // What the files say may hold anything; on the terminal it is escaped.
        let escaped = self.lines(program).into_iter().map(|line| {
            let mut out = Vec::new();
            escape_error(&mut out, &line);
            out
        });
        escaped.collect::<Vec<_>>().join(&b"\n"[..]).into()
    }
    /// The same for a log that escapes by itself, line by line.
    pub fn lines(&self, program: &str) -> Vec<BString> {
        match self {
            Trouble::Read(text) => vec![[program.as_bytes(), b": ", text].concat().into()],
            Trouble::Directive { at, text } => {
                let place = format!("AH00526: Syntax error on line {} of ", at.line);
                vec![[place.as_bytes(), &at.file, b":"].concat().into(), text.clone()]
            }
            Trouble::Mpm(text) => vec![format!("AH00534: {program}: Configuration error: {text}").into()],
            Trouble::Fatal { tag, named: true, text } => {
                vec![[tag.as_bytes(), b": ", program.as_bytes(), b": ", text].concat().into()]
            }
            Trouble::Fatal { tag, named: false, text } => vec![[tag.as_bytes(), b": ", text].concat().into()],
        }
    }
}
