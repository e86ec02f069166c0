//! What a module says of HTTP/2 connections: offered as `http2`, kept to by the wire code.

use crate::config::Server;
use crate::request::Request;
use bstr::BString;
use std::time::Duration;

/// What holds for the connections of a server.
#[derive(Clone, Copy, Debug)]
pub struct Http2Session {
    /// Requests at a time.
    pub streams: u32,
    /// Octets of a request's body that may come unasked.
    pub window: u32,
    /// Octets of a response that wait for the client.
    pub buffer: usize,
    /// Octets in a DATA frame at most; 0: as many as the protocol has.
    pub data_frame: usize,
    /// Octets of a response's fields at most; 0: 64 KB.
    pub fields: usize,
    /// Faults of a client within streams that it may make; 0: any number.
    pub stream_errors: u32,
    /// Whether responses may wait for more before they are sent.
    pub buffering: bool,
    /// Whether interim responses with hints are sent.
    pub early_hints: bool,
    pub push: bool,
    /// Pushed resources that are remembered.
    pub diary: usize,
    pub websockets: bool,
    /// Whether requests for other servers are taken.
    pub proxy: bool,
}

/// A resource that a request brings along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushResource {
    pub path: BString,
    pub critical: bool,
}

/// See the module text.
pub trait Http2: Sync {
    fn session(&self, server: &Server) -> Http2Session;
    /// Whether a connection that begins with the client's preface speaks HTTP/2 from then on.
    fn direct(&self, server: &Server, secured: bool) -> bool;
    /// Whether a request may change its connection to HTTP/2.
    fn upgrades(&self, r: &Request) -> bool;
    /// Whether what the response to a request links to may be pushed.
    fn pushes(&self, r: &Request) -> bool;
    /// How long a stream may stand still, where that is not Timeout.
    fn stream_timeout(&self, r: &Request) -> Option<Duration>;
}
