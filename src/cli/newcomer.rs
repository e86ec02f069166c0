//! The first run: where there is no configuration, the embedded one serves a welcome page on port 8080.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

const CONFIGURATION: &str = include_str!("../../conf.d/httpd.conf");
const WELCOME: &str = include_str!("../../conf.d/index.html");

/// Enough types for a first look.
const TYPES: &str = "text/html html htm\ntext/css css\ntext/plain txt\ntext/javascript js\nimage/png png\nimage/jpeg jpg jpeg\nimage/svg+xml svg\n";

/// A directory for the run, removed at its end.
pub(super) struct Home(TempDir);

impl Home {
    /// Lays the pages out.
    pub(super) fn make() -> io::Result<Home> {
        let home = tempfile::Builder::new().prefix("pinion-").tempdir()?;
        let open = |path: &Path| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755));
        open(home.path())?;
        let pages = home.path().join("htdocs");
        std::fs::create_dir(&pages)?;
        open(&pages)?;
        std::fs::write(pages.join("index.html"), WELCOME)?;
        std::fs::write(home.path().join("mime.types"), TYPES)?;
        Ok(Home(home))
    }
    /// The configuration's text for this directory.
    pub(super) fn configuration(&self) -> Vec<u8> {
        let mut text = CONFIGURATION.replace("${PINION_HOME}", &self.0.path().display().to_string());
        if nix::unistd::geteuid().is_root() {
            // Debian's user for web servers; children never serve as root.
            text.push_str("\nUser www-data\nGroup www-data\n");
        }
        text.into_bytes()
    }
    /// What the newcomer is told.
    pub(super) fn greeting(&self) -> &'static str {
        "httpd: no configuration found; serving the built-in one on http://localhost:8080/ (Ctrl-C ends it)"
    }
}
