//! Methods of balancers: which member the next request goes to.

pub mod mod_lbmethod_bybusyness;
pub mod mod_lbmethod_byrequests;
pub mod mod_lbmethod_bytraffic;

use crate::config::Configuration;
use crate::log::{self, Level};

/// Complains where mod_proxy is not loaded.
fn needs_proxy(configuration: &Configuration, module: &'static str, tag: &str) -> Result<(), String> {
    if configuration.process.has_module("proxy_module") {
        return Ok(());
    }
    let text = format_args!("AH{tag}: mod_proxy must be loaded for mod_{module}");
    configuration.main().log(Level::Emerg, module, text);
    log::process_always(Level::Emerg, "", format_args!("AH00020: Configuration Failed, exiting"));
    Err(String::new())
}
