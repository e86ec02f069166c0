//! The beginning of a request's body, read before a backend is asked.

use super::call::{Call, target_of};
use super::pool::addresses;
use super::wire::Wire;
use crate::log::{Level, raw};
use crate::module::Answer;
use crate::request::{Fault, Request, Status};
use bytes::Bytes;
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Octets that are read ahead: a body up to here has a length that can be told.
pub const MOST: usize = 16 * 1024;

/// What is known of a body.
pub struct Ahead {
    pub pieces: VecDeque<Bytes>,
    /// It is here whole.
    pub ended: bool,
    /// What the backend hears of its length.
    pub length: Option<u64>,
}

/// Reads ahead. A body of unknown length that is longer is read to its end for protocols that must know it.
pub async fn read_ahead(r: &mut Request, call: &Call) -> Result<Ahead, Answer> {
    let announced: Option<u64> = r.headers_in.get("Content-Length").and_then(|text| text.to_string().parse().ok());
    let coded = r.headers_in.contains("Transfer-Encoding");
    let (mut pieces, mut held, mut ended) = (VecDeque::new(), 0, false);
    while !ended && held < MOST {
        match r.read_body().await {
            Ok(Some(bytes)) => {
                held += bytes.len();
                pieces.push_back(bytes);
            }
            Ok(None) => ended = true,
            Err(fault) => return Err(unread(r, call, &fault).await),
        }
    }
    let length = match ended {
        true => (coded || announced.is_some() || held > 0).then_some(held as u64),
        false => announced,
    };
    Ok(Ahead { pieces, ended, length })
}

/// The client's body broke off or is none, before the backend was asked.
pub async fn unread(r: &mut Request, call: &Call, fault: &Fault) -> Answer {
    let remote = call.remote.as_ref().map(|remote| (remote.host.clone(), remote.port));
    let (host, port) = remote.or_else(|| target_of(call)).unwrap_or_default();
    let first = match call.socket {
        Some(_) => None,
        None => addresses(call.worker.as_ref(), &host).await.into_iter().next(),
    };
    let address = first.map(|ip| SocketAddr::new(ip, port).to_string()).unwrap_or_default();
    let client = r.connection.client_ip.clone();
    let text = format_args!("AH01095: prefetch request body failed to {address} ({}) from {client} ()", raw(&host));
    r.log_errno(Level::Error, "proxy", fault.errno, text);
    Answer::Status(fault.status)
}

/// Protocols that tell the length first cannot take a body in chunks.
pub fn needs_length(r: &Request) -> Option<Answer> {
    if !r.headers_in.contains("Transfer-Encoding") {
        return None;
    }
    Some(Answer::Status(Status::LENGTH_REQUIRED))
}

/// Sends `out`, then the body as it comes. Error: the answer where the client failed, None where the backend did.
pub async fn send_with_body(r: &mut Request, wire: &mut Wire, mut out: Vec<u8>) -> Result<(), Option<Answer>> {
    loop {
        if out.len() >= MOST || !out.is_empty() && !r.headers_in.contains("Content-Length") {
            wire.send(&out).await.map_err(|_| None)?;
            out.clear();
        }
        match r.read_body().await {
            Ok(Some(bytes)) => out.extend_from_slice(&bytes),
            Ok(None) => break,
            Err(fault) => return Err(Some(Answer::Status(fault.status))),
        }
    }
    wire.send(&out).await.map_err(|_| None)
}
