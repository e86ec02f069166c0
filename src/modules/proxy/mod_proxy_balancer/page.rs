//! The page of `balancer-manager` as people read it.

use super::super::mod_proxy::{Balancer, BalancerMethod, HealthChecks, ProxyServer, Worker, bits, live, word};
use crate::config::identity;
use crate::request::Request;
use crate::server::{self, escape};
use bstr::{BString, ByteSlice};
use std::fmt::Write as _;
use std::io::Write;

/// How tables look: the same rules for tables, heads and cells but for what each has of its own.
fn style() -> String {
    let rule = |name: &str, first: &str, style: &str, color: &str| {
        format!(
            "{name} {{\n border-width: 1px;\n {first}: {};\n border-style: {style};\n border-color: gray;\n{} background-color: \
             {color};\n text-align: center;\n}}\n",
            if first == "padding" { "2px" } else { "3px" },
            if name == "table" { " border-collapse: collapse;\n" } else { "" },
        )
    };
    [
        rule("table", "border-spacing", "solid", "white"),
        rule("th", "padding", "dotted", "lightgray"),
        rule("td", "padding", "dotted", "white"),
    ]
    .concat()
}

/// The page; `chosen` is what a form is shown for.
pub fn write(r: &Request, chosen: Option<(&Balancer, Option<&Worker>)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(4096);
    let server = r.server::<ProxyServer>();
    let yes = |on: bool| if on { "" } else { "NOT " };
    let _ = write!(
        out,
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n\
         <html><head><title>Balancer Manager</title>\n<style type='text/css'>\n{}</style>\n</head>\n\
         <body><h1>Load Balancer Manager for {}</h1>\n\n<dl><dt>Server Version: {}</dt>\n<dt>Server Built: {}</dt>\n\
         <dt>Balancer changes will {}be persisted on restart.</dt><dt>Balancers are {}inherited from main server.</dt>\
         <dt>ProxyPass settings are {}inherited from main server.</dt></dl>\n",
        style(),
        escape::html(&server::server_name(r)),
        identity::description(),
        identity::built(),
        yes(server.persist == Some(true)),
        yes(server.inherit_workers != Some(false)),
        yes(server.inherit_passes != Some(false)),
    );
    let checks = r.configuration.providers.find::<dyn HealthChecks>(b"hcheck");
    for balancer in &server.balancers {
        balancer_table(&mut out, r, balancer, checks);
    }
    out.extend_from_slice(b"<hr />\n");
    if let Some(checks) = checks {
        let mut rows = Vec::new();
        checks.expressions(r, &mut |name, text| {
            let _ = writeln!(rows, "<tr><td>{}</td><td>{}</td></tr>", escape::html(name), escape::html(text));
        });
        if !rows.is_empty() {
            out.extend_from_slice(
                b"\n\n<table><tr><th colspan='2'>Health check cond. expressions:</th></tr>\n\
                  <tr><th>Expr name</th><th>Expression</th></tr>\n",
            );
            out.extend_from_slice(&rows);
            out.extend_from_slice(b"</table><hr/>\n");
        }
    }
    match chosen {
        Some((balancer, Some(worker))) => worker_form(&mut out, r, balancer, worker, checks),
        Some((balancer, None)) => balancer_form(&mut out, r, balancer),
        None => {}
    }
    out.extend_from_slice(b"</body></html>\n");
    out
}

/// Octets in four letters.
fn size(octets: i64) -> String {
    server::short_size(u64::try_from(octets).ok())
}

/// A worker's name as people read it.
fn shown(worker: &Worker) -> String {
    let name = escape::html(&worker.shown_name());
    if worker.socket.is_some() { format!("<i>{name}</i>") } else { name.to_string() }
}

/// The name of a balancer as links and forms have it.
fn short(balancer: &Balancer) -> &[u8] {
    balancer.name.strip_prefix(b"balancer://").unwrap_or(&balancer.name)
}

/// What tells balancers of different servers apart.
fn id(r: &Request, balancer: &Balancer) -> String {
    let name = r.server.name.clone().unwrap_or_default();
    let sum = name.iter().fold(0u32, |sum, byte| sum.wrapping_mul(65_599).wrapping_add(u32::from(*byte)));
    format!("p{sum:x}_{}", short(balancer).as_bstr())
}

fn balancer_table(out: &mut Vec<u8>, r: &Request, balancer: &Balancer, checks: Option<&dyn HealthChecks>) {
    let words = balancer.words();
    let uri = escape::html(&escape::uri(&r.uri));
    let nonce = words.text(live::NONCE);
    let (sticky, path) = (words.text(live::STICKY), words.text(live::STICKY_PATH));
    let members = balancer.all();
    let _ = write!(
        out,
        "<hr />\n<h3>LoadBalancer Status for <a href=\"{uri}?b={}&amp;nonce={nonce}\">{}</a> [{}]</h3>\n\n\n\
         <table><tr><th>MaxMembers</th><th>StickySession</th><th>DisableFailover</th><th>Timeout</th>\
         <th>FailoverAttempts</th><th>Method</th><th>Path</th><th>Active</th></tr>\n<tr><td>{} [{} Used]</td>\n",
        escape::html(&escape::uri(short(balancer))),
        escape::html(&balancer.name),
        escape::html(id(r, balancer).as_bytes()),
        balancer.most(),
        members.len(),
    );
    if sticky.is_empty() {
        out.extend_from_slice(b"<td> (None) ");
    } else if sticky == path {
        let _ = write!(out, "<td>{}", escape::html(&sticky));
    } else {
        let _ = write!(out, "<td>{}|{}", escape::html(&sticky), escape::html(&path));
    }
    let _ = write!(
        out,
        "</td><td>{}</td>\n<td>{}</td><td>{}</td>\n<td>{}</td>\n<td>{}</td>\n<td>Yes</td>\n</tr>\n</table>\n<br />\n\n\
         <table><tr><th>Worker URL</th><th>Route</th><th>RouteRedir</th><th>Factor</th><th>Set</th><th>Status</th>\
         <th>Elected</th><th>Busy</th><th>Load</th><th>To</th><th>From</th>",
        on(words.number(live::FORCE) != 0),
        words.number(live::TIMEOUT) / 1_000_000,
        words.number(live::ATTEMPTS),
        words.text(live::METHOD),
        escape::html(&balancer.path),
    );
    if checks.is_some() {
        out.extend_from_slice(
            b"<th>HC Method</th><th>HC Interval</th><th>Passes</th><th>Fails</th><th>HC uri</th><th>HC Expr</th>",
        );
    }
    out.extend_from_slice(b"</tr>\n");
    for worker in &members {
        let (state, words) = (worker.state(), &worker.state().0);
        let _ = write!(
            out,
            "<tr>\n<td><a href=\"{uri}?b={}&amp;w={}&amp;nonce={nonce}\">{}</a></td><td>{}</td><td>{}</td><td>{:.2}</td>\
             <td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>",
            escape::html(&escape::uri(short(balancer))),
            escape::html(&escape::uri(&worker.name)),
            shown(worker),
            escape::html(&words.text(word::ROUTE)),
            escape::html(&words.text(word::REDIRECT)),
            words.number(word::FACTOR) as f64 / 100.0,
            words.number(word::SET),
            state.shown(),
            words.number(word::ELECTED),
            words.number(word::BUSY),
            words.number(word::LB_STATUS),
            size(words.number(word::SENT)),
            size(words.number(word::RECEIVED)),
        );
        if let Some(checks) = checks {
            let row = checks.row(worker);
            let _ = write!(
                out,
                "<td>{}</td><td>{}ms</td><td>{} ({})</td><td>{} ({})</td><td>{}</td><td>{}</td>",
                row.method,
                row.interval,
                row.passes,
                row.passed,
                row.fails,
                row.failed,
                escape::html(&row.uri),
                escape::html(&row.expression),
            );
        }
        out.extend_from_slice(b"</tr>\n");
    }
    out.extend_from_slice(b"</table>\n");
}

pub fn on(yes: bool) -> &'static str {
    if yes { "On" } else { "Off" }
}

/// Two buttons, the one that holds pressed.
fn buttons(name: &str, on: bool) -> String {
    let checked = |here: bool| if here { " checked" } else { "" };
    format!(
        "<td><label for='{name}1'>On</label> <input name='{name}' id='{name}1' value='1' type=radio{}> <br/> \
         <label for='{name}0'>Off</label> <input name='{name}' id='{name}0' value='0' type=radio{}></td>\n",
        checked(on),
        checked(!on),
    )
}

fn form_head(out: &mut Vec<u8>, r: &Request) {
    let action = server::construct_url(r, &r.uri);
    let _ = writeln!(
        out,
        "<form method='POST' enctype='application/x-www-form-urlencoded' action=\"{}\">",
        escape::html(&escape::uri(&action))
    );
}

fn form_tail(out: &mut Vec<u8>, balancer: &Balancer, worker: Option<&BString>) {
    if let Some(name) = worker {
        let _ = writeln!(out, "<input type=hidden name='w' id='w' value=\"{}\">", escape::html(&escape::uri(name)));
    }
    let _ = write!(
        out,
        "<input type=hidden name='b' id='b' value=\"{}\">\n<input type=hidden name='nonce' id='nonce' value='{}'>\n</form>\n\
         <hr />\n",
        escape::html(&escape::uri(short(balancer))),
        balancer.words().text(live::NONCE),
    );
}

fn worker_form(
    out: &mut Vec<u8>,
    r: &Request,
    balancer: &Balancer,
    worker: &Worker,
    checks: Option<&dyn HealthChecks>,
) {
    let (state, words) = (worker.state(), &worker.state().0);
    let _ = writeln!(out, "<h3>Edit worker settings for {}</h3>", shown(worker));
    form_head(out, r);
    let _ = write!(
        out,
        "<table><tr><td>Load factor:</td><td><input name='w_lf' id='w_lf' type=text value='{:.2}'></td></tr>\n\
         <tr><td>LB Set:</td><td><input name='w_ls' id='w_ls' type=text value='{}'></td></tr>\n\
         <tr><td>Route:</td><td><input name='w_wr' id='w_wr' type=text value=\"{}\"></td></tr>\n\
         <tr><td>Route Redirect:</td><td><input name='w_rr' id='w_rr' type=text value=\"{}\"></td></tr>\n\
         <tr><td>Status:</td><td><table><tr><th>Ignore Errors</th><th>Draining Mode</th><th>Disabled</th>\
         <th>Hot Standby</th><th>Hot Spare</th>",
        words.number(word::FACTOR) as f64 / 100.0,
        words.number(word::SET),
        escape::html(&words.text(word::ROUTE)),
        escape::html(&words.text(word::REDIRECT)),
    );
    let checks = checks.map(|checks| (checks, checks.row(worker)));
    if checks.is_some() {
        out.extend_from_slice(b"<th>HC Fail</th>");
    }
    out.extend_from_slice(b"<th>Stopped</th></tr>\n<tr>");
    for (letter, bit) in [
        ('I', bits::IGNORE_ERRORS),
        ('N', bits::DRAIN),
        ('D', bits::DISABLED),
        ('H', bits::HOT_STANDBY),
        ('R', bits::HOT_SPARE),
        ('C', bits::HEALTH_FAILED),
        ('S', bits::STOPPED),
    ] {
        if letter != 'C' || checks.is_some() {
            out.extend_from_slice(buttons(&format!("w_status_{letter}"), state.has(bit)).as_bytes());
        }
    }
    out.extend_from_slice(b"</tr></table></td></tr>\n");
    if let Some((checks, row)) = checks {
        let mut fields = String::from(
            "<tr><td colspan='2'>\n<table align='center'><tr><th>Health Check param</th><th>Value</th></tr>\n\
             <tr><td>Method</td><td><select name='w_hm'>\n",
        );
        for method in checks.methods() {
            let chosen = if row.method == *method { "selected" } else { "" };
            let _ = writeln!(fields, "<option value='{method}' {chosen} >{method}</option>");
        }
        fields.push_str("</select>\n</td></tr>\n<tr><td>Expr</td><td><select name='w_he'>\n");
        out.extend_from_slice(fields.as_bytes());
        checks.expressions(r, &mut |name, _| {
            let chosen = if row.expression == name { "selected" } else { "" };
            let name = escape::html(name);
            let _ = writeln!(out, "<option value='{name}' {chosen} >{name}</option>");
        });
        let _ = write!(
            out,
            "</select>\n</td></tr>\n\
             <tr><td>Interval (ms)</td><td><input name='w_hi' id='w_hi' type='text' value='{}'></td></tr>\n\
             <tr><td>Passes trigger</td><td><input name='w_hp' id='w_hp' type='text' value='{}'></td></tr>\n\
             <tr><td>Fails trigger)</td><td><input name='w_hf' id='w_hf' type='text' value='{}'></td></tr>\n\
             <tr><td>HC uri</td><td><input name='w_hu' id='w_hu' type='text' value=\"{}\"></td></tr>\n</table>\n</td></tr>\n",
            row.interval,
            row.passes,
            row.fails,
            escape::html(&row.uri),
        );
    }
    out.extend_from_slice(b"<tr><td colspan='2'><input type=submit value='Submit'></td></tr>\n</table>\n");
    form_tail(out, balancer, Some(&worker.name));
}

fn balancer_form(out: &mut Vec<u8>, r: &Request, balancer: &Balancer) {
    let words = balancer.words();
    let _ = writeln!(out, "<h3>Edit balancer settings for {}</h3>", escape::html(&balancer.name));
    form_head(out, r);
    out.extend_from_slice(b"<table>\n<tr><td>LBmethod:</td><td>\n<select name='b_lbm' id='b_lbm'>");
    let current = words.text(live::METHOD);
    for method in r.configuration.providers.names::<dyn BalancerMethod>() {
        let chosen = if current == method { " selected " } else { "" };
        let _ = writeln!(out, "<option value='{method}'{chosen}>{method}");
    }
    let (sticky, path) = (words.text(live::STICKY), words.text(live::STICKY_PATH));
    let names = if sticky == path { sticky } else { [sticky.as_slice(), b"|", &path].concat().into() };
    let _ = write!(
        out,
        "</select>\n</td></tr>\n\
         <tr><td>Timeout:</td><td><input name='b_tmo' id='b_tmo' type=text value='{}'></td></tr>\n\
         <tr><td>Failover Attempts:</td><td><input name='b_max' id='b_max' type=text value='{}'></td></tr>\n\
         <tr><td>Disable Failover:</td>{}</tr>\n\
         <tr><td>Sticky Session:</td><td><input name='b_ss' id='b_ss' size=64 type=text value =\"{}\">\
         &nbsp;&nbsp;&nbsp;&nbsp;(Use '-' to delete)</td></tr>\n",
        words.number(live::TIMEOUT) / 1_000_000,
        words.number(live::ATTEMPTS),
        buttons("b_sforce", words.number(live::FORCE) != 0),
        escape::html(&names),
    );
    if balancer.room() > 0 {
        out.extend_from_slice(
            b"<tr><td>Add New Worker:</td><td><input name='b_nwrkr' id='b_nwrkr' size=32 type=text>\
              &nbsp;&nbsp;&nbsp;&nbsp;Are you sure? <input name='b_wyes' id='b_wyes' type=checkbox value='1'></td></tr>",
        );
    }
    out.extend_from_slice(b"<tr><td colspan=2><input type=submit value='Submit'></td></tr>\n</table>\n");
    form_tail(out, balancer, None);
}
