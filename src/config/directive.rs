//! Directive rows: the one table that feeds parsing, contexts, AllowOverride, `-L` and error texts.
//!
//! A row says how many arguments its directive takes (Apache's argument shapes), where it may stand
//! and which override class lets it stand in .htaccess. Source: "Terms Used to Describe Directives" in the manual.

use super::{Cx, Outcome};
use bstr::BStr;

/// Where a directive may stand: the bits of Apache's `req_override`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Contexts(pub u32);

impl Contexts {
    /// Either set of places.
    pub const fn and(self, other: Contexts) -> Contexts {
        Contexts(self.0 | other.0)
    }
    /// Whether every place of `other` is among these.
    pub const fn has(self, other: Contexts) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Outside `<Directory>`-like sections, in the main server and in `<VirtualHost>`.
pub const SERVER: Contexts = Contexts(1);
/// In `<Directory>`, `<Location>`, `<Files>`, `<If>` of the server's configuration.
pub const DIRECTORY: Contexts = Contexts(2);
/// In .htaccess, when the directive's override class is allowed.
pub const HTACCESS: Contexts = Contexts(4);
/// In `<Proxy>` and `<ProxyMatch>` and what stands within, where it may not stand in other sections.
pub const PROXY: Contexts = Contexts(32);
/// Executed while the file is read, before the tree is walked (Apache's `EXEC_ON_READ`).
pub const ON_READ: Contexts = Contexts(8);
/// Only in the main server, not in `<VirtualHost>` (`GLOBAL_ONLY`).
pub const GLOBAL: Contexts = Contexts(16 | 1);
/// Everywhere.
pub const ANYWHERE: Contexts = Contexts(1 | 2 | 4);

/// Override classes of AllowOverride. A directive names the ones of which any lets it stand in .htaccess.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Override(pub u32);

impl Override {
    pub const NONE: Override = Override(0);
    pub const LIMIT: Override = Override(1);
    pub const OPTIONS: Override = Override(2);
    pub const FILE_INFO: Override = Override(4);
    pub const AUTH_CONFIG: Override = Override(8);
    pub const INDEXES: Override = Override(16);
    pub const ALL: Override = Override(31);
    /// Either set of classes.
    pub const fn or(self, other: Override) -> Override {
        Override(self.0 | other.0)
    }
    /// Whether any class is in both.
    pub const fn meets(self, other: Override) -> bool {
        self.0 & other.0 != 0
    }
}

pub const NO_OVERRIDE: Override = Override::NONE;
pub const LIMIT: Override = Override::LIMIT;
pub const OPTIONS: Override = Override::OPTIONS;
pub const FILE_INFO: Override = Override::FILE_INFO;
pub const AUTH_CONFIG: Override = Override::AUTH_CONFIG;
pub const INDEXES: Override = Override::INDEXES;

/// Up to a fixed number of words for one call of a setter.
pub type Word<'a> = &'a BStr;

/// Argument shapes, named as in Apache, each with the setter that takes it.
#[derive(Clone, Copy)]
pub enum Shape {
    /// What follows the name is not read.
    NoArgs(fn(&mut Cx<'_>) -> Outcome),
    /// The rest of the line, unparsed.
    RawArgs(fn(&mut Cx<'_>, Word<'_>) -> Outcome),
    Take1(fn(&mut Cx<'_>, Word<'_>) -> Outcome),
    Take2(fn(&mut Cx<'_>, Word<'_>, Word<'_>) -> Outcome),
    Take3(fn(&mut Cx<'_>, Word<'_>, Word<'_>, Word<'_>) -> Outcome),
    Take12(fn(&mut Cx<'_>, Word<'_>, Option<Word<'_>>) -> Outcome),
    Take23(fn(&mut Cx<'_>, Word<'_>, Word<'_>, Option<Word<'_>>) -> Outcome),
    Take123(fn(&mut Cx<'_>, Word<'_>, Option<Word<'_>>, Option<Word<'_>>) -> Outcome),
    Take13(fn(&mut Cx<'_>, Word<'_>, Option<Word<'_>>, Option<Word<'_>>) -> Outcome),
    /// All words at once (`AP_TAKE_ARGV`).
    TakeArgv(fn(&mut Cx<'_>, &[Word<'_>]) -> Outcome),
    /// Called once for each word; at least one.
    Iterate(fn(&mut Cx<'_>, Word<'_>) -> Outcome),
    /// Called with the first word and each of the others.
    Iterate2(fn(&mut Cx<'_>, Word<'_>, Word<'_>) -> Outcome),
    /// `On` or `Off`.
    Flag(fn(&mut Cx<'_>, bool) -> Outcome),
    /// Opens a section; the setter gets the text up to and with the last `>` and runs the children through `Cx::section`.
    Section(fn(&mut Cx<'_>, Word<'_>) -> Outcome),
}

/// One row.
pub struct Directive {
    /// As written in the manual; for a section with its `<`.
    pub name: &'static str,
    pub shape: Shape,
    pub contexts: Contexts,
    pub overrides: Override,
    /// Shown in error texts after "takes one argument, " and by `-L`.
    pub help: &'static str,
    /// Free for setters shared by several rows (Apache's `cmd->info`).
    pub info: usize,
    /// Why the directive is accepted without effect, where it is.
    pub ignored: Option<&'static str>,
}

impl Directive {
    /// The same row with a number for its setter.
    pub const fn info(mut self, info: usize) -> Directive {
        self.info = info;
        self
    }
    /// The same row, accepted without effect, for a reason that reports print.
    pub const fn ignored(mut self, reason: &'static str) -> Directive {
        self.ignored = Some(reason);
        self
    }
}

macro_rules! makers {
    ($($(#[$doc:meta])* $maker:ident $variant:ident ($($arg:ty),*);)*) => {$(
        $(#[$doc])*
        pub const fn $maker(
            name: &'static str, contexts: Contexts, overrides: Override,
            set: fn(&mut Cx<'_> $(, $arg)*) -> Outcome, help: &'static str,
        ) -> Directive {
            Directive { name, shape: Shape::$variant(set), contexts, overrides, help, info: 0, ignored: None }
        }
    )*};
}

makers! {
    no_args NoArgs();
    raw_args RawArgs(Word<'_>);
    take1 Take1(Word<'_>);
    take2 Take2(Word<'_>, Word<'_>);
    take3 Take3(Word<'_>, Word<'_>, Word<'_>);
    take12 Take12(Word<'_>, Option<Word<'_>>);
    take23 Take23(Word<'_>, Word<'_>, Option<Word<'_>>);
    take123 Take123(Word<'_>, Option<Word<'_>>, Option<Word<'_>>);
    take13 Take13(Word<'_>, Option<Word<'_>>, Option<Word<'_>>);
    take_argv TakeArgv(&[Word<'_>]);
    iterate Iterate(Word<'_>);
    iterate2 Iterate2(Word<'_>, Word<'_>);
    flag Flag(bool);
    section Section(Word<'_>);
}
