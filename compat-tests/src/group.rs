//! The builder that tests are written with.
//!
//! ```no_run
//! use compat_tests::group;
//! group("alias").conf(r#"Alias "/a" "@ROOT@/other""#).file("other/x.txt", "x\n").get("/a/x.txt").get("/a/y.txt").check();
//! ```

use std::fs;
use std::path::PathBuf;

use crate::Mpm;
use crate::binaries::{self, Binaries, MODULES};
use crate::normal::{self, Mask};
use crate::ports::Ports;
use crate::report::{self, Seen, Todo};
use crate::server::{self, Ended, Running};
use crate::tls::{self, TlsClient};
use crate::tree::{self, Entry, Names};
use crate::wire::{self, Talk};

/// The modules of Debian's default installation (without the MPM), which every group loads unless it says otherwise.
pub const STOCK_MODULES: &str = "access_compat alias auth_basic authn_core authn_file authz_core authz_host authz_user \
                                 autoindex deflate dir env filter mime negotiation reqtimeout setenvif status";

const MIME_TYPES: &str = "text/html html htm\ntext/plain txt\ntext/css css\napplication/javascript js\nimage/png png\nimage/gif gif\n\
                          application/x-gzip tgz\napplication/octet-stream bin\n";

/// A configuration, some files, and what to do with them.
#[derive(Clone)]
pub struct Group {
    name: String,
    mpm: Mpm,
    modules: Vec<String>,
    conf: String,
    main: Option<String>,
    log_format: String,
    entries: Vec<Entry>,
    env: Vec<(String, String)>,
    cases: Vec<Case>,
    also: Vec<String>,
    conf_file: String,
    sizes_vary: bool,
    todos: Vec<Todo>,
    client: Option<TlsClient>,
}

#[derive(Clone)]
struct Case {
    talk: Talk,
    tls: Option<TlsClient>,
    masks: Vec<Mask>,
}

/// Whether the server started, and what was seen.
type Outcome = (bool, Vec<Seen>);

/// What a group runs in, once for each side.
struct Side {
    names: Names,
}

/// A group under the event MPM with Debian's default modules and one `htdocs/index.html`.
pub fn group(name: &str) -> Group {
    Group {
        name: name.to_owned(),
        mpm: Mpm::Event,
        modules: STOCK_MODULES.split_whitespace().map(str::to_owned).collect(),
        conf: String::new(),
        main: None,
        log_format: r#"%h %l %u %t \"%r\" %>s %B"#.to_owned(),
        entries: vec![
            Entry::File("htdocs/index.html".into(), b"<h1>index</h1>\n".to_vec()),
            Entry::File("conf/mime.types".into(), MIME_TYPES.into()),
        ],
        env: Vec::new(),
        cases: Vec::new(),
        also: Vec::new(),
        conf_file: "conf/httpd.conf".to_owned(),
        sizes_vary: false,
        todos: Vec::new(),
        client: None,
    }
}

impl Group {
    /// Runs under that MPM.
    pub fn mpm(mut self, mpm: Mpm) -> Group {
        self.mpm = mpm;
        self
    }

    /// Loads exactly these modules (`"alias dir"`) beside the MPM.
    pub fn modules(mut self, names: &str) -> Group {
        self.modules = names.split_whitespace().map(str::to_owned).collect();
        self
    }

    /// Loads these modules too.
    pub fn and_modules(mut self, names: &str) -> Group {
        self.modules.extend(names.split_whitespace().map(str::to_owned));
        self
    }

    /// The configuration under test: `conf/case.conf`, included by the base configuration's last line. `@ROOT@`, `@PORT@`, `@PORT2@` are replaced.
    pub fn conf(mut self, text: &str) -> Group {
        self.conf.push_str(text);
        self
    }

    /// Takes the place of the whole base configuration `conf/httpd.conf`.
    pub fn main_conf(mut self, text: &str) -> Group {
        self.main = Some(text.to_owned());
        self
    }

    /// The base configuration's access log format.
    pub fn log_format(mut self, format: &str) -> Group {
        self.log_format = format.to_owned();
        self
    }

    /// Starts from this file instead of the base configuration, relative to the server root.
    pub fn conf_file(mut self, path: &str) -> Group {
        self.conf_file = path.to_owned();
        self
    }

    /// Blanks the sizes in the access logs: some answer of the group is compressed, has a random boundary or holds measured values.
    pub fn log_sizes_vary(mut self) -> Group {
        self.sizes_vary = true;
        self
    }

    /// What Pinion does not do yet: steps whose description (the request as shown, `-t of` a snippet, a log's name, a command
    /// line) contains `step` differ for now. One that does not differ any more fails the case, until its todo is removed.
    pub fn todo(mut self, step: &str, reason: &str) -> Group {
        self.todos.push(Todo { step: step.to_owned(), reason: reason.to_owned() });
        self
    }

    /// A file, relative to the server root.
    pub fn file(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Group {
        self.entries.retain(|entry| !matches!(entry, Entry::File(old, _) if old == path));
        self.entries.push(Entry::File(path.to_owned(), bytes.as_ref().to_vec()));
        self
    }

    /// Loads mod_ssl and lays the keys and certificates of [`tls::files`] out under `tls/`.
    pub fn with_tls(mut self) -> Group {
        for (path, bytes) in tls::files() {
            self.entries.push(Entry::File(path.clone(), bytes.clone()));
        }
        self.and_modules("ssl")
    }

    /// The requests that follow come from this client.
    pub fn over(mut self, client: TlsClient) -> Group {
        self.client = Some(client);
        self
    }

    /// The requests that follow come without TLS.
    pub fn plain(mut self) -> Group {
        self.client = None;
        self
    }

    /// An empty directory.
    pub fn dir(mut self, path: &str) -> Group {
        self.entries.push(Entry::Dir(path.to_owned()));
        self
    }

    /// A symbolic link.
    pub fn link(mut self, path: &str, target: &str) -> Group {
        self.entries.push(Entry::Link(path.to_owned(), target.to_owned()));
        self
    }

    /// Permission bits of an entry named before.
    pub fn mode(mut self, path: &str, mode: u32) -> Group {
        self.entries.push(Entry::Mode(path.to_owned(), mode));
        self
    }

    /// Modification time of an entry named before, seconds since 1970; the default is [`tree::MTIME`].
    pub fn mtime(mut self, path: &str, seconds: u64) -> Group {
        self.entries.push(Entry::Mtime(path.to_owned(), seconds));
        self
    }

    /// An environment variable of both servers.
    pub fn env(mut self, key: &str, value: &str) -> Group {
        self.env.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Also compares this file, relative to the server root, after the servers have stopped.
    pub fn also(mut self, path: &str) -> Group {
        self.also.push(path.to_owned());
        self
    }

    /// `GET path` as HTTP/1.1 with a Host, on a connection of its own.
    pub fn get(self, path: &str) -> Group {
        self.get_with(path, "")
    }

    /// The same with further header lines, separated by `\n`.
    pub fn get_with(self, path: &str, headers: &str) -> Group {
        self.ask("GET", path, headers)
    }

    /// Any method, bodiless.
    pub fn ask(self, method: &str, path: &str, headers: &str) -> Group {
        let headers: String = headers.split('\n').filter(|h| !h.is_empty()).map(|h| format!("{h}\r\n")).collect();
        self.request(format!(
            "{method} {path} HTTP/1.1\r\nHost: www.example.test\r\n{headers}Connection: close\r\n\r\n"
        ))
    }

    /// These very bytes on a connection of its own, then the end of sending; everything that comes is read.
    pub fn request(self, bytes: impl AsRef<[u8]>) -> Group {
        self.case(Talk::Exchange(vec![bytes.as_ref().to_vec()]))
    }

    /// One connection: each part waits for the answer to the one before.
    pub fn exchange<T: AsRef<[u8]>>(self, parts: &[T]) -> Group {
        self.case(Talk::Exchange(parts.iter().map(|p| p.as_ref().to_vec()).collect()))
    }

    /// These bytes, then waiting until the server closes by itself.
    pub fn hold(self, bytes: impl AsRef<[u8]>) -> Group {
        self.case(Talk::Hold(bytes.as_ref().to_vec()))
    }

    /// A further normaliser for the request just named.
    pub fn masking(mut self, mask: Mask) -> Group {
        self.cases.last_mut().expect("a request to mask").masks.push(mask);
        self
    }

    fn case(mut self, talk: Talk) -> Group {
        self.cases.push(Case { talk, tls: self.client.clone(), masks: Vec::new() });
        self
    }

    /// Starts both servers, sends every request to both, stops them, and compares answers, logs, output and exit codes.
    pub fn check(self) {
        assert!(!self.cases.is_empty(), "a group without a request compares nothing");
        self.compare(|group, side| {
            let mut running = group.start(side, &["-DFOREGROUND"]);
            if !running.up() {
                let ended = running.stop();
                return (false, group.after(side, &ended));
            }
            let mut seen = Vec::new();
            for case in &group.cases {
                let (agreed, bytes) = wire::talk_over(side.names.ports.numbers[0], &case.talk, case.tls.as_ref());
                let mut result = agreed.into_bytes();
                result.extend(normal::connection(&bytes, &side.names));
                for mask in &case.masks {
                    result = mask.apply(&result);
                }
                let how = case.tls.as_ref().map(|tls| format!("{}: ", tls.describe())).unwrap_or_default();
                seen.push(Seen { what: how + &describe(&case.talk), result });
            }
            let ended = running.stop();
            seen.extend(group.after(side, &ended));
            (true, seen)
        });
    }

    /// Starts both servers as they are given, which must fail; compares output, logs and exit codes.
    pub fn start_fails(self, args: &[&str]) {
        self.compare(|group, side| {
            let mut running = group.start(side, args);
            running.wait_for_end();
            let ended = running.stop();
            (true, group.after(side, &ended))
        });
    }

    /// Starts both servers, lets `look` find out facts about each, and compares its texts, then logs and exit codes as in [`Group::check`].
    pub fn facts(self, look: impl Fn(&mut Running) -> String + Sync) {
        self.facts_and(true, look);
    }

    /// [`Group::facts`] without comparing the logs, where their order is chance.
    pub fn facts_only(self, look: impl Fn(&mut Running) -> String + Sync) {
        self.facts_and(false, look);
    }

    fn facts_and(self, logs: bool, look: impl Fn(&mut Running) -> String + Sync) {
        self.compare(|group, side| {
            let mut running = group.start(side, &["-DFOREGROUND"]);
            if !running.up() {
                let ended = running.stop();
                return (false, group.after(side, &ended));
            }
            let facts = look(&mut running);
            let mut seen = vec![Seen { what: "facts".into(), result: normal::text(facts.as_bytes(), &side.names) }];
            let ended = running.stop();
            if logs {
                seen.extend(group.after(side, &ended));
            }
            (true, seen)
        });
    }

    /// Compares `-t` for each snippet, which becomes `conf/case.conf` after the group's own `conf`.
    pub fn syntax<T: AsRef<[u8]> + Sync>(self, snippets: &[T]) {
        self.compare(|group, side| {
            let mut seen = Vec::new();
            for snippet in snippets {
                let mut text = side.names.fill(group.conf.as_bytes());
                text.extend_from_slice(&side.names.fill(snippet.as_ref()));
                tree::write_anew(&side.names.root.join("conf/case.conf"), &text);
                let ended = server::run(&side.names, &group.with_paths(&["-t"], side), &group.env);
                seen.push(outcome(
                    format!("-t of\n{}", report::show(snippet.as_ref()).replace("\\n", "\n")),
                    &ended,
                    &side.names,
                ));
            }
            (true, seen)
        });
    }

    /// Requests `/hN/` for each text, which is the `.htaccess` of that directory; compares as [`Group::check`].
    pub fn htaccess(mut self, texts: &[&str]) {
        for (number, text) in texts.iter().enumerate() {
            let dir = format!("htdocs/h{number}");
            self = self
                .file(&format!("{dir}/.htaccess"), text)
                .file(&format!("{dir}/index.html"), "in here\n")
                .get(&format!("/h{number}/"));
        }
        self.check();
    }

    /// Runs both programs with each argument list after `-d ROOT -f conf/httpd.conf`; compares stdout, stderr and exit code.
    pub fn commands(self, lists: &[&[&str]]) {
        self.compare(|group, side| {
            let seen = lists.iter().map(|args| {
                let ended = server::run(&side.names, &group.with_paths(args, side), &group.env);
                outcome(format!("httpd -d ROOT -f conf/httpd.conf {}", args.join(" ")), &ended, &side.names)
            });
            (true, seen.collect())
        });
    }

    /// Runs both programs with exactly these arguments (placeholders replaced), in the server root.
    pub fn bare_commands(self, lists: &[&[&str]]) {
        self.compare(|group, side| {
            let seen = lists.iter().map(|args| {
                let own: Vec<String> = args.iter().map(|a| fill(a, side)).collect();
                let ended = server::run(&side.names, &own, &group.env);
                outcome(format!("httpd {}", args.join(" ")), &ended, &side.names)
            });
            (true, seen.collect())
        });
    }

    fn start(&self, side: &Side, args: &[&str]) -> Running {
        Running::start(&side.names, &self.with_paths(args, side), &self.env)
    }

    fn with_paths(&self, args: &[&str], side: &Side) -> Vec<String> {
        let mut all =
            vec!["-d".to_owned(), side.names.root.display().to_string(), "-f".to_owned(), self.conf_file.clone()];
        all.extend(args.iter().map(|a| fill(a, side)));
        all
    }

    /// Output, exit code and logs of a server that has stopped. A request is logged once its answer is out, so lines of different
    /// connections come in any order from children that run side by side: they are compared sorted.
    fn after(&self, side: &Side, ended: &Ended) -> Vec<Seen> {
        let mut seen = vec![outcome("the server's own output and end".into(), ended, &side.names)];
        let mut logs = vec!["logs/access.log".to_owned(), "logs/error.log".to_owned()];
        logs.extend(self.also.iter().cloned());
        for log in logs {
            let mut result = fs::read(side.names.root.join(&log))
                .map_or_else(|e| format!("[{:?}]\n", e.kind()).into_bytes(), |b| normal::text(&b, &side.names));
            if self.sizes_vary && log.ends_with("access.log") {
                result = normal::LOG_SIZES.apply(&result);
            }
            if self.cases.len() > 1 && !log.ends_with("error.log") {
                result = normal::sorted_lines(&result);
            }
            seen.push(Seen { what: log, result });
        }
        seen
    }

    /// Runs `act` on both sides at once and panics with the differences. `act` also says whether the server started; if
    /// Apache's did not, the case itself is broken. A group that differs runs once more, for the machine may have been too busy
    /// for a timing: what is different is so again. `COMPAT_STRICT` gives no second chance.
    fn compare(self, act: impl Fn(&Group, &Side) -> Outcome + Sync) {
        let Some(programs) = binaries::both() else { return };
        let strict = std::env::var_os("COMPAT_STRICT").is_some();
        let mut before = None;
        loop {
            let (a, p) = self.both_sides(programs, &act);
            if let Some(path) = std::env::var_os("COMPAT_TODO") {
                report::append_todos(&path, &self.key(), &a.1, &p.1);
                return;
            }
            if std::env::var_os("COMPAT_SHOW").is_some() {
                eprintln!("--- {}\n{}", self.name, self.listing(&a.1));
            }
            let verdict = self.verdict(programs, &a, &p, strict);
            match (verdict, before.take()) {
                (None, None) => return eprintln!("{}: {} comparisons", self.name, a.1.len()),
                (None, Some(first)) => {
                    return announce(&format!("{}: differed once, and not again:\n{first}", self.name));
                }
                (Some(first), None) if !strict => before = Some(first),
                (Some(verdict), _) => panic!("\n{}: {verdict}\nconfiguration:\n{}\n", self.name, self.conf),
            }
        }
    }

    /// Lays out both trees and runs `act` on them. A port taken in between is tried again.
    fn both_sides(&self, programs: &Binaries, act: &(impl Fn(&Group, &Side) -> Outcome + Sync)) -> (Outcome, Outcome) {
        let mut attempt = 1;
        loop {
            let base = tempfile::Builder::new()
                .prefix("compat-")
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755))
                .tempdir()
                .expect("a temporary directory");
            let side = |dir: &str, httpd: &PathBuf| Side {
                names: Names { root: base.path().join(dir), httpd: httpd.clone(), ports: Ports::take() },
            };
            let (apache, pinion) = (side("a", &programs.apache), side("p", &programs.pinion));
            tree::lay_out(&[&apache.names, &pinion.names], &self.entries_with_conf());
            let (a, p) = std::thread::scope(|scope| {
                let other = scope.spawn(|| act(self, &pinion));
                let a = act(self, &apache);
                (a, other.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)))
            });
            server::sweep(base.path());
            let taken = |seen: &[Seen]| seen.iter().any(|s| s.result.windows(7).any(|w| w == b"AH00072"));
            if attempt < 4 && ((!a.0 && taken(&a.1)) || (!p.0 && taken(&p.1))) {
                attempt += 1;
                continue;
            }
            return (a, p);
        }
    }

    /// What is wrong, in words; `None` when nothing is.
    fn verdict(&self, programs: &Binaries, a: &Outcome, p: &Outcome, strict: bool) -> Option<String> {
        if !a.0 {
            return Some(format!("the case is broken, Apache itself does not start:\n{}", self.listing(&a.1)));
        }
        // Apache against itself has nothing to do.
        let mut todos = self.todos.clone();
        todos.extend(report::listed(&self.key()));
        if programs.apache == programs.pinion {
            todos.clear();
        }
        let differences = report::differences(&a.1, &p.1, &todos, strict);
        if differences.is_empty() && p.0 {
            return None;
        }
        let own = if p.0 { String::new() } else { format!("\nPinion did not start:\n{}", self.listing(&p.1)) };
        Some(format!("Pinion differs from Apache (- Apache only, + Pinion only){own}\n{differences}"))
    }

    /// What TODO.tsv calls the group: its name, its MPM and a sum of its configuration.
    fn key(&self) -> String {
        format!("{}/{}/{:08x}", report::one_line(&self.name), self.mpm.name(), report::sum(self.conf.as_bytes()) as u32)
    }

    fn listing(&self, seen: &[Seen]) -> String {
        seen.iter().map(|s| format!("=== {}\n{}\n", s.what, report::show(&s.result).replace("\\n", "\n"))).collect()
    }

    fn entries_with_conf(&self) -> Vec<Entry> {
        let mut entries = self.entries.clone();
        entries.insert(
            0,
            Entry::File("conf/httpd.conf".into(), self.main.clone().unwrap_or_else(|| self.base()).into_bytes()),
        );
        entries.insert(1, Entry::File("conf/case.conf".into(), self.conf.clone().into_bytes()));
        entries
    }

    /// The configuration around the case's own: small, quick to start, writing under the server root alone.
    fn base(&self) -> String {
        let mpm = self.mpm.name();
        let mut text = format!(
            "ServerRoot \"@ROOT@\"\nPidFile run/httpd.pid\nDefaultRuntimeDir run\nListen 127.0.0.1:@PORT@\nServerName www.example.test\n\
             User www-data\nGroup www-data\nErrorLog logs/error.log\nDocumentRoot htdocs\nLoadModule mpm_{mpm}_module {MODULES}/mod_mpm_{mpm}.so\n"
        );
        for module in &self.modules {
            text.push_str(&format!("LoadModule {module}_module {MODULES}/mod_{module}.so\n"));
        }
        if self.modules.iter().any(|m| m == "mime") {
            text.push_str("TypesConfig conf/mime.types\n");
        }
        text.push_str(match self.mpm {
            Mpm::Prefork => "StartServers 2\nMinSpareServers 1\nMaxSpareServers 4\nMaxRequestWorkers 8\n",
            _ => "StartServers 1\nThreadsPerChild 8\nMinSpareThreads 1\nMaxSpareThreads 16\nMaxRequestWorkers 16\n",
        });
        text.push_str(&format!("CustomLog logs/access.log \"{}\"\nInclude conf/case.conf\n", self.log_format));
        text
    }
}

/// Straight to the descriptor: the test runner keeps to itself what a test that passes prints.
fn announce(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("compat-tests: {text}\n").as_bytes());
}

fn fill(text: &str, side: &Side) -> String {
    String::from_utf8_lossy(&side.names.fill(text.as_bytes())).into_owned()
}

fn outcome(what: String, ended: &Ended, names: &Names) -> Seen {
    let mut result = format!("{}\n", ended.how).into_bytes();
    for (name, bytes) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
        result.extend_from_slice(format!("[{name}]\n").as_bytes());
        result.extend_from_slice(&normal::text(bytes, names));
    }
    Seen { what, result }
}

fn describe(talk: &Talk) -> String {
    let short = |bytes: &[u8]| {
        let shown = report::show(bytes).replace("\\n", "\\n\n    ");
        if shown.len() > 1200 {
            format!("{}… ({} bytes)", shown.chars().take(1200).collect::<String>(), bytes.len())
        } else {
            shown
        }
    };
    match talk {
        Talk::Hold(bytes) => format!("held open:\n    {}", short(bytes)),
        Talk::Exchange(parts) => parts.iter().map(|p| short(p)).collect::<Vec<_>>().join("--- after the answer:\n    "),
    }
}
