//! mod_systemd: Debian's apache2 has none, so only configurations that ask for it are compared. What the service manager hears
//! is tests/processes/systemd.rs.

use compat_tests::group;

#[test]
fn not_loaded() {
    group("systemd").syntax(&[
        "<IfModule systemd_module>\nFooBar\n</IfModule>",
        "<IfModule mod_systemd.c>\nFooBar\n</IfModule>",
        "<IfModule !systemd_module>\nServerAdmin a@b\n</IfModule>",
    ]);
}

#[test]
fn environment_without_a_manager() {
    group("systemd")
        .env("NOTIFY_SOCKET", "@ROOT@/run/nobody")
        .env("LISTEN_FDS", "3")
        .env("LISTEN_PID", "1")
        .env("WATCHDOG_USEC", "1000000")
        .get("/")
        .check();
}
