//! What single lines of the configuration need that is not there: files, directories, modules.

use super::Findings;
use crate::config::{self, Node, Tree};
use bstr::{BStr, BString, ByteSlice};

/// Handlers and what has them.
const HANDLERS: &[(&str, &[&str])] = &[
    ("cgi-script", &["cgi_module", "cgid_module"]),
    ("server-status", &["status_module"]),
    ("server-info", &["info_module"]),
    ("send-as-is", &["asis_module"]),
    ("type-map", &["negotiation_module"]),
    ("imap-file", &["imagemap_module"]),
    ("balancer-manager", &["proxy_balancer_module"]),
    ("server-parsed", &["include_module"]),
    ("reflector", &["reflector_module"]),
];

/// Handlers of modules that others make, and what does their work here.
const FOREIGN: &[(&str, &str)] = &[
    ("fcgid-script", "SetHandler proxy:fcgi://… and proxy_fcgi_module"),
    ("application/x-httpd-php", "PHP-FPM: SetHandler proxy:unix:/run/php/php-fpm.sock|fcgi://localhost"),
    ("wsgi-script", "a WSGI server behind ProxyPass"),
    ("perl-script", "cgi_module, or a server behind ProxyPass"),
];

/// Filters and what has them.
const FILTERS: &[(&str, &str)] = &[
    ("DEFLATE", "deflate_module"),
    ("INFLATE", "deflate_module"),
    ("BROTLI_COMPRESS", "brotli_module"),
    ("INCLUDES", "include_module"),
    ("SUBSTITUTE", "substitute_module"),
    ("RATE_LIMIT", "ratelimit_module"),
    ("Sed", "sed_module"),
    ("DATA", "data_module"),
    ("BUFFER", "buffer_module"),
    ("REFLECTOR", "reflector_module"),
    ("proxy-html", "proxy_html_module"),
    ("xml2enc", "xml2enc_module"),
    ("CACHE", "cache_module"),
];

/// Looks at one line.
pub(super) fn look(tree: &Tree, node: &Node, findings: &mut Findings) {
    let words: Vec<BString> = httpd_conf::words(&node.args).map(|word| word.into_owned()).collect();
    let word = |index: usize| words.get(index).map_or(BStr::new(""), |word| word.as_bstr());
    match node.name.to_ascii_lowercase().as_slice() {
        b"authuserfile" | b"authgroupfile" | b"authdigestfile" => missing(tree, node, word(0), findings),
        b"errorlog" | b"customlog" | b"globallog" | b"transferlog" | b"forensiclog" | b"scriptlog" => {
            directory(tree, node, word(0), findings);
        }
        b"sethandler" => handler(tree, node, word(0), findings),
        b"addhandler" if words.len() > 1 => handler(tree, node, word(0), findings),
        b"setoutputfilter" | b"setinputfilter" | b"addoutputfilterbytype" => filters(tree, node, word(0), findings),
        b"addoutputfilter" | b"addinputfilter" if words.len() > 1 => filters(tree, node, word(0), findings),
        b"proxypass" | b"proxypassmatch" => {
            let is_target = |word: &&BString| word.contains_str("://") || word.starts_with(b"unix:");
            let target = words.iter().find(is_target).map_or(BStr::new(""), |word| word.as_bstr());
            backend(tree, node, target, findings);
        }
        b"rewriterule" => {
            let flags = word(2).trim_start_with(|c| c == '[').trim_end_with(|c| c == ']');
            let proxies = |flag: &[u8]| flag.eq_ignore_ascii_case(b"P") || flag.eq_ignore_ascii_case(b"proxy");
            if flags.split_str(",").any(|flag| proxies(flag.trim_ascii())) {
                needs(tree, node, BStr::new("flag P"), &["proxy_module"], findings);
                backend(tree, node, word(1), findings);
            }
        }
        _ => {}
    }
}

fn loaded(tree: &Tree, ident: &str) -> bool {
    tree.commands.module(ident.as_bytes()).is_some()
}

/// Complains unless one of the modules is loaded.
fn needs(tree: &Tree, node: &Node, what: &BStr, modules: &[&str], findings: &mut Findings) {
    if !modules.iter().any(|ident| loaded(tree, ident)) {
        let text = format!("{} {what}: no module for it is loaded -- load {}", node.name, modules.join(" or "));
        findings.of(node, text);
    }
}

fn missing(tree: &Tree, node: &Node, file: &BStr, findings: &mut Findings) {
    let path = tree.process.server_root.join(file.to_path_lossy());
    if let Err(error) = std::fs::File::open(&path) {
        let why = config::os_text(&error);
        let text = format!("{} {}: {why} -- nobody can log in; create the file", node.name, path.display());
        findings.of(node, text);
    }
}

/// The directory that a log file is to stand in.
fn directory(tree: &Tree, node: &Node, file: &BStr, findings: &mut Findings) {
    if file.starts_with(b"|") || file.starts_with(b"syslog") {
        return;
    }
    let path = tree.process.server_root.join(file.to_path_lossy());
    if let Some(directory) = path.parent().filter(|directory| !directory.is_dir()) {
        let text = format!("{} {file}: the server does not start -- create {}", node.name, directory.display());
        findings.of(node, text);
    }
}

fn handler(tree: &Tree, node: &Node, name: &BStr, findings: &mut Findings) {
    if let Some(target) = name.strip_prefix(b"proxy:") {
        return backend(tree, node, target.as_bstr(), findings);
    }
    if let Some((_, instead)) = FOREIGN.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())) {
        let text = format!("{} {name}: of a module that cannot be loaded here -- use {instead}", node.name);
        return findings.of(node, text);
    }
    if let Some((_, modules)) = HANDLERS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())) {
        needs(tree, node, name, modules, findings);
    }
}

fn filters(tree: &Tree, node: &Node, names: &BStr, findings: &mut Findings) {
    for name in names.split_str(";") {
        if let Some((_, module)) = FILTERS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())) {
            needs(tree, node, name.as_bstr(), &[module], findings);
        }
    }
}

/// A URL that mod_proxy is to fetch: `http://…`, `unix:/path|fcgi://…`, `balancer://…`.
fn backend(tree: &Tree, node: &Node, target: &BStr, findings: &mut Findings) {
    let target = target.split_once_str("|").map_or(target.as_bytes(), |(_, after)| after);
    let Some((scheme, _)) = target.split_once_str(":") else { return };
    if !scheme.iter().all(|byte| byte.is_ascii_alphanumeric()) {
        return;
    }
    if !loaded(tree, "proxy_module") {
        let text = format!("{} {}: mod_proxy is not loaded -- load proxy_module", node.name, target.as_bstr());
        return findings.of(node, text);
    }
    let module = match scheme.to_ascii_lowercase().as_slice() {
        b"http" | b"https" => "proxy_http_module".to_owned(),
        b"ws" | b"wss" => "proxy_wstunnel_module".to_owned(),
        b"h2" | b"h2c" => "proxy_http2_module".to_owned(),
        other => format!("proxy_{}_module", other.as_bstr()),
    };
    if !loaded(tree, &module) {
        let text = format!("{} {}: no module for {}: -- load {module}", node.name, target.as_bstr(), scheme.as_bstr());
        findings.of(node, text);
    }
}
