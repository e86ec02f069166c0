//! Sending what is stored.

use super::select::Storage;
use crate::log::{Level, raw};
use crate::module::CacheEntity;
use crate::request::{Body, Request, Status, Table};
use crate::server::{conditional, date};

/// `below` without the fields that `above` has too, and those of `above`.
pub(super) fn overlap(below: &Table, above: &Table) -> Table {
    let mut out = below.clone();
    out.retain(|name, _| !above.contains(name));
    out.extend(above);
    out
}

/// Takes over what a response's fields say of its content.
pub(super) fn accept(r: &mut Request) {
    if let Some(kind) = r.headers_out.get("Content-Type").map(bstr::BString::from) {
        r.headers_out.unset("Content-Type");
        r.set_content_type(kind);
    }
    if let Some(modified) = r.headers_out.get("Last-Modified").map(|text| date::parse(text)) {
        r.mtime = r.mtime.max(modified.unwrap_or(0).saturating_mul(1_000_000));
        conditional::set_last_modified(r);
        if r.mtime == 0 {
            // No date at all: the first there is.
            r.headers_out.set("Last-Modified", date::format(0));
        }
    }
}

/// The content of a stored response, with its status and type.
pub(super) fn serve(r: &mut Request, entity: &dyn CacheEntity) -> Body {
    r.log(Level::Debug, "cache", format_args!("AH00763: cache: running CACHE_OUT filter"));
    if let Some(kind) = entity.response().get("Content-Type").map(bstr::BString::from) {
        r.set_content_type(kind);
    }
    r.status = Status(entity.info().status);
    r.status_line = None;
    r.log(Level::Debug, "cache", format_args!("AH00764: cache: serving {}", raw(&r.uri)));
    entity.body()
}

/// Lets what is stored for a changed resource be used after revalidation only. False: nothing is.
pub(super) fn invalidate(r: &Request, storage: Storage, key: &bstr::BStr) -> bool {
    match storage.open(r, key) {
        Some(mut entity) => {
            entity.invalidate(r);
            true
        }
        None => false,
    }
}
