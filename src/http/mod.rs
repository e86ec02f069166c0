//! HTTP on the wire: from bytes to a request, and from a response to bytes. HTTP/1 (RFC 9112) here, HTTP/2 in `h2`.
//!
//! `connection` owns the loop of a connection; `head` parses a request's head, `host` checks whom it names, `body` reads
//! its body; `ranges` cuts a response to what was asked for, `response_head` renders its head, `send` writes it.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod body;
pub mod chunked;
mod connection;
mod h2;
pub mod head;
mod host;
mod input;
mod pool;
pub mod ranges;
mod request_line;
mod response_head;
mod send;
mod slot;

pub use connection::serve;
