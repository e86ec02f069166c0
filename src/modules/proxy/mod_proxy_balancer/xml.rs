//! What `balancer-manager` knows, for programs (`?xml=1`).

use super::super::mod_proxy::{Balancer, ProxyServer, Worker, bits, live, word};
use super::page::on;
use crate::config::MpmKind;
use crate::request::Request;
use crate::server::{self, date, escape};
use std::fmt::Display;
use std::io::Write;

/// The document.
pub fn write(r: &Request) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    out.extend_from_slice(
        b"<?xml version='1.0' encoding='UTF-8' ?>\n<httpd:manager xmlns:httpd='http://httpd.apache.org'>\n  \
          <httpd:balancers>\n",
    );
    for balancer in &r.server::<ProxyServer>().balancers {
        balancer_element(&mut out, r, balancer);
    }
    out.extend_from_slice(b"  </httpd:balancers>\n</httpd:manager>");
    out
}

fn element(out: &mut Vec<u8>, indent: usize, name: &str, value: impl Display) {
    let _ = writeln!(out, "{:indent$}<httpd:{name}>{value}</httpd:{name}>", "");
}

fn balancer_element(out: &mut Vec<u8>, r: &Request, balancer: &Balancer) {
    let words = balancer.words();
    out.extend_from_slice(b"    <httpd:balancer>\n");
    element(out, 6, "name", escape::html(&balancer.name));
    let nonce = words.text(live::NONCE);
    if !nonce.is_empty() {
        element(out, 6, "nonce", escape::html(&nonce));
    }
    let sticky = words.text(live::STICKY);
    if !sticky.is_empty() {
        element(out, 6, "stickysession", escape::html(&sticky));
        element(out, 6, "nofailover", on(words.number(live::FORCE) != 0));
    }
    let _ = write!(out, "      <httpd:timeout>{}</httpd:timeout>", words.number(live::TIMEOUT) / 1_000_000);
    if balancer.parameters.attempts.is_some() || balancer.members.len() > 1 {
        element(out, 6, "maxattempts", words.number(live::ATTEMPTS));
    }
    element(out, 6, "lbmethod", words.text(live::METHOD));
    if !sticky.is_empty() {
        element(out, 6, "scolonpathdelim", on(balancer.parameters.semicolons));
    }
    out.extend_from_slice(b"      <httpd:workers>\n");
    for worker in balancer.all() {
        worker_element(out, r, &worker);
    }
    out.extend_from_slice(b"      </httpd:workers>\n    </httpd:balancer>\n");
}

/// Connections that a worker may have where nothing is said: Apache's are as many as its threads.
fn threads(r: &Request) -> i64 {
    match server::mpm().map(server::Mpm::kind) {
        Some(MpmKind::Prefork) => 1,
        _ => r.configuration.process.numbers.threads_per_child.unwrap_or(25),
    }
}

fn worker_element(out: &mut Vec<u8>, r: &Request, worker: &Worker) {
    let (state, words, parameters) = (worker.state(), &worker.state().0, &worker.parameters);
    let factor = format!("{:.2}", words.number(word::FACTOR) as f64 / 100.0);
    let threads = threads(r);
    let most = parameters.max.filter(|max| *max > 0 && *max <= threads).unwrap_or(threads);
    out.extend_from_slice(b"        <httpd:worker>\n");
    let mut put = |name: &str, value: &dyn Display| element(out, 10, name, value);
    put("name", &escape::html(&worker.shown_name()));
    put("scheme", &worker.scheme);
    put("hostname", &escape::html(&worker.host));
    put("loadfactor", &factor);
    put("port", &worker.port);
    put("min", &parameters.min.unwrap_or(0));
    put("smax", &parameters.smax.unwrap_or(most).min(most));
    put("max", &most);
    put("ttl", &parameters.ttl.map_or(0, |ttl| ttl.as_secs()));
    if let Some(timeout) = parameters.timeout {
        put("timeout", &timeout.as_secs());
    }
    if let Some(acquire) = parameters.acquire {
        // The part below a second, as Apache tells it.
        put("acquire", &acquire.subsec_millis());
    }
    if let Some(size) = parameters.receive_buffer {
        put("recv_buffer_size", &size);
    }
    if let Some(size) = parameters.io_buffer {
        put("io_buffer_size", &size);
    }
    if let Some(keep) = parameters.keep_alive {
        put("keepalive", &on(keep));
    }
    put("status", &state.shown());
    let failed = words.number(word::ERROR_TIME);
    if state.has(bits::IN_ERROR) && failed != 0 {
        put("error_time", &String::from_utf8_lossy(&date::format(date::seconds(failed))));
    }
    put("retries", &words.number(word::RETRIES));
    put("lbstatus", &words.number(word::LB_STATUS));
    put("loadfactor", &factor);
    put("transferred", &words.number(word::SENT));
    put("read", &words.number(word::RECEIVED));
    put("elected", &words.number(word::ELECTED));
    put("route", &escape::html(&words.text(word::ROUTE)));
    put("redirect", &escape::html(&words.text(word::REDIRECT)));
    put("busy", &words.number(word::BUSY));
    put("lbset", &words.number(word::SET));
    if let Some(disable) = parameters.disable_reuse {
        element(out, 6, "disablereuse", on(disable));
    }
    if let Some(connect) = parameters.connect {
        element(out, 10, "connectiontimeout", connect.subsec_millis());
    }
    if let Some(retry) = parameters.retry {
        element(out, 10, "retry", retry.as_secs());
    }
    out.extend_from_slice(b"        </httpd:worker>\n");
}
