//! mod_systemd: the service manager hears of the server's state.
//!
//! No directives. Hook: post_config, where ExtendedStatus becomes on unless the configuration says otherwise, for the
//! numbers that `systemctl status` shows. The messages are `crate::mpm::systemd`'s. Differences: they are sent without the
//! module too, and sockets of the service manager are used. Manual: mod/mod_systemd.html.

use crate::config::{Config, Configuration};
use crate::module::{Hooks, Linked, MIDDLE, Module};

pub static MODULE: Module = Module {
    name: "mod_systemd.c",
    ident: "systemd_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, extend);
}

fn extend(configuration: &mut Configuration) -> Result<(), String> {
    configuration.process.extended_status.get_or_insert(true);
    Ok(())
}
