//! apachectl: starts, stops and asks the server. Manual: programs/apachectl.html.
//!
//! Where there is a file of variables (Debian's `/etc/apache2/envvars`, or the one that APACHE_ENVVARS names), it does
//! as Debian's apache2ctl: the variables reach the server, its directories are made, complaints are that script's.
//! Elsewhere it does as upstream's script. Either way a word that it does not know goes to httpd as it is.

use crate::sys::pages;
use bstr::ByteSlice;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{User, chown, geteuid};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::net::TcpStream;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

/// Exit code for a word that is no longer known.
const NO_LONGER: u8 = 2;
/// Open files that Debian's script asks for.
const DEBIAN_FILES: u64 = 8192;

/// Runs the program.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_default();
    let words: Vec<OsString> = words.collect();
    let control = Control::new(name);
    match control.run(&words) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(code) => {
            if control.debian {
                let all: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
                say(&format!("Action '{}' failed.", all.join(&b' ').as_bstr()));
                say("The Apache error log may have more information.");
            }
            ExitCode::from(code)
        }
        Err(Told) => ExitCode::FAILURE,
    }
}

fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// It failed, and has said why.
struct Told;

struct Control {
    name: OsString,
    debian: bool,
    /// What the server gets beside our own environment.
    variables: BTreeMap<OsString, OsString>,
    httpd: PathBuf,
    /// Words in front of all others.
    arguments: Vec<OsString>,
}

impl Control {
    fn new(name: OsString) -> Control {
        let given = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty());
        let directory = given("APACHE_CONFDIR").unwrap_or_else(|| "/etc/apache2".into());
        let file = given("APACHE_ENVVARS").map_or_else(|| Path::new(&directory).join("envvars"), PathBuf::from);
        let debian = file.is_file();
        let mut control =
            Control { name, debian, variables: BTreeMap::new(), httpd: PathBuf::new(), arguments: Vec::new() };
        if debian {
            control.variables = sourced(&file, &directory);
            if directory != "/etc/apache2" {
                control.arguments = vec!["-d".into(), directory];
            }
            let more = control.variable("APACHE_ARGUMENTS").unwrap_or_default();
            control.arguments.extend(more.as_bytes().fields().map(|word| OsStr::from_bytes(word).to_owned()));
        }
        let named = control.variable(if debian { "APACHE_HTTPD" } else { "HTTPD" }).filter(|path| !path.is_empty());
        let beside =
            || std::env::current_exe().ok().map(|exe| exe.with_file_name("httpd")).filter(|path| path.exists());
        control.httpd = named.map(PathBuf::from).or_else(beside).unwrap_or_else(|| "httpd".into());
        control
    }

    fn variable(&self, key: &str) -> Option<OsString> {
        self.variables.get(OsStr::new(key)).cloned().or_else(|| std::env::var_os(key))
    }

    fn run(&self, words: &[OsString]) -> Result<u8, Told> {
        let all: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        let line = all.join(&b' ');
        if self.debian && matches!(line.as_slice(), b"" | b"usage" | b"help" | b"--help") {
            let name = self.name.to_string_lossy();
            complain(&format!(
                "Usage: {name} start|stop|restart|graceful|graceful-stop|configtest|status|fullstatus|help\n       \
                 {name} <apache2 args>\n       {name} -h            (for help on <apache2 args>)"
            ));
            return Err(Told);
        }
        self.raise_limit();
        if self.debian {
            self.make_directories()?;
        }
        // Upstream looks at the first word and hands all on; Debian's wants nothing behind it.
        let action = if self.debian { line.as_slice() } else { all.first().copied().unwrap_or_default() };
        let signal = |words: &[OsString]| [&["-k".into()], words].concat();
        match action {
            b"start" if self.debian && self.under_systemd() => self.by_systemd(),
            b"restart" | b"graceful" if self.debian => {
                if self.httpd(&["-t".into()], true)? != 0 {
                    return self.httpd(&["-t".into()], false);
                }
                self.httpd(&signal(words), false)
            }
            b"start" | b"stop" | b"restart" | b"graceful" | b"graceful-stop" => self.httpd(&signal(words), false),
            b"startssl" | b"sslstart" | b"start-SSL" => {
                say("The startssl option is no longer supported.");
                say("Please edit httpd.conf to include the SSL configuration settings");
                say("and then use apachectl start.");
                Ok(NO_LONGER)
            }
            b"configtest" => self.httpd(&["-t".into()], false),
            b"status" => self.status(true),
            b"fullstatus" => self.status(false),
            b"" => self.httpd(&["-h".into()], false),
            _ => self.httpd(words, false),
        }
    }

    fn httpd(&self, words: &[OsString], quiet: bool) -> Result<u8, Told> {
        let mut command = Command::new(&self.httpd);
        command.args(&self.arguments).args(words).envs(&self.variables).env_remove("APACHE_STARTED_BY_SYSTEMD");
        if quiet {
            command.stderr(Stdio::null());
        }
        self.finish(command)
    }

    fn finish(&self, mut command: Command) -> Result<u8, Told> {
        match pages::as_usual(|| command.status()) {
            Ok(status) => Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
            Err(error) => {
                complain(&format!("{}: {}: {error}", self.name.to_string_lossy(), self.httpd.display()));
                Err(Told)
            }
        }
    }

    /// Open files: as many as allowed, or as Debian's script has it.
    fn raise_limit(&self) {
        let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
        let wanted = if self.debian { DEBIAN_FILES.min(hard) } else { hard };
        if self.debian && !geteuid().is_root() || soft >= wanted {
            return;
        }
        if setrlimit(Resource::RLIMIT_NOFILE, wanted, hard).is_err() && self.debian {
            complain("Setting ulimit failed. See README.Debian for more information.");
        }
    }

    /// The directories of Debian's layout, which live on a file system that a reboot empties.
    fn make_directories(&self) -> Result<(), Told> {
        let path = |key: &str, default: &str| PathBuf::from(self.variable(key).unwrap_or_else(|| default.into()));
        let run = path("APACHE_RUN_DIR", "/var/run/apache2");
        if !run.is_dir() {
            let _ = fs::create_dir_all(&run);
        }
        let owner = self.variable("APACHE_RUN_USER").unwrap_or_else(|| "www-data".into());
        for directory in [run.join("socks"), path("APACHE_LOCK_DIR", "/var/lock/apache2")] {
            self.make_owned(&directory, &owner.to_string_lossy())?;
        }
        Ok(())
    }

    fn make_owned(&self, directory: &Path, owner: &str) -> Result<(), Told> {
        let name = directory.display();
        if directory.is_dir() {
            return Ok(());
        }
        let uid = User::from_name(owner).ok().flatten().map(|user| user.uid);
        if let Ok(meta) = fs::symlink_metadata(directory) {
            if meta.is_dir() && uid.is_some_and(|uid| uid.as_raw() == meta.uid()) {
                return Ok(());
            }
            say(&format!("{name} already exists but is not a directory owned by {owner}."));
            say("Please fix manually. Aborting.");
            return Err(Told);
        }
        let made = fs::create_dir_all(directory).and_then(|()| {
            fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
            chown(directory, uid, None).map_err(io::Error::from)
        });
        made.map_err(|_| {
            say(&format!("Cannot create {name} with owner {owner}."));
            say("Please fix manually. Aborting.");
            Told
        })
    }

    fn under_systemd(&self) -> bool {
        let first = fs::read_link("/proc/1/exe").unwrap_or_default();
        std::env::var_os("APACHE_STARTED_BY_SYSTEMD").is_none_or(|value| value.is_empty())
            && first.as_os_str().as_bytes().contains_str("systemd")
    }

    /// systemd would not know of a server that it did not start.
    fn by_systemd(&self) -> Result<u8, Told> {
        let directory = std::env::var("APACHE_CONFDIR").unwrap_or_default();
        let suffix = directory.strip_prefix("/etc/apache2-").map(|suffix| format!("@{suffix}")).unwrap_or_default();
        let service = format!("apache2{suffix}");
        say(&format!("Invoking 'systemctl start {service}'."));
        say(&format!("Use 'systemctl status {service}' for more info."));
        let mut command = Command::new("systemctl");
        command.args(["start", &service]);
        self.finish(command)
    }

    /// Shows the page of mod_status; `brief` up to its summary.
    fn status(&self, brief: bool) -> Result<u8, Told> {
        let url = self.variable(if self.debian { "APACHE_STATUSURL" } else { "STATUSURL" });
        let url = url.unwrap_or_else(|| "http://localhost:80/server-status".into()).to_string_lossy().into_owned();
        let browser = self.variable(if self.debian { "APACHE_LYNX" } else { "LYNX" });
        let browser = browser.map(|text| text.to_string_lossy().into_owned()).or_else(installed);
        let page = match &browser {
            Some(browser) => {
                let mut words = browser.split_whitespace();
                let output = Command::new(words.next().unwrap_or_default()).args(words).arg(&url).output();
                output.ok().filter(|output| output.status.success()).map(|output| output.stdout)
            }
            None => fetch(&url),
        };
        let Some(page) = page else {
            complain(&format!("'{} {url}' failed.", browser.as_deref().unwrap_or("GET")));
            complain("Maybe you need to install a package providing www-browser or you");
            complain("need to adjust the APACHE_LYNX variable in /etc/apache2/envvars");
            return Err(Told);
        };
        let end = |line: &[u8]| brief && line.trim_end_with(|c| c == '\n').ends_with(b" process");
        let mut out = io::stdout().lock();
        for line in page.lines_with_terminator() {
            let _ = out.write_all(line);
            if end(line) {
                break;
            }
        }
        Ok(0)
    }
}

/// The first text browser there is.
fn installed() -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let there = |name: &str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    ["www-browser", "lynx", "links", "elinks", "w3m"]
        .into_iter()
        .find(|name| there(name))
        .map(|name| format!("{name} -dump"))
}

/// Where no browser is installed: the page that mod_status makes for programs.
fn fetch(url: &str) -> Option<Vec<u8>> {
    const PATIENCE: Option<Duration> = Some(Duration::from_secs(10));
    let (host, path) = url.strip_prefix("http://")?.split_once('/')?;
    let place = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
    let mut stream = TcpStream::connect(place).ok()?;
    stream.set_read_timeout(PATIENCE).and_then(|()| stream.set_write_timeout(PATIENCE)).ok()?;
    write!(stream, "GET /{path}?auto HTTP/1.0\r\nHost: {host}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    io::Read::read_to_end(&mut stream, &mut answer).ok()?;
    let (head, body) = answer.split_once_str("\r\n\r\n")?;
    head.get(8..12).filter(|status| *status == b" 200").map(|_| body.to_vec())
}

/// The variables that stand after a shell has read `file`.
fn sourced(file: &Path, directory: &OsStr) -> BTreeMap<OsString, OsString> {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", ". \"$0\" >&2; exec env -0"]).arg(file).env("APACHE_CONFDIR", directory).stdin(Stdio::null());
    let text = shell.stderr(Stdio::inherit()).output().map(|output| output.stdout).unwrap_or_default();
    let lines = text.split(|byte| *byte == 0).filter_map(|line| line.split_once_str("="));
    lines.map(|(key, value)| (OsString::from_vec(key.to_vec()), OsString::from_vec(value.to_vec()))).collect()
}
