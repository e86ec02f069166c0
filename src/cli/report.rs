//! What httpd prints about itself: versions, settings, modules, directives, hosts. Programs parse these texts.

use crate::config::identity;
use crate::config::{
    Commands, Configuration, DIRECTORY, Directive, HTACCESS, Included, MUTEXES, MpmKind, Override, Process, Registered,
    SERVER, Server, rows_in_order,
};
use crate::mpm;
use crate::server::vhost::Table;
use bstr::{BString, ByteSlice};
use std::io::{self, Write};
use std::net::IpAddr;

/// `-v`.
pub fn version(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Server version: {}", identity::description())?;
    writeln!(out, "Server built:   {}", identity::built())
}

/// The line that `-v` adds: our own version.
pub fn own_version(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "Pinion version: {}", identity::VERSION)
}

/// `-V`. The MPM is empty where the configuration could not be read.
pub fn settings(out: &mut dyn Write, mpm: Option<MpmKind>) -> io::Result<()> {
    version(out)?;
    writeln!(out, "Server's Module Magic Number: {}", identity::MAGIC)?;
    // The places of APR and PCRE, which programs skip over: what does their work here.
    writeln!(out, "Server loaded:  Pinion {}, PCRE2 bundled", identity::VERSION)?;
    writeln!(out, "Compiled using: Pinion {}, PCRE2 bundled", identity::VERSION)?;
    writeln!(out, "Architecture:   {}-bit", usize::BITS)?;
    writeln!(out, "Server MPM:     {}", mpm.map_or("", MpmKind::name))?;
    if let Some(mpm) = mpm {
        let threaded = if mpm == MpmKind::Prefork { "no" } else { "yes (fixed thread count)" };
        writeln!(out, "  threaded:     {threaded}")?;
        writeln!(out, "    forked:     yes (variable process count)")?;
    }
    writeln!(out, "Server compiled with....")?;
    for setting in identity::COMPILED {
        writeln!(out, " -D {setting}")?;
    }
    Ok(())
}

/// `-l`.
pub fn linked(out: &mut dyn Write, registry: &[&'static dyn Registered]) -> io::Result<()> {
    writeln!(out, "Compiled in modules:")?;
    for module in registry.iter().filter(|module| module.is_static()) {
        writeln!(out, "  {}", module.name())?;
    }
    Ok(())
}

/// `-t -D DUMP_MODULES`.
pub fn modules(out: &mut dyn Write, commands: &Commands) -> io::Result<()> {
    writeln!(out, "Loaded Modules:")?;
    for module in commands.modules() {
        writeln!(out, " {} ({})", module.ident(), if module.is_static() { "static" } else { "shared" })?;
    }
    Ok(())
}

/// `-L`.
pub fn directives(out: &mut dyn Write, commands: &Commands) -> io::Result<()> {
    for module in commands.modules() {
        for row in rows_in_order(*module) {
            writeln!(out, "{} ({})", row.name, module.name())?;
            writeln!(out, "\t{}", row.help)?;
            places(out, row, module.dir_settings().is_some())?;
        }
    }
    Ok(())
}

/// Where a directive is allowed, in the words of `-L`.
fn places(out: &mut dyn Write, row: &Directive, per_directory: bool) -> io::Result<()> {
    write!(out, "\tAllowed in *.conf ")?;
    match (row.contexts.has(SERVER), row.contexts.has(DIRECTORY)) {
        (true, true) if !per_directory && row.contexts.has(HTACCESS) => write!(out, "anywhere [no per-dir config]")?,
        (true, true) => write!(out, "anywhere")?,
        (true, false) => write!(out, "only outside <Directory>, <Files>, <Location>, or <If>")?,
        _ => write!(out, "only inside <Directory>, <Files>, <Location>, or <If>")?,
    }
    if !row.contexts.has(HTACCESS) {
        return writeln!(out);
    }
    let classes = [
        (Override::AUTH_CONFIG, "AuthConfig"),
        (Override::LIMIT, "Limit"),
        (Override::OPTIONS, "Options"),
        (Override::FILE_INFO, "FileInfo"),
        (Override::INDEXES, "Indexes"),
    ];
    write!(out, " and in .htaccess\n\twhen AllowOverride ")?;
    if row.overrides == Override::ALL {
        return writeln!(out, "isn't None");
    }
    let names: Vec<&str> =
        classes.iter().filter(|(class, _)| row.overrides.meets(*class)).map(|(_, name)| *name).collect();
    writeln!(out, "includes {}", names.join(" or "))
}

/// `-t -D DUMP_RUN_CFG`.
pub fn run_settings(out: &mut dyn Write, configuration: &Configuration, commands: &Commands) -> io::Result<()> {
    let process = &configuration.process;
    let main = configuration.main();
    let core = main.settings.of::<crate::config::CoreServer>();
    writeln!(out, "ServerRoot: \"{}\"", process.server_root.display())?;
    let root = core.document_root.as_ref().map_or(DEFAULT_ROOT.as_bytes(), |root| root.as_bytes());
    writeln!(out, "Main DocumentRoot: \"{}\"", root.as_bstr())?;
    let log = main.error_log.as_ref().map_or(&b"logs/error_log"[..], |log| log.as_bytes());
    writeln!(out, "Main ErrorLog: \"{}\"", below_root(configuration, log))?;
    mutexes(out, process, commands)?;
    let pid_file = process.pid_file.as_ref().map_or(&b"/run/apache2.pid"[..], |path| path.as_bytes());
    writeln!(out, "PidFile: \"{}\"", below_root(configuration, pid_file))?;
    for (name, value) in &process.defines {
        match value {
            Some(value) => writeln!(out, "Define: {name}={value}")?,
            None => writeln!(out, "Define: {name}")?,
        }
    }
    // Nobody, where no directive names one.
    let user = process.user.clone().unwrap_or_else(|| "#-1".into());
    let group = process.group.clone().unwrap_or_else(|| "#-1".into());
    let id = mpm::user_id(user.as_bstr()).map_or(u32::MAX, |id| id.as_raw());
    writeln!(out, "User: name=\"{user}\" id={id}")?;
    let id = mpm::group_id(group.as_bstr()).map_or(u32::MAX, |id| id.as_raw());
    writeln!(out, "Group: name=\"{group}\" id={id}")
}

/// The default and what the loaded modules lock under. A directory only where locks are files.
fn mutexes(out: &mut dyn Write, process: &Process, commands: &Commands) -> io::Result<()> {
    let runtime = process.runtime_dir.as_ref().unwrap_or(&process.server_root);
    let loaded = MUTEXES.iter().filter(|(module, _)| commands.module(module.as_bytes()).is_some());
    for name in ["default"].into_iter().chain(loaded.map(|(_, name)| *name)) {
        let set = process.mutexes.iter().find(|(known, _)| known == name).map(|(_, mutex)| mutex);
        if set.is_none() && name != "default" {
            writeln!(out, "Mutex {name}: using_defaults")?;
            continue;
        }
        let mechanism = set.map_or(&b"default"[..], |mutex| &mutex.mechanism).as_bstr();
        let files = name == "default" || ["flock", "fcntl"].iter().any(|kind| mechanism == *kind);
        let own = set.and_then(|mutex| mutex.dir.clone());
        let usual = || if files { format!("{}/", runtime.display()).into() } else { BString::default() };
        let dir = own.unwrap_or_else(usual);
        let omit = if set.is_some_and(|mutex| mutex.omit_pid) { "[OmitPid]" } else { "" };
        writeln!(out, "Mutex {name}: dir=\"{dir}\" mechanism={mechanism} {omit}")?;
    }
    Ok(())
}

/// DocumentRoot where none is configured.
pub const DEFAULT_ROOT: &str = "/var/www/html";

fn below_root(configuration: &Configuration, path: &[u8]) -> String {
    if path.starts_with(b"|") || path.starts_with(b"syslog") {
        return path.to_str_lossy().into_owned();
    }
    configuration.process.server_root.join(path.to_path_lossy()).display().to_string()
}

/// `-t -D DUMP_INCLUDES`.
pub fn includes(out: &mut dyn Write, included: &[Included]) -> io::Result<()> {
    writeln!(out, "Included configuration files:")?;
    for file in included {
        let line = if file.line == 0 { "*".to_owned() } else { file.line.to_string() };
        let indent = 2 * (file.depth as usize + 1);
        writeln!(out, "{:indent$}({line}) {}", "", file.file)?;
    }
    Ok(())
}

/// `-t -D DUMP_VHOSTS`: hosts with an address of their own first, then those for any address.
pub fn hosts(out: &mut dyn Write, configuration: &Configuration) -> io::Result<()> {
    writeln!(out, "VirtualHost configuration:")?;
    let table = Table::of(configuration);
    for key in &in_buckets(configuration) {
        let Some(chain) = table.chain(*key) else { continue };
        let (ip, port) = key;
        let address = match ip {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            Some(ip) => ip.to_string(),
            None => "*".to_owned(),
        };
        let port = if *port == 0 { "*".to_owned() } else { port.to_string() };
        let address = format!("{address}:{port}");
        let servers: Vec<&Server> =
            chain.servers.iter().filter_map(|index| configuration.servers.get(*index)).collect();
        match servers.as_slice() {
            [] => {}
            [only] => {
                writeln!(out, "{address:<22} {} ({}:{})", shown_name(only), only.defined_file, only.defined_line)?;
            }
            [first, ..] => {
                writeln!(out, "{address:<22} is a NameVirtualHost")?;
                writeln!(
                    out,
                    "{:8} default server {} ({}:{})",
                    "",
                    shown_name(first),
                    first.defined_file,
                    first.defined_line
                )?;
                for server in servers {
                    let place = format!("({}:{})", server.defined_file, server.defined_line);
                    writeln!(out, "{:8} port {port} namevhost {} {place}", "", shown_name(server))?;
                    aliases(out, server)?;
                }
            }
        }
    }
    Ok(())
}

/// Addresses in the order of Apache's table: by bucket, those for any address last. In a bucket the newest comes first,
/// and hosts come in from the last to the first.
fn in_buckets(configuration: &Configuration) -> Vec<(Option<IpAddr>, u16)> {
    let bucket = |key: &(Option<IpAddr>, u16)| {
        let last = match key.0 {
            Some(IpAddr::V4(ip)) => ip.octets(),
            Some(IpAddr::V6(ip)) => {
                let [.., a, b, c, d] = ip.octets();
                [a, b, c, d]
            }
            None => return u32::MAX,
        };
        let word = u32::from_le_bytes(last);
        let word = word ^ (word >> 16);
        (word ^ (word >> 8)) & 0xff
    };
    let mut keys: Vec<(Option<IpAddr>, u16)> = Vec::new();
    for address in configuration.servers.iter().skip(1).rev().flat_map(|server| &server.addresses) {
        let key = (address.ip.map(|ip| ip.to_canonical()), address.port);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    keys.reverse();
    keys.sort_by_key(bucket);
    keys
}

fn shown_name(server: &Server) -> String {
    server.name.as_ref().map_or_else(String::new, ToString::to_string)
}

fn aliases(out: &mut dyn Write, server: &Server) -> io::Result<()> {
    for alias in &server.aliases {
        writeln!(out, "{:16} alias {alias}", "")?;
    }
    for alias in &server.wild_aliases {
        writeln!(out, "{:16} wild alias {alias}", "")?;
    }
    Ok(())
}
