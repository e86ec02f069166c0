//! The command `httpd`: reads the command line, compiles the configuration, and checks, reports, signals or serves.

use super::options::{Misused, Options, Show, Signal, usage};
use super::{control, newcomer, report, strict};
use crate::config::{self, Configuration, Refused, Registered, Trouble, Warning, identity};
use crate::http;
use crate::log::{self, Level};
use crate::module::{self, Chains, Module};
use crate::mpm::{self, Line, Listeners, Program, RunOptions, Service};
use crate::request::Connection;
use crate::server;
use crate::{engine, engine::BoxFuture};
use bstr::ByteSlice;
use parking_lot::Mutex;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where Debian keeps the configuration.
const SERVER_ROOT: &str = "/etc/apache2";
const CONFIG_FILE: &str = "apache2.conf";
const FAILED: ExitCode = ExitCode::FAILURE;

/// Runs the command with the modules there are.
pub fn main(registry: &'static [&'static Module]) -> ExitCode {
    crate::sys::pages::small();
    let mut words = std::env::args_os();
    let program = words.next().map_or_else(|| "httpd".to_owned(), |name| name.to_string_lossy().into_owned());
    let (options, result) = Options::parse(program, words);
    let printed = match result {
        Err(misused) => misuse(&options, &misused),
        Ok(()) => show_early(&options, registry),
    };
    match printed {
        Some(code) => code,
        None => Command { registry, options, newcomer: None }.run(),
    }
}

fn misuse(options: &Options, misused: &Misused) -> Option<ExitCode> {
    let mut err = io::stderr().lock();
    if let Some(text) = &misused.0 {
        let _ = writeln!(err, "{text}");
    }
    let _ = err.write_all(usage(&options.program).as_bytes());
    Some(FAILED)
}

/// What needs no configuration.
fn show_early(options: &Options, registry: &[&'static Module]) -> Option<ExitCode> {
    let out = &mut io::stdout().lock();
    let printed = match options.show {
        Some(Show::Version) => report::version(out).and_then(|()| report::own_version(out)),
        Some(Show::Modules) => report::linked(out, &module::registered(registry)),
        _ => return None,
    };
    Some(if printed.is_ok() { ExitCode::SUCCESS } else { FAILED })
}

/// A command line and the modules there are.
struct Command {
    registry: &'static [&'static Module],
    options: Options,
    /// Set where the embedded configuration stands in for a missing one.
    newcomer: Option<newcomer::Home>,
}

/// A compiled configuration with its phases.
struct Loaded {
    configuration: Configuration,
    chains: Chains,
    commands: config::Commands,
    /// Warnings that were told to the terminal; the error log has them too, once it is open.
    told: Vec<Warning>,
}

impl Command {
    fn request(&self) -> config::Request {
        let root = self.options.server_root.as_ref().map(|root| PathBuf::from(root.to_string()));
        config::Request {
            server_root: root.unwrap_or_else(|| PathBuf::from(SERVER_ROOT)),
            file: self.options.config_file.clone().unwrap_or_else(|| CONFIG_FILE.into()),
            text: self.newcomer.as_ref().map(newcomer::Home::configuration),
            before: self.options.before.clone(),
            after: self.options.after.clone(),
            defines: self.options.defines.clone(),
            any_document_root: self.options.skip_root_check,
            gather: self.options.strict(),
        }
    }

    /// Reads and compiles, telling warnings on the way and printing the files when asked for.
    fn compile(&self) -> Result<Loaded, Trouble> {
        let registered: Vec<&'static dyn Registered> = module::registered(self.registry);
        let list = |included: &[config::Included]| {
            if self.options.defines("DUMP_INCLUDES") {
                let _ = report::includes(&mut io::stdout().lock(), included);
            }
        };
        let mut tree = config::read(&self.request(), registered).map_err(|refused| {
            list(&refused.included);
            told(*refused)
        })?;
        list(&tree.included);
        // What was met while reading is told before anything is carried out.
        let mut all = std::mem::take(&mut tree.warnings);
        tell(&all);
        let commands = tree.commands.clone();
        let (chains, providers) = module::hooks(self.registry, &commands).compile();
        let mut configuration = config::compile(tree, providers).map_err(|refused| told(*refused))?;
        let mut told = std::mem::take(&mut configuration.warnings);
        if matches!(self.options.show, None | Some(Show::Directives)) {
            told.extend(server::settle_names(&mut configuration));
        }
        tell(&told);
        all.append(&mut told);
        // What the level of the start kept from the terminal is no news for the log either.
        all.retain(|warning| warning.module.is_empty() || log::process_allows(warning.level, warning.module));
        Ok(Loaded { configuration, chains, commands, told: all })
    }

    fn run(mut self) -> ExitCode {
        self.begin_log();
        let explicit = self.options.config_file.is_some() || self.options.server_root.is_some();
        if !explicit && self.options.signal.is_none() && !PathBuf::from(SERVER_ROOT).join(CONFIG_FILE).exists() {
            match newcomer::Home::make() {
                Ok(home) => self.newcomer = Some(home),
                Err(error) => return complain(&format!("{}: {error}", self.options.short_name())),
            }
        }
        if self.options.strict() {
            return self.strict();
        }
        if self.options.show == Some(Show::Settings) {
            return self.settings();
        }
        let loaded = match self.compile() {
            Ok(loaded) => loaded,
            Err(trouble) => {
                for line in trouble.lines(self.options.short_name()) {
                    log::startup(Level::Error, format_args!("{}", log::raw(&line)));
                }
                return FAILED;
            }
        };
        if let Some(code) = self.show(&loaded) {
            return code;
        }
        tell(&mpm::check(&loaded.configuration.process));
        if self.options.configtest || self.options.dumps() {
            return self.check(loaded);
        }
        match self.options.signal {
            None | Some(Signal::Start) => {}
            Some(signal) => match control::signal(&loaded.configuration.process, signal) {
                control::Outcome::Done(code) => return code,
                control::Outcome::Start => {}
            },
        }
        if let Some(code) = control::running_already(&loaded.configuration.process) {
            return code;
        }
        self.serve(loaded)
    }

    /// `-V`: the files are read, for the MPM that they load, but what they say is not carried out.
    fn settings(&self) -> ExitCode {
        let (mpm, trouble) = match config::read(&self.request(), module::registered(self.registry)) {
            Ok(tree) => {
                tell(&tree.warnings);
                (tree.process.mpm, None)
            }
            Err(refused) => (refused.mpm, Some(told(*refused))),
        };
        let printed = report::settings(&mut io::stdout().lock(), mpm);
        let Some(trouble) = trouble else { return if printed.is_ok() { ExitCode::SUCCESS } else { FAILED } };
        for line in trouble.lines(self.options.short_name()) {
            log::startup(Level::Error, format_args!("{}", log::raw(&line)));
        }
        FAILED
    }

    /// `-t -D STRICT`.
    fn strict(&self) -> ExitCode {
        let err = &mut io::stderr().lock();
        match strict::check(&self.request(), self.registry, err) {
            0 => complain_to(err, "Syntax OK, and nothing else to complain about", ExitCode::SUCCESS),
            1 => complain_to(err, "1 problem", FAILED),
            count => complain_to(err, &format!("{count} problems"), FAILED),
        }
    }

    /// `-e` and `-E`: what is told before the logs are open, and where.
    fn begin_log(&self) {
        let mut main = log::MainLog::default();
        if let Some(level) = self.options.startup_level {
            main.levels.get_or_insert_default().set_all(level);
        }
        if let Some(path) = &self.options.startup_log {
            // No name is the server root: a directory.
            let file = if path.is_empty() { b"/".as_bstr() } else { path.as_bstr() };
            match log::open_file(&file.to_path_lossy(), 0o644) {
                Ok(file) => main.target = log::Target::file(Arc::new(file)),
                Err(error) => {
                    let name = self.options.short_name();
                    let text = format_args!("AH00086: {name}: could not open error log file {path}.");
                    log::startup_errno(Level::Crit, error, text);
                }
            }
        }
        log::install(main);
    }

    fn show(&self, loaded: &Loaded) -> Option<ExitCode> {
        let out = &mut io::stdout().lock();
        let printed = match self.options.show {
            Some(Show::Directives) => report::directives(out, &loaded.commands),
            _ => return None,
        };
        Some(if printed.is_ok() { ExitCode::SUCCESS } else { FAILED })
    }

    /// `-t`, and the reports. The hosts are shown even of a configuration that is not sound.
    fn check(&self, loaded: Loaded) -> ExitCode {
        let out = &mut io::stdout().lock();
        let wants = |name: &str| self.options.defines(name);
        if wants("DUMP_VHOSTS") && report::hosts(out, &loaded.configuration).is_err() || !sound(&loaded) {
            return FAILED;
        }
        if wants("DUMP_RUN_CFG") && report::run_settings(out, &loaded.configuration, &loaded.commands).is_err()
            || wants("DUMP_MODULES") && report::modules(out, &loaded.commands).is_err()
        {
            return FAILED;
        }
        for report in &loaded.chains.test_config {
            report(out, &loaded.configuration);
        }
        if !self.options.dumps() {
            log::startup(Level::Notice, format_args!("Syntax OK"));
        }
        ExitCode::SUCCESS
    }

    /// Makes a compiled configuration ready for children: logs, banner, what modules do after all is read.
    fn prepare(&self, mut loaded: Loaded) -> Result<(Arc<Configuration>, Chains), String> {
        let chains = loaded.chains;
        let tokens = loaded.configuration.main().settings.of::<config::CoreServer>().tokens;
        identity::set_banner(identity::banner(tokens.unwrap_or(config::Tokens::Full)));
        server::open_logs(&mut loaded.configuration, &chains).map_err(|error| error.to_string())?;
        // What was told meanwhile comes between the two readings that modules speak of.
        tell(&std::mem::take(&mut loaded.told));
        for run in &chains.post_config {
            run(&mut loaded.configuration)?;
        }
        Ok((Arc::new(loaded.configuration), chains))
    }

    fn serve(self, loaded: Loaded) -> ExitCode {
        let mut warnings = Vec::new();
        if !sound(&loaded) {
            return FAILED;
        }
        let listeners = match Listeners::open(&loaded.configuration, &Listeners::default(), &mut warnings) {
            Ok(listeners) => listeners,
            Err(lines) => {
                lines.iter().for_each(write_line);
                log::startup(Level::Crit, format_args!("AH00015: Unable to open logs"));
                return FAILED;
            }
        };
        warnings.iter().for_each(write_line);
        let (configuration, chains) = match self.prepare(loaded) {
            Ok(ready) => ready,
            Err(text) => {
                if !text.is_empty() {
                    log::startup(Level::Crit, format_args!("{text}"));
                }
                return FAILED;
            }
        };
        tell(&mpm::check_for_log(&configuration.process));
        if let Some(home) = &self.newcomer {
            let _ = writeln!(io::stderr().lock(), "{}", home.greeting());
        }
        let foreground =
            ["FOREGROUND", "NO_DETACH", "ONE_PROCESS", "DEBUG"].iter().any(|name| self.options.defines(name));
        let run = RunOptions {
            detach: !foreground && self.newcomer.is_none(),
            one_process: self.options.one_process || self.options.defines("ONE_PROCESS"),
            server_version: identity::description().to_owned(),
            server_built: identity::built().to_owned(),
            command_line: command_line(&self.options),
            argv0: self.options.short_name().to_owned(),
        };
        let server = Httpd { command: self, chains: Mutex::new(vec![(Arc::as_ptr(&configuration) as usize, chains)]) };
        let code = mpm::run(&server, configuration, listeners, run);
        server::end();
        code
    }
}

/// What is looked at once everything is compiled, before anything is opened; complains about what it finds.
fn sound(loaded: &Loaded) -> bool {
    let sound = server::check_config(&loaded.configuration, &loaded.chains);
    if !sound {
        log::startup(Level::Error, format_args!("AH00014: Configuration check failed"));
    }
    sound
}

/// The command line as the log shows it.
fn command_line(options: &Options) -> String {
    let rest = options.rewritten.iter().map(|word| format!(" {word}")).collect::<String>();
    format!("{}{rest}", options.program)
}

fn complain(text: &str) -> ExitCode {
    complain_to(&mut io::stderr().lock(), text, FAILED)
}

fn complain_to(out: &mut dyn Write, text: &str, code: ExitCode) -> ExitCode {
    let _ = writeln!(out, "{text}");
    code
}

/// What stopped the configuration; its warnings are told.
fn told(refused: Refused) -> Trouble {
    tell(&refused.warnings);
    refused.trouble
}

fn tell(warnings: &[Warning]) {
    for warning in warnings.iter().filter(|warning| !warning.hidden) {
        log::process(warning.level, warning.module, format_args!("{}", warning.text));
    }
}

fn write_line(line: &Line) {
    log::process_errno(line.level, line.module, line.errno, format_args!("{}", log::raw(&line.text)));
}

/// The running server: what the MPM asks of us.
struct Httpd {
    command: Command,
    /// Phases by the address of the configuration that they belong to.
    chains: Mutex<Vec<(usize, Chains)>>,
}

impl Program for Httpd {
    fn load(&self, _generation: u32) -> Result<Arc<Configuration>, String> {
        let loaded = self.command.compile().map_err(|trouble| {
            let name = self.command.options.short_name();
            for line in trouble.lines(name) {
                log::startup(Level::Error, format_args!("{}", log::raw(&line)));
            }
            trouble.render(name).to_string()
        })?;
        let (configuration, chains) = self.command.prepare(Loaded { told: Vec::new(), ..loaded })?;
        self.chains.lock().push((Arc::as_ptr(&configuration) as usize, chains));
        Ok(configuration)
    }

    fn child(&self, configuration: &'static Configuration) -> Arc<dyn Service> {
        let own = std::ptr::from_ref(configuration) as usize;
        let mut all = self.chains.lock();
        if let Some(at) = all.iter().rposition(|(address, _)| *address == own) {
            server::install(all.swap_remove(at).1, configuration);
        }
        for init in &server::chains().child_init {
            init(configuration);
        }
        Arc::new(Http { configuration, next: AtomicU64::new(u64::from(std::process::id()) << 32) })
    }

    fn log(&self, line: &Line) {
        write_line(line);
    }

    fn child_of_other(&self, pid: i32, _status: i32) {
        log::logger_died(pid);
    }
}

/// What a child does with connections.
struct Http {
    configuration: &'static Configuration,
    next: AtomicU64,
}

impl Http {
    fn facts(&self, stream: &engine::Stream, peer: SocketAddr) -> Option<Arc<Connection>> {
        let local = stream.local_addr().ok()?;
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (base, hosts) = server::base_server(self.configuration, local);
        let scheme = if server::tls(base).is_some() { "https" } else { "http" };
        Some(Arc::new(Connection { hosts, scheme, ..Connection::new(id, peer, local, base) }))
    }
}

impl Service for Http {
    fn connection(&self, stream: engine::Stream, peer: SocketAddr, listener: usize) -> BoxFuture<'static, ()> {
        self.resume(stream, peer, listener, 0)
    }
    fn resume(&self, stream: engine::Stream, peer: SocketAddr, _: usize, keepalives: u32) -> BoxFuture<'static, ()> {
        let configuration = self.configuration;
        match self.facts(&stream, peer) {
            Some(facts) => {
                facts.keepalives.store(keepalives, Ordering::Relaxed);
                Box::pin(http::serve(stream, facts, configuration))
            }
            None => Box::pin(std::future::ready(())),
        }
    }
    fn end(&self) {
        for exit in &server::chains().child_exit {
            exit(self.configuration);
        }
    }
}
