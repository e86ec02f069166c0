//! `balancer-manager`: reads what its forms send, changes what may be changed, and answers with the page.
//!
//! A request's parameters count only if it comes from a page of this server (Referer), and change something only with the
//! balancer's nonce.

use super::super::mod_proxy::{Balancer, HealthChecks, ProxyServer, Worker, bits, live, real, word};
use super::{page, xml};
use crate::config::atoi;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::module::{Answer, declined};
use crate::request::{Body, MethodNumber, Piece, Request, Status};
use crate::server::{self, escape};
use bstr::{BString, ByteSlice};
use std::sync::Arc;

/// Octets of a form that are read.
const LONGEST: usize = 1024;
/// What a link may say; the rest is for forms.
const IN_LINKS: [&str; 4] = ["w", "b", "nonce", "xml"];
/// Octets that are held back until it is known whether more come.
const BUFFERED: usize = 8192;

/// What a request asks for.
#[derive(Default)]
struct Form(Vec<(BString, BString)>);

impl Form {
    fn get(&self, name: &str) -> Option<&BString> {
        // Of one that comes twice the last counts.
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }
    fn read(text: &[u8], allowed: Option<&[&str]>) -> Form {
        let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| {
            let (key, value) = pair.split_once_str("=").unwrap_or((pair, b""));
            // Names of workers are escaped twice.
            (unescaped(key), unescaped(&unescaped(value)))
        });
        Form(pairs.filter(|(key, _)| allowed.is_none_or(|names| names.iter().any(|name| key == name))).collect())
    }
}

/// `%41` decoded; what is no escape stays.
fn unescaped(text: &[u8]) -> BString {
    let mut out = BString::default();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let pair = (text.get(at + 1), text.get(at + 2));
        if let (b'%', (Some(high), Some(low))) = (byte, pair)
            && let Some(decoded) = escape::hex_pair(*high, *low)
        {
            out.push(decoded);
            at += 3;
            continue;
        }
        out.push(byte);
        at += 1;
    }
    // Text ends at a NUL, as everywhere.
    if let Some(end) = out.find_byte(0) {
        out.truncate(end);
    }
    out
}

pub fn handler(r: &mut Request) -> BoxFuture<'_, Answer> {
    if r.handler.as_ref().is_none_or(|name| name != "balancer-manager") {
        return declined();
    }
    r.allowed = MethodNumber::GET.bit() | MethodNumber::POST.bit();
    if !r.method.is(MethodNumber::GET) && !r.method.is(MethodNumber::POST) {
        return declined();
    }
    Box::pin(run(r))
}

async fn run(r: &mut Request) -> Answer {
    let form = match form(r).await {
        Ok(form) => form,
        Err(status) => return Answer::Status(status),
    };
    let balancer = form.get("b").and_then(|name| {
        let url = [b"balancer://", name.as_slice()].concat();
        r.server::<ProxyServer>().balancer(&url)
    });
    let worker = balancer.zip(form.get("w")).and_then(|(balancer, name)| balancer.member(name));
    if let Some(balancer) = balancer {
        let nonce = balancer.words().text(live::NONCE);
        if nonce.is_empty() || form.get("nonce") == Some(&nonce) {
            if let Some(worker) = &worker {
                r.log(Level::Debug, "proxy_balancer", format_args!("AH01192: settings worker params"));
                set_worker(r, balancer, worker, &form);
            }
            r.log(Level::Debug, "proxy_balancer", format_args!("AH01193: settings balancer params"));
            if let Err(status) = set_balancer(r, balancer, &form) {
                return Answer::Status(status);
            }
        }
    }
    r.log(Level::Debug, "proxy_balancer", format_args!("AH01204: genning page"));
    if form.get("xml").is_some() {
        r.set_content_type("text/xml");
        let page = xml::write(r);
        respond(r, page, false);
    } else {
        r.set_content_type("text/html; charset=ISO-8859-1");
        let page = page::write(r, balancer.map(|balancer| (&**balancer, worker.as_deref())));
        respond(r, page, true);
    }
    Answer::Ok
}

fn respond(r: &mut Request, page: Vec<u8>, flushed: bool) {
    r.body_out = match flushed || page.len() > BUFFERED {
        // It goes out without its length being known first.
        true => Body::Pieces([Piece::Flush, Piece::Bytes(page.into())].into()),
        false => page.into(),
    };
}

/// The parameters, from the URL or from the body.
async fn form(r: &mut Request) -> Result<Form, Status> {
    let referer = r.headers_in.get("Referer").map(BString::from);
    let own = server::server_name(r);
    if !referer.as_ref().is_some_and(|referer| host_of(referer).is_some_and(|host| host.eq_ignore_ascii_case(&own))) {
        let shown = referer.map_or("(null)".into(), |referer| raw(&referer).to_string());
        let text =
            format_args!("AH10187: ignoring params in balancer-manager cross-site access {shown}: {}", raw(&own));
        r.log(Level::Error, "proxy_balancer", text);
        return Ok(Form::default());
    }
    if r.method.is(MethodNumber::POST) {
        let mut text = Vec::new();
        while text.len() < LONGEST {
            match r.read_body().await {
                Ok(Some(bytes)) => text.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(_) => return Err(Status::INTERNAL_SERVER_ERROR),
            }
        }
        text.truncate(LONGEST);
        return Ok(Form::read(&text, None));
    }
    let Some(args) = r.args.clone() else { return Ok(Form::default()) };
    r.log(Level::Debug, "proxy_balancer", format_args!("AH01191: parsing r->args"));
    Ok(Form::read(&args, Some(&IN_LINKS)))
}

fn host_of(url: &[u8]) -> Option<&[u8]> {
    let rest = url.get(url.find(b"://")? + 3..)?;
    let authority = rest.split(|byte| b"/?#".contains(byte)).next()?;
    let authority = authority.rsplit(|byte| *byte == b'@').next()?;
    let end = match authority.starts_with(b"[") {
        true => authority.find_byte(b']')? + 1,
        false => authority.find_byte(b':').unwrap_or(authority.len()),
    };
    authority.get(..end).filter(|host| !host.is_empty())
}

/// A whole number's value where it lies within the bounds.
fn within(value: Option<&BString>, least: i64, most: i64) -> Option<i64> {
    value.map(|value| atoi(value)).filter(|number| (least..=most).contains(number))
}

fn set_worker(r: &Request, balancer: &Balancer, worker: &Worker, form: &Form) {
    let (state, words) = (worker.state(), &worker.state().0);
    if let Some(value) = form.get("w_lf") {
        let hundredths = (real(value) * 100.0) as i64;
        if (100..=10_000).contains(&hundredths) {
            words.set(word::FACTOR, hundredths);
            let members = balancer.all();
            if members.len() > 1 {
                for member in members {
                    member.state().0.set(word::LB_STATUS, member.state().0.number(word::FACTOR));
                }
            }
        }
    }
    for (name, place) in [("w_wr", word::ROUTE), ("w_rr", word::REDIRECT)] {
        if let Some(value) = form.get(name) {
            words.set_text(place, if value.len() < 64 { value } else { b"" });
        }
    }
    for (name, bit) in [
        ("w_status_I", bits::IGNORE_ERRORS),
        ("w_status_N", bits::DRAIN),
        ("w_status_D", bits::DISABLED),
        ("w_status_H", bits::HOT_STANDBY),
        ("w_status_R", bits::HOT_SPARE),
        ("w_status_S", bits::STOPPED),
        ("w_status_C", bits::HEALTH_FAILED),
    ] {
        if let Some(value) = form.get(name) {
            state.mark(bit, atoi(value) != 0);
        }
    }
    if let Some(set) = within(form.get("w_ls"), 0, 99) {
        words.set(word::SET, set);
    }
    if let Some(checks) = r.configuration.providers.find::<dyn HealthChecks>(b"hcheck") {
        for (name, key) in [
            ("w_hi", "hcinterval"),
            ("w_hp", "hcpasses"),
            ("w_hf", "hcfails"),
            ("w_hm", "hcmethod"),
            ("w_hu", "hcuri"),
            ("w_he", "hcexpr"),
        ] {
            if let Some(value) = form.get(name) {
                checks.change(r, worker, key, value.as_bstr());
            }
        }
    }
}

fn set_balancer(r: &Request, balancer: &Arc<Balancer>, form: &Form) -> Result<(), Status> {
    let words = balancer.words();
    if let Some(name) = form.get("b_lbm")
        && *name != words.text(live::METHOD)
        && r.configuration.providers.find::<dyn super::super::mod_proxy::BalancerMethod>(name).is_some()
    {
        words.set_text(live::METHOD, name);
    }
    if let Some(seconds) = within(form.get("b_tmo"), 0, 7200) {
        words.set(live::TIMEOUT, seconds * 1_000_000);
    }
    if let Some(attempts) = within(form.get("b_max"), 0, 99) {
        words.set(live::ATTEMPTS, attempts);
    }
    if let Some(value) = form.get("b_sforce") {
        words.set(live::FORCE, i64::from(atoi(value) != 0));
    }
    if let Some(value) = form.get("b_ss")
        && value.len() < 63
    {
        let (cookie, path) = match value.split_once_str("|") {
            _ if value == "-" => (&b""[..], &b""[..]),
            Some(both) => both,
            None => (value.as_slice(), value.as_slice()),
        };
        words.set_text(live::STICKY, cookie);
        words.set_text(live::STICKY_PATH, path);
    }
    let sure = form.get("b_wyes").is_some_and(|value| value == "1");
    if let Some(url) = form.get("b_nwrkr").filter(|_| sure) {
        let possible = balancer.member(url).is_none() && balancer.room() > 0;
        if !possible || balancer.add(url).is_err() {
            let tag = if possible { "AH10163" } else { "AH10164" };
            let text = format_args!("{tag}: {}: failed to add worker {}", balancer.name, raw(url));
            r.log(Level::Error, "proxy_balancer", text);
            return Err(Status::BAD_REQUEST);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_referers() {
        let form = Form::read(b"b=c&w=http%3A%2F%2Fh%252F&x&&a=%zz+1&b=d", None);
        assert_eq!(form.get("b").unwrap(), "d");
        assert_eq!(form.get("w").unwrap(), "http://h/");
        assert_eq!((form.get("x").unwrap().as_slice(), form.get("a").unwrap().as_slice()), (&b""[..], &b"%zz+1"[..]));
        assert!(Form::read(b"b_max=1&b=c", Some(&IN_LINKS)).get("b_max").is_none());
        assert_eq!(host_of(b"https://u@[::1]:8/x"), Some(&b"[::1]"[..]));
        assert_eq!(host_of(b"http://h:8?x"), Some(&b"h"[..]));
        assert!(host_of(b"h/x").is_none() && host_of(b"http:///x").is_none());
    }
}
