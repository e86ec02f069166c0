//! The command `httpd`: reads the command line, compiles the configuration, and checks, reports, signals or serves.

use super::options::{Misused, Options, Show, Signal, usage};
use super::{control, newcomer, report};
use crate::config::{self, Configuration, Registered, Trouble, Warning, identity};
use crate::http;
use crate::log::{self, Level};
use crate::module::{self, Chains, Module};
use crate::mpm::{self, Line, Listeners, Program, RunOptions, Service};
use crate::request::Connection;
use crate::server;
use crate::{engine, engine::BoxFuture};
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
    included: Vec<config::Included>,
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
        }
    }

    /// Reads and compiles, telling warnings on the way.
    fn compile(&self) -> Result<Loaded, Trouble> {
        let registered: Vec<&'static dyn Registered> = module::registered(self.registry);
        let mut tree = config::read(&self.request(), registered).map_err(|(trouble, warnings)| {
            tell(&warnings);
            trouble
        })?;
        let included = std::mem::take(&mut tree.included);
        let commands = tree.commands.clone();
        let (chains, providers) = module::hooks(self.registry, &commands).compile();
        let mut configuration = config::compile(tree, providers).map_err(|(trouble, warnings)| {
            tell(&warnings);
            trouble
        })?;
        let mut told = std::mem::take(&mut configuration.warnings);
        if self.options.show.is_none() {
            told.extend(server::settle_names(&mut configuration));
        }
        tell(&told);
        Ok(Loaded { configuration, chains, commands, included, told })
    }

    fn run(mut self) -> ExitCode {
        let explicit = self.options.config_file.is_some() || self.options.server_root.is_some();
        if !explicit && self.options.signal.is_none() && !PathBuf::from(SERVER_ROOT).join(CONFIG_FILE).exists() {
            match newcomer::Home::make() {
                Ok(home) => self.newcomer = Some(home),
                Err(error) => return complain(&format!("{}: {error}", self.options.short_name())),
            }
        }
        let loaded = match self.compile() {
            Ok(loaded) => loaded,
            Err(trouble) => {
                if self.options.show == Some(Show::Settings) {
                    let _ = report::settings(&mut io::stdout().lock(), None);
                }
                let text = trouble.render(self.options.short_name());
                let mut err = io::stderr().lock();
                let _ = err.write_all(&text).and_then(|()| err.write_all(b"\n"));
                return FAILED;
            }
        };
        if let Some(code) = self.show(&loaded) {
            return code;
        }
        tell(&mpm::check(&loaded.configuration.process));
        if self.options.configtest {
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

    fn show(&self, loaded: &Loaded) -> Option<ExitCode> {
        let out = &mut io::stdout().lock();
        let printed = match self.options.show {
            Some(Show::Settings) => report::settings(out, loaded.configuration.process.mpm),
            Some(Show::Directives) => report::directives(out, &loaded.commands),
            _ => return None,
        };
        Some(if printed.is_ok() { ExitCode::SUCCESS } else { FAILED })
    }

    /// `-t` with its dumps.
    fn check(&self, loaded: Loaded) -> ExitCode {
        let out = &mut io::stdout().lock();
        let wants = |name: &str| self.options.defines(name);
        let mut dumped = false;
        let mut result = Ok(());
        let mut dump = |wanted: bool, print: &mut dyn FnMut() -> io::Result<()>| {
            if wanted && result.is_ok() {
                dumped = true;
                result = print();
            }
        };
        let mut out = out;
        dump(wants("DUMP_VHOSTS"), &mut || report::hosts(&mut out, &loaded.configuration));
        dump(wants("DUMP_RUN_CFG"), &mut || report::run_settings(&mut out, &loaded.configuration));
        dump(wants("DUMP_MODULES"), &mut || report::modules(&mut out, &loaded.commands));
        dump(wants("DUMP_INCLUDES"), &mut || report::includes(&mut out, &loaded.included));
        if result.is_err() {
            return FAILED;
        }
        if !sound(&loaded) {
            return FAILED;
        }
        if !dumped {
            let _ = writeln!(io::stderr().lock(), "Syntax OK");
        }
        ExitCode::SUCCESS
    }

    /// Makes a compiled configuration ready for children: logs, banner, what modules do after all is read.
    fn prepare(&self, mut loaded: Loaded) -> Result<(Arc<Configuration>, Chains), String> {
        let chains = loaded.chains;
        let tokens = loaded.configuration.main().settings.of::<config::CoreServer>().tokens;
        identity::set_banner(identity::banner(tokens.unwrap_or(config::Tokens::Full)));
        server::open_logs(&mut loaded.configuration, &chains).map_err(|error| error.to_string())?;
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
        let told = loaded.told.clone();
        let (configuration, chains) = match self.prepare(loaded) {
            Ok(ready) => ready,
            Err(text) => {
                if !text.is_empty() {
                    log::startup(Level::Crit, format_args!("{text}"));
                }
                return FAILED;
            }
        };
        tell(&told);
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
        mpm::run(&server, configuration, listeners, run)
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
    let _ = writeln!(io::stderr().lock(), "{text}");
    FAILED
}

fn tell(warnings: &[Warning]) {
    for warning in warnings {
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
        let (configuration, chains) = self.command.prepare(loaded)?;
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
        Some(Arc::new(Connection { hosts, ..Connection::new(id, peer, local, base) }))
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
