//! Caches of responses: what mod_cache asks of those that keep them (Apache's `cache_provider`).
//!
//! mod_cache_disk and mod_cache_socache offer a [`CacheStorage`] under the name that CacheEnable gives it (`disk`). Their calls
//! are those of files: short, and made where they are needed; what may take longer passes the loop on itself.

use crate::request::{Body, Request, Table};
use bstr::BStr;

/// A Cache-Control field, or a Pragma in its place, as it was read (RFC 9111 section 5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheControl {
    /// See [`flags`].
    pub flags: u32,
    /// Seconds of `max-age`, `max-stale`, `min-fresh` and `s-maxage`; None: not said, or said without a number.
    pub max_age: Option<i64>,
    pub max_stale: Option<i64>,
    pub min_fresh: Option<i64>,
    pub s_maxage: Option<i64>,
}

/// The bits of [`CacheControl::flags`]: they are kept on disk with every response.
pub mod flags {
    pub const PARSED: u32 = 1;
    pub const CACHE_CONTROL: u32 = 1 << 1;
    pub const PRAGMA: u32 = 1 << 2;
    pub const NO_CACHE: u32 = 1 << 3;
    /// `no-cache` names a field that the response has.
    pub const NO_CACHE_HEADER: u32 = 1 << 4;
    pub const NO_STORE: u32 = 1 << 5;
    pub const MAX_AGE: u32 = 1 << 6;
    pub const MAX_STALE: u32 = 1 << 7;
    pub const MIN_FRESH: u32 = 1 << 8;
    pub const NO_TRANSFORM: u32 = 1 << 9;
    pub const ONLY_IF_CACHED: u32 = 1 << 10;
    pub const PUBLIC: u32 = 1 << 11;
    pub const PRIVATE: u32 = 1 << 12;
    /// `private` names a field that the response has.
    pub const PRIVATE_HEADER: u32 = 1 << 13;
    pub const MUST_REVALIDATE: u32 = 1 << 14;
    pub const PROXY_REVALIDATE: u32 = 1 << 15;
    pub const S_MAXAGE: u32 = 1 << 16;
    /// A request that changes the resource came by since.
    pub const INVALIDATED: u32 = 1 << 17;
}

impl CacheControl {
    /// Whether any of these [`flags`] is set.
    pub fn has(&self, bits: u32) -> bool {
        self.flags & bits != 0
    }
}

/// What is known of a stored response besides its fields. Times are microseconds since the epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CacheInfo {
    pub status: u16,
    pub date: i64,
    pub expire: i64,
    pub request_time: i64,
    pub response_time: i64,
    pub control: CacheControl,
}

/// The portable runtime's number of an error that has no other.
pub const GENERAL: i32 = 20014;

/// One stored response, found or in the making.
pub trait CacheEntity: Send + Sync {
    fn info(&self) -> &CacheInfo;
    /// The fields that were stored.
    fn response(&self) -> &Table;
    /// The fields of the request that it answered.
    fn request(&self) -> &Table;
    /// The stored content.
    fn body(&self) -> Body;
    /// Takes over what is to be stored beside the content. False: it cannot be.
    fn store_headers(&mut self, r: &Request, info: &CacheInfo, response: &Table, request: &Table) -> bool;
    /// How much content is read before it is passed on, and for how long (CacheReadSize, CacheReadTime in microseconds).
    fn read_ahead(&self, r: &Request) -> (u64, i64);
    /// Adds content. Err: it is not to be stored after all, which the log says; an errno, or a number of the portable runtime.
    fn store(&mut self, r: &Request, octets: &[u8]) -> Result<(), i32>;
    /// The content is complete, or broken off. Err as with [`CacheEntity::store`].
    fn complete(&mut self, r: &Request, aborted: bool) -> Result<(), i32>;
    /// Puts it where others find it.
    fn commit(&mut self, r: &Request);
    /// Takes what is stored away.
    fn remove(&self, r: &Request) -> bool;
    /// Lets what is stored be used after revalidation only.
    fn invalidate(&mut self, r: &Request);
}

/// A place where responses are kept.
pub trait CacheStorage: Sync {
    /// The response under that key that fits the fields of the request.
    fn open(&self, r: &Request, key: &BStr) -> Option<Box<dyn CacheEntity>>;
    /// Room for a response of that size, where it is known. None: it is not to be kept here.
    fn create(&self, r: &Request, key: &BStr, size: Option<u64>) -> Option<Box<dyn CacheEntity>>;
}
