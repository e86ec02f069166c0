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
        }
    }
}

impl Flavour {
    fn is_apache(self) -> bool {
        matches!(self, Flavour::Apache | Flavour::ApacheOverride | Flavour::ApacheRewrite | Flavour::ApacheConditions)
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

/// What a row adds to the configurations.
#[derive(Default, Clone)]
pub(crate) struct Extra {
    /// Apache's modules beside the usual ones.
    pub(crate) modules: &'static [&'static str],
    pub(crate) apache: String,
    /// Within nginx's `http` and `server` blocks.
    pub(crate) nginx_http: String,
    pub(crate) nginx_server: String,
    /// A directory with `server.crt` and `server.key`: the port speaks TLS.
    pub(crate) secured: Option<PathBuf>,
    /// HTTP/2 is spoken there too.
    pub(crate) http2: bool,
}

/// A started server; stopped when dropped.
pub(crate) struct Running {
    pub(crate) port: u16,
    pub(crate) pid: i32,
    /// From start to the first answer.
    pub(crate) started_in: Duration,
    /// The port speaks TLS.
    pub(crate) secured: bool,
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

fn apache_config(dir: &Path, root: &Path, port: u16, flavour: Flavour, hosts: usize, extra: &Extra) -> String {
    let dir = dir.display();
    let mut text = format!(
        "ServerRoot {dir}\nServerName localhost\nDefaultRuntimeDir {dir}\nPidFile {dir}/pid\nListen 127.0.0.1:{port}\nErrorLog {dir}/error.log\nUser www-data\nGroup www-data\n"
    );
    let secured = extra.secured.iter().map(|_| "ssl").chain(extra.http2.then_some("http2"));
    let more = extra.modules.iter().copied().chain(secured);
    for module in MODULES.iter().copied().chain(flavour.rewrites().then_some("rewrite")).chain(more) {
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
    if let Some(keys) = &extra.secured {
        let keys = keys.display();
        let _ = write!(
            text,
            "SSLEngine on\nSSLProtocol TLSv1.3\nSSLCertificateFile {keys}/server.crt\nSSLCertificateKeyFile {keys}/server.key\n"
        );
    }
    if extra.http2 {
        text.push_str("Protocols h2 http/1.1\n");
    }
    text.push_str(&extra.apache);
    for host in 0..hosts {
        let _ = write!(
            text,
            "<VirtualHost *:{port}>\nServerName h{host}.example\nServerAlias www.h{host}.example\nDocumentRoot {root}\n</VirtualHost>\n"
        );
    }
    text
}

fn nginx_config(dir: &Path, root: &Path, port: u16, extra: &Extra) -> String {
    let (dir, root) = (dir.display(), root.display());
    let (ssl, keys) = match &extra.secured {
        Some(keys) => {
            let keys = keys.display();
            let text = "ssl_protocols TLSv1.3; ssl_session_cache shared:x:10m;";
            (
                if extra.http2 { " ssl http2" } else { " ssl" },
                format!("{text} ssl_certificate {keys}/server.crt; ssl_certificate_key {keys}/server.key;"),
            )
        }
        None => ("", String::new()),
    };
    let (http, server) = (&extra.nginx_http, &extra.nginx_server);
    format!(
        "user www-data;\nworker_processes auto;\npid {dir}/pid;\nerror_log {dir}/error.log;\ndaemon off;\n\
         events {{ worker_connections 16384; }}\nworker_rlimit_nofile 32768;\nhttp {{\nsendfile on;\ntcp_nopush on;\ntypes_hash_max_size 2048;\n\
         include /etc/nginx/mime.types;\ndefault_type application/octet-stream;\naccess_log {dir}/access.log combined;\n\
         gzip on;\nkeepalive_timeout 60;\nkeepalive_requests 1000000000;\n\
         {http}\nserver {{ listen 127.0.0.1:{port}{ssl} backlog=4096; root {root}; index index.html; {keys} {server} }}\n}}\n"
    )
}

pub(crate) fn free_port() -> Result<u16, String> {
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
        Running::start_with(flavour, space, root, pinion, hosts, &Extra::default())
    }

    /// The same with a row's additions.
    pub(crate) fn start_with(
        flavour: Flavour,
        space: &Path,
        root: &Path,
        pinion: &Path,
        hosts: usize,
        extra: &Extra,
    ) -> Result<Running, String> {
        let port = free_port()?;
        let dir = space.join(format!("{flavour:?}-{port}"));
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let config = dir.join("server.conf");
        let text = match flavour {
            Flavour::Nginx => nginx_config(&dir, root, port, extra),
            _ => apache_config(&dir, root, port, flavour, hosts, extra),
        };
        fs::write(&config, text).map_err(|error| error.to_string())?;
        let mut command = match flavour {
            Flavour::Nginx => tree::on_cores(tree::Cores::Servers, "/usr/sbin/nginx"),
            _ if flavour.is_apache() => tree::on_cores(tree::Cores::Servers, "/usr/sbin/apache2"),
            _ => tree::on_cores(tree::Cores::Servers, pinion),
        };
        match flavour {
            Flavour::Nginx => command.args(["-p", &dir.display().to_string(), "-c"]).arg(&config),
            _ => command.arg("-d").arg(&dir).arg("-f").arg(&config).arg("-DFOREGROUND"),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let begin = Instant::now();
        let child = command.spawn().map_err(|error| format!("{}: {error}", flavour.name()))?;
        let secured = extra.secured.is_some();
        let mut running = Running { port, pid: child.id() as i32, started_in: Duration::ZERO, secured, child };
        running.wait(begin).map_err(|error| {
            let log = fs::read_to_string(dir.join("error.log")).unwrap_or_default();
            format!("{}: {error}\n{log}", flavour.name())
        })?;
        Ok(running)
    }

    fn wait(&mut self, begin: Instant) -> Result<(), String> {
        while begin.elapsed() < Duration::from_secs(60) {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port))
                && (self.secured || answered(stream))
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
