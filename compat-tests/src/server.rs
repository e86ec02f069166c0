//! One running server: start, watch from outside, stop. Always killed by its own process number.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::tree::{Names, write_anew};
use crate::wire::{Answer, Connection, Talk, answers, talk};

/// The longest wait for any state.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How a server or command ended.
#[derive(Debug)]
pub struct Ended {
    /// `exit 1`, `signal 9`, or that it had to be killed.
    pub how: String,
    /// What it wrote.
    pub stdout: Vec<u8>,
    /// What it wrote there before it moved to its error log.
    pub stderr: Vec<u8>,
}

/// A server in the foreground in its own session.
pub struct Running {
    child: Child,
    names: Names,
    ended: bool,
}

/// The environment every program gets: nothing of ours but PATH.
pub fn clean(command: &mut Command, env: &[(String, String)], names: &Names) {
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "C")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    for (key, value) in env {
        let value = names.fill(value.as_bytes());
        command.env(key, String::from_utf8_lossy(&value).into_owned());
    }
}

impl Running {
    /// Starts it. It may not be up yet, and may never be: see [`Running::up`].
    pub fn start(names: &Names, args: &[String], env: &[(String, String)]) -> Running {
        // A foreground parent signals its whole process group at the end: it gets a session of its own.
        let mut command = Command::new("setsid");
        command.arg(&names.httpd).args(args);
        clean(&mut command, env, names);
        command.current_dir(&names.root);
        command.stdout(File::create(names.root.join("run/stdout")).expect("a file for stdout"));
        command.stderr(File::create(names.root.join("run/stderr")).expect("a file for stderr"));
        let child = command.spawn().expect("setsid");
        Running { child, names: names.clone(), ended: false }
    }

    /// Waits until it has written its pid file and takes connections, or has ended. True when it is up.
    pub fn up(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.pid_file().is_some()
                && std::net::TcpStream::connect(("127.0.0.1", self.names.ports.numbers[0])).is_ok()
            {
                self.announced();
                return true;
            }
            if self.has_ended() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// Waits for the last notice of the start: pid file, listeners and even children are there before the parent catches
    /// signals, and a child that is asked early could write before its parent has. A case may have turned the notice off, given it
    /// another form or sent it elsewhere; only then this does not wait for long.
    fn announced(&self) {
        let conf = fs::read(self.path("conf/case.conf")).unwrap_or_default().to_ascii_lowercase();
        let own = [&b"loglevel"[..], b"errorlog"].iter().any(|name| memchr::memmem::find(&conf, name).is_some());
        let until = Instant::now() + if own { Duration::from_secs(3) } else { PATIENCE };
        while self.path("logs/error.log").exists() && self.logged("Command line: '") == 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// True when the parent process has gone.
    pub fn has_ended(&mut self) -> bool {
        self.ended |= matches!(self.child.try_wait(), Ok(Some(_)));
        self.ended
    }

    /// The parent's process number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process number")
    }

    /// What the pid file says.
    pub fn pid_file(&self) -> Option<i32> {
        fs::read_to_string(self.names.root.join("run/httpd.pid")).ok()?.trim().parse().ok()
    }

    /// The first port.
    pub fn port(&self) -> u16 {
        self.names.ports.numbers[0]
    }

    /// Root, ports, program.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// A path under the server root.
    pub fn path(&self, relative: &str) -> std::path::PathBuf {
        self.names.root.join(relative)
    }

    /// Writes a file under the server root, placeholders replaced.
    pub fn write(&self, relative: &str, text: &str) {
        write_anew(&self.path(relative), &self.names.fill(text.as_bytes()));
    }

    /// The children alive now, lowest number first. Zombies do not count.
    pub fn children(&self) -> Vec<i32> {
        children_of(self.pid())
    }

    /// How many threads each child has, lowest first.
    pub fn threads(&self) -> Vec<usize> {
        let mut counts: Vec<usize> = self
            .children()
            .iter()
            .map(|pid| fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count))
            .collect();
        counts.sort_unstable();
        counts
    }

    /// Sends a signal to the parent alone.
    pub fn signal(&self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.pid()), signal);
    }

    /// Sends a signal to any process of the server.
    pub fn signal_to(&self, pid: i32, signal: Signal) {
        let _ = kill(Pid::from_raw(pid), signal);
    }

    /// Waits until `state` holds; false when it does not in time.
    pub fn wait(&self, mut state: impl FnMut(&Running) -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if state(self) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }

    /// Waits for the parent to end; false when it does not in time.
    pub fn wait_for_end(&mut self) -> bool {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.has_ended() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }

    /// A connection to the first port.
    pub fn connect(&self) -> Connection {
        Connection::open(self.port()).expect("a connection")
    }

    /// The whole of what `bytes` on a fresh connection bring.
    pub fn ask(&self, bytes: &[u8]) -> Vec<u8> {
        talk(self.port(), &Talk::Exchange(vec![bytes.to_vec()]))
    }

    /// One GET on a connection of its own; `None` when no answer came.
    pub fn get(&self, path: &str) -> Option<Answer> {
        let (found, _) = answers(
            &self.ask(format!("GET {path} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n").as_bytes()),
        );
        found.into_iter().next()
    }

    /// `Key: value` lines of `/server-status?auto`.
    pub fn status(&self) -> BTreeMap<String, String> {
        let body = self.get("/server-status?auto").map(|a| a.body).unwrap_or_default();
        let text = String::from_utf8_lossy(&body).into_owned();
        text.lines().filter_map(|line| line.split_once(": ")).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// The error log so far.
    pub fn error_log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.path("logs/error.log")).unwrap_or_default()).into_owned()
    }

    /// How often `text` is in the error log.
    pub fn logged(&self, text: &str) -> usize {
        self.error_log().matches(text).count()
    }

    /// Asks it to stop, waits, and kills what does not.
    pub fn stop(mut self) -> Ended {
        if !self.has_ended() {
            self.signal(Signal::SIGTERM);
            self.wait_for_end();
        }
        self.finish()
    }

    fn finish(&mut self) -> Ended {
        let how = match self.child.try_wait() {
            Ok(Some(status)) => describe(status),
            _ => "did not stop and was killed".to_owned(),
        };
        self.kill();
        let read = |name: &str| fs::read(self.names.root.join(name)).unwrap_or_default();
        Ended { how, stdout: read("run/stdout"), stderr: read("run/stderr") }
    }

    fn kill(&mut self) {
        // The whole session: children may have outlived the parent.
        let _ = killpg(Pid::from_raw(self.pid()), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end, at most [`PATIENCE`] long.
pub fn run(names: &Names, args: &[String], env: &[(String, String)]) -> Ended {
    let mut command = Command::new(&names.httpd);
    command.args(args);
    clean(&mut command, env, names);
    command.current_dir(&names.root);
    run_command(command, &names.root)
}

/// Runs any prepared command to its end, at most [`PATIENCE`] long.
pub fn run_command(mut command: Command, root: &Path) -> Ended {
    let (out, err) = (root.join("run/cli-stdout"), root.join("run/cli-stderr"));
    command
        .stdout(File::create(&out).expect("a file for stdout"))
        .stderr(File::create(&err).expect("a file for stderr"));
    let mut child = command.spawn().expect("a command");
    let until = Instant::now() + PATIENCE;
    let how = loop {
        match child.try_wait() {
            Ok(Some(status)) => break describe(status),
            _ if Instant::now() > until => {
                let _ = child.kill();
                let _ = child.wait();
                break "did not end and was killed".to_owned();
            }
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    Ended { how, stdout: fs::read(out).unwrap_or_default(), stderr: fs::read(err).unwrap_or_default() }
}

/// Kills what a command line of ours left running: processes that name this server root, which nobody else can know.
pub fn sweep(root: &Path) {
    let root = root.as_os_str().as_encoded_bytes();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid: Option<i32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if let (Some(pid), Some(_)) = (pid, memchr::memmem::find(&line, root)) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// The living children of a process, lowest number first.
pub fn children_of(parent: i32) -> Vec<i32> {
    let mut found: Vec<i32> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| {
            let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
            let fields: Vec<&str> =
                stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default();
            fields.first().is_some_and(|state| *state != "Z" && *state != "X")
                && fields.get(1).and_then(|p| p.parse().ok()) == Some(parent)
        })
        .collect();
    found.sort_unstable();
    found
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "unknown".to_owned(),
    }
}
