//! Meaning of the configuration: directive rows, contexts, overrides, sections, merge, .htaccess.
//!
//! `read` turns files into a tree and executes what must act while reading; `walk` runs the setters of the tree's
//! directives; `sections` and `merge` answer, for a request, which settings hold.

mod commands;
mod compile;
mod core;
mod cx;
mod directive;
mod expression;
pub mod fnmatch;
mod htaccess;
pub mod identity;
mod number;
mod order;
mod process;
mod provider;
mod read;
mod section;
mod server;
mod settings;
mod shared;
pub mod subnet;
mod trouble;
mod walk;
pub mod watch;

pub use self::core::*;
pub use commands::*;
pub use compile::*;
pub use cx::*;
pub use directive::*;
pub use expression::*;
pub use htaccess::*;
pub use number::*;
pub use order::rows_in_order;
pub use process::*;
pub use provider::*;
pub use read::*;
pub use section::*;
pub use server::*;
pub use settings::*;
pub use shared::*;
pub use trouble::*;
pub use walk::*;
