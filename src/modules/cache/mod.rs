//! Caches.

pub mod mod_socache_dbm;
pub mod mod_socache_shmcb;
