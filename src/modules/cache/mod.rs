//! Apache's category "cache".

pub mod mod_cache;
pub mod mod_cache_disk;
pub mod mod_cache_socache;
pub mod mod_socache_dbm;
pub mod mod_socache_shmcb;
