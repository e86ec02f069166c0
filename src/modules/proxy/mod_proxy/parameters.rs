//! `key=value` of ProxyPass, ProxySet and `<Proxy>`: the parameters of a worker.
//!
//! Manual: mod/mod_proxy.html#proxypass, "Worker parameters".

use super::worker::{Flush, Parameters, bits};
use crate::config::{atoi, duration, on_off, strtol};
use bstr::{BStr, ByteSlice};
use std::time::Duration;

/// Longest route, redirect, name of a flusher, protocol of `upgrade`, secret.
const ROUTE: usize = 64;
const SCHEME: usize = 16;
const SECRET: usize = 64;

/// Sets one parameter; the error is Apache's text.
pub fn set(parameters: &mut Parameters, key: &BStr, value: &BStr) -> Result<(), String> {
    let number = atoi(value);
    let seconds = |least: i64, text: &str| match number >= least {
        true => Ok(Some(Duration::from_secs(number.unsigned_abs()))),
        false => Err(text.to_owned()),
    };
    let count = |text: &str| if number < 0 { Err(text.to_owned()) } else { Ok(Some(number)) };
    let span = |unit: &[u8], format: &str, short: &str| match duration(value, unit) {
        None => Err(format.to_owned()),
        Some(micros) if micros < 1000 => Err(short.to_owned()),
        Some(micros) => Ok(Some(Duration::from_micros(micros.unsigned_abs()))),
    };
    let flag = |text: &str| on_off(value).ok_or_else(|| text.to_owned());
    let text = |most: usize, what: &str| match value.len() < most {
        true => Ok(Some(value.to_owned())),
        false => Err(format!("{what} length must be < {most} characters")),
    };
    match key.to_ascii_lowercase().as_slice() {
        b"loadfactor" => {
            let factor = real(value);
            if !(1.0..=100.0).contains(&factor) {
                return Err("LoadFactor must be a number between 1..100".into());
            }
            parameters.factor = Some(factor);
        }
        b"retry" => parameters.retry = seconds(0, "Retry must be a positive value")?,
        b"ttl" => parameters.ttl = seconds(1, "TTL must be at least one second")?,
        b"min" => parameters.min = count("Min must be a positive number")?,
        b"max" => parameters.max = count("Max must be a positive number")?,
        b"smax" => parameters.smax = count("Smax must be a positive number")?,
        b"acquire" => {
            let (format, short) = ("Acquire timeout has wrong format", "Acquire must be at least one millisecond");
            parameters.acquire = span(b"ms", format, short)?;
        }
        b"timeout" => parameters.timeout = seconds(1, "Timeout must be at least one second")?,
        b"iobuffersize" => parameters.io_buffer = buffer(strtol(value), "IOBufferSize")?,
        b"receivebuffersize" => parameters.receive_buffer = buffer(number, "ReceiveBufferSize")?,
        b"keepalive" => parameters.keep_alive = Some(flag("KeepAlive must be On|Off")?),
        b"disablereuse" => parameters.disable_reuse = Some(flag("DisableReuse must be On|Off")?),
        b"enablereuse" => parameters.disable_reuse = Some(!flag("EnableReuse must be On|Off")?),
        b"addressttl" => {
            let text = "AddressTTL must be -1 or a number of seconds not exceeding (2147483647)";
            let valid = crate::config::whole_number(value).filter(|number| (-1..=i64::from(i32::MAX)).contains(number));
            let number = valid.ok_or(text)?;
            parameters.address_ttl = (number >= 0).then(|| Duration::from_secs(number.unsigned_abs()));
        }
        b"route" => parameters.route = text(ROUTE, "Route")?,
        b"redirect" => parameters.redirect = text(ROUTE, "Redirect")?,
        b"status" => set_status(parameters, value)?,
        b"flushpackets" => {
            parameters.flush = match value.to_ascii_lowercase().as_slice() {
                b"on" => Some(Flush::On),
                b"off" => Some(Flush::Off),
                b"auto" => Some(Flush::Auto),
                _ => return Err("flushpackets must be on|off|auto".into()),
            };
        }
        b"flushwait" => {
            if !(0..=1000).contains(&number) {
                return Err("flushwait must be <= 1000, or 0 for system default of 10 millseconds.".into());
            }
            let millis = if number == 0 { 10 } else { number.unsigned_abs() };
            parameters.flush_wait = Some(Duration::from_millis(millis));
        }
        b"ping" => {
            let short = "Ping/Pong timeout must be at least one millisecond";
            parameters.ping = span(b"s", "Ping/Pong timeout has wrong format", short)?;
        }
        b"lbset" => {
            if !(0..=99).contains(&number) {
                return Err("lbset must be between 0 and 99".into());
            }
            parameters.lbset = Some(number);
        }
        b"connectiontimeout" => {
            let short = "Connectiontimeout must be at least one millisecond.";
            parameters.connect = span(b"s", "Connectiontimeout has wrong format", short)?;
        }
        b"flusher" => parameters.flusher = text(SCHEME, "flusher name")?,
        b"upgrade" => parameters.upgrade = text(SCHEME, "upgrade protocol")?,
        b"responsefieldsize" => {
            if number < 0 {
                let text = "ResponseFieldSize must be greater than 0 bytes, or 0 for system default.";
                return Err(text.into());
            }
            parameters.field_size = Some(if number == 0 { super::FIELD_SIZE } else { number.unsigned_abs() as usize });
        }
        b"secret" => parameters.secret = text(SECRET, "Secret")?,
        _ => return Err("unknown Worker parameter".into()),
    }
    Ok(())
}

fn buffer(number: i64, what: &str) -> Result<Option<usize>, String> {
    match usize::try_from(number) {
        Ok(0) => Ok(None),
        Ok(size) if size >= 512 => Ok(Some(size)),
        _ => Err(format!("{what} must be >= 512 bytes, or 0 for system default.")),
    }
}

/// The number that begins `text`, as C's `atof` reads it.
pub fn real(text: &[u8]) -> f64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    text.get(..digits).and_then(|digits| digits.to_str().ok()?.parse().ok()).unwrap_or(0.0)
}

/// `status=D+S-I`: letters set bits, a minus before them clears.
fn set_status(parameters: &mut Parameters, value: &[u8]) -> Result<(), String> {
    let mut on = true;
    for byte in value {
        let bit = match byte.to_ascii_uppercase() {
            b'+' => {
                on = true;
                continue;
            }
            b'-' => {
                on = false;
                continue;
            }
            b'I' => bits::IGNORE_ERRORS,
            b'D' => bits::DISABLED,
            b'S' => bits::STOPPED,
            b'E' => bits::IN_ERROR,
            b'H' => bits::HOT_STANDBY,
            b'N' => bits::DRAIN,
            b'R' => bits::HOT_SPARE,
            b'C' => bits::HEALTH_FAILED,
            _ => return Err("Unknown status parameter option".into()),
        };
        if on {
            parameters.status |= bit;
        } else {
            parameters.status &= !bit;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_refusals() {
        let mut parameters = Parameters::default();
        let mut put = |key: &str, value: &str| set(&mut parameters, key.into(), value.into());
        put("Acquire", "30").unwrap();
        put("connectiontimeout", "500ms").unwrap();
        put("status", "+D-S").unwrap();
        put("loadfactor", "2.5").unwrap();
        for (key, value) in [("retry", "-1"), ("timeout", "0"), ("ping", "1us"), ("status", "X"), ("loadfactor", "101")]
        {
            assert!(put(key, value).is_err(), "{key}={value}");
        }
        assert_eq!(parameters.acquire, Some(Duration::from_millis(30)));
        assert_eq!(parameters.connect, Some(Duration::from_millis(500)));
        assert_eq!((parameters.status, parameters.factor), (bits::DISABLED, Some(2.5)));
    }
}
