//! mod_log_config: the access logs (LogFormat, TransferLog, CustomLog, GlobalLog, BufferedLogs).
//!
//! Formats are compiled when they are read and bound to their logs when logs are opened, in the parent: a nickname may be
//! defined behind the log that uses it, and a virtual host that inherits the main server's logs writes them in its own
//! formats of the same names. A virtual host with logs of its own writes those, not the main server's; GlobalLogs are
//! written for all.
//!
//! Hooks: `check_config` and `open_logs`, middle: the directories, then the files and logger processes.
//! `log_transaction`, middle: one line a log, made in a buffer that the thread keeps and handed to the log's writer, which
//! `child_init` binds to the rounds of the event loop. `child_exit`: what BufferedLogs held back.
//!
//! Differences: a format that begins with `json:` makes JSON (RFC 8259), which httpd would take for text.
//! Manual: mod/mod_log_config.html.

mod format;
mod json;
mod writer;

use crate::config::*;
use crate::engine;
use crate::log::{self, Level, LogsNotOpened, clock, raw};
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use format::Format;
use std::cell::RefCell;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use writer::Writer;

pub static MODULE: Module = Module {
    name: "mod_log_config.c",
    ident: "log_config_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::of::<AccessLogs>(),
    dir: Config::none(),
    hooks,
};

const CUSTOM: usize = 0;
const GLOBAL_LOG: usize = 1;
const LOG_HELP: &str =
    "a file name, a custom log format string or format name, and an optional \"env=\" or \"expr=\" clause (see docs)";

const DIRECTIVES: &[Directive] = &[
    take23("CustomLog", SERVER, NO_OVERRIDE, custom_log, LOG_HELP).info(CUSTOM),
    take23(
        "GlobalLog",
        SERVER,
        NO_OVERRIDE,
        custom_log,
        "Same as CustomLog, but forces virtualhosts to inherit the log",
    )
    .info(GLOBAL_LOG),
    take1("TransferLog", SERVER, NO_OVERRIDE, transfer_log, "the filename of the access log"),
    take12("LogFormat", SERVER, NO_OVERRIDE, log_format, "a log format string (see docs) and an optional format name"),
    flag("BufferedLogs", SERVER, NO_OVERRIDE, buffered_logs, "Enable Buffered Logging (experimental)"),
];

const COMMON: &str = "%h %l %u %t \"%r\" %>s %b";

/// How a log's lines look: the format itself, or one found when logs are opened.
#[derive(Clone)]
enum Look {
    /// TransferLog: the server's LogFormat without a nickname.
    Default,
    /// The text may turn out to be a nickname.
    Text { text: BString, format: Arc<Format> },
}

#[derive(Clone)]
enum Condition {
    Always,
    /// `env=name`, `env=!name`
    Env {
        name: BString,
        set: bool,
    },
    Expression(Arc<Expression>),
}

/// One CustomLog, GlobalLog or TransferLog line, shared by the servers that inherit it.
struct Definition {
    destination: BString,
    look: Look,
    condition: Condition,
    file: BString,
    line: u32,
    /// What its nickname stands for, the same in all servers that share the line.
    named: OnceLock<Arc<Format>>,
    writer: OnceLock<Writer>,
}

/// A log bound to its format.
#[derive(Clone)]
struct Bound {
    writer: Writer,
    format: Arc<Format>,
    condition: Condition,
}

/// The module's settings of a server.
#[derive(Clone, Default)]
pub struct AccessLogs {
    formats: Vec<(BString, Arc<Format>)>,
    /// LogFormat without a nickname: its text (perhaps a nickname) and what it compiles to.
    default: Option<(BString, Arc<Format>)>,
    own: Vec<Arc<Definition>>,
    global: Vec<Arc<Definition>>,
    buffered: Option<bool>,
    /// Filled when logs are opened.
    bound: Vec<Bound>,
}

impl Settings for AccessLogs {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut formats = base.formats.clone();
        for (name, format) in &add.formats {
            formats.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            formats.push((name.clone(), format.clone()));
        }
        AccessLogs {
            formats,
            default: add.default.clone().or_else(|| base.default.clone()),
            own: if add.own.is_empty() { base.own.clone() } else { add.own.clone() },
            global: base.global.clone(),
            buffered: base.buffered,
            bound: Vec::new(),
        }
    }
}

fn custom_log(cx: &mut Cx<'_>, destination: Word<'_>, look: Word<'_>, clause: Option<Word<'_>>) -> Outcome {
    if cx.directive.info == GLOBAL_LOG && cx.place != Place::Main {
        return Err("GlobalLog cannot occur within <VirtualHost> section".into());
    }
    let condition = match clause.map(|clause| clause.as_bytes()) {
        None => Condition::Always,
        Some(clause) => condition(cx, clause)?,
    };
    let format = Arc::new(Format::compile(look, cx.providers)?);
    let definition =
        Definition { look: Look::Text { text: look.into(), format }, condition, ..Definition::at(cx, destination) };
    if cx.directive.info == GLOBAL_LOG {
        cx.server::<AccessLogs>().global.push(Arc::new(definition));
    } else {
        cx.server::<AccessLogs>().own.push(Arc::new(definition));
    }
    Ok(())
}

fn condition(cx: &Cx<'_>, clause: &[u8]) -> Result<Condition, Complaint> {
    let starts = |word: &str| clause.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word.as_bytes()));
    if starts("env=") {
        let name = clause.get(4..).unwrap_or_default();
        let (name, set) = name.strip_prefix(b"!").map_or((name, true), |name| (name, false));
        if name.is_empty() {
            return Err("missing environment variable name".into());
        }
        return Ok(Condition::Env { name: name.into(), set });
    }
    if starts("expr=") {
        let text = clause.get(5..).filter(|text| !text.is_empty()).ok_or("missing condition")?;
        // Reading a header for the log never adds to Vary.
        let expression = Expression::condition(text.as_bstr(), Rights::default().without_vary(), cx.providers)?;
        return Ok(Condition::Expression(Arc::new(expression.at("log_config", cx.file, cx.line))));
    }
    Err("error in condition clause".into())
}

fn transfer_log(cx: &mut Cx<'_>, destination: Word<'_>) -> Outcome {
    let definition = Definition::at(cx, destination);
    cx.server::<AccessLogs>().own.push(Arc::new(definition));
    Ok(())
}

fn log_format(cx: &mut Cx<'_>, text: Word<'_>, name: Option<Word<'_>>) -> Outcome {
    let format = Arc::new(Format::compile(text, cx.providers)?);
    let logs = cx.server::<AccessLogs>();
    match name {
        None => logs.default = Some((text.into(), format)),
        Some(name) => {
            logs.formats.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            logs.formats.push((name.into(), format));
        }
    }
    Ok(())
}

fn buffered_logs(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<AccessLogs>().buffered = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.check_config(MIDDLE, check);
    on.open_logs(MIDDLE, open);
    on.log_transaction(MIDDLE, log_transaction);
    on.child_init(MIDDLE, |_| engine::at_round_end(writer::end_round));
    on.child_exit(MIDDLE, flush);
}

impl AccessLogs {
    fn definitions(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.own.iter().chain(&self.global)
    }
    fn format(&self, name: &BString) -> Option<Arc<Format>> {
        self.formats.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| format.clone())
    }
    fn bind(&self, definition: &Definition, common: &Arc<Format>) -> Arc<Format> {
        match (&definition.look, &self.default) {
            (Look::Text { format, .. }, _) => definition.named.get().unwrap_or(format).clone(),
            (Look::Default, Some((text, format))) => self.format(text).unwrap_or_else(|| format.clone()),
            (Look::Default, None) => common.clone(),
        }
    }
    /// Of the servers that share a line the first that knows its nickname decides.
    fn name(&self) {
        for definition in self.definitions() {
            if let Look::Text { text, .. } = &definition.look
                && let Some(format) = self.format(text)
            {
                definition.named.get_or_init(|| format);
            }
        }
    }
}

impl Definition {
    fn at(cx: &Cx<'_>, destination: &BStr) -> Definition {
        Definition {
            destination: destination.into(),
            look: Look::Default,
            condition: Condition::Always,
            file: cx.file.into(),
            line: cx.line,
            named: OnceLock::new(),
            writer: OnceLock::new(),
        }
    }

    /// Opens the log at the first call; later calls answer the same.
    fn open(&self, root: &Path, buffered: bool) -> Result<Writer, LogsNotOpened> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer.clone());
        }
        let file = if self.destination.starts_with(b"|") {
            log::spawn_logger(&self.destination).map_err(|error| {
                let (command, _) = log::logger_command(&self.destination);
                let text = format_args!("AH00104: unable to start piped log program '{}'", raw(command));
                log::startup_errno(Level::Error, error, text);
                LogsNotOpened
            })?
        } else {
            let path = server::log_path(root, &self.destination);
            let file = log::open_file(&path, 0o644).map_err(|error| {
                let text = format_args!("AH00649: could not open transfer log file {}.", path.display());
                log::process_errno(Level::Error, "log_config", error, text);
                LogsNotOpened
            })?;
            Arc::new(file)
        };
        let writer = Writer::new(file, buffered);
        Ok(self.writer.get_or_init(|| writer).clone())
    }
}

/// Whether the directories of all log files exist.
fn check(configuration: &Configuration) -> bool {
    let mut sound = true;
    for server in &configuration.servers {
        let logs = server.settings.of::<AccessLogs>();
        let inherited = |definition: &Arc<Definition>| {
            let main = configuration.main().settings.of::<AccessLogs>();
            server.index != 0 && main.definitions().any(|other| Arc::ptr_eq(other, definition))
        };
        for definition in logs.definitions().filter(|definition| !inherited(definition)) {
            let Definition { destination, file, line, .. } = &**definition;
            if destination.starts_with(b"|") {
                continue;
            }
            let whose = format_args!("log file '{}' defined at {}:{line}", raw(destination), raw(file));
            sound &= server::check_directory(&configuration.process.server_root, destination, whose, "AH02297");
        }
    }
    sound
}

/// Opens the logs of all servers and binds their formats.
fn open(configuration: &mut Configuration) -> Result<(), LogsNotOpened> {
    let root = configuration.process.server_root.clone();
    let buffered = configuration.servers.iter().find_map(|server| server.settings.of::<AccessLogs>().buffered);
    let common = Arc::new(Format::compile(COMMON.into(), &configuration.providers).unwrap_or_default());
    let hosts = configuration.servers.iter().skip(1);
    for server in hosts.chain(configuration.servers.first()) {
        server.settings.of::<AccessLogs>().name();
    }
    for server in &mut configuration.servers {
        let logs = server.settings.of::<AccessLogs>();
        let mut bound = Vec::new();
        for definition in logs.definitions() {
            bound.push(Bound {
                writer: definition.open(&root, buffered == Some(true))?,
                format: logs.bind(definition, &common),
                condition: definition.condition.clone(),
            });
        }
        if !bound.is_empty() {
            server.settings.edit::<AccessLogs>().bound = bound;
        }
    }
    Ok(())
}

thread_local! {
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fn log_transaction(r: &mut Request) -> Answer {
    let logs = r.server::<AccessLogs>();
    if logs.bound.is_empty() {
        return Answer::Declined;
    }
    let end = clock::now();
    for log in &logs.bound {
        if !log.condition.holds(r) {
            continue;
        }
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => log.write(&mut line, r, end),
            Err(_) => log.write(&mut Vec::new(), r, end),
        });
    }
    Answer::Ok
}

impl Condition {
    /// Looks at the request that the client sent, not at what it was redirected to.
    fn holds(&self, r: &mut Request) -> bool {
        if let Some(prev) = r.prev.as_deref_mut() {
            return self.holds(prev);
        }
        match self {
            Condition::Always => true,
            Condition::Env { name, set } => r.env.contains(name) == *set,
            Condition::Expression(expression) => match server::expression::holds(expression, r) {
                Ok(holds) => holds,
                Err(error) => {
                    let text = format_args!("AH00644: Error evaluating log condition: {error}");
                    r.log(Level::Warn, "log_config", text);
                    false
                }
            },
        }
    }
}

impl Bound {
    fn write(&self, line: &mut Vec<u8>, r: &Request, end: i64) {
        line.clear();
        self.format.append(line, r, end);
        line.push(b'\n');
        self.writer.line(line);
    }
}

/// Writes what the buffers hold.
fn flush(configuration: &'static Configuration) {
    for server in &configuration.servers {
        for log in &server.settings.of::<AccessLogs>().bound {
            log.writer.flush();
        }
    }
}
