//! rotatelogs: writes what it reads to a log that begins anew by time or size. Manual: programs/rotatelogs.html.

use super::getopt::Words;
use crate::log::clock::{self, Civil};
use bstr::{BStr, BString, ByteSlice};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, ExitCode};

fn usage(program: &str, reason: &str) -> String {
    // Shown as it was called, unlike in complaints.
    let called = std::env::args_os().next().unwrap_or_else(|| program.into());
    const TEXT: &str = r#"Usage: {program} [-vlfDtTec] [-L linkname] [-p prog] [-n number] <logfile> {<rotation time in seconds>|<rotation size>(B|K|M|G)} [offset minutes from UTC]

Add this:

TransferLog "|{program} /some/where 86400"

or 

TransferLog "|{program} /some/where 5M"

to httpd.conf. By default, the generated name will be
<logfile>.nnnn where nnnn is the system time at which the log
nominally starts (N.B. if using a rotation time, the time will
always be a multiple of the rotation time, so you can synchronize
cron scripts with it). If <logfile> contains strftime conversion
specifications, those will be used instead. At the end of each
rotation time or when the file size is reached a new log is
started.

Options:
  -v       Verbose operation. Messages are written to stderr.
  -l       Base rotation on local time instead of UTC.
  -L path  Create hard link from current log to specified path.
  -p prog  Run specified program after opening a new log file. See below.
  -f       Force opening of log on program start.
  -D       Create parent directories of log file.
  -t       Truncate logfile instead of rotating, tail friendly.
  -T       Truncate logfiles opened for rotation, but not the initial logfile.
  -e       Echo log to stdout for further processing.
  -c       Create log even if it is empty.
  -n num   Rotate file by adding suffixes '.1', '.2', ..., '.num'.

The program for '-p' is invoked as "[prog] <curfile> [<prevfile>]"
where <curfile> is the filename of the newly opened logfile, and
<prevfile>, if given, is the filename of the previously used logfile.

"#;
    format!("{reason}\n{}", TEXT.replace("{program}", &called.to_string_lossy()))
}

/// Letters of the flags; a colon behind those that take a value.
pub(super) const FLAGS: &str = "lL:p:fDtTvecn:";

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
struct Order {
    verbose: bool,
    local_time: bool,
    force_open: bool,
    make_directories: bool,
    truncate: bool,
    truncate_rotated: bool,
    echo: bool,
    create_empty: bool,
    link: Option<BString>,
    program: Option<BString>,
    /// `-n`: files used in a circle; 0 none.
    files: u32,
    log: BString,
    /// The log's name is a strftime format.
    pattern: bool,
    /// Seconds between rotations; 0 never.
    interval: i64,
    /// Octets of a log; 0 any.
    size: u64,
    /// Seconds from UTC.
    offset: i64,
}

fn say(text: impl AsRef<str>) {
    let _ = io::stderr().write_all(text.as_ref().as_bytes());
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words = Words::read(FLAGS, std::env::args_os());
    match order(&words) {
        Ok(order) => {
            Rotation { order, file: None, name: BString::default(), end: 0, number: -1, opened: false, lost: 0 }.run()
        }
        Err(text) => {
            say(text);
            ExitCode::FAILURE
        }
    }
}

fn order(words: &Words) -> Result<Order, String> {
    if let Some(complaint) = &words.complaint {
        return Err(usage(&words.program, &format!("{}: {complaint}", words.program)));
    }
    let mut order = Order::default();
    for (flag, value) in &words.flags {
        match flag {
            b'l' => order.local_time = true,
            b'L' => order.link = Some(value.as_slice().into()),
            b'p' => order.program = Some(value.as_slice().into()),
            b'f' => order.force_open = true,
            b'D' => order.make_directories = true,
            b't' => order.truncate = true,
            b'T' => order.truncate_rotated = true,
            b'v' => order.verbose = true,
            b'e' => order.echo = true,
            b'c' => order.create_empty = true,
            _ => match value.to_str().ok().and_then(|text| text.parse::<u32>().ok()).filter(|files| *files > 0) {
                Some(files) => order.files = files,
                None => return Err("Invalid -n argument\n".to_owned()),
            },
        }
    }
    let wrong = |reason: &str| usage(&words.program, reason);
    let (log, rest) = words.operands.split_first().ok_or_else(|| wrong("Incorrect number of arguments"))?;
    order.log = log.as_slice().into();
    let (limits, offset) = match rest {
        [first] => (vec![first], None),
        [first, second] if second.last().is_some_and(|letter| b"BKMG".contains(letter)) => (vec![first, second], None),
        [first, second] => (vec![first], Some(second)),
        [first, second, third] => (vec![first, second], Some(third)),
        _ => return Err(wrong("Incorrect number of arguments")),
    };
    for limit in limits {
        order.limit(limit).map_err(wrong)?;
    }
    if let Some(offset) = offset {
        if order.local_time {
            return Err(wrong("UTC offset parameter is not valid with -l"));
        }
        order.offset = number(offset) * 60;
    }
    order.pattern = order.log.contains(&b'%');
    if order.pattern && order.files > 0 {
        return Err("Cannot use -n with % in filename\n".to_owned());
    }
    Ok(order)
}

/// The number that a text begins with; 0 where there is none.
fn number(text: &[u8]) -> i64 {
    let (sign, digits) = text.strip_prefix(b"-").map_or((1, text), |rest| (-1, rest));
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    sign * digits.fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(i64::from(digit - b'0')))
}

impl Order {
    fn limit(&mut self, word: &[u8]) -> Result<(), &'static str> {
        let value = number(word);
        let unit = match word.last() {
            Some(b'B') => 1,
            Some(b'K') => 1 << 10,
            Some(b'M') => 1 << 20,
            Some(b'G') => 1 << 30,
            _ => {
                if self.interval != 0 {
                    return Err("Rotation time parameter allowed only once");
                }
                // As atoi(3) has it.
                let value = i64::from(value as i32);
                self.interval = value;
                return if value > 0 { Ok(()) } else { Err("Invalid rotation time parameter") };
            }
        };
        if self.size != 0 {
            return Err("Rotation size parameter allowed only once");
        }
        self.size = u64::try_from(value).unwrap_or(0).saturating_mul(unit);
        if self.size > 0 { Ok(()) } else { Err("Invalid rotation size parameter") }
    }

    fn report(&self) {
        let yes = |on: bool| if on { "yes" } else { "no" };
        let program = self.program.as_ref().map_or(BStr::new("not used"), |program| program.as_bstr());
        say(format!("Rotation time interval:      {:>12}\n", self.interval));
        say(format!("Rotation size interval:      {:>12}\n", self.size));
        say(format!("Rotation time UTC offset:    {:>12}\n", self.offset));
        for (what, on) in [
            ("Rotation based on localtime:", self.local_time),
            ("Rotation file date pattern: ", self.pattern),
            ("Rotation file forced open:  ", self.force_open),
            ("Create parent directories:  ", self.make_directories),
            ("Rotation verbose:           ", self.verbose),
            ("Rotation create empty logs: ", self.create_empty),
        ] {
            say(format!("{what} {:>12}\n", yes(on)));
        }
        say(format!("Rotation file name: {:>21}\n", self.log.to_str_lossy()));
        say(format!("Post-rotation prog: {:>21}\n", program.to_str_lossy()));
    }

    /// Seconds since the epoch in the time that rotation goes by.
    fn now(&self) -> i64 {
        let seconds = clock::now().div_euclid(1_000_000);
        if self.local_time {
            seconds + i64::from(Civil::local(seconds * 1_000_000).offset)
        } else {
            seconds + self.offset
        }
    }
}

/// The log that is written now, and when it ends.
struct Rotation {
    order: Order,
    file: Option<File>,
    name: BString,
    /// When the next log begins, in the time of [`Order::now`].
    end: i64,
    /// The file of the circle of `-n`.
    number: i64,
    opened: bool,
    lost: u64,
}

impl Rotation {
    fn run(mut self) -> ExitCode {
        if self.order.verbose {
            self.order.report();
        }
        if self.order.force_open && !self.open_next() {
            return ExitCode::FAILURE;
        }
        let mut buffer = vec![0; 65_536];
        loop {
            if self.order.create_empty && self.order.interval > 0 && !self.wait() {
                if self.due().is_some_and(|reason| !self.rotate(reason)) {
                    return ExitCode::FAILURE;
                }
                continue;
            }
            let read = match io::stdin().read(&mut buffer) {
                Ok(0) => return ExitCode::SUCCESS,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return ExitCode::from(3),
            };
            let text = buffer.get(..read).unwrap_or_default();
            if self.due().is_some_and(|reason| !self.rotate(reason)) {
                return ExitCode::from(2);
            }
            self.write(text);
            if self.order.echo && io::stdout().write_all(text).and_then(|()| io::stdout().flush()).is_err() {
                return ExitCode::from(4);
            }
        }
    }

    /// Waits for something to read, at most until the log ends; false where that came first.
    fn wait(&mut self) -> bool {
        let now = self.order.now();
        if self.end == 0 {
            self.end = now.div_euclid(self.order.interval) * self.order.interval + self.order.interval;
        }
        let left = self.end - now;
        let patience = PollTimeout::try_from(left.max(0).saturating_mul(1000)).unwrap_or(PollTimeout::MAX);
        let stdin = io::stdin();
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, patience) != Ok(0)
    }

    /// Why a new log is to be begun now.
    fn due(&self) -> Option<&'static str> {
        let Some(file) = &self.file else { return Some("Open a new file") };
        if self.order.interval > 0 && self.order.now() >= self.end {
            return Some("Rotation interval expired");
        }
        let size = file.metadata().map_or(0, |meta| meta.len());
        (self.order.size > 0 && size >= self.order.size).then_some("Maximum size reached")
    }

    /// Begins the next log, and says why. False: there is none to write to at all.
    fn rotate(&mut self, reason: &str) -> bool {
        if self.order.verbose {
            say(format!("File rotation needed, reason: {reason}\n"));
        }
        let first = !self.opened;
        self.open_next()
            // A file of the circle that an earlier run filled is passed over.
            && (!first || self.order.files == 0 || self.due().is_none_or(|reason| self.rotate(reason)))
    }

    fn open_next(&mut self) -> bool {
        let order = &self.order;
        let now = order.now();
        let start = if order.interval > 0 { now.div_euclid(order.interval) * order.interval } else { now };
        if order.interval > 0 {
            self.end = start + order.interval;
        }
        let mut name = order.log.clone();
        let mut circled = false;
        if order.pattern {
            let mut text = Vec::new();
            clock::append_strftime(&mut text, &order.log, &Civil::utc(start * 1_000_000));
            name = text.into();
        } else if order.files > 0 {
            circled = self.number >= 0;
            self.number = (self.number + 1) % i64::from(order.files);
            if self.number > 0 {
                name.extend_from_slice(format!(".{}", self.number).as_bytes());
            }
        } else if !order.truncate {
            name.extend_from_slice(format!(".{start:010}").as_bytes());
        }
        let path = Path::new(OsStr::from_bytes(&name));
        if order.make_directories
            && let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty())
        {
            if order.verbose {
                say(format!("Creating directory tree {}\n", parent.display()));
            }
            if let Err(error) = fs::create_dir_all(parent) {
                say(format!("Could not create directory '{}' ({})\n", parent.display(), reason_of(&error)));
                return false;
            }
        }
        if order.verbose {
            say(format!("Opening file {name}\n"));
        }
        let truncate = order.truncate || circled || order.truncate_rotated && self.opened;
        let mut options = OpenOptions::new();
        options.create(true);
        let opened =
            if truncate { options.write(true).truncate(true).open(path) } else { options.append(true).open(path) };
        match opened {
            Ok(file) => {
                let before = std::mem::replace(&mut self.name, name);
                if self.file.replace(file).is_some() && self.order.verbose {
                    say(format!("Closing file {before}\n"));
                }
                self.opened = true;
                self.link();
                self.call(&before);
                true
            }
            Err(error) => {
                say(format!("Could not open log file '{name}' ({})\n", reason_of(&error)));
                // The old log goes on, and tells of it.
                let Some(file) = &mut self.file else { return false };
                let text = format!(
                    "Resetting log file due to error opening new log file, {:>10} messages lost: {:<25.25}\n",
                    self.lost,
                    reason_of(&error)
                );
                self.lost = 0;
                file.set_len(0).and_then(|()| file.write_all(text.as_bytes())).is_ok()
            }
        }
    }

    fn link(&self) {
        let Some(link) = &self.order.link else { return };
        let (path, target) = (Path::new(OsStr::from_bytes(link)), Path::new(OsStr::from_bytes(&self.name)));
        let _ = fs::remove_file(path);
        if self.order.verbose {
            say(format!("Linking {} to {link}\n", self.name));
        }
        if let Err(error) = fs::hard_link(target, path) {
            say(format!("Error linking file {} to {link} ({})\n", self.name, reason_of(&error)));
        }
    }

    /// Starts the program of `-p`, which nobody waits for.
    fn call(&self, before: &BString) {
        let Some(program) = &self.order.program else { return };
        if self.order.verbose {
            say(format!("Calling post-rotate program: {program}\n"));
        }
        let mut command = Command::new(OsStr::from_bytes(program));
        command.arg(OsStr::from_bytes(&self.name));
        if !before.is_empty() {
            command.arg(OsStr::from_bytes(before));
        }
        match command.spawn() {
            Ok(mut child) => drop(std::thread::spawn(move || child.wait())),
            Err(error) => say(format!("Could not spawn post-rotate process '{program}': {}\n", reason_of(&error))),
        }
    }

    fn write(&mut self, text: &[u8]) {
        let Some(file) = &mut self.file else { return };
        if let Err(error) = file.write_all(text) {
            self.lost += 1;
            let code = error.raw_os_error().unwrap_or(0);
            let note = format!("Error {code} writing to log file at offset 0. {:>10} messages lost\n", self.lost);
            if file.write_all(note.as_bytes()).is_err() {
                say(format!("Error writing error ({code}) to the file {}\n", self.name));
            }
        }
    }
}

fn reason_of(error: &io::Error) -> &'static str {
    nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)).desc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<(i64, u64, i64), String> {
        let words = Words::read(FLAGS, line.split(' ').map(std::ffi::OsString::from));
        let order = order(&words).map_err(|text| text.lines().next().unwrap_or_default().to_owned())?;
        Ok((order.interval, order.size, order.offset))
    }

    #[test]
    fn limits_and_offsets() {
        for (line, wanted) in [
            ("log 5Q", Ok((5, 0, 0))),
            ("log 10 5M", Ok((10, 5 << 20, 0))),
            ("log 5M 10", Ok((0, 5 << 20, 600))),
            ("log 5M 10 -30", Ok((10, 5 << 20, -1800))),
            ("log 10 x", Ok((10, 0, 0))),
            ("log 0", Err("Invalid rotation time parameter")),
            ("log 2147483648", Err("Invalid rotation time parameter")),
            ("log M", Err("Invalid rotation size parameter")),
            ("log 5M 5M", Err("Rotation size parameter allowed only once")),
            ("log 10 20 30", Err("Rotation time parameter allowed only once")),
            ("-l log 10 30", Err("UTC offset parameter is not valid with -l")),
            ("-n 0 log 10", Err("Invalid -n argument")),
            ("log", Err("Incorrect number of arguments")),
        ] {
            assert_eq!(read(&format!("rotatelogs {line}")), wanted.map_err(str::to_owned), "{line}");
        }
    }
}
