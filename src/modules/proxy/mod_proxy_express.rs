//! mod_proxy_express: the backend of each host name, of a DBM file.
//!
//! Hook: `translate_name`, first, after mod_rewrite and mod_proxy, whose directives go before: the name of the server that the request is for (as UseCanonicalName has it) is looked
//! up; what stands there with the path behind it is the URL that mod_proxy calls.
//!
//! A ProxyPassReverse of one's own is needed, as in Apache, which means to add one for `/` but takes it where the same
//! backend has one already, which stands before it.
//!
//! Differences: `OPTIONS *` is 400. The directives are refused in .htaccess, where Apache lets them change the whole server.
//! Manual: mod/mod_proxy_express.html.

use super::mod_proxy::ProxyDir;
use crate::config::*;
use crate::engine;
use crate::log::{Level, raw};
use crate::module::{Answer, FIRST, Hooks, Linked, Module};
use crate::request::Request;
use crate::server::{self, dbm::Database};
use bstr::BStr;

pub static MODULE: Module = Module {
    name: "mod_proxy_express.c",
    ident: "proxy_express_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<ExpressServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    flag("ProxyExpressEnable", ANYWHERE, FILE_INFO, enable, "Enable the ProxyExpress functionality"),
    take1("ProxyExpressDBMFile", ANYWHERE, FILE_INFO, file, "Location of ProxyExpressDBMFile file"),
    take1("ProxyExpressDBMType", ANYWHERE, FILE_INFO, kind, "Type of ProxyExpressDBMFile file"),
];

/// Settings of a server.
#[derive(Clone, Default)]
pub struct ExpressServer {
    enabled: bool,
    map: Database,
    /// Whether a directive stands in the server: one without any has all of the main server's.
    own: bool,
}

impl Settings for ExpressServer {
    crate::slot!();
    /// `off` does not undo the main server's `on`, and a type is not inherited by who says anything, as in Apache.
    fn merge(base: &Self, add: &Self) -> Self {
        if !add.own {
            return base.clone();
        }
        let mut out = add.clone();
        out.enabled |= base.enabled;
        if out.map.file.is_none() {
            out.map.file = base.map.file.clone();
        }
        out
    }
}

fn settings<'a>(cx: &'a mut Cx<'_>) -> Result<&'a mut ExpressServer, Complaint> {
    cx.forbid_in_htaccess()?;
    let settings = cx.server::<ExpressServer>();
    settings.own = true;
    Ok(settings)
}

fn enable(cx: &mut Cx<'_>, on: bool) -> Outcome {
    settings(cx)?.enabled = on;
    Ok(())
}

fn file(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    let path = cx.server_root_relative(path);
    settings(cx)?.map.file = Some(path);
    Ok(())
}

fn kind(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    settings(cx)?.map.set_kind(name);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.translate_name(FIRST, translate).after(&["mod_rewrite.c", "mod_proxy.c"]);
}

fn translate(r: &mut Request) -> Answer {
    let settings = r.server::<ExpressServer>();
    if !settings.enabled {
        return Answer::Declined;
    }
    let tell = |r: &Request, text: std::fmt::Arguments<'_>| r.log(Level::Debug, "proxy_express", text);
    tell(r, format_args!("AH01001: proxy_express: Enabled"));
    let map = &settings.map;
    if map.file.is_none() || r.filename.starts_with(b"proxy:") {
        return Answer::Declined;
    }
    let shown = map.shown();
    tell(r, format_args!("AH01002: proxy_express: Opening DBM file: {} ({})", raw(&shown), raw(map.kind())));
    // Without the brackets of an IPv6 address.
    let name = server::server_name(r);
    let name = name.strip_prefix(b"[").and_then(|name| name.strip_suffix(b"]")).map_or(name.as_slice(), |name| name);
    // A file that cannot be read is for nobody, without a word, as in Apache.
    let Ok(found) = engine::block(|| {
        let database = map.open()?;
        tell(r, format_args!("AH01003: proxy_express: looking for {}", raw(name)));
        database.value(name)
    }) else {
        return Answer::Declined;
    };
    let Some(backend) = found else { return Answer::Declined };
    tell(r, format_args!("AH01004: proxy_express: found {} -> {}", raw(name), raw(&backend)));
    r.filename = [b"proxy:", backend.as_slice(), r.uri.as_slice()].concat().into();
    r.handler = Some("proxy-server".into());
    r.proxy_request = true;
    tell(r, format_args!("AH01005: proxy_express: rewritten as: {}", raw(&r.filename)));
    let dir = r.dir.clone();
    let reversals = &dir.settings.of::<ProxyDir>().reversals;
    if reversals.iter().any(|rule| rule.internal.eq_ignore_ascii_case(&backend)) {
        tell(r, format_args!("AH01006: proxy_express: adding PPR entry"));
    }
    Answer::Ok
}
