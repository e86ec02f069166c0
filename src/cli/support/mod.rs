//! The programs beside the server: password files, log rotation, log reading. Flags, texts, files and exit codes are
//! those of Apache's programs of the same names. Manual: programs/*.html.

mod getopt;
pub mod htdigest;
pub mod htpasswd;
pub mod logresolve;
mod password;
pub mod rotatelogs;
pub mod split_logfile;
