//! The server's own pages for errors and redirects, and the footer under generated pages.
//!
//! Texts and their order are Apache's, taken from its answers; manual: custom-error.html, ServerSignature, mod/core.html.

use super::{escape, methods, name};
use crate::config::{Signature, identity};
use crate::request::{Body, MethodNumber, Request, Status};
use bstr::{BString, ByteSlice};

const HEAD: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
                    <html><head>\n<title>";

/// Replaces the response by a page for `status`, or by `text` where ErrorDocument gave one. `recursive` is the error
/// met while the ErrorDocument was tried.
pub fn respond(r: &mut Request, status: Status, recursive: Option<Status>, text: Option<BString>) {
    r.status = status;
    if !r.simple {
        let location = r.headers_out.get("Location").map(BString::from);
        r.headers_out = std::mem::take(&mut r.err_headers_out);
        if let Some(location) = location.as_ref().filter(|_| status.is_redirect() || status == Status::CREATED) {
            r.headers_out.set("Location", location);
        }
        r.content_languages.clear();
        r.content_encoding = None;
        r.content_length = None;
        r.chunked = false;
        set_type(r);
        let lists = status == Status::METHOD_NOT_ALLOWED || status == Status::NOT_IMPLEMENTED;
        if lists || (r.method.is(MethodNumber::OPTIONS) && r.allowed != 0) {
            r.headers_out.set("Allow", methods::allow_header(r));
        }
        r.status_line = r.status_line.take().filter(|line| matches(line, status));
    }
    r.body_out = Body::Empty;
    if r.header_only || status == Status::NO_CONTENT || status == Status::NOT_MODIFIED {
        return;
    }
    r.body_out = match text {
        Some(text) => Body::from(Vec::from(text)),
        None => Body::from(page(r, status, recursive)),
    };
}

/// The type of the server's own pages.
pub fn set_type(r: &mut Request) {
    let plain = r.env.contains("suppress-error-charset");
    r.set_content_type(if plain { "text/html" } else { "text/html; charset=iso-8859-1" });
}

/// Whether a status line that a handler chose is one of this status.
fn matches(line: &[u8], status: Status) -> bool {
    line.get(..3) == Some(itoa::Buffer::new().format(status.0).as_bytes())
        && line.get(3).is_none_or(|&byte| byte == b' ')
}

fn status_text(status: Status) -> &'static str {
    status.line().unwrap_or("500 Internal Server Error")
}

fn page(r: &Request, status: Status, recursive: Option<Status>) -> Vec<u8> {
    // A status that nobody knows looks like our own failure.
    let status = if status.line().is_some() { status } else { Status::INTERNAL_SERVER_ERROR };
    let title = match &r.status_line {
        Some(line) => escape::html(line),
        None => status_text(status).into(),
    };
    let heading = title.get(4..).unwrap_or_default();
    let mut out = Vec::with_capacity(512);
    for part in [HEAD.as_bytes(), &title, b"</title>\n</head><body>\n<h1>", heading, b"</h1>\n"] {
        out.extend_from_slice(part);
    }
    explain(r, status, &mut out);
    if let Some(other) = recursive {
        let text = format!(
            "<p>Additionally, a {}\nerror was encountered while trying to use an ErrorDocument to handle the request.</p>\n",
            status_text(other)
        );
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(&signature("<hr>\n", r));
    out.extend_from_slice(b"</body></html>\n");
    out
}

/// The paragraph that says what went wrong.
fn explain(r: &Request, status: Status, out: &mut Vec<u8>) {
    let method = || escape::html(&r.method.name);
    let location = || escape::html(r.headers_out.get("Location").unwrap_or_default());
    let notes = || r.notes.get("error-notes").unwrap_or_default();
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| out.extend_from_slice(part));
    match status.0 {
        301 | 302 | 307 | 308 => put(&[b"<p>The document has moved <a href=\"", &location(), b"\">here</a>.</p>\n"]),
        303 => put(&[b"<p>The answer to your request is located <a href=\"", &location(), b"\">here</a>.</p>\n"]),
        300 => put(&[r.notes.get("variant-list").unwrap_or_default()]),
        304 => {}
        400 => {
            put(&[b"<p>Your browser sent a request that this server could not understand.<br />\n", notes(), b"</p>\n"])
        }
        403 => put(&[b"<p>You don't have permission to access this resource.", notes(), b"</p>\n"]),
        405 => put(&[b"<p>The requested method ", &method(), b" is not allowed for this URL.</p>\n"]),
        406 => put(&[fixed(406), r.notes.get("variant-list").unwrap_or_default()]),
        411 => {
            put(&[b"<p>A request of the requested method ", &method(), b" requires a valid Content-length.<br />\n"]);
            put(&[notes(), b"</p>\n"]);
        }
        413 => {
            put(&[b"The requested resource does not allow request data with ", &method()]);
            put(&[b" requests, or the amount of data provided in\nthe request exceeds the capacity limit.\n"]);
        }
        414 => {
            put(&[b"<p>The requested URL's length exceeds the capacity\nlimit for this server.<br />\n"]);
            put(&[notes(), b"</p>\n"]);
        }
        417 => {
            match r.headers_in.get("Expect") {
                Some(expect) => {
                    put(&[b"<p>The expectation given in the Expect request-header\nfield could not be met by this server.\n"]);
                    put(&[b"The client sent<pre>\n    Expect: ", &escape::html(expect), b"\n</pre>\n"]);
                    put(&[b"</p><p>Only the 100-continue expectation is supported.</p>\n"]);
                }
                None => {
                    put(&[b"<p>No expectation was seen, the Expect request-header \nfield was not presented by the client.\n"]);
                    put(&[b"</p><p>Only the 100-continue expectation is supported.</p>\n"]);
                }
            }
        }
        451 => put(&[b"<p>Access to this URL has been denied for legal reasons.<br />\n", notes(), b"</p>\n"]),
        501 => put(&[b"<p>", &method(), b" not supported for current URL.<br />\n", notes(), b"</p>\n"]),
        502 => put(&[
            b"<p>The proxy server received an invalid\r\nresponse from an upstream server.<br />\r\n",
            notes(),
            b"</p>\n",
        ]),
        506 => {
            put(&[
                b"<p>A variant for the requested resource\n<pre>\n",
                r.notes.get("variant-list").unwrap_or_default(),
            ]);
            put(&[b"\n</pre>\nis itself a negotiable resource. This indicates a configuration error.</p>\n"]);
        }
        code if !fixed(code).is_empty() => put(&[fixed(code)]),
        _ => {
            let verbose = r.notes.get("verbose-error-to").is_some_and(|to| to == "*") && !notes().is_empty();
            if verbose {
                return put(&[notes(), b"<p />\n"]);
            }
            put(&[b"<p>The server encountered an internal error or\nmisconfiguration and was unable to complete\nyour request.</p>\n"]);
            put(&[b"<p>Please contact the server administrator at \n ", &escape::html(name::server_admin(r))]);
            put(&[b" to inform them of the time this error occurred,\n and the actions you performed just before this error.</p>\n"]);
            put(&[b"<p>More information about this error may be available\nin the server error log.</p>\n"]);
        }
    }
}

/// Texts that depend on nothing.
fn fixed(status: u16) -> &'static [u8] {
    match status {
        305 => b"<p>This resource is only accessible through the proxy\n<br />\nYou will need to configure your client to use that proxy.</p>\n",
        401 | 407 => {
            b"<p>This server could not verify that you\nare authorized to access the document\nrequested.  Either you supplied the wrong\ncredentials (e.g., bad password), or your\nbrowser doesn't understand how to supply\nthe credentials required.</p>\n"
        }
        404 => b"<p>The requested URL was not found on this server.</p>\n",
        406 => b"<p>An appropriate representation of the requested resource could not be found on this server.</p>\n",
        408 => b"<p>Server timeout waiting for the HTTP request from the client.</p>\n",
        410 => b"<p>The requested resource is no longer available on this server and there is no forwarding address.\nPlease remove all references to this resource.</p>\n",
        412 => b"<p>The precondition on the request for this URL evaluated to false.</p>\n",
        415 => b"<p>The supplied request data is not in a format\nacceptable for processing by this resource.</p>\n",
        416 => b"<p>None of the range-specifier values in the Range\nrequest-header field overlap the current extent\nof the selected resource.</p>\n",
        421 => b"<p>The client needs a new connection for this\nrequest as the requested host name does not match\nthe Server Name Indication (SNI) in use for this\nconnection.</p>\n",
        422 => b"<p>The server understands the media type of the\nrequest entity, but was unable to process the\ncontained instructions.</p>\n",
        423 => b"<p>The requested resource is currently locked.\nThe lock must be released or proper identification\ngiven before the method can be applied.</p>\n",
        424 => b"<p>The method could not be performed on the resource\nbecause the requested action depended on another\naction and that other action failed.</p>\n",
        426 => b"<p>The requested resource can only be retrieved\nusing SSL.  The server is willing to upgrade the current\nconnection to SSL, but your client doesn't support it.\nEither upgrade your client, or try requesting the page\nusing https://\n",
        428 => b"<p>The request is required to be conditional.</p>\n",
        429 => b"<p>The user has sent too many requests\nin a given amount of time.</p>\n",
        431 => b"<p>The server refused this request because\nthe request header fields are too large.</p>\n",
        503 => b"<p>The server is temporarily unable to service your\nrequest due to maintenance downtime or capacity\nproblems. Please try again later.</p>\n",
        504 => b"<p>The gateway did not receive a timely response\nfrom the upstream server or application.</p>\n",
        507 => b"<p>The method could not be performed on the resource\nbecause the server is unable to store the\nrepresentation needed to successfully complete the\nrequest.  There is insufficient free space left in\nyour storage allocation.</p>\n",
        508 => b"<p>The server terminated an operation because\nit encountered an infinite loop.</p>\n",
        510 => b"<p>A mandatory extension policy in the request is not\naccepted by the server for this resource.</p>\n",
        511 => b"<p>The client needs to authenticate to gain\nnetwork access.</p>\n",
        _ => b"",
    }
}

/// The line under generated pages, as ServerSignature asks; `prefix` stands before it, and nothing at all when it is off.
pub fn signature(prefix: &str, r: &Request) -> BString {
    let kind = r.dir.core().signature.unwrap_or(Signature::Off);
    if kind == Signature::Off {
        return BString::default();
    }
    let mut out = Vec::with_capacity(128);
    let host = escape::html(&name::server_name(r));
    for part in [prefix.as_bytes(), b"<address>", identity::server_banner().as_bytes(), b" Server at "] {
        out.extend_from_slice(part);
    }
    match kind {
        Signature::EMail => {
            let admin = name::server_admin(r);
            let scheme: &[u8] =
                if admin.find_byte(b':').is_some() || admin.starts_with(b"/") { b"" } else { b"mailto:" };
            for part in [b"<a href=\"", scheme, &escape::html(admin), b"\">", &host, b"</a>"] {
                out.extend_from_slice(part);
            }
        }
        _ => out.extend_from_slice(&host),
    }
    out.extend_from_slice(format!(" Port {}</address>\n", name::server_port(r)).as_bytes());
    out.into()
}
