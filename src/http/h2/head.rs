//! A request's head: from a field section (RFC 9113 section 8.3.1) to a request.

use crate::http::head::Limits;
use crate::http::{host, request_line};
use crate::log::{Level, raw};
use crate::request::{Method, MethodNumber, Request, Status, Version};
use crate::server::uri;
use ::http::request::Parts;
use bstr::{BString, ByteSlice};

/// Fills `r`, or says how it is refused. `forward`: targets are those of a forward proxy (H2ProxyRequests).
pub fn read(r: &mut Request, parts: &Parts, limits: &Limits, forward: bool) -> Result<(), Status> {
    r.version = Version::V2;
    r.protocol.clear();
    r.protocol.extend_from_slice(b"HTTP/2.0");
    r.method = Method::parse(parts.method.as_str().as_bytes());
    r.header_only = parts.method == ::http::Method::HEAD;
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let connect = r.method.is(MethodNumber::CONNECT) && super::websocket::asked(parts).is_none();
    let target = match parts.uri.path_and_query() {
        Some(path) if !connect => path.as_str().as_bytes(),
        _ => authority.unwrap_or_default(),
    };
    let tag = Tag::of(r);
    if target.len() > limits.line {
        let text = format_args!("AH10178: {tag}: Request pseudo header exceeds LimitRequestFieldSize: :path");
        r.log(Level::Info, "http2", text);
        line(r, b"(null)");
        return Err(Status::REQUEST_URI_TOO_LARGE);
    }
    line(r, target);
    if limits.fields != 0 && parts.headers.len() > limits.fields {
        let most = limits.fields;
        let text = format_args!("AH10181: {tag}: Number of request headers exceeds LimitRequestFields({most})");
        r.log(Level::Info, "http2", text);
        return Err(Status::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    for (name, value) in &parts.headers {
        let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
        if name.len() + value.len() + 2 > limits.field_size {
            return Err(too_large(r, &tag, name, limits));
        }
        // Crumbs of a cookie are one field again.
        match name {
            b"cookie" => match r.headers_in.get("Cookie").map(BString::from) {
                Some(before) => r.headers_in.set("Cookie", [before.as_slice(), b"; ", value].concat()),
                None => r.headers_in.add(name, value),
            },
            b"host" if authority.is_some() => {}
            _ => r.headers_in.merge(name, value),
        }
    }
    if let Some(authority) = authority {
        r.headers_in.set("Host", authority);
    }
    if let Some((name, _)) = r.headers_in.iter().find(|(_, value)| value.len() > limits.field_size) {
        let name = BString::from(name);
        return Err(too_large(r, &tag, &name, limits));
    }
    if connect {
        uri::set_path(r, b"");
        r.unparsed_uri = target.into();
    } else if let (true, Some(authority), Some(scheme)) = (forward, authority, parts.uri.scheme_str()) {
        let whole = [scheme.as_bytes(), b"://", authority, target].concat();
        line(r, &whole);
        if !request_line::absolute(r, &whole, limits.options.strict) {
            return Err(Status::BAD_REQUEST);
        }
    } else if target.starts_with(b"/") || target == b"*" {
        uri::set_uri(r, target);
    } else {
        return Err(Status::BAD_REQUEST);
    }
    host::check(r, &limits.options)
}

fn too_large(r: &Request, tag: &Tag, name: &[u8], limits: &Limits) -> Status {
    let most = limits.field_size;
    let name = raw(name);
    let text = format_args!("AH10180: {tag}: Request header exceeds LimitRequestFieldSize({most}): {name}");
    r.log(Level::Info, "http2", text);
    Status::REQUEST_HEADER_FIELDS_TOO_LARGE
}

/// The request line as logs show it.
fn line(r: &mut Request, target: &[u8]) {
    let Request { the_request, method, .. } = r;
    the_request.clear();
    for part in [method.name.as_bytes(), b" ", target, b" HTTP/2.0"] {
        the_request.extend_from_slice(part);
    }
}

/// How a stream is called in the log.
struct Tag {
    connection: u64,
    stream: u32,
}

impl Tag {
    fn of(r: &Request) -> Tag {
        Tag { connection: r.connection.id, stream: r.connection.stream_of.as_ref().map_or(0, |stream| stream.id) }
    }
}

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "h2_stream({}-{}-{},IDLE)", std::process::id(), self.connection, self.stream)
    }
}
