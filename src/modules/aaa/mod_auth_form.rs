//! mod_auth_form: users log in with a form, and a session remembers them.
//!
//! Hooks: `check_user_id`, middle, looks into the session, then into a form that was sent to the protected place itself
//! (the providers are asked off the event loop: hashes are slow by design); `handler`, middle: `form-login-handler`,
//! `form-logout-handler`, and `form-redirect-handler`, which repeats a request that the login interrupted. Offers the
//! scheme `form`. Differences: passwords do not stand in the log at trace1. Manual: mod/mod_auth_form.html.

use super::mod_authn_core::Chosen;
use crate::config::*;
use crate::engine::{self, BoxFuture};
use crate::log::{self, Level, Raw, raw};
use crate::module::{Answer, Authn, Challenge, Hooks, Linked, MIDDLE, Module, Phase, Sessions, declined};
use crate::request::{Body, Fault, MethodNumber, Piece, Request, Source, Status};
use crate::server::{self, KeptBody};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use md5::{Digest, Md5};
use std::sync::Arc;
use subtle::ConstantTimeEq;

pub static MODULE: Module = Module {
    name: "mod_auth_form.c",
    ident: "auth_form_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<FormDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    iterate(
        "AuthFormProvider",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        provider,
        "specify the auth providers for a directory or location",
    ),
    take1(
        "AuthFormUsername",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        |cx, name| field(cx, name, USERNAME),
        "The field of the login form carrying the username",
    ),
    take1(
        "AuthFormPassword",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        |cx, name| field(cx, name, PASSWORD),
        "The field of the login form carrying the password",
    ),
    take1(
        "AuthFormLocation",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        |cx, name| field(cx, name, LOCATION),
        "The field of the login form carrying the URL to redirect on successful login.",
    ),
    take1(
        "AuthFormMethod",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        |cx, name| field(cx, name, METHOD),
        "The field of the login form carrying the original request method.",
    ),
    take1(
        "AuthFormMimetype",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        |cx, name| field(cx, name, MIMETYPE),
        "The field of the login form carrying the original request mimetype.",
    ),
    take1(
        "AuthFormBody",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        |cx, name| field(cx, name, BODY),
        "The field of the login form carrying the urlencoded original request body.",
    ),
    take1("AuthFormSize", DIRECTORY, NO_OVERRIDE, size, "Maximum size of body parsed by the form parser"),
    take1(
        "AuthFormLoginRequiredLocation",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        login_required,
        "If set, redirect the browser to this URL rather than return 401 Not Authorized.",
    ),
    take1(
        "AuthFormLoginSuccessLocation",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        login_success,
        "If set, redirect the browser to this URL when a login processed by the login handler is successful.",
    ),
    take1(
        "AuthFormLogoutLocation",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        logout_location,
        "The URL of the logout successful page. An attempt to access an URL handled by the handler form-logout-handler \
         will result in an redirect to this page after logout.",
    ),
    take1(
        "AuthFormSitePassphrase",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        site_passphrase,
        "If set, use this passphrase to determine whether the user should be authenticated. Bypasses the user \
         authentication check on every website hit, and is useful for high traffic sites.",
    ),
    flag(
        "AuthFormAuthoritative",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        authoritative,
        "Set to 'Off' to allow access control to be passed along to lower modules if the UserID is not known to this \
         module",
    ),
    flag(
        "AuthFormFakeBasicAuth",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        fake_basic_auth,
        "Set to 'On' to pass through authentication to the rest of the server as a basic authentication header.",
    ),
    flag(
        "AuthFormDisableNoStore",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        disable_no_store,
        "Set to 'on' to stop the sending of a Cache-Control no-store header with the login screen. This allows the \
         browser to cache the credentials, but at the risk of it being possible for the login form to be resubmitted \
         and revealed to the backend server through XSS. Use at own risk.",
    ),
];

/// Places of the fields in [`FormDir::fields`] and [`Form`], with their usual names.
const USERNAME: usize = 0;
const PASSWORD: usize = 1;
const LOCATION: usize = 2;
const METHOD: usize = 3;
const MIMETYPE: usize = 4;
const BODY: usize = 5;
const USUAL: [&str; 6] =
    ["httpd_username", "httpd_password", "httpd_location", "httpd_method", "httpd_mimetype", "httpd_body"];

/// Octets of names and values that a form may have, unless AuthFormSize says otherwise.
const SIZE: u64 = 8192;

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct FormDir {
    providers: Option<Vec<Chosen>>,
    fields: [Option<BString>; 6],
    size: Option<u64>,
    login_required: Option<Arc<Expression>>,
    login_success: Option<Arc<Expression>>,
    logout: Option<Arc<Expression>>,
    site: Option<BString>,
    authoritative: Option<bool>,
    fake_basic: Option<bool>,
    disable_no_store: Option<bool>,
}

impl Settings for FormDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut fields = add.fields.clone();
        for (field, base) in fields.iter_mut().zip(&base.fields) {
            if field.is_none() {
                field.clone_from(base);
            }
        }
        FormDir {
            providers: add.providers.clone().or_else(|| base.providers.clone()),
            fields,
            size: add.size.or(base.size),
            login_required: add.login_required.clone().or_else(|| base.login_required.clone()),
            login_success: add.login_success.clone().or_else(|| base.login_success.clone()),
            logout: add.logout.clone().or_else(|| base.logout.clone()),
            site: add.site.clone().or_else(|| base.site.clone()),
            authoritative: add.authoritative.or(base.authoritative),
            fake_basic: add.fake_basic.or(base.fake_basic),
            disable_no_store: add.disable_no_store.or(base.disable_no_store),
        }
    }
}

impl FormDir {
    fn field(&self, which: usize) -> &BStr {
        let usual = USUAL.get(which).copied().unwrap_or_default();
        let chosen = self.fields.get(which).and_then(Option::as_ref);
        chosen.map_or(usual.into(), |name| name.as_bstr())
    }
}

fn provider(cx: &mut Cx<'_>, written: &BStr) -> Outcome {
    let Some(chosen) = Chosen::find(cx, written.into()) else {
        return Err(format!("Unknown Authn provider: {written}").into());
    };
    cx.dir::<FormDir>().providers.get_or_insert_default().push(chosen);
    Ok(())
}

fn field(cx: &mut Cx<'_>, name: &BStr, which: usize) -> Outcome {
    if name.is_empty() || name.contains(&b'=') || name.contains(&b'&') {
        return Err(format!("{} cannot be empty, or contain '=' or '&'.", cx.directive.name).into());
    }
    if let Some(field) = cx.dir::<FormDir>().fields.get_mut(which) {
        *field = Some(name.into());
    }
    Ok(())
}

fn size(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let size = u64::try_from(strtol(word)).ok().filter(|size| *size < i64::MAX as u64);
    let Some(size) = size else {
        return Err("AuthCookieFormSize must be a size in bytes, or zero.".into());
    };
    cx.dir::<FormDir>().size = Some(size);
    Ok(())
}

fn location(cx: &mut Cx<'_>, text: &BStr, what: &str) -> Result<Option<Arc<Expression>>, Complaint> {
    match Expression::string(text, cx.rights(), cx.providers) {
        Ok(expression) => Ok(Some(Arc::new(expression))),
        Err(error) => Err(format!("Could not parse {what} expression '{text}': {error}").into()),
    }
}

fn login_required(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    cx.dir::<FormDir>().login_required = location(cx, text, "login required")?;
    Ok(())
}

fn login_success(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    cx.dir::<FormDir>().login_success = location(cx, text, "login success")?;
    Ok(())
}

fn logout_location(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    cx.dir::<FormDir>().logout = location(cx, text, "logout required")?;
    Ok(())
}

fn site_passphrase(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    cx.dir::<FormDir>().site = Some(text.into());
    Ok(())
}

fn authoritative(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<FormDir>().authoritative = Some(on);
    Ok(())
}

fn fake_basic_auth(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<FormDir>().fake_basic = Some(on);
    Ok(())
}

fn disable_no_store(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<FormDir>().disable_no_store = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, needs);
    on.later(Phase::check_user_id, MIDDLE, |r| {
        if server::auth_type(r).is_some_and(|kind| kind.eq_ignore_ascii_case(b"form")) {
            Box::pin(authenticate(r))
        } else {
            declined()
        }
    });
    on.later(Phase::handler, MIDDLE, |r| match r.handler.as_ref().map(|name| name.as_slice()) {
        Some(LOGIN) => Box::pin(login(r)),
        Some(LOGOUT) => Box::pin(std::future::ready(logout(r))),
        Some(REDIRECT) => Box::pin(repeat(r)),
        _ => declined(),
    });
    on.providers.offer::<dyn Challenge>("form", &Scheme);
}

const LOGIN: &[u8] = b"form-login-handler";
const LOGOUT: &[u8] = b"form-logout-handler";
const REDIRECT: &[u8] = b"form-redirect-handler";

/// Sessions and bodies that are read again are other modules' work.
fn needs(configuration: &mut Configuration) -> Result<(), String> {
    for (ident, tag, name) in
        [("session_module", "AH02617", "mod_session"), ("request_module", "AH02618", "mod_request")]
    {
        if !configuration.process.has_module(ident) {
            let text = format_args!("{tag}: You must load {name} to enable the mod_auth_form functions");
            log::process(Level::Crit, "auth_form", text);
            return Err("AH00016: Configuration Failed".into());
        }
    }
    Ok(())
}

struct Scheme;

impl Challenge for Scheme {
    fn challenge(&self, r: &mut Request) {
        let dir = r.dir.clone();
        // What names a field of the form may, for Apache, be a URL.
        if let Some(name) = dir.settings.of::<FormDir>().fields.get(LOCATION).cloned().flatten()
            && name.contains(&b':')
        {
            r.err_headers_out.set("Location", name);
        }
    }
}

/// What a login form said.
type Form = [Option<BString>; 6];

/// What is kept of a form for [`repeat`].
struct Retry {
    method: BString,
    mimetype: Option<BString>,
}

/// Something that may not be there, for trace1.
fn shown(value: Option<&BString>) -> Raw<'_> {
    raw(value.map_or(&b"(null)"[..], |value| value))
}

/// The same for what must stay secret.
fn hidden(value: Option<&BString>) -> &'static str {
    if value.is_some() { "***" } else { "(null)" }
}

fn trace(r: &Request, text: std::fmt::Arguments<'_>) {
    r.log(Level::Trace1, "auth_form", text);
}

async fn authenticate(r: &mut Request) -> Answer {
    let Some(realm) = server::auth_name(r) else {
        r.log(Level::Error, "auth_form", format_args!("AH01810: need AuthName: {}", raw(&r.uri)));
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    };
    r.auth_type = Some("form".into());
    if r.forward_proxy {
        let why = "form auth cannot be used for proxy requests due to XSS risk, access denied";
        r.log(Level::Error, "auth_form", format_args!("AH01809: {why}: {}", raw(&r.uri)));
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    }
    let settings = r.dir.clone();
    let dir = settings.settings.of::<FormDir>();
    trace(r, format_args!("from notes: user: (null), pw: (null), method: (null), mimetype: (null)"));
    let (user, password, site) = (entry(r, &realm, "user"), entry(r, &realm, "pw"), entry(r, &realm, "site"));
    let (pw, hash) = (hidden(password.as_ref()), hidden(site.as_ref()));
    trace(r, format_args!("from session: user: {}, pw: {pw}, site: {hash}", shown(user.as_ref())));
    if user.is_some() {
        r.user.clone_from(&user);
    }
    let mut answer = Answer::Status(Status::UNAUTHORIZED);
    if let (Some(user), Some(password)) = (&user, &password) {
        let known = dir.site.as_ref().map(|passphrase| site_hash(user, passphrase));
        let bypass = known.zip(site).is_some_and(|(known, sent)| bool::from(known.as_bytes().ct_eq(&sent)));
        answer = if bypass { Answer::Ok } else { check(r, dir, user, password) };
        if answer == Answer::Ok {
            fake_basic(r, dir, user, password);
            return Answer::Ok;
        }
    }
    if answer == Answer::Status(Status::UNAUTHORIZED) && r.is_initial() && r.method.is(MethodNumber::POST) {
        answer = match read_form(r, dir, true).await {
            Err(status) => Answer::Status(status),
            Ok(form) => inline_login(r, dir, &realm, form),
        };
    }
    if answer == Answer::Status(Status::UNAUTHORIZED) {
        if let Some(target) = &dir.login_required {
            return redirect(r, target, Status::FOUND, "AH02340: Can't evaluate login required expression");
        }
        if dir.disable_no_store != Some(true) {
            r.err_headers_out.add("Cache-Control", "no-store");
        }
    }
    answer
}

/// A form that was sent to the protected place: the user stays there, unless the form or AuthFormLoginSuccessLocation
/// leads elsewhere.
fn inline_login(r: &mut Request, dir: &FormDir, realm: &BString, form: Form) -> Answer {
    let [Some(user), Some(password), location, method, mimetype, body] = form else {
        return Answer::Status(Status::UNAUTHORIZED);
    };
    let answer = check(r, dir, &user, &password);
    if answer == Answer::Ok {
        fake_basic(r, dir, &user, &password);
        remember(r, Some(realm), Some((&user, &password)), dir);
    }
    let login_again = answer == Answer::Status(Status::UNAUTHORIZED) && dir.login_required.is_some();
    // Where the form leads asks anew, so that it does not matter how the login ended.
    if (location.is_some() && !login_again || answer == Answer::Ok)
        && let Some(answer) = lead_on(r, location, dir, "AH02339")
    {
        return answer;
    }
    if answer != Answer::Ok {
        return answer;
    }
    // The form must not reach what is behind us: its place takes the body that it carried, or none.
    let (kind, body) = match (&mimetype, body) {
        (Some(kind), Some(body)) => (Some(kind.clone()), Bytes::from(Vec::from(body))),
        _ => (None, Bytes::new()),
    };
    if let Some(kind) = kind {
        // What follows a line break would be a field of its own.
        let kind = kind.split(|byte| matches!(byte, b'\r' | b'\n' | 0)).next().unwrap_or_default();
        r.headers_in.set("Content-Type", kind);
    }
    r.headers_in.unset("Transfer-Encoding");
    r.headers_in.set("Content-Length", itoa::Buffer::new().format(body.len()));
    r.body_in = body.clone().into();
    r.extensions.put(KeptBody(body));
    if let Some(method) = method.filter(|method| *method != r.method.name) {
        r.handler = Some(REDIRECT.into());
        r.extensions.put(Retry { method, mimetype });
    }
    Answer::Ok
}

/// `form-login-handler`.
async fn login(r: &mut Request) -> Answer {
    if !r.method.is(MethodNumber::POST) {
        let text = format_args!("AH01811: the form-login-handler only supports the POST method for {}", raw(&r.uri));
        r.log(Level::Error, "auth_form", text);
        return Answer::Status(Status::METHOD_NOT_ALLOWED);
    }
    let settings = r.dir.clone();
    let dir = settings.settings.of::<FormDir>();
    trace(r, format_args!("from notes: user: (null), pw: (null), method: <null>, mimetype: <null>"));
    let answer = match read_form(r, dir, false).await {
        Err(status) => Answer::Status(status),
        Ok([Some(user), Some(password), location, ..]) => match check(r, dir, &user, &password) {
            Answer::Ok => {
                let realm = server::auth_name(r);
                remember(r, realm.as_ref(), Some((&user, &password)), dir);
                let answer = lead_on(r, location, dir, "AH02341");
                return answer.unwrap_or(Answer::Status(Status::OK));
            }
            answer => answer,
        },
        Ok(_) => Answer::Status(Status::UNAUTHORIZED),
    };
    match &dir.login_required {
        Some(target) if answer == Answer::Status(Status::UNAUTHORIZED) => {
            redirect(r, target, Status::FOUND, "AH02342: Can't evaluate login required expression")
        }
        _ => answer,
    }
}

/// `form-logout-handler`.
fn logout(r: &mut Request) -> Answer {
    let settings = r.dir.clone();
    let dir = settings.settings.of::<FormDir>();
    let realm = server::auth_name(r);
    remember(r, realm.as_ref(), None, dir);
    r.err_headers_out.add("Cache-Control", "no-store");
    match &dir.logout {
        Some(target) => redirect(r, target, Status::TEMPORARY_REDIRECT, "AH02343: Can't evaluate logout expression"),
        None => Answer::Status(Status::OK),
    }
}

/// `form-redirect-handler`: the request that the login form stood in for, with its own method and body.
async fn repeat(r: &mut Request) -> Answer {
    let retry = r.extensions.take::<Retry>();
    let method = retry.as_ref().map(|retry| retry.method.clone());
    let mimetype = retry.and_then(|retry| retry.mimetype);
    let (sent, kind) = (shown(method.as_ref()), shown(mimetype.as_ref()));
    trace(r, format_args!("from notes: user: <null>, pw: <null>, method: {sent}, mimetype: {kind}"));
    let (Some(method), Some(mimetype)) = (method, mimetype) else {
        let text = "AH01813: internal redirect requested but one or all of method, mimetype or body are NULL";
        r.log(Level::Error, "auth_form", format_args!("{text}: {}", raw(&r.uri)));
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    };
    tell_repetition(r, &method, &mimetype);
    let target = r.uri.clone();
    let mut sub = server::lookup_method_uri(r, &method, &target).await;
    server::pass_body_on(r, &mut sub);
    // The conditions were those of the form.
    sub.no_local_copy = true;
    match server::run_sub(r, &mut sub).await {
        Err(status) => Answer::Status(status),
        Ok(body) => {
            r.body_out = Body::Stream(Box::new(Repeated { sub, body }));
            Answer::Ok
        }
    }
}

fn tell_repetition(r: &Request, method: &BString, mimetype: &BString) {
    let uri = &r.uri;
    let text = format_args!(
        "AH01812: internal redirect to method '{method}' and body mimetype '{mimetype}' for the uri: {uri}"
    );
    r.log(Level::Debug, "auth_form", text);
}

/// The body of a repeated request, whose length is not told.
struct Repeated {
    sub: Box<Request>,
    body: Body,
}

impl Source for Repeated {
    fn next<'a>(&'a mut self, _: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move { self.body.next(&mut self.sub).await })
    }
    fn measurable(&self) -> bool {
        false
    }
}

/// Where a login leads: the form says it, or AuthFormLoginSuccessLocation.
fn lead_on(r: &mut Request, location: Option<BString>, dir: &FormDir, tag: &str) -> Option<Answer> {
    match (location, &dir.login_success) {
        (Some(location), _) => {
            if !location.is_empty() {
                r.headers_out.set("Location", location);
            }
            Some(Answer::Status(Status::FOUND))
        }
        (None, Some(target)) => {
            let failure = format!("{tag}: Can't evaluate login success expression");
            Some(redirect(r, target, Status::FOUND, &failure))
        }
        (None, None) => None,
    }
}

/// Leads the client to where an expression says.
fn redirect(r: &mut Request, target: &Expression, status: Status, failure: &str) -> Answer {
    match server::expression::text(target, r) {
        Ok(target) => {
            r.headers_out.set("Location", target);
            Answer::Status(status)
        }
        Err(error) => {
            r.log(Level::Error, "auth_form", format_args!("{failure}: {error}"));
            Answer::Status(Status::INTERNAL_SERVER_ERROR)
        }
    }
}

fn sessions(r: &Request) -> Option<&'static dyn Sessions> {
    r.configuration.providers.find::<dyn Sessions>(b"session")
}

/// The session's entries have the realm in their names, so that several realms share a session.
fn key(realm: Option<&BString>, what: &str) -> Vec<u8> {
    realm.map(|realm| [realm.as_slice(), b"-", what.as_bytes()].concat()).unwrap_or_default()
}

fn entry(r: &mut Request, realm: &BString, what: &str) -> Option<BString> {
    sessions(r)?.get(r, &key(Some(realm), what))
}

/// Writes who is logged in into the session, or that nobody is.
fn remember(r: &mut Request, realm: Option<&BString>, who: Option<(&BString, &BString)>, dir: &FormDir) {
    let Some(sessions) = sessions(r) else { return };
    let site = who.zip(dir.site.as_ref()).map(|((user, _), passphrase)| site_hash(user, passphrase));
    sessions.set(r, &key(realm, "user"), who.map(|(user, _)| user.as_slice()));
    sessions.set(r, &key(realm, "pw"), who.map(|(_, password)| password.as_slice()));
    sessions.set(r, &key(realm, "site"), site.as_ref().map(|site| site.as_bytes()));
}

/// What AuthFormSitePassphrase puts into a session.
fn site_hash(user: &BString, passphrase: &BString) -> String {
    let digest = Md5::digest([user.as_slice(), b":", passphrase].concat());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// AuthFormFakeBasicAuth: an Authorization field for whoever is behind us.
fn fake_basic(r: &mut Request, dir: &FormDir, user: &BString, password: &BString) {
    if dir.fake_basic == Some(true) {
        let encoded = STANDARD.encode([user.as_slice(), b":", password].concat());
        r.headers_in.set("Authorization", format!("Basic {encoded}"));
    }
}

/// Asks the providers in turn until one knows the user.
fn check(r: &mut Request, dir: &FormDir, user: &BString, password: &BString) -> Answer {
    let default;
    let providers = match &dir.providers {
        Some(providers) => providers.as_slice(),
        None => match Chosen::usual(r) {
            Some(chosen) => {
                default = [chosen];
                &default
            }
            None => {
                r.log(Level::Error, "auth_form", format_args!("AH01806: no authn provider configured"));
                return Answer::Status(Status::INTERNAL_SERVER_ERROR);
            }
        },
    };
    let result = engine::block(|| {
        let mut result = Authn::GeneralError;
        for chosen in providers {
            result = chosen.ask(r, |r, provider| provider.check_password(r, user.as_bstr(), password.as_bstr()));
            if result != Authn::UserNotFound {
                break;
            }
        }
        result
    });
    if result == Authn::Granted {
        return Answer::Ok;
    }
    if dir.authoritative == Some(false) && result != Authn::Denied {
        return Answer::Declined;
    }
    match result {
        Authn::Denied => {
            let text = format_args!(
                "AH01807: user '{}': authentication failure for \"{}\": password Mismatch",
                raw(user),
                raw(&r.uri)
            );
            r.log(Level::Error, "auth_form", text);
        }
        Authn::UserNotFound => {
            r.log(Level::Error, "auth_form", format_args!("AH01808: user '{}' not found: {}", raw(user), raw(&r.uri)));
        }
        _ => return Answer::Status(Status::INTERNAL_SERVER_ERROR),
    }
    Scheme.challenge(r);
    Answer::Status(Status::UNAUTHORIZED)
}

/// Reads the request's body as a form; `repeats`: what is to be repeated after a login matters.
async fn read_form(r: &mut Request, dir: &FormDir, repeats: bool) -> Result<Form, Status> {
    const KIND: &[u8] = b"application/x-www-form-urlencoded";
    let kind = r.headers_in.get("Content-Type");
    let is_form = kind.is_some_and(|kind| kind.get(..KIND.len()).is_some_and(|kind| kind.eq_ignore_ascii_case(KIND)));
    if repeats {
        trace(r, format_args!("from notes: user: (null), pw: (null), method: (null), mimetype: (null)"));
    }
    let mut reader = FormReader::new(dir.size.unwrap_or(SIZE));
    while let Some(piece) = r.read_body().await.map_err(|fault| fault.status)? {
        if is_form {
            reader.read(&piece)?;
        }
    }
    let mut form = Form::default();
    for (name, value) in reader.finish() {
        for (which, found) in form.iter_mut().enumerate() {
            // Of fields of one name the first counts.
            if found.is_none() && name == dir.field(which) && (repeats || which <= LOCATION) {
                // For all but the body a NUL is the end.
                let end = value.find_byte(0).filter(|_| which != BODY).unwrap_or(value.len());
                *found = value.get(..end).map(BString::from);
            }
        }
    }
    let [user, password, location, method, mimetype, _] = &form;
    if user.is_some() {
        r.user.clone_from(user);
    }
    let (user, pw) = (shown(user.as_ref()), hidden(password.as_ref()));
    let none = BString::from("<null>");
    let (method, mimetype) = if repeats { (method.as_ref(), mimetype.as_ref()) } else { (Some(&none), Some(&none)) };
    let (method, mimetype, location) = (shown(method), shown(mimetype), shown(location.as_ref()));
    trace(
        r,
        format_args!("from form: user: {user}, pw: {pw}, method: {method}, mimetype: {mimetype}, location: {location}"),
    );
    for (which, tag, what) in [(USERNAME, "AH02982", "username"), (PASSWORD, "AH02983", "password")] {
        if form.get(which).is_none_or(|found| found.is_none()) {
            let name = dir.field(which);
            let text = format_args!("{tag}: form parsed, but {what} field '{name}' was missing or empty, unauthorized");
            r.log(Level::Debug, "auth_form", text);
            return Err(Status::UNAUTHORIZED);
        }
    }
    Ok(form)
}

/// Takes a form apart as it comes.
struct FormReader {
    /// Octets of names and values that may still come.
    left: u64,
    fields: Vec<(BString, BString)>,
    name: Option<BString>,
    text: BString,
    /// In an escape, with the value of its first digit if that has come.
    escape: Option<Option<u8>>,
}

impl FormReader {
    fn new(left: u64) -> FormReader {
        FormReader { left, fields: Vec::new(), name: None, text: BString::default(), escape: None }
    }

    fn read(&mut self, octets: &[u8]) -> Result<(), Status> {
        for &octet in octets {
            match (self.escape, octet) {
                (None, _) | (_, b'%' | b'&') => {}
                (Some(None), digit) => {
                    self.escape = Some(Some(hex(digit)));
                    continue;
                }
                (Some(Some(high)), digit) => {
                    self.escape = None;
                    match high.wrapping_mul(16).wrapping_add(hex(digit)) {
                        b'=' if self.name.is_none() => self.name = Some(std::mem::take(&mut self.text)),
                        octet => self.push(octet)?,
                    }
                    continue;
                }
            }
            match octet {
                b'%' => self.escape = Some(None),
                b'=' if self.name.is_none() => self.name = Some(std::mem::take(&mut self.text)),
                b'&' => {
                    self.end_field();
                    // What began as an escape goes on behind the end of its field, unless it had a digit.
                    self.escape = self.escape.filter(Option::is_none);
                }
                b'+' => self.push(b' ')?,
                other => self.push(other)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, octet: u8) -> Result<(), Status> {
        self.left = self.left.checked_sub(1).ok_or(Status::REQUEST_ENTITY_TOO_LARGE)?;
        self.text.push(octet);
        Ok(())
    }

    fn end_field(&mut self) {
        let text = std::mem::take(&mut self.text);
        if let Some(name) = self.name.take() {
            self.fields.push((name, text));
        }
    }

    fn finish(mut self) -> Vec<(BString, BString)> {
        self.end_field();
        self.fields
    }
}

/// What a digit of an escape is worth. Those that are none are worth something too, in Apache.
fn hex(digit: u8) -> u8 {
    let digit = if digit == b'+' { b' ' } else { digit };
    if digit >= b'A' { (digit & 0xdf).wrapping_sub(b'A').wrapping_add(10) } else { digit.wrapping_sub(b'0') }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Vec<(BString, BString)> {
        let mut reader = FormReader::new(SIZE);
        // However it is cut.
        for octet in text.as_bytes() {
            reader.read(&[*octet]).unwrap();
        }
        reader.finish()
    }

    #[test]
    fn forms() {
        assert_eq!(
            fields("a=b+c&d=%26%3d&&e&=f"),
            [("a".into(), "b c".into()), ("d".into(), "&=".into()), ("".into(), "f".into())] as [(BString, BString); 3]
        );
        assert_eq!(
            fields("a%3db=c=d&e=%4%31%%32"),
            [("a".into(), "b=c=d".into()), ("e".into(), "12".into())] as [(BString, BString); 2]
        );
    }

    #[test]
    fn sizes() {
        let mut reader = FormReader::new(4);
        assert!(reader.read(b"ab=%63d&").is_ok());
        assert!(reader.read(b"e").is_err());
    }
}
