//! httpd's command line: flags as Apache's getopt reads them, its usage text, its complaints.
//!
//! `-Dname` and `-D name` are the same; `-D=x` keeps the `=`; a word that starts with `--` ends the flags in silence.

use crate::log::Level;
use bstr::BString;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

/// What `-k` asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    Start,
    Restart,
    Graceful,
    GracefulStop,
    Stop,
}

/// The parsed command line.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The name as started: `/usr/sbin/httpd`.
    pub program: String,
    pub defines: Vec<BString>,
    pub server_root: Option<BString>,
    pub config_file: Option<BString>,
    pub before: Vec<BString>,
    pub after: Vec<BString>,
    pub signal: Option<Signal>,
    pub startup_level: Option<Level>,
    pub startup_log: Option<BString>,
    pub show: Option<Show>,
    pub configtest: bool,
    pub skip_root_check: bool,
    /// -X
    pub one_process: bool,
    /// The flags and their values as the log tells them: each by itself, without `-k`.
    pub rewritten: Vec<BString>,
}

/// Flags that print something and end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Show {
    Version,
    Settings,
    Modules,
    Directives,
}

/// A command line that is not accepted: what to print before the usage, if anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misused(pub Option<String>);

/// Flags with a value, after getopt's fashion.
const WITH_VALUE: &[u8] = b"DCcdfkeE";
const WITHOUT_VALUE: &[u8] = b"vVhlLtTSMX";

impl Options {
    /// The name without directories.
    pub fn short_name(&self) -> &str {
        self.program.rsplit('/').next().unwrap_or(&self.program)
    }
    /// Whether a report is asked for: it is printed, and nothing served, with and without `-t`.
    pub fn dumps(&self) -> bool {
        ["DUMP_VHOSTS", "DUMP_RUN_CFG", "DUMP_MODULES", "DUMP_INCLUDES"].iter().any(|name| self.defines(name))
    }
    /// Whether every problem is to be told, and more of them than Apache's `-t` looks at.
    pub fn strict(&self) -> bool {
        self.configtest && self.defines("STRICT")
    }
    /// Whether `-D name` was given.
    pub fn defines(&self, name: &str) -> bool {
        self.defines.iter().any(|define| define == name)
    }

    /// Reads the words behind the program's name.
    pub fn parse(program: String, words: impl IntoIterator<Item = OsString>) -> (Options, Result<(), Misused>) {
        let mut options = Options { program, ..Options::default() };
        let words: Vec<Vec<u8>> = words.into_iter().map(OsString::into_vec).collect();
        let mut words = words.into_iter().peekable();
        // httpd reads its words twice, first those for the MPM (`-k`), which leaves the first `--…` out.
        let mut passed_over = false;
        while let Some(word) = words.next() {
            if word.starts_with(b"--") {
                if std::mem::replace(&mut passed_over, true) {
                    return (options, words.next().map_or(Ok(()), |_| Err(Misused(None))));
                }
                continue;
            }
            let Some(letters) = word.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
                return (options, Err(Misused(None)));
            };
            for (at, &letter) in letters.iter().enumerate() {
                let short = options.short_name().to_owned();
                if letter == b'h' || letter == b'?' {
                    return (options, Err(Misused(None)));
                }
                if WITH_VALUE.contains(&letter) && !(letter == b'k' && passed_over) {
                    let rest = letters.get(at + 1..).filter(|rest| !rest.is_empty()).map(<[u8]>::to_vec);
                    let Some(value) = rest.or_else(|| words.next()) else {
                        let what = if letter == b'k' { "illegal option" } else { "option requires an argument" };
                        let text = format!("{short}: {what} -- {}", char::from(letter));
                        return (options, Err(Misused(Some(text))));
                    };
                    if letter != b'k' {
                        options.rewritten.push(BString::from([b'-', letter]));
                        options.rewritten.push(value.clone().into());
                    }
                    if let Err(misused) = options.set(letter, value.into()) {
                        return (options, Err(misused));
                    }
                    break;
                }
                if !WITHOUT_VALUE.contains(&letter) && at + 1 < letters.len() {
                    return (options, Err(Misused(None)));
                }
                if !WITHOUT_VALUE.contains(&letter) {
                    let text = format!("{short}: illegal option -- {}", char::from(letter));
                    return (options, Err(Misused(Some(text))));
                }
                options.rewritten.push(BString::from([b'-', letter]));
                options.switch(letter);
                // These print at once; what stands behind them is not looked at.
                if matches!(options.show, Some(Show::Version | Show::Modules)) {
                    return (options, Ok(()));
                }
            }
        }
        (options, Ok(()))
    }

    fn set(&mut self, letter: u8, value: BString) -> Result<(), Misused> {
        match letter {
            b'D' => self.defines.push(value),
            b'C' => self.before.push(value),
            b'c' => self.after.push(value),
            b'd' => self.server_root = Some(value),
            b'f' => self.config_file = Some(value),
            b'E' => self.startup_log = Some(value),
            b'e' => match Level::parse(&value) {
                Some(level) => self.startup_level = Some(level),
                None => return Err(Misused(None)),
            },
            _ => {
                self.signal = Some(match value.as_slice() {
                    b"start" => Signal::Start,
                    b"restart" => Signal::Restart,
                    b"graceful" => Signal::Graceful,
                    b"graceful-stop" => Signal::GracefulStop,
                    b"stop" => Signal::Stop,
                    _ => return Err(Misused(Some(format!("{}: illegal option -- k", self.short_name())))),
                });
            }
        }
        Ok(())
    }

    fn switch(&mut self, letter: u8) {
        match letter {
            b'v' => self.show = Some(Show::Version),
            b'V' => self.show = Some(Show::Settings),
            b'l' => self.show = Some(Show::Modules),
            b'L' => self.show = Some(Show::Directives),
            b't' => self.configtest = true,
            b'T' => self.skip_root_check = true,
            b'S' => self.dump(&["DUMP_VHOSTS", "DUMP_RUN_CFG"]),
            b'M' => self.dump(&["DUMP_MODULES"]),
            b'X' => {
                self.one_process = true;
                self.defines.push("DEBUG".into());
            }
            _ => {}
        }
    }

    fn dump(&mut self, names: &[&str]) {
        self.configtest = true;
        self.defines.extend(names.iter().map(|name| BString::from(*name)));
    }
}

/// The usage text, as `-h` prints it to standard error.
pub fn usage(program: &str) -> String {
    let pad = " ".repeat("Usage: ".len() + program.len() + 1);
    format!(
        "Usage: {program} [-D name] [-d directory] [-f file]\n\
         {pad}[-C \"directive\"] [-c \"directive\"]\n\
         {pad}[-k start|restart|graceful|graceful-stop|stop]\n\
         {pad}[-v] [-V] [-h] [-l] [-L] [-t] [-T] [-S] [-X]\n{OPTIONS}"
    )
}

const OPTIONS: &str = "Options:
  -D name            : define a name for use in <IfDefine name> directives
  -d directory       : specify an alternate initial ServerRoot
  -f file            : specify an alternate ServerConfigFile
  -C \"directive\"     : process directive before reading config files
  -c \"directive\"     : process directive after reading config files
  -e level           : show startup errors of level (see LogLevel)
  -E file            : log startup errors to file
  -v                 : show version number
  -V                 : show compile settings
  -h                 : list available command line options (this page)
  -l                 : list compiled in modules
  -L                 : list available configuration directives
  -t -D DUMP_VHOSTS  : show parsed vhost settings
  -t -D DUMP_RUN_CFG : show parsed run settings
  -S                 : a synonym for -t -D DUMP_VHOSTS -D DUMP_RUN_CFG
  -t -D DUMP_MODULES : show all loaded modules 
  -M                 : a synonym for -t -D DUMP_MODULES
  -t -D DUMP_INCLUDES: show all included configuration files
  -t                 : run syntax check for config files
  -T                 : start without DocumentRoot(s) check
  -X                 : debug mode (only one worker, do not detach)
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> (Options, Result<(), Misused>) {
        Options::parse("/usr/sbin/httpd".into(), words.iter().map(OsString::from))
    }

    #[test]
    fn values_stand_beside_or_behind_their_flag() {
        let (options, result) = parse(&["-DFOREGROUND", "-D", "X", "-D=Y", "-tSf", "a.conf", "--anything", "-T"]);
        assert_eq!(result, Ok(()));
        assert_eq!(options.defines, ["FOREGROUND", "X", "=Y", "DUMP_VHOSTS", "DUMP_RUN_CFG"]);
        assert_eq!(options.config_file, Some("a.conf".into()));
        assert!(options.configtest && options.skip_root_check);
    }

    #[test]
    fn the_log_tells_each_flag_by_itself() {
        let (options, _) = parse(&["-DX", "-kstart", "-TXd", "/a", "-k", "stop"]);
        assert_eq!(options.rewritten, ["-D", "X", "-T", "-X", "-d", "/a"]);
    }

    /// The flags that a text names, after `mark`.
    fn named(text: &str, mark: &str) -> Vec<u8> {
        let mut found: Vec<u8> = text.split(mark).skip(1).filter_map(|rest| rest.bytes().next()).collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    #[test]
    fn table_usage_and_manual_page_name_the_same_flags() {
        let mut table = [WITH_VALUE, WITHOUT_VALUE].concat();
        table.sort_unstable();
        // Apache's usage has -M only among the options, -k only in the synopsis.
        let usage = usage("httpd").replace("[-", "\n  -");
        assert_eq!(named(&usage, "\n  -"), table);
        let page = include_str!("../../man/httpd.8");
        assert_eq!(named(page, "\n.TP\n.B \\-"), table);
        for flag in WITH_VALUE {
            let line = format!("\n.B \\-{} \\fI", char::from(*flag));
            assert!(page.contains(&line), "-{} takes a value", char::from(*flag));
        }
        for word in ["DUMP_VHOSTS", "DUMP_RUN_CFG", "DUMP_MODULES", "DUMP_INCLUDES"] {
            assert!(OPTIONS.contains(word) && page.contains(word));
        }
        assert!(page.contains("STRICT"));
    }

    #[test]
    fn complaints_are_apaches() {
        let complaint = |words: &[&str]| parse(words).1.err().map(|misused| misused.0);
        assert_eq!(complaint(&["-z"]), Some(Some("httpd: illegal option -- z".into())));
        assert_eq!(complaint(&["-D"]), Some(Some("httpd: option requires an argument -- D".into())));
        assert_eq!(complaint(&["-k", "foo"]), Some(Some("httpd: illegal option -- k".into())));
        assert_eq!(complaint(&["-k"]), Some(Some("httpd: illegal option -- k".into())));
        assert_eq!(complaint(&["-h"]), Some(None));
        assert_eq!(complaint(&["-?"]), Some(None));
        assert_eq!(complaint(&["-v", "-z"]), None);
        assert_eq!(complaint(&["word"]), Some(None));
    }
}
