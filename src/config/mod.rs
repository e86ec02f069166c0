//! Meaning of the configuration: directive rows, contexts, overrides, sections, merge, .htaccess.
//!
//! `read` turns files into a tree and executes what must act while reading; `walk` runs the setters of the tree's
//! directives; `sections` and `merge` answer, for a request, which settings hold.

mod core;
mod cx;
mod directive;
mod expression;
pub mod fnmatch;
pub mod identity;
mod process;
mod provider;
mod section;
mod server;
mod settings;

pub use self::core::*;
pub use cx::*;
pub use directive::*;
pub use expression::*;
pub use process::*;
pub use provider::*;
pub use section::*;
pub use server::*;
pub use settings::*;
