//! Rows with something behind the server or around the connection: a fast backend, php-fpm, TLS, the whole crowd.

use crate::mixed::{self, Crowd};
use crate::servers::{Extra, Flavour, Running, free_port};
use crate::{ALL, HTTP2, Load, least};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PHP_FPM: &str = "/usr/sbin/php-fpm8.2";

/// Rows that are chosen, each with what it adds to the configurations. What stands behind them lives as long as the benchmark.
pub(crate) fn loads(
    space: &Path,
    root: &Path,
    pinion: &Path,
    chosen: &dyn Fn(&str) -> bool,
) -> Result<Vec<(Load, Extra)>, String> {
    let row =
        |name, path, connections, promises| Load { name, path, keep_alive: true, connections, flavours: ALL, promises };
    let mut rows = Vec::new();
    let name = "reverse proxy, 1 KB from a fast backend";
    if chosen(name) {
        let backend = Running::start(Flavour::Nginx, space, root, pinion, 0)?;
        let port = backend.port;
        BACKENDS.lock().map_err(|error| error.to_string())?.push(backend);
        let extra = Extra {
            modules: &["proxy", "proxy_http"],
            apache: format!("ProxyPass /b/ http://127.0.0.1:{port}/\n"),
            nginx_http: format!("upstream backend {{ server 127.0.0.1:{port}; keepalive 64; }}"),
            nginx_server:
                "location /b/ { proxy_pass http://backend/; proxy_http_version 1.1; proxy_set_header Connection \"\"; }"
                    .into(),
            ..Extra::default()
        };
        let promises = const { &[least(Flavour::Nginx, 1.0), least(Flavour::Apache, 3.0)] };
        rows.push((row(name, "/b/1k.html", 64, promises), extra));
    }
    let name = "FastCGI, hello from php-fpm";
    if chosen(name) {
        match php_fpm(space, root) {
            Err(why) => eprintln!("bench: no row for php-fpm: {why}"),
            Ok(socket) => {
                let socket = socket.display();
                let extra = Extra {
                    modules: &["proxy", "proxy_fcgi"],
                    apache: format!(
                        "<FilesMatch \\.php$>\nSetHandler \"proxy:unix:{socket}|fcgi://localhost\"\n</FilesMatch>\n"
                    ),
                    nginx_server: format!(
                        "location ~ \\.php$ {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name; fastcgi_pass unix:{socket}; }}"
                    ),
                    ..Extra::default()
                };
                rows.push((row(name, "/hello.php", 16, const { &[least(Flavour::Nginx, 1.0)] }), extra));
            }
        }
    }
    let secured = [("1 KB over TLS 1.3, keep-alive", "/1k.html", 64), ("10 MB over TLS 1.3", "/10m.bin", 8)];
    for (name, path, connections) in secured {
        if chosen(name) {
            let promises = const { &[least(Flavour::Nginx, 1.0)] };
            rows.push((row(name, path, connections, promises), secured_extra(space)?));
        }
    }
    if chosen(HTTP2) {
        let extra = Extra { http2: true, ..secured_extra(space)? };
        rows.push((
            row(HTTP2, "/1k.html", 16, const { &[least(Flavour::Nginx, 1.0), least(Flavour::Apache, 5.0)] }),
            extra,
        ));
    }
    Ok(rows)
}

/// TLS on the server's port.
pub(crate) fn secured_extra(space: &Path) -> Result<Extra, String> {
    if !space.join("server.crt").exists() {
        mixed::certificate(space)?;
    }
    Ok(Extra { secured: Some(space.to_owned()), ..Extra::default() })
}

/// Starts php-fpm with a pool of its own; its socket.
fn php_fpm(space: &Path, root: &Path) -> Result<PathBuf, String> {
    if !Path::new(PHP_FPM).exists() {
        return Err(format!("{PHP_FPM} is missing"));
    }
    let socket = space.join("php.sock");
    let text = format!(
        "[global]\nerror_log = {0}/php.log\ndaemonize = no\n[www]\nuser = www-data\ngroup = www-data\nlisten = {0}/php.sock\nlisten.mode = 0666\n\
         pm = static\npm.max_children = 4\npm.max_requests = 0\n",
        space.display()
    );
    fs::write(space.join("php.conf"), text).map_err(|error| error.to_string())?;
    fs::write(root.join("hello.php"), "<?php echo 'hello';\n").map_err(|error| error.to_string())?;
    let mut command = Command::new(PHP_FPM);
    command.arg("-F").arg("-y").arg(space.join("php.conf")).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().map_err(|error| error.to_string())?;
    ENDS.lock().map_err(|error| error.to_string())?.push(child);
    let begun = Instant::now();
    while !socket.exists() {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("php-fpm does not start".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(socket)
}

/// Servers behind others.
static BACKENDS: std::sync::Mutex<Vec<Running>> = std::sync::Mutex::new(Vec::new());
/// What else was started beside the servers.
static ENDS: std::sync::Mutex<Vec<Child>> = std::sync::Mutex::new(Vec::new());

/// Ends it.
pub(crate) fn end() {
    BACKENDS.lock().into_iter().for_each(|mut list| list.clear());
    for child in ENDS.lock().into_iter().flat_map(|mut list| std::mem::take(&mut *list)) {
        let mut child = child;
        let _ =
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.id() as i32), nix::sys::signal::Signal::SIGTERM);
        let _ = child.wait();
    }
}

/// Everything at once on one child, Apache's and Pinion's.
pub(crate) fn crowd(space: &Path, root: &Path, pinion: &Path) -> Result<(), String> {
    let limit = nix::sys::resource::Resource::RLIMIT_NOFILE;
    let _ = nix::sys::resource::setrlimit(limit, 20_000, 20_000);
    let thinks = Duration::from_secs(10);
    let crowd = Crowd { idle: 2000, heads: 1000, proxied: 500, tunnels: 500, thinks, pause: Duration::from_secs(1) };
    println!(
        "\none child of 600 slots: 2,000 idle TLS connections, 1,000 slow heads, 500 slow responses, 500 tunnels, and static requests"
    );
    for flavour in [Flavour::Apache, Flavour::Pinion] {
        let (secured, backend) = (free_port()?, mixed::backend(thinks).map_err(|error| error.to_string())?);
        secured_extra(space)?;
        let text = mixed::configuration(space, 600, secured, backend);
        let extra = Extra {
            modules: &["proxy", "proxy_http", "ssl"],
            apache: format!("RequestReadTimeout header=600 body=600\n{text}"),
            ..Extra::default()
        };
        let server = Running::start_with(flavour, space, root, pinion, 0, &extra)?;
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid)).unwrap_or_default();
        let child = children.split_whitespace().next().and_then(|pid| pid.parse().ok()).ok_or("no child")?;
        let seen = mixed::run(crowd, server.port, secured, child, "/1k.html", Duration::from_secs(90));
        match seen {
            Ok(seen) => println!(
                "  {:<14} served: {} idle, {} slow heads, {} slow responses, {} tunnels; {} static requests, the slowest {} ms; {} threads, {:.0} MB",
                flavour.name(),
                seen.idle,
                seen.heads,
                seen.proxied,
                seen.tunnels,
                seen.requests,
                seen.slowest,
                seen.threads,
                seen.megabytes
            ),
            Err(why) => println!("  {:<14} gave up: {why}", flavour.name()),
        }
    }
    Ok(())
}
