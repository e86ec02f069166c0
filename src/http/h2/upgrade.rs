//! A request of HTTP/1.1 that asks for HTTP/2 becomes the first stream (RFC 7540 section 3.2).
//!
//! The library knows nothing of that: behind the client's first settings it is shown a field section that opens stream 1, and
//! the request takes that section's place.

use crate::request::Request;
use ::http::header::{HeaderName, HeaderValue};
use ::http::request::Parts;
use ::http::{Method, Uri};
use bstr::ByteSlice;

/// The answer to the request on the connection as it was.
pub const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n";
pub const SWITCHING_SECURED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2\r\nConnection: Upgrade\r\n\r\n";

/// HEADERS of stream 1, which end it: GET, http, `/`, and an authority that nobody sees.
pub const OPENING: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x01, 0x01, b'x'];

/// Fields that were for the connection as it was.
const DROPPED: [&[u8]; 3] = [b"connection", b"upgrade", b"http2-settings"];

/// The request as its stream would have brought it. `None`: it cannot be said that way.
pub fn parts(r: &Request) -> Option<Parts> {
    let host = r.headers_in.get("Host")?;
    let path = r.unparsed_uri.as_slice();
    let uri =
        Uri::builder().scheme(r.connection.scheme).authority(host.as_bytes()).path_and_query(path).build().ok()?;
    let mut request = ::http::Request::new(());
    *request.uri_mut() = uri;
    *request.method_mut() = Method::from_bytes(&r.method.name).ok()?;
    for (name, value) in r.headers_in.iter() {
        if !DROPPED.iter().any(|dropped| dropped.eq_ignore_ascii_case(name)) {
            request.headers_mut().append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?);
        }
    }
    Some(request.into_parts().0)
}
