//! Limits of requests and of child processes.

use crate::config::*;
use crate::config::{atoi, whole_number};
use crate::log::Level;
use bstr::BStr;

const ALL: Override = Override::ALL;

pub(super) const DIRECTIVES: &[Directive] = &[
    take1("LimitRequestLine", SERVER, NO_OVERRIDE, request_line, "Limit on maximum size of an HTTP request line"),
    take1(
        "LimitRequestFieldsize",
        SERVER,
        NO_OVERRIDE,
        field_size,
        "Limit on maximum size of an HTTP request header field",
    ),
    take1(
        "LimitRequestFields",
        SERVER,
        NO_OVERRIDE,
        fields,
        "Limit (0 = unlimited) on max number of header fields in a request message",
    ),
    take1("LimitRequestBody", ANYWHERE, ALL, body, "Limit (in bytes) on maximum size of request message body"),
    take1(
        "LimitXMLRequestBody",
        ANYWHERE,
        ALL,
        xml_body,
        "Limit (in bytes) on maximum size of an XML-based request body",
    )
    .ignored("no module of this build reads XML"),
    take12(
        "LimitInternalRecursion",
        SERVER,
        NO_OVERRIDE,
        recursion,
        "maximum recursion depth of internal redirects and subrequests",
    ),
    take1(
        "FlushMaxThreshold",
        SERVER,
        NO_OVERRIDE,
        flush_threshold,
        "Maximum threshold above which pending data are flushed to the network",
    )
    .ignored("nothing is held back: what is ready is written"),
    take1(
        "FlushMaxPipelined",
        SERVER,
        NO_OVERRIDE,
        flush_pipelined,
        "Maximum number of pipelined responses (pending) above which they are flushed to the network",
    )
    .ignored("nothing is held back: what is ready is written"),
    take12("RLimitCPU", ANYWHERE, ALL, rlimit, "Soft/hard limits for max CPU usage in seconds").info(0),
    take12("RLimitMEM", ANYWHERE, ALL, rlimit, "Soft/hard limits for max memory usage per process").info(1),
    take12("RLimitNPROC", ANYWHERE, ALL, rlimit, "soft/hard limits for max number of processes per uid").info(2),
];

/// A size that fits 32 bits.
pub(super) fn size(word: &BStr) -> Result<usize, Complaint> {
    whole_number(word)
        .filter(|value| (0..=i64::from(u32::MAX)).contains(value))
        .and_then(|value| usize::try_from(value).ok())
        .ok_or_else(|| format!("parameter must be a number between 0 and (4294967295U)): {word}").into())
}

fn not_negative(word: &BStr, name: &str, tail: &str) -> Result<usize, Complaint> {
    usize::try_from(atoi(word)).map_err(|_| format!("{name} \"{word}\" must be a non-negative integer{tail}").into())
}

fn request_line(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.limit_request_line = Some(not_negative(word, "LimitRequestLine", "")?);
    Ok(())
}

fn field_size(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.limit_request_field_size = Some(not_negative(word, "LimitRequestFieldsize", "")?);
    Ok(())
}

fn fields(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.limit_request_fields = Some(not_negative(word, "LimitRequestFields", " (0 = no limit)")?);
    Ok(())
}

fn body(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let all_digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    let value = match (whole_number(word), all_digits) {
        (Some(value), _) if value >= 0 => value.unsigned_abs(),
        (None, true) => return Err("LimitRequestBody argument is not parsable.".into()),
        _ => return Err("LimitRequestBody requires a non-negative integer.".into()),
    };
    cx.dir::<CoreDir>().limit_request_body = Some(value);
    Ok(())
}

/// Most octets of an XML body: what a parser may make of it must still fit the address space.
const XML_MAX: i64 = 3_074_457_345_618_258_601;

fn xml_body(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let value = strtol(word);
    if value < 0 {
        return Err("LimitXMLRequestBody requires a non-negative integer.".into());
    }
    if value > XML_MAX {
        return Err(format!("LimitXMLRequestBody must not exceed {XML_MAX}").into());
    }
    cx.dir::<CoreDir>().limit_xml_body = Some(value.unsigned_abs());
    Ok(())
}

fn recursion(cx: &mut Cx<'_>, redirects: Word<'_>, subrequests: Option<Word<'_>>) -> Outcome {
    let limit = |word: &BStr| match u32::try_from(atoi(word)) {
        Ok(value) if value > 0 => Ok(value),
        _ => Err(Complaint::from("The recursion limit must be greater than zero.")),
    };
    let redirects = limit(redirects)?;
    if redirects < 4 {
        let text = "AH00119: Limiting internal redirects to very low numbers may cause normal requests to fail.";
        cx.warn(Level::Warn, text);
    }
    let subrequests = match subrequests {
        None => redirects,
        Some(word) => {
            let value = limit(word)?;
            if value < 4 {
                let text =
                    "AH00120: Limiting the subrequest depth to a very low level may cause normal requests to fail.";
                cx.warn(Level::Warn, text);
            }
            value
        }
    };
    cx.server::<CoreServer>().limit_recursion = Some((redirects, subrequests));
    Ok(())
}

fn flush_threshold(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<CoreServer>().flush_max_threshold = Some(size(word)?);
    Ok(())
}

fn flush_pipelined(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let value = whole_number(word)
        .filter(|value| (-1..=i64::from(i32::MAX)).contains(value))
        .ok_or_else(|| Complaint::from(format!("parameter must be a number between -1 and (2147483647): {word}")))?;
    cx.server::<CoreServer>().flush_max_pipelined = Some(value);
    Ok(())
}

fn rlimit(cx: &mut Cx<'_>, soft: Word<'_>, hard: Option<Word<'_>>) -> Outcome {
    let value = |word: &BStr| match word.eq_ignore_ascii_case(b"max") {
        true => u64::MAX,
        false => atoi(word).max(0).unsigned_abs(),
    };
    let limit = (value(soft), hard.map(value));
    let field = cx.directive.info;
    if let Some(slot) = cx.dir::<CoreDir>().rlimits.get_mut(field) {
        *slot = Some(limit);
    }
    Ok(())
}
