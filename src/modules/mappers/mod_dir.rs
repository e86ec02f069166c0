//! mod_dir: the slash behind a directory's name, index files, and a fallback for what is not there.
//!
//! Hook: `fixups`, last, after everything that could have given the directory another meaning. A file, the common case,
//! is let go by a hook that does not wait; only directories and missing files reach the one that makes subrequests.
//!
//! Index names are looked up by subrequests, since rewriting, access rules or negotiation may give a name that is no
//! file a meaning. Where nothing of the kind can be in play, a name whose file does not exist is skipped after one
//! `stat(2)`; see `invisible`. `Require expr` on the URL of an index that does not exist is the one thing that is then not asked.
//! Manual: mod/mod_dir.html.

use crate::config::*;
use crate::engine::BoxFuture;
use crate::module::{Answer, Hooks, LAST, Linked, Module, Phase, UrlMeaning, declined};
use crate::request::{FileKind, MethodNumber, Request, Status};
use crate::server::{self, escape};
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_dir.c",
    ident: "dir_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<DirDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("FallbackResource", ANYWHERE, INDEXES, fallback_resource, "Set a default handler"),
    raw_args("DirectoryIndex", ANYWHERE, INDEXES, directory_index, "a list of file names"),
    flag(
        "DirectorySlash",
        ANYWHERE,
        INDEXES,
        |cx, on| {
            cx.dir::<DirDir>().slash = Some(on);
            Ok(())
        },
        "On or Off",
    ),
    flag(
        "DirectoryCheckHandler",
        ANYWHERE,
        INDEXES,
        |cx, on| {
            cx.dir::<DirDir>().check_handler = Some(on);
            Ok(())
        },
        "On or Off",
    ),
    take1("DirectoryIndexRedirect", ANYWHERE, INDEXES, index_redirect, "On, Off, or a 3xx status code."),
];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct DirDir {
    /// Empty after `disabled`.
    names: Option<Arc<Vec<BString>>>,
    slash: Switch,
    check_handler: Switch,
    /// Status of DirectoryIndexRedirect; 0 is off.
    redirect: Option<u16>,
    /// `disabled` as written.
    fallback: Option<BString>,
}

impl Settings for DirDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DirDir {
            names: add.names.clone().or_else(|| base.names.clone()),
            slash: add.slash.or(base.slash),
            check_handler: add.check_handler.or(base.check_handler),
            redirect: add.redirect.or(base.redirect),
            fallback: add.fallback.clone().or_else(|| base.fallback.clone()),
        }
    }
}

fn fallback_resource(cx: &mut Cx<'_>, url: &BStr) -> Outcome {
    cx.dir::<DirDir>().fallback = Some(url.into());
    Ok(())
}

fn directory_index(cx: &mut Cx<'_>, rest: &BStr) -> Outcome {
    let words = words(rest);
    let names = cx.dir::<DirDir>().names.get_or_insert_default();
    // `disabled` means itself only when it stands alone.
    if words.len() == 1 && words.iter().all(|word| word.eq_ignore_ascii_case(b"disabled")) {
        *names = Arc::default();
    } else {
        Arc::make_mut(names).extend(words);
    }
    Ok(())
}

/// The words of a line, quoted where they hold blanks.
fn words(mut rest: &[u8]) -> Vec<BString> {
    let mut words = Vec::new();
    loop {
        rest = rest.trim_start();
        let Some(&first) = rest.first() else { return words };
        let mut word = BString::default();
        if first == b'"' || first == b'\'' {
            let mut at = 1;
            while let Some(&byte) = rest.get(at).filter(|&&byte| byte != first) {
                let escaped =
                    byte == b'\\' && matches!(rest.get(at + 1), Some(&next) if next == first || next == b'\\');
                let at_byte = if escaped { at + 1 } else { at };
                word.extend(rest.get(at_byte));
                at = at_byte + 1;
            }
            rest = rest.get(at + 1..).unwrap_or_default();
        } else {
            let length = rest.iter().take_while(|byte| !byte.is_ascii_whitespace()).count();
            let (plain, tail) = rest.split_at(length);
            word.extend_from_slice(plain);
            rest = tail;
        }
        words.push(word);
    }
}

fn index_redirect(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let status = match word.to_ascii_lowercase().as_slice() {
        b"on" | b"temp" => 302,
        b"off" => 0,
        b"permanent" => 301,
        b"seeother" => 303,
        text if text.first().is_some_and(u8::is_ascii_digit) => {
            let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
            let code = digits.fold(0u16, |code, byte| code.saturating_mul(10).saturating_add(u16::from(byte - b'0')));
            if !Status(code).is_redirect() {
                return Err("DirectoryIndexRedirect only accepts values between 300 and 399".into());
            }
            code
        }
        _ => return Err("DirectoryIndexRedirect ON|OFF|permanent|temp|seeother|3xx".into()),
    };
    cx.dir::<DirDir>().redirect = Some(status);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.later(Phase::fixups, LAST, fixup);
}

/// Only what needs a subrequest pays for a future of its own size.
fn fixup(r: &mut Request) -> BoxFuture<'_, Answer> {
    let settings = r.dir::<DirDir>();
    match r.finfo.kind {
        FileKind::Directory => match before_index(r) {
            Some(answer) => Box::pin(std::future::ready(answer)),
            None => Box::pin(directory(r)),
        },
        FileKind::None if r.handler.is_none() && usable(&settings.fallback).is_some() => Box::pin(missing(r)),
        _ => declined(),
    }
}

fn usable(fallback: &Option<BString>) -> Option<&BString> {
    fallback.as_ref().filter(|url| !url.eq_ignore_ascii_case(b"disabled"))
}

/// What needs no index: the slash redirect, and directories that another handler took.
fn before_index(r: &mut Request) -> Option<Answer> {
    let settings = r.dir::<DirDir>();
    let checks = settings.check_handler.unwrap_or(false);
    if checks && r.handler.as_ref().is_some_and(|handler| handler == "redirect-handler") {
        return Some(Answer::Declined);
    }
    let slash = settings.slash.unwrap_or(true);
    if !r.uri.ends_with(b"/") {
        r.handler.get_or_insert_with(|| "httpd/unix-directory".into());
        // A client that cannot follow a redirect of other methods says so by a variable (BrowserMatch).
        let careful = !r.method.is(MethodNumber::GET) && r.env.contains("redirect-carefully");
        if !slash || careful {
            return Some(Answer::Declined);
        }
        let mut target = escape::uri(&r.uri);
        target.push(b'/');
        if let Some(args) = &r.args {
            target.push(b'?');
            target.extend_from_slice(args);
        }
        let location = server::construct_url(r, &target);
        r.headers_out.set("Location", location);
        return Some(Answer::Status(Status::MOVED_PERMANENTLY));
    }
    let taken = |handler: &BString| handler == "redirect-handler" || checks && handler != "httpd/unix-directory";
    if r.handler.as_ref().is_some_and(taken) {
        // Whoever took the directory over does not answer with the type of one.
        r.content_type.take_if(|kind| *kind == "httpd/unix-directory");
        return Some(Answer::Declined);
    }
    if !r.path_info.is_empty() {
        return Some(Answer::Declined);
    }
    None
}

/// A request for a directory with its slash: the first index that is there answers.
async fn directory(r: &mut Request) -> Answer {
    let settings = r.dir::<DirDir>();
    let redirect = settings.redirect.unwrap_or(0);
    let names = settings.names.clone();
    let fallback = usable(&settings.fallback).cloned();
    if r.handler.is_none() {
        r.handler = Some("httpd/unix-directory".into());
    }
    let default = [BString::from("index.html")];
    let names: &[BString] = names.as_ref().map_or(&default, |names| names);
    r.notes.set("dir-index-names", bstr::join(",", names));
    if names.is_empty() {
        return Answer::Declined;
    }
    let mut failed = None;
    let count = names.len() + usize::from(fallback.is_some());
    for (at, name) in names.iter().chain(&fallback).enumerate().filter(|(_, name)| !name.is_empty()) {
        // The fallback is for what is missing, not for what went wrong.
        if invisible(r, name.as_ref()) || at == names.len() && failed.is_some() {
            continue;
        }
        match try_index(r, name.as_ref(), count, redirect).await {
            Found::Yes(answer) => return answer,
            Found::No(status) => failed = status.or(failed),
        }
    }
    failed.map_or(Answer::Declined, Answer::Status)
}

/// A path that maps to nothing: FallbackResource.
async fn missing(r: &mut Request) -> Answer {
    let Some(url) = usable(&r.dir::<DirDir>().fallback).cloned() else { return Answer::Declined };
    match try_index(r, url.as_ref(), 1, 0).await {
        Found::Yes(answer) => answer,
        Found::No(status) => status.map_or(Answer::Declined, Answer::Status),
    }
}

enum Found {
    Yes(Answer),
    /// Not there, or refused with this status.
    No(Option<Status>),
}

async fn try_index(r: &mut Request, name: &BStr, count: usize, redirect: u16) -> Found {
    // The query goes along unless the name brings its own.
    let target: BString = match &r.args {
        Some(args) if !name.contains(&b'?') => [name.as_ref() as &[u8], b"?", args].concat().into(),
        _ => name.into(),
    };
    let sub = server::lookup_uri(r, &target).await;
    let proxied = sub.handler.as_ref().is_some_and(|handler| handler == "proxy-server");
    if sub.status == Status::OK && (proxied || sub.finfo.kind == FileKind::File) {
        if redirect != 0 {
            let location = server::construct_url(r, &sub.uri);
            r.headers_out.set("Location", location);
            return Found::Yes(Answer::Status(Status(redirect)));
        }
        server::fast_redirect(r, sub);
        return Found::Yes(Answer::Ok);
    }
    let status = sub.status;
    let decides =
        status.is_redirect() || (count == 1 && matches!(status, Status::NOT_ACCEPTABLE | Status::UNAUTHORIZED));
    if decides {
        // The subrequest's answer becomes ours: its Location, its challenge, its variants.
        r.notes.overlay(&sub.notes);
        r.headers_out.overlay(&sub.headers_out);
        r.err_headers_out.overlay(&sub.err_headers_out);
        return Found::Yes(Answer::Status(status));
    }
    Found::No(Some(status).filter(|status| !matches!(*status, Status::OK | Status::NOT_FOUND)))
}

/// Modules that give no URL a meaning of their own when there is no file; others say so by [`UrlMeaning`].
const HARMLESS: &[&str] = &[
    "access_compat_module",
    "auth_basic_module",
    "auth_digest_module",
    "authn_core_module",
    "authn_file_module",
    "authz_core_module",
    "authz_groupfile_module",
    "authz_host_module",
    "authz_user_module",
    "autoindex_module",
    "cgi_module",
    "cgid_module",
    "core_module",
    "deflate_module",
    "dir_module",
    "env_module",
    "expires_module",
    "filter_module",
    "headers_module",
    "http2_module",
    "http_module",
    "include_module",
    "log_config_module",
    "logio_module",
    "mime_module",
    "mpm_event_module",
    "mpm_prefork_module",
    "mpm_worker_module",
    "negotiation_module",
    "php_module",
    "pinion_module",
    "reqtimeout_module",
    "setenvif_module",
    "so_module",
    "socache_shmcb_module",
    "ssl_module",
    "status_module",
    "unixd_module",
    "version_module",
    "watchdog_module",
];

/// Whether a subrequest for `name` could only find that there is no such file, without anyone noticing that it was not
/// made: a plain name in this very directory, no module that maps or refuses its URL, no section that holds for it
/// alone, no MultiViews, and no file.
fn invisible(r: &Request, name: &BStr) -> bool {
    let plain = name.first().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte));
    if !plain || r.dir.core().options() & options::MULTI != 0 || usable(&r.dir::<DirDir>().fallback).is_some() {
        return false;
    }
    let file = [r.filename.as_slice(), name].concat();
    if server::lstat(&file).map_or_else(|error| error.kind() != std::io::ErrorKind::NotFound, |_| true) {
        return false;
    }
    let url = [r.uri.as_slice(), name].concat();
    server::same_sections(r, url.as_bstr(), name)
        && r.configuration.process.loaded.iter().all(|(ident, _)| {
            let meaning = || r.configuration.providers.find::<dyn UrlMeaning>(ident.as_bytes());
            HARMLESS.contains(ident) || meaning().is_some_and(|module| !module.means(r, url.as_bstr()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_be_quoted() {
        assert_eq!(words(b" a.html \"b c\" 'd'x  e"), ["a.html", "b c", "d", "x", "e"]);
        assert_eq!(words(b"\"a\\\"b"), ["a\"b"]);
        assert!(words(b"  ").is_empty());
    }

    #[test]
    fn lower_settings_replace_the_list() {
        let set = |names: &[&str]| DirDir {
            names: Some(Arc::new(names.iter().map(|name| BString::from(*name)).collect())),
            ..DirDir::default()
        };
        let merged = DirDir::merge(&set(&["a", "b"]), &set(&["c"]));
        assert_eq!(merged.names.unwrap()[..], ["c"]);
        assert_eq!(DirDir::merge(&set(&["a"]), &DirDir::default()).names.unwrap()[..], ["a"]);
    }
}
