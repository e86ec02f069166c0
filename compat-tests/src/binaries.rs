//! Finds the two programs: the real `apache2` and Pinion's `httpd`.
//!
//! `COMPAT_APACHE` names another Apache, `PINION_HTTPD` another Pinion. Without `PINION_HTTPD` the one beside the test executable
//! is taken, brought up to date by one `cargo build --bin httpd` a test process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Where Debian puts Apache's loadable modules; both servers get the same LoadModule lines.
pub const MODULES: &str = "/usr/lib/apache2/modules";

/// The two programs under comparison.
#[derive(Debug)]
pub struct Binaries {
    /// The oracle.
    pub apache: PathBuf,
    /// Ours.
    pub pinion: PathBuf,
}

/// The two programs, or `None` when Apache is not installed and that is allowed. Says so once.
///
/// # Panics
/// When Apache is missing and `COMPAT_REQUIRE_APACHE=1`, or when Pinion cannot be built.
pub fn both() -> Option<&'static Binaries> {
    static FOUND: OnceLock<Option<Binaries>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            let apache =
                std::env::var_os("COMPAT_APACHE").map_or_else(|| PathBuf::from("/usr/sbin/apache2"), PathBuf::from);
            if apache.is_file() && Path::new(MODULES).is_dir() {
                return Some(Binaries { apache, pinion: pinion() });
            }
            let text = format!(
                "compat-tests: {} or {MODULES} is missing: every comparison is SKIPPED (apt-get install apache2)\n",
                apache.display()
            );
            // Straight to the descriptor: the test runner would swallow eprintln.
            let _ = std::io::stderr().write_all(text.as_bytes());
            None
        })
        .as_ref()
        .or_else(|| {
            let required = std::env::var_os("COMPAT_REQUIRE_APACHE").is_some_and(|v| v == "1");
            assert!(!required, "COMPAT_REQUIRE_APACHE=1, but Debian's apache2 is not installed");
            None
        })
}

/// A program beside the server, of Apache and of ours, `None` when Apache is not installed.
///
/// # Panics
/// As [`both`], and when Debian's program is missing.
pub fn tool(name: &str) -> Option<[PathBuf; 2]> {
    let programs = both()?;
    let apache = ["/usr/bin", "/usr/sbin"].iter().map(|dir| Path::new(dir).join(name)).find(|path| path.is_file());
    let apache = apache.unwrap_or_else(|| panic!("Debian's {name} is not installed (apt-get install apache2-utils)"));
    let ours = programs.pinion.with_file_name(name);
    let pinion = if programs.apache == programs.pinion { apache.clone() } else { ours };
    Some([apache, pinion])
}

fn pinion() -> PathBuf {
    if let Some(path) = std::env::var_os("PINION_HTTPD") {
        return PathBuf::from(path);
    }
    let exe = std::env::current_exe().expect("the path of the test executable");
    let profile_dir = exe.parent().and_then(Path::parent).expect("target/PROFILE/deps/test");
    let profile = match profile_dir.file_name().and_then(|n| n.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let target = profile_dir.parent().expect("target/PROFILE");
    let status = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--bins", "--profile", profile, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .env("CARGO_TARGET_DIR", target)
        .status();
    assert!(status.is_ok_and(|s| s.success()), "Pinion's httpd does not build (cargo build --bins)");
    profile_dir.join("httpd")
}
