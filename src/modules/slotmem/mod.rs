//! Memory in slots for other modules.

pub mod mod_slotmem_plain;
pub mod mod_slotmem_shm;
