//! Server push: resources that a response links to with `rel=preload` are sent along with it (RFC 9113 section 8.4).

use super::reply::{Handle, Reply};
use super::session::Session;
use super::stream::{self, Arrival};
use crate::request::{MethodNumber, Request, Table};
use ::http::header::HeaderName;
use ::http::{Method, Uri};
use bstr::ByteSlice;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Fields of a request that hold for what is pushed along with its response.
const TAKEN_OVER: [&str; 5] = ["user-agent", "accept-encoding", "accept-language", "cache-control", "accept"];

/// Pushes what the Link fields of the response name. The policy that was followed, where anything was to be pushed.
pub fn links(r: &Request, reply: &Reply, session: &Arc<Session>, fields: &[&Table]) -> Option<&'static str> {
    if !session.push.load(Ordering::Relaxed) || !session.limits.push || !r.method.is(MethodNumber::GET) {
        return None;
    }
    let stream = r.connection.stream_of.as_ref()?;
    if stream.pushed_on.is_some() || !(200..400).contains(&r.status.0) || !session.http2.pushes(r) {
        return None;
    }
    let paths: Vec<Vec<u8>> = fields
        .iter()
        .flat_map(|table| table.all("Link"))
        .flat_map(|value| preloads(value))
        .filter_map(|target| local(r, target))
        .collect();
    if paths.is_empty() {
        return None;
    }
    // What the client asks for (draft-ruellan-http-accept-push-policy).
    let policy = match r.headers_in.get("Accept-Push-Policy").map(|value| value.as_bytes()) {
        Some(b"none") => return None,
        Some(b"head") => "head",
        Some(b"fast-load") => "fast-load",
        _ => "default",
    };
    for path in paths {
        push(r, reply, session, &path, policy == "head");
    }
    Some(policy)
}

/// The targets of a Link field that are to be loaded ahead; `nopush` means what it says.
fn preloads(value: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find_byte(b'<') {
        let Some(target_end) = rest.get(start..).and_then(|part| part.find_byte(b'>')) else { break };
        let target = rest.get(start + 1..start + target_end).unwrap_or_default();
        let after = rest.get(start + target_end + 1..).unwrap_or_default();
        let end = after.find_byte(b'<').unwrap_or(after.len());
        let parameters = after.get(..end).unwrap_or_default();
        let mut preload = false;
        let mut nopush = false;
        for parameter in parameters.split(|byte| matches!(byte, b';' | b',')) {
            let parameter = parameter.trim_ascii();
            nopush |= parameter.eq_ignore_ascii_case(b"nopush");
            if let Some((name, value)) = parameter.split_once_str("=")
                && name.trim_ascii().eq_ignore_ascii_case(b"rel")
            {
                let value = value.trim_ascii().trim_with(|letter| letter == '"');
                preload |= value.split_str(" ").any(|word| word.eq_ignore_ascii_case(b"preload"));
            }
        }
        if preload && !nopush {
            found.push(target);
        }
        rest = after.get(end..).unwrap_or_default();
    }
    found
}

/// The path of a target on this very host; relative ones count from the request's path.
fn local(r: &Request, target: &[u8]) -> Option<Vec<u8>> {
    if target.starts_with(b"//") || target.contains_str("#") {
        return None;
    }
    if target.starts_with(b"/") {
        return Some(target.to_vec());
    }
    if let Some((scheme, rest)) = target.split_once_str("://") {
        let host = r.headers_in.get("Host")?;
        let same = scheme.eq_ignore_ascii_case(r.connection.scheme.as_bytes());
        let (place, path) = rest.split_at(rest.find_byte(b'/')?);
        return (same && place.eq_ignore_ascii_case(host)).then(|| path.to_vec());
    }
    if target.is_empty() || target.starts_with(b".") {
        return None;
    }
    let path = r.unparsed_uri.split(|byte| *byte == b'?').next().unwrap_or_default();
    let folder = path.get(..path.rfind_byte(b'/')? + 1)?;
    Some([folder, target].concat())
}

fn push(r: &Request, reply: &Reply, session: &Arc<Session>, path: &[u8], head: bool) {
    let Some(stream) = &r.connection.stream_of else { return };
    let Some(host) = r.headers_in.get("Host") else { return };
    let mut hasher = DefaultHasher::new();
    (host.as_bytes(), path).hash(&mut hasher);
    if !session.is_news(hasher.finish()) {
        return;
    }
    let uri = Uri::builder().scheme(r.connection.scheme).authority(host.as_bytes()).path_and_query(path).build();
    let Ok(uri) = uri else { return };
    let mut request = ::http::Request::new(());
    *request.uri_mut() = uri;
    if head {
        *request.method_mut() = Method::HEAD;
    }
    for name in TAKEN_OVER {
        if let (Some(value), Ok(key)) = (r.headers_in.get(name), HeaderName::from_bytes(name.as_bytes()))
            && let Ok(value) = value.as_bytes().try_into()
        {
            request.headers_mut().append(key, value);
        }
    }
    // The client is told of the request, and the same request is answered.
    let mut copy = ::http::Request::new(());
    *copy.uri_mut() = request.uri().clone();
    *copy.method_mut() = request.method().clone();
    *copy.headers_mut() = request.headers().clone();
    if let Some((id, pushed)) = reply.promise(request) {
        let arrival = Arrival { id, pushed_on: Some(stream.id), parts: copy.into_parts().0, recv: None };
        stream::begin(session, arrival, Handle::Pushed(pushed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_preload() {
        let found = |value: &str| {
            preloads(value.as_bytes()).iter().map(|one| one.to_str_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found("</a>;rel=preload, <b>; rel=\"x preload\"; as=style, </c>;rel=next"), ["/a", "b"]);
        assert_eq!(found("</a>;rel=preload;nopush,</b>"), Vec::<String>::new());
        assert_eq!(found("</a"), Vec::<String>::new());
    }
}
