//! `httpd -t -D STRICT`: every problem of a configuration in one run, each with its place and what to do about it.
//!
//! Beyond what `-t` looks at: directives accepted without effect, files of users and groups that are missing, handlers,
//! filters and backends of modules that are not loaded, host names that two hosts claim, certificates without their key,
//! addresses that cannot be bound, numbers that are clipped. Plain `-t` stays as Apache has it.

mod lines;
mod places;

use self::places::Places;
use super::control;
use crate::config::{self, At, Configuration, Node, Refused, Registered, Tree, Warning};
use crate::module::{self, Inspect, Module};
use crate::mpm::{self, Listeners};
use crate::server;
use bstr::{BString, ByteSlice};
use std::collections::HashMap;
use std::io::Write;

/// What was found, in the order in which it was.
#[derive(Default)]
struct Findings {
    found: Vec<(Option<At>, BString)>,
    places: Places,
}

impl Findings {
    fn at(&mut self, file: &[u8], line: u32, text: impl Into<BString>) {
        self.found.push((Some(At { file: file.into(), line }), text.into()));
    }
    fn of(&mut self, node: &Node, text: impl Into<BString>) {
        self.at(&node.file, node.line, text);
    }
    fn somewhere(&mut self, text: impl Into<BString>) {
        let text = text.into();
        let place = self.places.named_in(text.as_bstr());
        self.found.push((place, text));
    }
    fn warnings(&mut self, warnings: &[Warning]) {
        for warning in warnings.iter().filter(|warning| warning.level <= crate::log::Level::Warn) {
            let advice = ADVICE.iter().find(|(tag, _)| warning.text.starts_with(tag.as_bytes()));
            let advice = advice.map(|(_, advice)| [" -- ", advice].concat()).unwrap_or_default();
            self.somewhere([warning.text.as_slice(), advice.as_bytes()].concat());
        }
    }
}

/// What to do about warnings that do not say it.
const ADVICE: &[(&str, &str)] = &[
    ("AH00112", "create the directory, or correct the path"),
    ("AH00558", "set ServerName"),
    ("AH00117", "the line can go"),
    ("AH00548", "the line can go"),
];

/// Looks at everything and writes what there is to say; the answer is the number of problems.
pub(super) fn check(request: &config::Request, registry: &'static [&'static Module], out: &mut dyn Write) -> usize {
    let mut findings = Findings::default();
    look(request, registry, &mut findings);
    // By place; what has none comes last.
    findings.found.sort_by_key(|(at, _)| {
        at.as_ref().map_or((true, BString::default(), 0), |at| (false, at.file.clone(), at.line))
    });
    for (at, text) in &findings.found {
        let place = at.as_ref().map(|at| [at.file.as_slice(), format!(":{}: ", at.line).as_bytes()].concat());
        let place = place.unwrap_or_default();
        let mut line = Vec::new();
        crate::log::escape_error(&mut line, &place);
        // Sections that were not closed name their place themselves.
        crate::log::escape_error(&mut line, text.strip_prefix(place.as_slice()).unwrap_or(text));
        line.push(b'\n');
        let _ = out.write_all(&line);
    }
    findings.found.len()
}

fn look(request: &config::Request, registry: &'static [&'static Module], findings: &mut Findings) {
    let registered = module::registered(registry);
    let tree = match config::read(request, registered.clone()) {
        Ok(tree) => tree,
        Err(refused) => return stopped(*refused, &registered, findings),
    };
    findings.places = Places::of(&tree);
    of_tree(&tree, &tree.nodes, findings);
    let commands = tree.commands.clone();
    let (chains, providers) = module::hooks(registry, &commands).compile();
    let mut configuration = match config::compile(tree, providers) {
        Ok(configuration) => configuration,
        Err(refused) => return stopped(*refused, &registered, findings),
    };
    complaints(configuration.process.complaints.take().unwrap_or_default(), &registered, findings);
    findings.warnings(&std::mem::take(&mut configuration.warnings));
    findings.warnings(&server::settle_names(&mut configuration));
    findings.warnings(&mpm::check(&configuration.process));
    names(&configuration, findings);
    addresses(&configuration, findings);
    modules(&configuration, findings);
    // The complaints themselves went to standard error, but for those that stand above with their line.
    if !server::check_config(&configuration, &chains) && findings.found.is_empty() {
        findings.somewhere("AH00014: Configuration check failed");
    }
}

fn complaints(gathered: Vec<(At, BString)>, registered: &[&'static dyn Registered], findings: &mut Findings) {
    for (at, text) in gathered {
        let text = match remedy(&text, registered) {
            Some(remedy) => [text.as_slice(), b" -- ", remedy.as_bytes()].concat().into(),
            None => text,
        };
        findings.at(&at.file, at.line, text);
    }
}

fn stopped(refused: Refused, registered: &[&'static dyn Registered], findings: &mut Findings) {
    complaints(refused.complaints, registered, findings);
    findings.warnings(&refused.warnings);
    findings.somewhere(refused.trouble.render("httpd").replace("\n", " "));
}

/// What to do about a directive that nobody knows: load the module that has it.
fn remedy(text: &[u8], registered: &[&'static dyn Registered]) -> Option<String> {
    if text.ends_with(b"does not exist or is empty") || text.starts_with(b"Could not open configuration file ") {
        return Some("create it, or correct the path".to_owned());
    }
    let name = text.strip_prefix(b"Invalid command '")?.split_str("'").next()?;
    let has = |module: &&&'static dyn Registered| {
        module.directives().iter().copied().flatten().any(|row| row.name.as_bytes().eq_ignore_ascii_case(name))
    };
    Some(match registered.iter().find(has) {
        Some(module) => format!("load its module: LoadModule {} modules/{}", module.ident(), module.file_name()),
        None => "correct the name, or wrap the directive in <IfModule> of its module".to_owned(),
    })
}

/// What the directives themselves tell.
fn of_tree(tree: &Tree, nodes: &[Node], findings: &mut Findings) {
    for node in nodes {
        for row in tree.commands.find(&node.name) {
            if let Some(reason) = row.directive.ignored {
                let text = format!("{} has no effect: {reason} -- the line can go", row.directive.name);
                findings.of(node, text);
            }
        }
        lines::look(tree, node, findings);
        of_tree(tree, &node.children, findings);
    }
}

/// Names that more than one host of an address and port claims: only the first host is ever chosen by it.
fn names(configuration: &Configuration, findings: &mut Findings) {
    let mut first: HashMap<(Option<std::net::IpAddr>, u16, Vec<u8>), usize> = HashMap::new();
    for host in configuration.servers.iter().skip(1) {
        for name in host.name.iter().chain(&host.aliases) {
            for address in &host.addresses {
                let key = (address.ip, address.port, name.to_ascii_lowercase());
                let before = *first.entry(key).or_insert(host.index);
                let Some(other) = configuration.servers.get(before).filter(|_| before != host.index) else { continue };
                let place = format!("{}:{}", other.defined_file, other.defined_line);
                let text = format!("{name} is a name of the host at {place} too, which wins -- remove one of them");
                findings.at(&host.defined_file, host.defined_line, text);
                break;
            }
        }
    }
}

/// What modules know of their own settings.
fn modules(configuration: &Configuration, findings: &mut Findings) {
    let providers = &configuration.providers;
    let inspectors = providers.names::<dyn Inspect>().filter_map(|name| providers.find::<dyn Inspect>(name.as_bytes()));
    for finding in inspectors.flat_map(|inspector| inspector.inspect(configuration)) {
        let Some(server) = configuration.servers.get(finding.server) else { continue };
        let root = &configuration.process.server_root;
        let place = findings.places.set(server, root, finding.directive, finding.argument.as_bstr());
        findings.found.push((place, finding.text.into()));
    }
}

/// Addresses that cannot be bound. Those of the server that runs already are its own.
fn addresses(configuration: &Configuration, findings: &mut Findings) {
    if control::running_pid(&configuration.process).is_some() {
        return;
    }
    let mut warnings = Vec::new();
    if let Err(lines) = Listeners::open(configuration, &Listeners::default(), &mut warnings) {
        // Where nothing is left to listen on, the lines before said why.
        for line in lines.iter().filter(|line| !line.text.starts_with(b"no listening") || lines.len() == 1) {
            let why = match line.errno {
                0 => String::new(),
                errno => format!(" ({})", config::os_text(&std::io::Error::from_raw_os_error(errno))),
            };
            let advice = match line.errno {
                libc::EADDRINUSE => " -- stop whoever listens there, or choose another port",
                libc::EADDRNOTAVAIL => " -- no interface has this address: correct it",
                libc::EACCES => " -- start as root, or choose a port above 1023",
                _ => "",
            };
            let place = findings.places.listening(line.text.as_bytes().as_bstr());
            findings.found.push((place, format!("{}{why}{advice}", line.text).into()));
        }
    }
}
