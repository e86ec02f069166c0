//! What mod_status shows of balancers (ProxyStatus).

use super::balancer::live;
use super::settings::{ProxyServer, ShowStatus};
use super::state::word;
use crate::module::StatusPart;
use crate::request::Request;
use crate::server::{self, escape};
use std::fmt::Write;

pub struct Balancers;

/// What the columns mean.
const KEY: [(&str, &str); 10] = [
    ("SSes", "Sticky session name"),
    ("Timeout", "Balancer Timeout"),
    ("Sch", "Connection scheme"),
    ("Host", "Backend Hostname"),
    ("Stat", "Worker status"),
    ("Route", "Session Route"),
    ("Redir", "Session Route Redirection"),
    ("F", "Load Balancer Factor"),
    ("Acc", "Number of uses"),
    ("Wr", "Number of bytes transferred"),
];

impl StatusPart for Balancers {
    fn append(&self, r: &Request, out: &mut String, auto: bool) {
        let server = r.server::<ProxyServer>();
        if server.balancers.is_empty() || !matches!(server.status, Some(ShowStatus::On | ShowStatus::Full)) {
            return;
        }
        for (at, balancer) in server.balancers.iter().enumerate() {
            if auto {
                let _ = writeln!(out, "ProxyBalancer[{at}]Name: {}", balancer.name);
            } else {
                head(out, balancer);
            }
            for (number, worker) in balancer.all().iter().enumerate() {
                let (state, words) = (worker.state(), &worker.state().0);
                if auto {
                    let _ = write!(
                        out,
                        "ProxyBalancer[{at}]Worker[{number}]Name: {}\nProxyBalancer[{at}]Worker[{number}]Status: {}\n\
                         ProxyBalancer[{at}]Worker[{number}]Elected: {}\nProxyBalancer[{at}]Worker[{number}]Busy: {}\n\
                         ProxyBalancer[{at}]Worker[{number}]Sent: {}K\nProxyBalancer[{at}]Worker[{number}]Rcvd: {}K\n",
                        worker.name,
                        state.shown(),
                        words.number(word::ELECTED),
                        words.number(word::BUSY),
                        words.number(word::SENT) >> 10,
                        words.number(word::RECEIVED) >> 10,
                    );
                    continue;
                }
                let size = |at| server::short_size(u64::try_from(words.number(at)).ok());
                let _ = write!(
                    out,
                    "<tr>\n<td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{:.2}</td><td>{}</td><td>{}</td>\
                     <td>{}</td><td>{}</td><td>{}</td>\n</tr>\n",
                    worker.scheme,
                    escape::html(&worker.host),
                    state.shown(),
                    escape::html(&words.text(word::ROUTE)),
                    escape::html(&words.text(word::REDIRECT)),
                    words.number(word::FACTOR) as f64 / 100.0,
                    words.number(word::SET),
                    words.number(word::ELECTED),
                    words.number(word::BUSY),
                    size(word::SENT),
                    size(word::RECEIVED),
                );
            }
            if !auto {
                out.push_str("</table>\n");
            }
        }
        if !auto {
            out.push_str("<hr /><table>\n");
            for (name, meaning) in KEY {
                let _ = writeln!(out, "<tr><th>{name}</th><td>{meaning}</td></tr>");
            }
            out.push_str("<tr><th>Rd</th><td>Number of bytes read</td></tr>\n</table>");
        }
    }
}

fn head(out: &mut String, balancer: &super::Balancer) {
    let words = balancer.words();
    let (sticky, path) = (words.text(live::STICKY), words.text(live::STICKY_PATH));
    let names = if sticky.is_empty() {
        " - ".to_owned()
    } else if sticky == path {
        escape::html(&sticky).to_string()
    } else {
        format!("{} | {}", escape::html(&sticky), escape::html(&path))
    };
    let _ = write!(
        out,
        "<hr />\n<h1>Proxy LoadBalancer Status for {}</h1>\n\n\n\n\
         <table border=\"0\"><tr><th>SSes</th><th>Timeout</th><th>Method</th></tr>\n\
         <tr><td>{names}</td><td>{}</td><td>{}</td>\n</table>\n\n\n\
         <table border=\"0\"><tr><th>Sch</th><th>Host</th><th>Stat</th><th>Route</th><th>Redir</th><th>F</th><th>Set</th>\
         <th>Acc</th><th>Busy</th><th>Wr</th><th>Rd</th></tr>\n",
        escape::html(&balancer.name),
        words.number(live::TIMEOUT) / 1_000_000,
        words.text(live::METHOD),
    );
}
