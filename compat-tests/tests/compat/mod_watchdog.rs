//! mod_watchdog: its only directive, and that it is part of the binary.

use compat_tests::group;

#[test]
fn interval() {
    group("WatchdogInterval").syntax(&[
        "WatchdogInterval 1",
        "WatchdogInterval 500ms",
        "WatchdogInterval 0",
        "WatchdogInterval x",
        "WatchdogInterval",
        "<Directory /x>\nWatchdogInterval 1\n</Directory>",
        "<VirtualHost *:80>\nWatchdogInterval 1\n</VirtualHost>",
        "<IfModule watchdog_module>\nFooBar\n</IfModule>",
        "<IfModule mod_watchdog.c>\nFooBar\n</IfModule>",
    ]);
}
