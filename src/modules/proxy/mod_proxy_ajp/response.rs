//! What a container answers: heads, pieces of a body, and questions for more of the request's.

use super::super::mod_proxy::{self, ProxyDir, Wire};
use super::packets::{self, Packet, kind};
use super::{Dialog, Failed};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::Answer;
use crate::request::{Body, Fault, Piece, Request, Source, Status};
use bstr::BString;
use bytes::Bytes;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;

/// One step of a container's.
enum Said {
    Head(packets::Answered),
    Piece(Bytes),
    /// What there is shall go out.
    Flush,
    /// The response has ended; whether the connection stays.
    End(bool),
}

impl Dialog {
    /// What a packet says; None where it was a question, now answered.
    async fn hear(&mut self, r: &mut Request, wire: &mut Wire, mut packet: Packet) -> Result<Option<Said>, Failed> {
        match packet.kind() {
            kind::GET_BODY_CHUNK => {
                self.send_part(r, wire).await?;
                Ok(None)
            }
            kind::SEND_HEADERS => Ok(Some(Said::Head(packets::head(r, &mut packet).map_err(Failed::Backend)?))),
            kind::SEND_BODY_CHUNK => {
                let piece = Bytes::copy_from_slice(packet.chunk(r).map_err(Failed::Backend)?);
                Ok(Some(if piece.is_empty() { Said::Flush } else { Said::Piece(piece) }))
            }
            kind::END_RESPONSE => {
                let stays = packet.byte(r).and_then(|_| packet.byte(r));
                if let Err(number) = stays {
                    self.backend_failed(r, number);
                }
                Ok(Some(Said::End(stays == Ok(1))))
            }
            _ => Err(Failed::Backend(0)),
        }
    }

    async fn next(&mut self, r: &mut Request, wire: &mut Wire) -> Result<Said, Failed> {
        loop {
            let packet = packets::receive(r, wire, self.most).await.map_err(Failed::Backend)?;
            if let Some(said) = self.hear(r, wire, packet).await? {
                return Ok(said);
            }
        }
    }

    fn failed(&self, r: &Request, failed: &Failed) -> Answer {
        match failed {
            Failed::Client(fault) => self.client_failed(r, fault),
            Failed::Backend(number) => {
                self.backend_failed(r, *number);
                match *number == 70_007 && self.pinged {
                    true => Answer::Status(Status::GATEWAY_TIME_OUT),
                    false => self.unavailable(r),
                }
            }
        }
    }
}

/// Reads the response and puts it into `r`; its body follows as the client takes it.
pub async fn response(r: &mut Request, mut dialog: Dialog, mut wire: Wire) -> Answer {
    // Who says nothing at all is told of in other words.
    let first = match packets::receive(r, &mut wire, dialog.most).await {
        Ok(packet) => packet,
        Err(number) => {
            let text = format_args!("AH00878: read response failed from {}", dialog.who);
            r.log_errno(Level::Error, "proxy_ajp", number, text);
            return match number == 70_007 && dialog.pinged {
                true => Answer::Status(Status::GATEWAY_TIME_OUT),
                false => dialog.unavailable(r),
            };
        }
    };
    let mut said = match dialog.hear(r, &mut wire, first).await {
        Ok(said) => said,
        Err(failed) => return dialog.failed(r, &failed),
    };
    let mut headed = false;
    let first = loop {
        let step = match said.take() {
            Some(step) => Ok(step),
            None => dialog.next(r, &mut wire).await,
        };
        match step {
            Ok(Said::Head(head)) if !headed => {
                headed = true;
                put(r, head);
            }
            Ok(Said::Flush) => {}
            Ok(Said::Piece(piece)) if headed => break piece,
            Ok(Said::End(stays)) => {
                if stays && wire.unread().is_empty() {
                    wire.backend.release();
                }
                r.body_out = Body::Empty;
                return overridden(r);
            }
            Ok(Said::Head(_)) => {
                r.log(Level::Debug, "proxy_ajp", format_args!("AH00884: Backend sent headers twice."));
                return refused(r, &dialog, Failed::Backend(0));
            }
            Ok(Said::Piece(_)) => return refused(r, &dialog, Failed::Backend(0)),
            Err(failed) => return refused(r, &dialog, failed),
        }
    };
    r.body_out = match r.header_only {
        true => {
            drain(r, dialog, wire).await;
            Body::Empty
        }
        false => Body::Stream(Box::new(Relay { dialog, wire: Some(wire), first: Some(first), gave: true })),
    };
    overridden(r)
}

/// The response that was begun is none: what there is of it goes.
fn refused(r: &mut Request, dialog: &Dialog, failed: Failed) -> Answer {
    let answer = dialog.failed(r, &failed);
    r.headers_out.clear();
    r.content_type = None;
    r.status = Status::OK;
    r.status_line = None;
    answer
}

/// Status and fields of the response.
fn put(r: &mut Request, (status, reason, fields): packets::Answered) {
    r.status = Status(status);
    r.status_line = Some(format!("{status} ").into_bytes()).map(|mut line| {
        line.extend_from_slice(&reason);
        line.into()
    });
    for (name, value) in fields {
        let value = match name.to_ascii_lowercase().as_slice() {
            // The length is told anew, if at all.
            b"content-length" | b"transfer-encoding" => continue,
            b"content-type" => {
                r.set_content_type(value.clone());
                value
            }
            b"location" | b"content-location" | b"uri" | b"destination" => {
                mod_proxy::reversed(r, &value).unwrap_or(value)
            }
            b"set-cookie" => mod_proxy::reversed_cookie(r, &value),
            _ => value,
        };
        r.headers_out.add(name, value);
    }
}

/// Passes over a body that nobody asked for, up to a mebibyte, so that the connection can be kept.
async fn drain(r: &mut Request, mut dialog: Dialog, mut wire: Wire) {
    let mut left = 1 << 20;
    while left > 0 {
        match dialog.next(r, &mut wire).await {
            Ok(Said::Piece(piece)) => left -= left.min(piece.len()),
            Ok(Said::Flush) => {}
            Ok(Said::End(true)) if wire.unread().is_empty() => return wire.backend.release(),
            _ => return,
        }
    }
}

/// ProxyErrorOverride: our own page instead.
fn overridden(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    if !dir.settings.of::<ProxyDir>().overrides(r.status.0) || r.prev.is_some() || r.is_sub() {
        return Answer::Ok;
    }
    if r.status == Status::UNAUTHORIZED {
        match r.headers_out.get("WWW-Authenticate").map(BString::from) {
            Some(value) => r.err_headers_out.set("WWW-Authenticate", value),
            None => {
                let text = "origin server sent 401 without WWW-Authenticate header";
                r.log(Level::Debug, "proxy_ajp", format_args!("AH00885: ap_proxy_ajp_request: {text}"));
            }
        }
    }
    let status = std::mem::replace(&mut r.status, Status::OK);
    Answer::Status(status)
}

struct Relay {
    dialog: Dialog,
    /// None once the response ended.
    wire: Option<Wire>,
    first: Option<Bytes>,
    /// The last piece was octets.
    gave: bool,
}

impl Source for Relay {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            if let Some(first) = self.first.take() {
                self.gave = true;
                return Ok(Some(Piece::Bytes(first)));
            }
            loop {
                let Some(wire) = &mut self.wire else { return Ok(None) };
                let packet = match packets::ready(r, wire, self.dialog.most) {
                    Ok(Some(packet)) => packet,
                    Ok(None) => {
                        // While the container pauses, what it sent until now goes out.
                        let read = {
                            let mut filling = pin!(wire.fill());
                            let at_once = poll_fn(|cx| match filling.as_mut().poll(cx) {
                                Poll::Ready(read) => Poll::Ready(Some(read)),
                                Poll::Pending => Poll::Ready(None),
                            });
                            match at_once.await {
                                Some(read) => read,
                                None if std::mem::take(&mut self.gave) => return Ok(Some(Piece::Flush)),
                                None => filling.await,
                            }
                        };
                        let number = match read {
                            Ok(0) => packets::missing(r, wire, &io::ErrorKind::UnexpectedEof.into()),
                            Ok(_) => continue,
                            Err(error) => packets::missing(r, wire, &error),
                        };
                        return Err(self.broken(r, Failed::Backend(number)));
                    }
                    Err(number) => return Err(self.broken(r, Failed::Backend(number))),
                };
                match self.dialog.hear(r, wire, packet).await {
                    Ok(Some(Said::Piece(piece))) => {
                        self.gave = true;
                        return Ok(Some(Piece::Bytes(piece)));
                    }
                    Ok(Some(Said::Flush)) => {
                        self.gave = false;
                        return Ok(Some(Piece::Flush));
                    }
                    Ok(Some(Said::End(stays))) => {
                        if let Some(wire) = self.wire.take()
                            && stays
                            && wire.unread().is_empty()
                        {
                            wire.backend.release();
                        }
                        return Ok(None);
                    }
                    Ok(Some(Said::Head(_))) => return Err(self.broken(r, Failed::Backend(0))),
                    Ok(None) => {}
                    Err(failed) => return Err(self.broken(r, failed)),
                }
            }
        })
    }
    fn measurable(&self) -> bool {
        false
    }
}

impl Relay {
    fn broken(&self, r: &Request, failed: Failed) -> Fault {
        let _ = self.dialog.failed(r, &failed);
        match failed {
            Failed::Client(fault) => fault,
            Failed::Backend(number) => Fault::upstream(format!("AJP: {number}")),
        }
    }
}
