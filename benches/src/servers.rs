//! The three servers, each with the module set and the logs of Debian's stock configuration.

use crate::tree;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Which server, and how configured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flavour {
    Apache,
    /// AllowOverride All, with no .htaccess anywhere.
    ApacheOverride,
    Nginx,
    Pinion,
    PinionOverride,
    /// AllowOverride All and mod_rewrite, for a .htaccess of 200 lines.
    ApacheRewrite,
    PinionRewrite,
    /// A rule with 7,000 conditions in the server's own configuration.
    ApacheConditions,
    PinionConditions,
    /// HTTP/2 over TLS.
    ApacheH2,
    NginxH2,
    PinionH2,
}

impl Flavour {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Flavour::Apache => "Apache event",
            Flavour::ApacheOverride => "Apache, override",
            Flavour::Nginx => "nginx",
            Flavour::Pinion => "Pinion event",
            Flavour::PinionOverride => "Pinion, override",
            Flavour::ApacheRewrite | Flavour::ApacheConditions => "Apache, rewrite",
            Flavour::PinionRewrite | Flavour::PinionConditions => "Pinion, rewrite",
            Flavour::ApacheH2 => "Apache, h2",
            Flavour::NginxH2 => "nginx, h2",
            Flavour::PinionH2 => "Pinion, h2",
        }
    }
}

impl Flavour {
    fn is_apache(self) -> bool {
        matches!(
            self,
            Flavour::Apache
                | Flavour::ApacheOverride
                | Flavour::ApacheRewrite
                | Flavour::ApacheConditions
                | Flavour::ApacheH2
        )
    }
    fn is_nginx(self) -> bool {
        matches!(self, Flavour::Nginx | Flavour::NginxH2)
    }
    fn secured(self) -> bool {
        matches!(self, Flavour::ApacheH2 | Flavour::NginxH2 | Flavour::PinionH2)
    }
    fn overrides(self) -> bool {
        let plain = [Flavour::ApacheOverride, Flavour::PinionOverride];
        plain.contains(&self) || matches!(self, Flavour::ApacheRewrite | Flavour::PinionRewrite)
    }
    fn has_conditions(self) -> bool {
        matches!(self, Flavour::ApacheConditions | Flavour::PinionConditions)
    }
    fn rewrites(self) -> bool {
        self.has_conditions() || matches!(self, Flavour::ApacheRewrite | Flavour::PinionRewrite)
    }
}

/// A started server; stopped when dropped.
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) pid: i32,
    /// From start to the first answer.
    pub(crate) started_in: Duration,
    child: Child,
}

/// Files to serve, readable by everyone.
pub(crate) fn content(space: &Path) -> Result<PathBuf, String> {
    let root = space.join("htdocs");
    let make = || -> std::io::Result<()> {
        fs::set_permissions(space, fs::Permissions::from_mode(0o755))?;
        fs::create_dir_all(&root)?;
        for (name, size) in [("1k.html", 1024), ("100k.bin", 100 * 1024), ("10m.bin", 10 * 1024 * 1024)] {
            fs::write(root.join(name), vec![b'x'; size])?;
        }
        let mut deep = root.join("deep");
        for level in ["a", "b", "c", "d"] {
            deep.push(level);
            fs::create_dir_all(&deep)?;
            fs::write(deep.join(".htaccess"), "Options -Indexes\nErrorDocument 404 /gone.html\n")?;
        }
        fs::write(root.join("deep/.htaccess"), "Options -Indexes\n")?;
        fs::write(deep.join("1k.html"), [b'x'; 1024])?;
        fs::create_dir_all(root.join("rules"))?;
        fs::write(root.join("rules/.htaccess"), rules())?;
        fs::write(root.join("rules/1k.html"), [b'x'; 1024])?;
        Ok(())
    };
    make().map_err(|error| error.to_string())?;
    Ok(root)
}

/// Two hundred lines as sites gather them over the years: redirects of old pages, refused agents, a front controller.
fn rules() -> String {
    let mut text = String::from("RewriteEngine On\nRewriteBase /rules/\n");
    for number in 0..150 {
        let _ = writeln!(text, "RewriteRule ^old/page-{number}(/.*)?$ new/{number}.html$1 [R=301,L,NC]");
    }
    for agent in 0..45 {
        let _ = writeln!(
            text,
            "RewriteCond %{{HTTP_USER_AGENT}} ^BadBot-{agent} [NC{}]",
            if agent < 44 { ",OR" } else { "" }
        );
    }
    text.push_str("RewriteRule ^ - [F]\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . index.php [L]\n");
    text
}

/// A rule with 7,000 alternatives, none of which holds.
fn conditions() -> String {
    let mut text = String::from("RewriteEngine On\n");
    for agent in 0..7000 {
        let _ = writeln!(text, "RewriteCond %{{HTTP_USER_AGENT}} ^BadBot-{agent}/ [OR]");
    }
    text.push_str("RewriteCond %{HTTP_USER_AGENT} ^last$\nRewriteRule ^ - [F]\n");
    text
}

/// Debian's default set.
const MODULES: &[&str] = &[
    "mpm_event",
    "access_compat",
    "alias",
    "auth_basic",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_host",
    "authz_user",
    "autoindex",
    "deflate",
    "dir",
    "env",
    "filter",
    "mime",
    "negotiation",
    "reqtimeout",
    "setenvif",
    "status",
];

/// What the stock tree's files for these modules say, as far as it is in a request's path.
const STOCK: &str = r##"
Timeout 300
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
HostnameLookups Off
LogLevel warn
StartServers 2
MinSpareThreads 25
MaxSpareThreads 75
ThreadLimit 64
ThreadsPerChild 25
MaxRequestWorkers 150
ServerTokens OS
ServerSignature On
TraceEnable Off
ExtendedStatus On
TypesConfig /etc/mime.types
AddType application/x-compress .Z
AddType application/x-gzip .gz .tgz
AddLanguage en .en
AddCharset UTF-8 .utf8
AddHandler type-map var
AddType text/html .shtml
AddOutputFilterByType DEFLATE text/html text/plain text/xml text/css text/javascript
AddOutputFilterByType DEFLATE application/x-javascript application/javascript application/ecmascript
DirectoryIndex index.html index.cgi index.pl index.php index.xhtml index.htm
RequestReadTimeout header=20-40,minrate=500
RequestReadTimeout body=10,minrate=500
BrowserMatch "Mozilla/2" nokeepalive
BrowserMatch "MSIE 4\.0b2;" nokeepalive downgrade-1.0 force-response-1.0
BrowserMatch "RealPlayer 4\.0" force-response-1.0
BrowserMatch "Java/1\.0" force-response-1.0
BrowserMatch "JDK/1\.0" force-response-1.0
BrowserMatch "^WebDrive" redirect-carefully
BrowserMatch "^gnome-vfs/1\.0" redirect-carefully
BrowserMatch " Konqueror/4" redirect-carefully
Alias /icons/ "/usr/share/apache2/icons/"
<Location /server-status>
SetHandler server-status
Require local
</Location>
<Directory />
Options FollowSymLinks
AllowOverride None
Require all denied
</Directory>
<Directory /usr/share>
AllowOverride None
Require all granted
</Directory>
AccessFileName .htaccess
<FilesMatch "^\.ht">
Require all denied
</FilesMatch>
LogFormat "%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\"" combined
"##;

fn apache_config(dir: &Path, root: &Path, port: u16, flavour: Flavour, hosts: usize) -> String {
    let dir = dir.display();
    let mut text = format!(
        "ServerRoot {dir}\nServerName localhost\nDefaultRuntimeDir {dir}\nPidFile {dir}/pid\nListen 127.0.0.1:{port}\nErrorLog {dir}/error.log\nUser www-data\nGroup www-data\n"
    );
    let secure: &[&str] = if flavour.secured() { &["socache_shmcb", "ssl", "http2"] } else { &[] };
    let more = flavour.rewrites().then_some("rewrite").into_iter().chain(secure.iter().copied());
    for module in MODULES.iter().copied().chain(more) {
        let _ = writeln!(text, "LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so");
    }
    text.push_str(STOCK);
    let allow = if flavour.overrides() { "All" } else { "None" };
    let root = root.display();
    let _ = write!(
        text,
        "<Directory {root}>\nOptions Indexes FollowSymLinks\nAllowOverride {allow}\nRequire all granted\n</Directory>\nDocumentRoot {root}\nCustomLog {dir}/access.log combined\n"
    );
    if flavour.has_conditions() {
        text.push_str(&conditions());
    }
    if flavour.secured() {
        let _ = write!(
            text,
            "Protocols h2 http/1.1\nSSLEngine on\nSSLCertificateFile {dir}/tls.crt\nSSLCertificateKeyFile {dir}/tls.key\nSSLSessionCache shmcb:{dir}/cache(512000)\n"
        );
    }
    for host in 0..hosts {
        let _ = write!(
            text,
            "<VirtualHost *:{port}>\nServerName h{host}.example\nServerAlias www.h{host}.example\nDocumentRoot {root}\n</VirtualHost>\n"
        );
    }
    text
}

/// A key and a certificate for it.
fn certify(dir: &Path) -> Result<(), String> {
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(dir.join("tls.key"))
        .arg("-out")
        .arg(dir.join("tls.crt"))
        .output()
        .map_err(|error| format!("openssl: {error}"))?;
    if made.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&made.stderr).into_owned()) }
}

fn nginx_config(dir: &Path, root: &Path, port: u16, secured: bool) -> String {
    let (dir, root) = (dir.display(), root.display());
    let how = if secured { " ssl http2" } else { "" };
    let keys = if secured {
        format!("ssl_certificate {dir}/tls.crt; ssl_certificate_key {dir}/tls.key;")
    } else {
        String::new()
    };
    format!(
        "user www-data;\nworker_processes auto;\npid {dir}/pid;\nerror_log {dir}/error.log;\ndaemon off;\n\
         events {{ worker_connections 16384; }}\nworker_rlimit_nofile 32768;\nhttp {{\nsendfile on;\ntcp_nopush on;\ntypes_hash_max_size 2048;\n\
         include /etc/nginx/mime.types;\ndefault_type application/octet-stream;\naccess_log {dir}/access.log combined;\n\
         gzip on;\nkeepalive_timeout 60;\nkeepalive_requests 1000000000;\n\
         server {{ listen 127.0.0.1:{port}{how} backlog=4096; {keys} root {root}; index index.html; }}\n}}\n"
    )
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.local_addr().map(|address| address.port()).map_err(|error| error.to_string())
}

impl Running {
    /// Starts a server and waits until it answers.
    pub(crate) fn start(
        flavour: Flavour,
        space: &Path,
        root: &Path,
        pinion: &Path,
        hosts: usize,
    ) -> Result<Running, String> {
        let port = free_port()?;
        let dir = space.join(format!("{flavour:?}-{port}"));
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        if flavour.secured() {
            certify(&dir)?;
        }
        let config = dir.join("server.conf");
        let text = match flavour {
            _ if flavour.is_nginx() => nginx_config(&dir, root, port, flavour.secured()),
            _ => apache_config(&dir, root, port, flavour, hosts),
        };
        fs::write(&config, text).map_err(|error| error.to_string())?;
        let mut command = match flavour {
            _ if flavour.is_nginx() => tree::on_cores(tree::Cores::Servers, "/usr/sbin/nginx"),
            _ if flavour.is_apache() => tree::on_cores(tree::Cores::Servers, "/usr/sbin/apache2"),
            _ => tree::on_cores(tree::Cores::Servers, pinion),
        };
        match flavour {
            _ if flavour.is_nginx() => command.args(["-p", &dir.display().to_string(), "-c"]).arg(&config),
            _ => command.arg("-d").arg(&dir).arg("-f").arg(&config).arg("-DFOREGROUND"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let begin = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", flavour.name()))?;
        let mut running = Running { port, pid: child.id() as i32, started_in: Duration::ZERO, child };
        running.wait(begin).map_err(|error| {
            let log = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
            format!("{}: {error}\n{log}", flavour.name())
        })?;
        Ok(running)
    }

    fn wait(&mut self, begin: Instant) -> Result<(), String> {
        while begin.elapsed() < Duration::from_secs(60) {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port))
                && answered(stream)
            {
                self.started_in = begin.elapsed();
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("ended at once: {status}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Err("did not answer within a minute".into())
    }
}

fn answered(mut stream: TcpStream) -> bool {
    use std::io::{Read, Write};
    let _ = stream.set_read_timeout(Some(Duration::from_secs(20)));
    let request = b"GET /1k.html HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).is_ok() && matches!(stream.read(&mut [0; 64]), Ok(read) if read > 0)
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        for _ in 0..500 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // The whole group: a master that hangs must not leave workers behind.
        let _ = kill(Pid::from_raw(-self.pid), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}
