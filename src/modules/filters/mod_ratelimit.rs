//! mod_ratelimit: the filter RATE_LIMIT sends a response no faster than the variable `rate-limit` says, in KiB a second.
//!
//! No directives. Every 200 milliseconds a fifth of a second's octets go out; nothing waits meanwhile but the connection's
//! task, so that slow downloads hold no thread. Manual: mod/mod_ratelimit.html.

use super::octets::{Next, Octets};
use crate::config::Config;
use crate::engine::{self, BoxFuture};
use crate::log::Level;
use crate::module::{Hooks, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterKind, Piece, Request, Source, Status};
use bytes::Bytes;
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_ratelimit.c",
    ident: "ratelimit_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

static RATE_LIMIT: Filter = Filter { name: "RATE_LIMIT", kind: FilterKind::Network, wrap: limit };

fn hooks(on: &mut Hooks) {
    on.output_filter(&RATE_LIMIT);
}

const PAUSE: Duration = Duration::from_millis(200);
const PAUSES_A_SECOND: u64 = 5;

/// A number of KiB as octets; Err where there are too many for Apache's 32 bits.
fn octets(text: &[u8]) -> Result<u64, ()> {
    let digits = text.iter().skip_while(|byte| byte.is_ascii_whitespace()).take_while(|byte| byte.is_ascii_digit());
    let number = digits.fold(0u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    match number {
        number if number > i32::MAX as u64 / 1024 => Err(()),
        number => Ok(number * 1024),
    }
}

fn limit(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    // What a response includes is limited with it.
    if r.is_sub() || body.is_empty() {
        return Ok(body);
    }
    let Some(rate) = r.env.get("rate-limit").map(bstr::BString::from) else { return Ok(body) };
    let Some(rate_octets) = octets(&rate).ok().filter(|octets| *octets > 0) else {
        let text = format_args!("AH03488: rl: disabling: rate-limit = {rate} (too high?)");
        r.log(Level::Info, "ratelimit", text);
        return Ok(body);
    };
    let burst = r.env.get("rate-initial-burst").map(bstr::BString::from);
    let burst = match burst.as_ref().map(|burst| octets(burst)) {
        Some(Ok(octets)) => octets,
        Some(Err(())) => {
            let burst = burst.unwrap_or_default();
            let text = format_args!("AH03489: rl: disabling burst: rate-initial-burst = {burst} (too high?)");
            r.log(Level::Info, "ratelimit", text);
            0
        }
        None => 0,
    };
    let portion = (rate_octets / PAUSES_A_SECOND).max(1);
    Ok(Body::Stream(Box::new(Limited { inner: Octets::new(body), rest: Bytes::new(), portion, burst, sent: 0 })))
}

struct Limited {
    inner: Octets,
    /// Read and not yet sent.
    rest: Bytes,
    /// Octets between two pauses.
    portion: u64,
    /// Octets that go out at once in the beginning.
    burst: u64,
    /// Octets since the last pause.
    sent: u64,
}

impl Limited {
    async fn pull(&mut self, r: &mut Request) -> Result<Option<Piece>, Fault> {
        if self.burst == 0 && self.sent >= self.portion {
            self.sent = 0;
            if self.rest.is_empty() && self.inner.length() == Some(0) {
                // The last portion needs no pause behind it.
                return Ok(None);
            }
            engine::sleep(PAUSE).await;
        }
        if self.rest.is_empty() {
            match self.inner.next(r).await? {
                Next::Bytes(bytes) => self.rest = bytes,
                Next::Flush => return Ok(Some(Piece::Flush)),
                Next::End => return Ok(None),
            }
        }
        let most = if self.burst > 0 { self.burst } else { self.portion - self.sent };
        let piece = self.rest.split_to(usize::try_from(most).unwrap_or(usize::MAX).min(self.rest.len()));
        if self.burst > 0 {
            self.burst -= piece.len() as u64;
        } else {
            self.sent += piece.len() as u64;
        }
        Ok(Some(Piece::Bytes(piece)))
    }
}

impl Source for Limited {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(self.pull(r))
    }
    fn length(&self) -> Option<u64> {
        Some(self.inner.length()? + self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!(octets(b"400"), Ok(409_600));
        assert_eq!(octets(b"0x"), Ok(0));
        assert_eq!(octets(b"-1"), Ok(0));
        assert_eq!(octets(b"99999999999999999999"), Err(()));
    }
}
