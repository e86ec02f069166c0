//! mod_proxy_ajp: servlet containers, which speak AJP/1.3.
//!
//! Offers a [`ProxyScheme`] for `ajp:`. The request's head is one packet, its body follows piece by piece as the container
//! asks for it; what the container sends of a response is passed on as the client takes it. Worker parameters `secret`,
//! `ping`, `iobuffersize`; variables `AJP_…` become attributes. `packets.rs` is the protocol.
//!
//! Differences: a request in flight holds no thread; what a container sent goes out when it pauses, whatever `flushpackets`
//! says. Manual: mod/mod_proxy_ajp.html.

mod packets;
mod response;

use super::mod_proxy::{self, Call, ProxyScheme, Wire, patience, proxy_error};
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, Hooks, Linked, Module};
use crate::request::{Fault, MethodNumber, Request, Status};
use crate::server::{self, Want};
use bstr::{BStr, BString, ByteSlice};
use packets::{OVERFLOW, OVERHEAD, Outgoing, USUAL};
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_proxy_ajp.c",
    ident: "proxy_ajp_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ProxyScheme>("ajp", &Ajp);
}

struct Ajp;

fn ours(url: &[u8]) -> bool {
    url.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"ajp:"))
}

impl ProxyScheme for Ajp {
    fn canonical(&self, r: &mut Request, url: &BStr) -> Answer {
        if !ours(url) {
            return Answer::Declined;
        }
        let rest = url.get(4..).unwrap_or_default().to_vec();
        mod_proxy::canonical(r, BStr::new("ajp"), &rest, "proxy_ajp", ["00867", "10418", "10406"])
    }
    fn serve<'a>(&'a self, r: &'a mut Request, call: &'a Call) -> BoxFuture<'a, Answer> {
        if ours(&call.url) { Box::pin(run(r, call)) } else { crate::module::declined() }
    }
}

/// What is known of a request in flight.
struct Dialog {
    /// `127.0.0.1:8009 (host:8009)`, for log lines.
    who: String,
    /// Octets of a packet at most.
    most: usize,
    /// Octets of the body that were read and not sent.
    held: Vec<u8>,
    /// There may be more of the body.
    more: bool,
    /// What was read last was much.
    goes_on: bool,
    /// Some of the body was sent: the request cannot be made again.
    sent: bool,
    /// The container was seen alive just now.
    pinged: bool,
}

/// Whether a request that failed may be made again, elsewhere.
fn repeatable(r: &Request) -> bool {
    use MethodNumber as M;
    let known = [M::GET, M::DELETE, M::PUT, M::OPTIONS, M::TRACE].iter().any(|method| r.method.is(*method));
    known && r.args.is_none()
}

async fn run(r: &mut Request, call: &Call) -> Answer {
    let Some((host, port)) = mod_proxy::target_of(call) else {
        return proxy_error(r, Status::BAD_REQUEST, &format!("URI cannot be parsed: {}", call.url));
    };
    let failed = |r: &Request| {
        r.log(Level::Error, "proxy_ajp", format_args!("AH00896: failed to make connection to backend: {host}"));
    };
    let parameter = |of: fn(&mod_proxy::Parameters) -> Option<Duration>| {
        call.worker.as_ref().and_then(|worker| of(&worker.parameters))
    };
    let ping = parameter(|parameters| parameters.ping);
    let span = patience(r, call.worker.as_deref());
    let size = call.worker.as_ref().and_then(|worker| worker.parameters.io_buffer);
    let most = size.unwrap_or(USUAL).clamp(USUAL, 65_536);
    let mut attempts = 2;
    let (mut wire, who) = loop {
        let backend = match mod_proxy::backend(r, call, host.as_bstr(), port, failed).await {
            Ok(backend) => backend,
            Err(answer) => return answer,
        };
        let at = backend.stream.peer_addr().map(|peer| peer.to_string()).unwrap_or_default();
        let who = format!("{at} ({host}:{port})");
        let mut wire = Wire::new(backend, ping.unwrap_or(span));
        if ping.is_none() {
            break (wire, who);
        }
        match packets::ping(r, &mut wire).await {
            Ok(()) => {
                wire.patience = span;
                break (wire, who);
            }
            Err(number) => {
                wire.backend.spend();
                let text = format_args!("AH00897: cping/cpong failed to {who}");
                r.log_errno(Level::Error, "proxy_ajp", number, text);
            }
        }
        attempts -= 1;
        if attempts == 0 {
            return Answer::Status(Status::SERVICE_UNAVAILABLE);
        }
    };
    let mut dialog =
        Dialog { who, most, held: Vec::new(), more: true, goes_on: false, sent: false, pinged: ping.is_some() };
    if let Err(answer) = dialog.ask(r, call, &mut wire).await {
        wire.backend.spend();
        return answer;
    }
    response::response(r, dialog, wire).await
}

impl Dialog {
    /// Sends the head, and the first of a body whose length is known.
    async fn ask(&mut self, r: &mut Request, call: &Call, wire: &mut Wire) -> Result<(), Answer> {
        let head = match forward(r, call, self.most) {
            Ok(head) => head,
            Err(number) => {
                r.log(
                    Level::Error,
                    "proxy_ajp",
                    format_args!("AH00988: ajp_send_header: ajp_marshal_into_msgb failed"),
                );
                let text = format_args!("AH00868: request failed to {}", self.who);
                r.log_errno(Level::Error, "proxy_ajp", number, text);
                return Err(Answer::Status(Status::BAD_REQUEST));
            }
        };
        if let Err(error) = wire.send(&head).await {
            let number = mod_proxy::errno(&error);
            let text = format_args!("AH01029: ajp_ilink_send(): send failed");
            r.server.log_errno(Level::Error, "proxy_ajp", number, text);
            r.log(Level::Error, "proxy_ajp", format_args!("AH00989: ajp_send_header: ajp_ilink_send failed"));
            let text = format_args!("AH00868: request failed to {}", self.who);
            r.log_errno(Level::Error, "proxy_ajp", number, text);
            return Err(self.unavailable(r));
        }
        let coding = r.headers_in.get("Transfer-Encoding").map(BString::from);
        if let Some(coding) = coding {
            if coding.eq_ignore_ascii_case(b"chunked") {
                return Ok(());
            }
            let text = format_args!("AH10396: {} Transfer-Encoding is not supported", raw(&coding));
            r.log(Level::Error, "proxy_ajp", text);
            return Err(Answer::Status(Status::INTERNAL_SERVER_ERROR));
        }
        let length = r.headers_in.get("Content-Length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        if length.is_none_or(|length| length == 0) {
            return Ok(());
        }
        let part = self.part(r).await.map_err(|fault| self.client_failed(r, &fault))?;
        wire.send(&packets::body(&part)).await.map_err(|error| {
            let text = format_args!("AH00876: send failed to {}", self.who);
            r.log_errno(Level::Error, "proxy_ajp", mod_proxy::errno(&error), text);
            self.unavailable(r)
        })
    }

    /// The next of the body that fits into a packet; empty at its end.
    async fn part(&mut self, r: &mut Request) -> Result<Vec<u8>, Fault> {
        let room = self.most - OVERHEAD;
        // What fills half a buffer is the beginning of more; what does not came alone.
        let known = r.headers_in.contains("Content-Length") && !r.headers_in.contains("Transfer-Encoding");
        let mut alone = !known && !self.held.is_empty() && !self.goes_on;
        while self.more && self.held.len() < room && !alone {
            match r.read_body().await? {
                Some(bytes) => {
                    self.goes_on = bytes.len() >= PIECE / 2;
                    alone = !known && !self.goes_on;
                    self.held.extend_from_slice(&bytes);
                }
                None => self.more = false,
            }
        }
        let rest = self.held.split_off(self.held.len().min(room));
        self.sent |= !self.held.is_empty();
        Ok(std::mem::replace(&mut self.held, rest))
    }

    /// Sends what the container asks for.
    async fn send_part(&mut self, r: &mut Request, wire: &mut Wire) -> Result<(), Failed> {
        let part = self.part(r).await.map_err(Failed::Client)?;
        wire.send(&packets::body(&part)).await.map_err(|error| {
            r.log(Level::Debug, "proxy_ajp", format_args!("AH00882: ajp_send_data_msg failed"));
            Failed::Backend(mod_proxy::errno(&error))
        })
    }

    fn client_failed(&self, r: &Request, fault: &Fault) -> Answer {
        let client = r.connection.client;
        let text = format_args!("AH02822: dialog with client {client} failed");
        r.log_errno(Level::Error, "proxy_ajp", fault.errno, text);
        Answer::Status(fault.status)
    }

    fn backend_failed(&self, r: &Request, number: i32) {
        let text = format_args!("AH00893: dialog to {} failed", self.who);
        match number {
            0 => r.log(Level::Error, "proxy_ajp", text),
            number => r.log_errno(Level::Error, "proxy_ajp", number, text),
        }
    }

    fn unavailable(&self, r: &Request) -> Answer {
        match !self.sent && repeatable(r) {
            true => Answer::Status(Status::SERVICE_UNAVAILABLE),
            false => Answer::Status(Status::INTERNAL_SERVER_ERROR),
        }
    }
}

/// Octets of a body that come at once, if there are so many.
const PIECE: usize = 8192;

enum Failed {
    Client(Fault),
    /// With its number for the log; 0: none.
    Backend(i32),
}

/// The packet of a request. Error: it does not fit; said in the log.
fn forward(r: &Request, call: &Call, most: usize) -> Result<Vec<u8>, i32> {
    let mut out = Outgoing::new(most);
    let failed = |tag: &'static str, what: &'static str| {
        move |number: i32| {
            r.log(Level::Error, "proxy_ajp", format_args!("AH{tag}: ajp_marshal_into_msgb: Error appending {what}"));
            number
        }
    };
    let path = mod_proxy::split_url(&call.url).map(|(_, _, rest)| rest).unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let name = server::server_name(r);
    let host = server::remote_host(r, Want::NameOnly);
    let secured = server::tls(r.server).is_some();
    let number = packets::method(r.method.name.as_bstr());
    (|| {
        out.byte(r, 2)?;
        out.byte(r, number)?;
        out.string(r, Some(&r.protocol))?;
        out.string(r, Some(path))?;
        out.string(r, Some(&r.useragent_ip))?;
        out.string(r, host.as_ref().map(|host| host.as_slice()))?;
        out.string(r, Some(&name))?;
        out.number(r, r.connection.local.port())?;
        out.byte(r, u8::from(secured))?;
        out.number(r, u16::try_from(r.headers_in.iter().count()).map_err(|_| OVERFLOW)?)
    })()
    .map_err(failed("00968", "the message beginning"))?;
    for (name, value) in r.headers_in.iter() {
        match packets::field(name) {
            Some(code) => out.number(r, code).map_err(failed("00969", "the header name"))?,
            None => out.string(r, Some(name)).map_err(failed("00970", "the header name"))?,
        }
        out.string(r, Some(value)).map_err(failed("00971", "the header value"))?;
    }
    let mut attribute = |code: u8, value: Option<&[u8]>, tag: &'static str, what: &'static str| match value {
        Some(value) => {
            let appended = out.byte(r, code).and_then(|()| out.string(r, Some(value)));
            appended.map_err(failed(tag, what))
        }
        None => Ok(()),
    };
    let secret = call.worker.as_ref().and_then(|worker| worker.parameters.secret.clone());
    attribute(0x0c, secret.as_ref().map(|secret| secret.as_slice()), "03228", "secret")?;
    attribute(0x03, r.user.as_ref().map(|user| user.as_slice()), "00972", "the remote user")?;
    attribute(0x04, r.auth_type.as_ref().map(|kind| kind.as_slice()), "00973", "the auth type")?;
    attribute(0x05, r.args.as_ref().map(|args| args.as_slice()), "00974", "the query string")?;
    let route = r.notes.get("session-route").map(BString::from);
    attribute(0x06, route.as_ref().map(|route| route.as_slice()), "00975", "the jvm route")?;
    if secured {
        let variable =
            |name: &str| server::tls_variable(r, BStr::new(name)).filter(|value: &BString| !value.is_empty());
        let certificate = variable("SSL_CLIENT_CERT");
        attribute(0x07, certificate.as_ref().map(|text| text.as_slice()), "00976", "the SSL certificates")?;
        let cipher = variable("SSL_CIPHER");
        attribute(0x08, cipher.as_ref().map(|text| text.as_slice()), "00977", "the SSL ciphers")?;
        let session = variable("SSL_SESSION_ID");
        attribute(0x09, session.as_ref().map(|text| text.as_slice()), "00978", "the SSL session")?;
        // The size of a key is a number, not a string.
        let bits = variable("SSL_CIPHER_USEKEYSIZE").and_then(|bits| bits.to_str().ok()?.parse::<u16>().ok());
        if let Some(bits) = bits.filter(|bits| *bits > 0) {
            let appended = out.byte(r, 0x0b).and_then(|()| out.number(r, bits));
            appended.map_err(failed("00979", "the SSL key size"))?;
        }
    }
    if number == 0xff {
        let appended = out.byte(r, 0x0d).and_then(|()| out.string(r, Some(&r.method.name)));
        appended.inspect_err(|_| {
            let text = "as request attribute";
            let name = packets::shown(&r.method.name);
            let text = format_args!("AH02438: ajp_marshal_into_msgb: Error appending the method '{name}' {text}");
            r.log(Level::Error, "proxy_ajp", text);
        })?;
    }
    let mut named = |tag: &str, name: &[u8], value: &[u8]| {
        let appended =
            out.byte(r, 0x0a).and_then(|()| out.string(r, Some(name))).and_then(|()| out.string(r, Some(value)));
        appended.inspect_err(|_| {
            let (name, value) = (packets::shown(name), packets::shown(value));
            let text = format_args!("AH{tag}: ajp_marshal_into_msgb: Error appending attribute {name}={value}");
            r.log(Level::Error, "proxy_ajp", text);
        })
    };
    if let Some(protocol) = server::tls_variable(r, BStr::new("SSL_PROTOCOL")).filter(|_| secured) {
        named("02830", b"AJP_SSL_PROTOCOL", &protocol)?;
    }
    named("00980", b"AJP_REMOTE_PORT", r.useragent.port().to_string().as_bytes())?;
    named("02646", b"AJP_LOCAL_ADDR", r.connection.local.ip().to_string().as_bytes())?;
    for (name, value) in r.env.iter() {
        if let Some(name) = name.strip_prefix(b"AJP_") {
            named("00981", name, value)?;
        }
    }
    out.byte(r, 0xff).map_err(failed("00982", "the message end"))?;
    Ok(out.finished())
}
