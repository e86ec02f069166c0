//! mod_reqtimeout: deadlines and minimum data rates for reading request heads and bodies.
//!
//! No hooks: the wire code asks for the limits through the provider `reqtimeout`, keeps to them and answers 408.
//! Manual: mod/mod_reqtimeout.html.

use crate::config::*;
use crate::module::{Hooks, Linked, Module, ReadTimeouts};
use crate::request::{ReadLimit, ReadLimits};
use bstr::{BStr, ByteSlice};
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_reqtimeout.c",
    ident: "reqtimeout_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<Timeouts>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[raw_args(
    "RequestReadTimeout",
    SERVER,
    NO_OVERRIDE,
    read_timeout,
    "Set various timeout parameters for TLS handshake and/or reading request headers and body",
)];

/// Per-server settings; None where not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    handshake: Option<ReadLimit>,
    header: Option<ReadLimit>,
    body: Option<ReadLimit>,
}

impl Settings for Timeouts {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        Timeouts {
            handshake: add.handshake.or(base.handshake),
            header: add.header.or(base.header),
            body: add.body.or(base.body),
        }
    }
}

/// What holds without a directive: `header=20-40,MinRate=500 body=20,MinRate=500`.
const HEADER: ReadLimit = ReadLimit { first: Duration::from_secs(20), most: Duration::from_secs(40), min_rate: 500 };
const BODY: ReadLimit = ReadLimit { first: Duration::from_secs(20), most: Duration::ZERO, min_rate: 500 };

fn read_timeout(cx: &mut Cx<'_>, arguments: &BStr) -> Outcome {
    for word in httpd_conf::words(arguments) {
        let Some((stage, value)) = word.split_once_str("=") else {
            let text = "Invalid RequestReadTimeout parameter. Parameter must be in the form 'key=value'";
            return Err(text.into());
        };
        let refuse = |text: String| {
            Complaint::from(format!("RequestReadTimeout: {}={}: {text}", stage.as_bstr(), value.as_bstr()))
        };
        let timeouts = cx.server::<Timeouts>();
        let place = match stage.to_ascii_lowercase().as_slice() {
            b"handshake" => &mut timeouts.handshake,
            b"header" => &mut timeouts.header,
            b"body" => &mut timeouts.body,
            _ => return Err(refuse("Unknown RequestReadTimeout parameter".into())),
        };
        *place = Some(limit(value).map_err(refuse)?);
    }
    Ok(())
}

fn number(text: &[u8]) -> Result<u32, String> {
    let digits = text.iter().skip(usize::from(text.starts_with(b"-") || text.starts_with(b"+")));
    let digits = digits.take_while(|byte| byte.is_ascii_digit()).count();
    if digits > 0 {
        let end = text.len() - text.trim_start_with(|c| c == '-' || c == '+').len() + digits;
        let rest = text.get(end..).unwrap_or_default();
        if !rest.is_empty() {
            return Err(format!("Cannot parse '{}'", rest.as_bstr()));
        }
    }
    let value = text.to_str().ok().and_then(|text| text.parse::<i64>().ok());
    match value {
        None => Err(format!("Value '{}' not numerical", text.as_bstr())),
        Some(value) if value < 0 => Err("Value must be non-negative".into()),
        Some(value) => Ok(value.min(i64::from(u32::MAX)) as u32),
    }
}

/// `FIRST[-MOST][,MinRate=RATE]`.
fn limit(text: &[u8]) -> Result<ReadLimit, String> {
    let (span, rate) = match text.find_byte(b',') {
        Some(comma) => (&text[..comma], Some(&text[comma..])),
        None => (text, None),
    };
    let min_rate = match rate {
        None => 0,
        Some(rate) => {
            const KEY: usize = ",MinRate=".len();
            let key = rate.get(..KEY).filter(|key| key.eq_ignore_ascii_case(b",MinRate="));
            if key.is_none() {
                return Err(format!("Cannot parse '{}'", rate.as_bstr()));
            }
            match number(rate.get(KEY..).unwrap_or_default())? {
                0 => return Err("Minimum data rate must be larger than 0".into()),
                rate => rate,
            }
        }
    };
    let seconds = |text: &[u8]| number(text).map(|seconds| Duration::from_secs(u64::from(seconds)));
    let Some((first, most)) = span.split_once_str("-") else {
        return Ok(ReadLimit { first: seconds(span)?, most: Duration::ZERO, min_rate });
    };
    if min_rate == 0 {
        return Err("Must set MinRate option if using timeout range".into());
    }
    let (first, most) = (seconds(first)?, seconds(most)?);
    if first >= most {
        return Err("Maximum timeout must be larger than initial timeout".into());
    }
    Ok(ReadLimit { first, most, min_rate })
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn ReadTimeouts>("reqtimeout", &Limits);
}

struct Limits;

impl ReadTimeouts for Limits {
    fn limits(&self, server: &Server) -> ReadLimits {
        let timeouts = server.settings.of::<Timeouts>();
        ReadLimits {
            handshake: timeouts.handshake.unwrap_or_default(),
            head: timeouts.header.unwrap_or(HEADER),
            body: timeouts.body.unwrap_or(BODY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_refusals() {
        let seconds = Duration::from_secs;
        assert_eq!(limit(b"20-40,minrate=500"), Ok(HEADER));
        assert_eq!(limit(b"10"), Ok(ReadLimit { first: seconds(10), most: Duration::ZERO, min_rate: 0 }));
        for (text, error) in [
            ("20-40", "Must set MinRate option if using timeout range"),
            ("x", "Value 'x' not numerical"),
            ("40-20,MinRate=5", "Maximum timeout must be larger than initial timeout"),
            ("20,MinRate=0", "Minimum data rate must be larger than 0"),
            ("20,rate=5", "Cannot parse ',rate=5'"),
        ] {
            assert_eq!(limit(text.as_bytes()), Err(error.into()), "{text}");
        }
    }
}
