//! mod_slotmem_plain: slotted memory that each process has for itself, offered as `plain`.
//!
//! No directives, no hooks. Manual: mod/mod_slotmem_plain.html.

use crate::config::Config;
use crate::module::{Linked, Module, SlotMemory, Slots};
use bstr::BStr;
use std::io;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_slotmem_plain.c",
    ident: "slotmem_plain_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks: |on| on.providers.offer::<dyn SlotMemory>("plain", &Plain),
};

struct Plain;

impl SlotMemory for Plain {
    fn create(&self, name: &BStr, words: usize, count: usize) -> io::Result<Arc<Slots>> {
        Slots::own(name, words, count).map(Arc::new)
    }
}
