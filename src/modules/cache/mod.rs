//! Apache's category "cache".

pub mod mod_cache;
pub mod mod_cache_disk;
pub mod mod_cache_socache;
pub mod mod_socache_dbm;
pub mod mod_socache_memcache;
pub mod mod_socache_redis;
pub mod mod_socache_shmcb;
mod servers;
