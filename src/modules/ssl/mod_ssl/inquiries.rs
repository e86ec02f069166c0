//! SSLOCSP…: asking responders about certificates of clients, which is not done.
//!
//! A server that is told to ask and does not would let in whom it must not: what asks for it is refused when the
//! configuration is read, after the complaints that Apache has about the same line. `SSLOCSPEnable off` is all that is left.

use super::settings;
use crate::config::*;
use bstr::{BStr, BString, ByteSlice};

const NOT_DONE: &str = "Pinion does not ask OCSP responders about certificates of clients yet; remove the line, \
                        or use SSLCARevocationCheck with lists of revoked certificates";

pub const DIRECTIVES: &[Directive] = &[
    raw_args(
        "SSLOCSPEnable",
        SERVER,
        NO_OVERRIDE,
        enable,
        "Enable use of OCSP to verify certificate revocation mode ('on', 'leaf', 'off')",
    )
    .ignored("responders are not asked about certificates of clients; on and leaf are refused"),
    take1("SSLOCSPDefaultResponder", SERVER, NO_OVERRIDE, word, "URL of the default OCSP Responder"),
    flag(
        "SSLOCSPOverrideResponder",
        SERVER,
        NO_OVERRIDE,
        switch,
        "Force use of the default responder URL ('on', 'off')",
    ),
    take1("SSLOCSPResponseTimeSkew", SERVER, NO_OVERRIDE, seconds, "Maximum time difference in OCSP responses"),
    take1("SSLOCSPResponseMaxAge", SERVER, NO_OVERRIDE, seconds, "Maximum age of OCSP responses"),
    take1("SSLOCSPResponderTimeout", SERVER, NO_OVERRIDE, seconds, "OCSP responder query timeout"),
    flag(
        "SSLOCSPUseRequestNonce",
        SERVER,
        NO_OVERRIDE,
        switch,
        "Whether OCSP queries use a nonce or not ('on', 'off')",
    ),
    take1("SSLOCSPProxyURL", SERVER, NO_OVERRIDE, word, "Proxy URL to use for OCSP requests"),
    flag("SSLOCSPNoVerify", SERVER, NO_OVERRIDE, switch, "Do not verify OCSP Responder certificate ('on', 'off')"),
    take1(
        "SSLOCSPResponderCertificateFile",
        SERVER,
        NO_OVERRIDE,
        file,
        "Trusted OCSP responder certificates(`/path/to/file' - PEM encoded certificates)",
    ),
];

fn refused(cx: &Cx<'_>) -> Outcome {
    Err(format!("{}: {NOT_DONE}", cx.directive.name).into())
}

fn enable(cx: &mut Cx<'_>, args: &BStr) -> Outcome {
    let mut words = httpd_conf::words(args);
    let first = words.next().map(|word| word.to_vec()).unwrap_or_default();
    let on = match first.to_ascii_lowercase().as_slice() {
        b"off" => false,
        b"on" | b"leaf" => true,
        _ => return Err(format!("{}: Invalid argument '{}'", cx.directive.name, first.as_bstr()).into()),
    };
    if let Some(bad) = words.find(|word| !word.eq_ignore_ascii_case(b"no_ocsp_for_cert_ok")) {
        return Err(format!("{}: Invalid argument '{}'", cx.directive.name, bad.as_bstr()).into());
    }
    if on { refused(cx) } else { Ok(()) }
}

fn word(cx: &mut Cx<'_>, _: &BStr) -> Outcome {
    refused(cx)
}

fn switch(cx: &mut Cx<'_>, _: bool) -> Outcome {
    refused(cx)
}

fn seconds(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    match atoi(word) < 0 {
        true => Err(format!("{}: invalid argument", cx.directive.name).into()),
        false => refused(cx),
    }
}

fn file(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let _: BString = settings::file(cx, word)?;
    refused(cx)
}
