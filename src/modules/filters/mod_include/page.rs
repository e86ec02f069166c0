//! A document on its way out: text goes through, elements are worked out, what they include is passed on as it comes.

use super::parse::{Attribute, Element, Flaw, Scanner, Token};
use super::variables::{self, LastMatch, Unset};
use super::{IncludeDir, IncludeServer, Next, Octets};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::ExecElement;
use crate::request::{Body, Fault, Piece, Request, Source};
use crate::server::cgi;
use bstr::{BStr, BString};
use bytes::Bytes;
use std::collections::VecDeque;

const ERROR_MESSAGE: &str = "[an error occurred while processing this directive]";
const TIME_FORMAT: &str = "%A, %d-%b-%Y %H:%M:%S %Z";
const UNDEFINED: &str = "(none)";
/// Octets that are collected before they go on.
const ENOUGH: usize = 8192;
/// A document without elements that is shorter goes out as a whole, with its length.
const WHOLE: usize = 8000;

/// Put on a subrequest: should its output have elements too, it shares the environment of the document around it.
struct Nested {
    env: crate::request::Table,
    mtime: i64,
    used: bool,
}

/// What is being included.
pub(super) struct Inclusion {
    pub(super) body: Body,
    /// None: the output of a program that the document itself runs.
    pub(super) sub: Option<Box<Request>>,
}

/// Whose attributes are being done.
#[derive(Clone, Copy)]
pub(super) enum Work {
    Include,
    Exec(&'static dyn ExecElement),
}

/// What the elements so far have settled.
pub(super) struct State {
    pub(super) error_message: BString,
    pub(super) time_format: BString,
    pub(super) undefined_echo: BString,
    /// `config sizefmt="bytes"`.
    pub(super) exact_sizes: bool,
    pub(super) legacy: bool,
    pub(super) may_execute: bool,
    pub(super) last: Option<LastMatch>,
    /// What is written now goes out.
    pub(super) printing: bool,
    /// A branch of the condition has held.
    pub(super) held: bool,
    /// A condition could not be read.
    pub(super) broken: bool,
    /// Conditions within a branch that does not hold.
    pub(super) nesting: usize,
}

impl State {
    fn new(r: &Request, may_execute: bool) -> State {
        let dir = r.dir::<IncludeDir>();
        let text = |own: &Option<BString>, default: &str| own.clone().unwrap_or_else(|| default.into());
        State {
            error_message: text(&dir.error_message, ERROR_MESSAGE),
            time_format: text(&dir.time_format, TIME_FORMAT),
            undefined_echo: text(&dir.undefined_echo, UNDEFINED),
            exact_sizes: false,
            legacy: dir.legacy == Some(true),
            may_execute,
            last: None,
            printing: true,
            held: true,
            broken: false,
            nesting: 0,
        }
    }
    pub(super) fn lookup(&self, r: &mut Request, name: &BStr) -> Option<BString> {
        variables::lookup(r, name, &self.time_format, self.last.as_ref())
    }
    /// Replaces variables in the value of an attribute.
    pub(super) fn expand(&self, r: &mut Request, text: &BStr, unset: Unset) -> BString {
        variables::expand(r, text, unset, |r, name| self.lookup(r, name))
    }
}

/// See the module text.
pub(super) struct Page {
    inner: Octets,
    scanner: Scanner,
    tokens: VecDeque<Token>,
    pub(super) state: State,
    out: Vec<u8>,
    pieces: VecDeque<Piece>,
    running: Option<Inclusion>,
    /// Attributes of an `include` or `exec` that are still to be done, and whether the last one failed.
    pub(super) steps: VecDeque<Attribute>,
    pub(super) work: Work,
    pub(super) failed: bool,
    begun: bool,
    /// There was an element, or what should be one.
    worked: bool,
    /// A flaw where nothing goes out: no element behind it counts, as in Apache.
    stuck: bool,
    /// Octets that went through.
    passed: usize,
    ended: bool,
    told: bool,
}

impl Page {
    pub(super) fn new(r: &Request, inner: Octets, may_execute: bool) -> Page {
        let tags = r.server::<IncludeServer>();
        let start = tags.start.as_ref().map_or(&b"<!--#"[..], |tag| tag);
        let end = tags.end.as_ref().map_or(&b"-->"[..], |tag| tag);
        Page {
            inner,
            scanner: Scanner::new(start, end),
            tokens: VecDeque::new(),
            state: State::new(r, may_execute),
            out: Vec::new(),
            pieces: VecDeque::new(),
            running: None,
            steps: VecDeque::new(),
            work: Work::Include,
            failed: false,
            begun: false,
            worked: false,
            stuck: false,
            passed: 0,
            ended: false,
            told: false,
        }
    }

    /// Writes text behind what is there.
    pub(super) fn write(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }
    /// Shows that an element went wrong.
    pub(super) fn fail(&mut self) {
        self.out.extend_from_slice(&self.state.error_message);
    }
    pub(super) fn include(&mut self, inclusion: Inclusion) {
        self.flush();
        self.running = Some(inclusion);
    }
    /// The level of complaints: nobody sees what is wrong in a branch that does not hold.
    pub(super) fn level(&self) -> Level {
        if self.state.printing { Level::Error } else { Level::Warn }
    }
    fn flush(&mut self) {
        if !self.out.is_empty() {
            self.pieces.push_back(Piece::Bytes(std::mem::take(&mut self.out).into()));
        }
    }

    async fn begin(&mut self, r: &mut Request) {
        if let Some(nested) = r.extensions.of_mut::<Nested>() {
            nested.used = true;
            let (env, mtime) = (std::mem::take(&mut nested.env), nested.mtime);
            r.env = env;
            r.finfo.mtime = mtime;
            return variables::set_query(r);
        }
        cgi::common_env(r);
        cgi::cgi_env(r).await;
        variables::describe_document(r);
    }

    fn text(&mut self, text: Bytes) {
        self.passed += text.len();
        if !self.state.printing {
        } else if text.len() < ENOUGH / 8 {
            self.out.extend_from_slice(&text);
        } else {
            self.flush();
            self.pieces.push_back(Piece::Bytes(text));
        }
    }

    /// What is wrong with an element's text goes to the log.
    fn flaws(&mut self, r: &Request, element: &Element) {
        let (file, name) = (&r.filename, &element.name);
        for flaw in &element.flaws {
            let text = match flaw {
                Flaw::NoName => format!("AH01368: missing directive name in parsed document {file}"),
                Flaw::BareValue => format!("AH01369: missing argument name for value to tag {name} in {file}"),
                Flaw::NoAttributeName => format!("AH01370: missing argument name for value to tag {name} in {file}"),
            };
            r.log(Level::Error, "include", format_args!("{text}"));
        }
    }

    async fn token(&mut self, r: &mut Request, token: Token) {
        match token {
            Token::Text(text) => return self.text(text),
            Token::Element(element) if self.stuck || !element.flaws.is_empty() => {
                self.flaws(r, &element);
                self.stuck = !self.state.printing;
            }
            Token::Element(element) => {
                self.worked = true;
                return self.element(r, element).await;
            }
            Token::Unfinished(element) => {
                self.flaws(r, &element);
                let text = format_args!(
                    "AH01372: SSI directive was not properly finished at the end of parsed document {}",
                    crate::log::raw(&r.filename)
                );
                r.log(Level::Error, "include", text);
            }
        }
        self.worked = true;
        if self.state.printing {
            self.fail();
        }
    }

    /// The next piece of what is included; None: it has ended, or there is nothing.
    async fn included(&mut self, r: &mut Request) -> Option<Piece> {
        let inclusion = self.running.as_mut()?;
        let next = match &mut inclusion.sub {
            Some(sub) => inclusion.body.next(sub).await,
            None => inclusion.body.next(r).await,
        };
        if let Ok(Some(piece)) = next {
            return Some(piece);
        }
        if let Some(mut sub) = self.running.take().and_then(|inclusion| inclusion.sub)
            && sub.extensions.take::<Nested>().is_some_and(|nested| nested.used)
        {
            r.env = std::mem::take(&mut sub.env);
        }
        None
    }

    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin(r).await;
        }
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            if let Some(piece) = self.included(r).await {
                return Ok(Some(piece));
            }
            if self.out.len() >= ENOUGH {
                self.flush();
            } else if !self.steps.is_empty() {
                self.step(r).await;
            } else if let Some(token) = self.tokens.pop_front() {
                self.token(r, token).await;
            } else if !self.ended {
                match self.inner.next(r).await? {
                    Next::Bytes(bytes) => self.scanner.feed(&bytes, &mut self.tokens),
                    Next::Flush => {
                        self.flush();
                        self.pieces.push_back(Piece::Flush);
                    }
                    Next::End => {
                        self.ended = true;
                        self.scanner.finish(&mut self.tokens);
                    }
                }
            } else if !self.out.is_empty() {
                self.flush();
            } else if !self.worked && self.passed < WHOLE {
                return Ok(None);
            } else if !std::mem::replace(&mut self.told, true) {
                if !self.state.printing {
                    let text = format_args!(
                        "AH01373: missing closing endif directive in parsed document {}",
                        crate::log::raw(&r.filename)
                    );
                    r.log(Level::Warn, "include", text);
                }
                // A document that is worked out goes without a length, however short it is.
                return Ok(Some(Piece::Flush));
            } else {
                return Ok(None);
            }
        }
    }
}

/// Leaves word of the document around it with a subrequest.
pub(super) fn mark(r: &Request, sub: &mut Request) {
    sub.extensions.put(Nested { env: r.env.clone(), mtime: r.finfo.mtime, used: false });
}

impl Source for Page {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
}
