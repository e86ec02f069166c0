//! Commands: flags, texts and exit codes of httpd and apachectl. Puts the parts together; the only place that prints.

#![allow(clippy::print_stdout, clippy::print_stderr)]

pub mod apachectl;
mod control;
pub mod httpd;
mod newcomer;
mod options;
mod report;
mod strict;
pub mod support;
