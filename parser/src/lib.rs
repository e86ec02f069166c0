//! The configuration language of Apache httpd: lines, words, variables.
//!
//! Apache reads its configuration line by line and executes some directives while it reads, so that what a line means
//! depends on those before it. Accordingly the pieces here are small and without state: [`Lines`] joins continued lines
//! and numbers them, [`expand`] fills in `${NAME}`, [`next_word`] takes arguments off, [`Command`] splits a line into a
//! name and the rest.
//!
//! ```
//! use httpd_conf::{Command, Lines, next_word};
//! let mut lines = Lines::new(b"# a comment\nAlias /a \\\n  \"/srv/a b\"\n");
//! let comment = lines.next().unwrap();
//! assert!(Command::of(&comment.text).is_none());
//! let line = lines.next().unwrap();
//! assert_eq!(line.number, 3);
//! let command = Command::of(&line.text).unwrap();
//! assert_eq!(command.name, "Alias");
//! let (first, rest) = next_word(command.arguments);
//! let (second, _) = next_word(rest);
//! assert_eq!((first, second), ("/a".into(), "/srv/a b".into()));
//! ```

mod lines;
mod words;

pub use lines::{Line, Lines};
pub use words::{Command, Expanded, expand, is_space, next_word};
