//! Parser for Apache httpd configuration files and for `ap_expr` expressions.
//!
//! Text in, spanned values out: no I/O, no unsafe code, no list of directives, variables or functions. What a name
//! means is the caller's business; how a file is cut into lines, commands, words and expressions is this crate's, and
//! follows httpd 2.4.71 as observed. Everything is bytes: configuration files are not always UTF-8.
//!
//! Two ways to read a file, which share one implementation:
//!
//! - [`Lines`] yields logical lines (continuations joined, white space trimmed, numbered as httpd numbers them).
//!   A server reads so, since directives such as `Define` change what the following lines mean.
//! - [`Document`] holds every byte of the file as nodes, comments and layout too, for tools that write files back.
//!
//! A line is first [expanded](expand), then split into a [`Command`], whose arguments are cut by [`next_word`]:
//!
//! ```
//! use httpd_conf::{Command, Lines, expand, next_word};
//!
//! let conf = b"# greeting\nDefine port 8080\nListen \\\n  \"127.0.0.1:${port}\" http\n";
//! let listen = Lines::new(conf).filter(|line| !line.is_ignored()).nth(1).unwrap();
//! assert_eq!(listen.number, 4); // the last physical line, as in httpd's messages
//! let expanded = expand(&listen.text, |name| (name == "port").then_some("8080"));
//! let Command::Directive { name, args } = Command::split(&expanded.text) else { unreachable!() };
//! assert_eq!(*name, "Listen");
//! let (address, rest) = next_word(args);
//! assert_eq!(address, "127.0.0.1:8080");
//! assert_eq!(rest, b"http");
//! ```
//!
//! Expressions (`<If>`, `Require expr`, `expr=` arguments) are parsed by [`expr::parse_condition`] and
//! [`expr::parse_string`].

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod command;
mod document;
mod expand;
pub mod expr;
mod lines;
mod word;

pub use command::{Command, section_args};
pub use document::{Document, Kind, Node};
pub use expand::{Expanded, expand};
pub use lines::{Line, Lines, MAX_LINE};
pub use word::{Words, is_space, next_word, skip_space, words};

/// The examples of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
