//! Opening the error logs of all servers, in the parent, before children fork.

use crate::config::{Configuration, CoreServer, Server};
use crate::log::{self, Destination, Level, Levels, LogsNotOpened, MainLog, Syslog, Target, raw};
use crate::module::Chains;
use bstr::{BStr, BString, ByteSlice};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Below ServerRoot; where ErrorLog is not set.
const DEFAULT_ERROR_LOG: &[u8] = b"logs/error_log";

/// A path made absolute below ServerRoot, `.` and `..` resolved by their text.
pub fn log_path(server_root: &Path, name: &[u8]) -> PathBuf {
    let mut path = PathBuf::new();
    for part in server_root.join(name.to_path_lossy()).components() {
        match part {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

/// Opens every server's ErrorLog, then the modules' logs. Servers that name the same error log share it, those that name
/// none have the main server's. From then on lines of the process go to the main server's log, and standard error is a
/// copy of it. When something cannot be opened the complaint is written; the caller adds `AH00015: Unable to open logs`
/// with [`log::startup`] and exits with 1.
pub fn open_logs(configuration: &mut Configuration, chains: &Chains) -> Result<(), LogsNotOpened> {
    open_error_logs(configuration)?;
    chains.open_logs.iter().try_for_each(|open| open(configuration))
}

fn open_error_logs(configuration: &mut Configuration) -> Result<(), LogsNotOpened> {
    let root = configuration.process.server_root.clone();
    let main_levels = configuration.main().levels.clone().unwrap_or_default();
    let mut opened: Vec<(BString, Target)> = Vec::new();
    for index in 0..configuration.servers.len() {
        let Some(server) = configuration.servers.get_mut(index) else { break };
        let argument = server.error_log.clone();
        let target = match (argument, opened.first()) {
            (None, Some((_, main))) => main.clone(),
            (argument, _) => {
                let argument = argument.unwrap_or_else(|| DEFAULT_ERROR_LOG.into());
                match opened.iter().find(|(other, _)| *other == argument) {
                    Some((_, target)) => target.clone(),
                    None => {
                        let target = open(&root, argument.as_bstr())?;
                        opened.push((argument, target.clone()));
                        target
                    }
                }
            }
        };
        server.log = target;
        server.levels = Some(match &server.levels {
            Some(own) => Levels::merged(&main_levels, own),
            None => main_levels.clone(),
        });
        if index == 0 {
            lead(server);
        }
    }
    Ok(())
}

/// Makes the main server's log that of the process.
fn lead(main: &Server) {
    if let Some(file) = main.log.as_file() {
        let _ = nix::unistd::dup2_stderr(file);
    }
    log::install(MainLog {
        target: main.log.clone(),
        levels: main.levels.clone(),
        format: main.settings.of::<CoreServer>().error_log_format.clone(),
        server_name: main.name.clone().unwrap_or_default(),
    });
}

fn open(root: &Path, argument: &BStr) -> Result<Target, LogsNotOpened> {
    match Destination::of(argument) {
        Destination::Syslog(rest) => Ok(Target::syslog(Syslog::new(rest))),
        Destination::Pipe(command) => log::spawn_logger(command).map(Target::file).map_err(|error| {
            let (command, _) = log::logger_command(command);
            log::startup_errno(
                Level::Crit,
                error,
                format_args!("AH00089: Couldn't start ErrorLog process '{}'.", raw(command)),
            );
            LogsNotOpened
        }),
        Destination::File(name) => {
            let path = log_path(root, name);
            log::open_file(&path, 0o666).map(|file| Target::file(Arc::new(file))).map_err(|error| {
                let program = log::program();
                let text = format_args!("AH00091: {program}: could not open error log file {}.", path.display());
                log::startup_errno(Level::Crit, error, text);
                LogsNotOpened
            })
        }
    }
}

/// What `-t` and every start look at once the configuration is compiled: whether the directories of logs exist, and what
/// the modules check. Complains about each finding; the caller adds `AH00014: Configuration check failed` and exits
/// with 1.
pub fn check_config(configuration: &Configuration, chains: &Chains) -> bool {
    let sound = check_error_logs(configuration);
    chains.check_config.iter().fold(sound, |sound, check| check(configuration) && sound)
}

fn check_error_logs(configuration: &Configuration) -> bool {
    let mut sound = true;
    for (index, server) in configuration.servers.iter().enumerate() {
        let argument = match (&server.error_log, index) {
            (Some(argument), _) => argument.as_slice(),
            (None, 0) => DEFAULT_ERROR_LOG,
            (None, _) => continue,
        };
        let Destination::File(name) = Destination::of(argument) else { continue };
        let whose = match index {
            0 => "main error log".to_owned(),
            _ => format!("error log of vhost defined at {}:{}", server.defined_file, server.defined_line),
        };
        sound &= check_directory(&configuration.process.server_root, name, format_args!("{whose}"), "AH02291");
    }
    sound
}

/// Complains unless the directory that a log file is to stand in exists.
pub fn check_directory(root: &Path, name: &[u8], whose: std::fmt::Arguments<'_>, tag: &str) -> bool {
    let path = log_path(root, name);
    let directory = path.parent().unwrap_or(Path::new("/"));
    let errno = match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => return true,
        Ok(_) => nix::errno::Errno::ENOTDIR as i32,
        Err(error) => error.raw_os_error().unwrap_or(0),
    };
    let slash = if directory.parent().is_some() { "/" } else { "" };
    let text = format_args!("{tag}: Cannot access directory '{}{slash}' for {whose}", directory.display());
    log::startup_errno(Level::Emerg, errno, text);
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_resolved_below_the_server_root() {
        let root = Path::new("/etc/apache2");
        assert_eq!(log_path(root, b"foo/../bar/./x"), Path::new("/etc/apache2/bar/x"));
        assert_eq!(log_path(root, b"/var/log/../../x"), Path::new("/x"));
    }

    #[test]
    fn missing_directories_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        assert!(check_directory(dir.path(), b"e", format_args!("x"), "AH02291"));
        assert!(!check_directory(dir.path(), b"none/e", format_args!("x"), "AH02291"));
    }
}
