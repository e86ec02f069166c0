//! mod_authn_core: AuthType, AuthName and provider aliases.
//!
//! Hook: `check_user_id`, last: an AuthType that no module handles is an error. Offers `auth`, through which all others
//! learn type and realm. Manual: mod/mod_authn_core.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, AuthNames, AuthnProvider, Hooks, LAST, Linked, Module};
use crate::request::{Request, Status};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::collections::BTreeMap;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authn_core.c",
    ident: "authn_core_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<AuthnDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("AuthType", DIRECTORY.and(HTACCESS), AUTH_CONFIG, auth_type, "an HTTP authorization type (e.g., \"Basic\")"),
    take1(
        "AuthName",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        auth_name,
        "the authentication realm (e.g. \"Members Only\")",
    ),
    section(
        "<AuthnProviderAlias",
        SERVER,
        NO_OVERRIDE,
        provider_alias,
        "container for grouping an authentication provider's directives under a provider alias",
    ),
];

/// A constant, or an expression to evaluate for each request.
#[derive(Clone)]
enum Text {
    Constant(BString),
    Expression(Arc<Expression>),
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct AuthnDir {
    kind: Option<Text>,
    name: Option<Text>,
}

impl Settings for AuthnDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let kind = add.kind.clone().or_else(|| base.kind.clone());
        AuthnDir { kind, name: add.name.clone().or_else(|| base.name.clone()) }
    }
}

/// Providers under another name with settings of their own.
#[derive(Clone, Default)]
pub struct AuthnAliases(BTreeMap<BString, AuthnAlias>);

/// One `<AuthnProviderAlias>`.
#[derive(Clone)]
pub struct AuthnAlias {
    pub provider: &'static dyn AuthnProvider,
    pub settings: Arc<SettingsVec>,
}

fn compile(cx: &mut Cx<'_>, word: &BStr, directive: &str) -> Result<Text, Complaint> {
    if !word.contains_str("%{") {
        return Ok(Text::Constant(word.into()));
    }
    match Expression::string(word, cx.rights().without_vary(), cx.providers) {
        Ok(expression) => Ok(Text::Expression(Arc::new(expression.at("authn_core", cx.file, cx.line)))),
        Err(error) => Err(format!("Cannot parse expression '{word}' in {directive}: {error}").into()),
    }
}

fn auth_type(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let text = compile(cx, word, "AuthType")?;
    cx.dir::<AuthnDir>().kind = Some(text);
    Ok(())
}

fn auth_name(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let text = match compile(cx, word, "AuthName")? {
        Text::Constant(text) => Text::Constant(escape_quotes(&text)),
        text => text,
    };
    cx.dir::<AuthnDir>().name = Some(text);
    Ok(())
}

/// Puts a backslash before quotes that have none.
fn escape_quotes(text: &[u8]) -> BString {
    let mut out = BString::default();
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        if byte == b'"' {
            out.push(b'\\');
        }
        out.push(byte);
        if byte == b'\\' {
            out.extend(bytes.next());
        }
    }
    out
}

fn provider_alias(cx: &mut Cx<'_>, opener: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let name = cx.directive.name;
    let Some(inner) = httpd_conf::section_args(opener) else {
        return Err(format!("{name}> directive missing closing '>'").into());
    };
    let (base, rest) = httpd_conf::next_word(inner);
    let (alias, _) = httpd_conf::next_word(rest);
    if base.is_empty() || alias.is_empty() {
        return Err(format!("{name}> directive requires additional arguments").into());
    }
    if base == alias {
        return Err("The alias provider name must be different from the base provider name.".into());
    }
    let known = cx.process.shared::<AuthnAliases>().0.contains_key(&alias);
    if known || cx.provider::<dyn AuthnProvider>(&alias).is_some() {
        let text = "has already be registered previously as either a base provider or an alias provider.";
        return Err(format!("The alias provider {alias} {text}").into());
    }
    let mut settings = SettingsVec::default();
    cx.section(None, &mut settings)?;
    let settings = Arc::new(settings);
    let Some(provider) = cx.provider::<dyn AuthnProvider>(&base) else {
        return Err(format!("Unknown Authn provider: {base}").into());
    };
    cx.process.shared::<AuthnAliases>().0.insert(alias, AuthnAlias { provider, settings });
    Ok(())
}

/// A provider that a directive chose, by its own name or an alias.
#[derive(Clone)]
pub(super) struct Chosen {
    name: BString,
    provider: &'static dyn AuthnProvider,
    /// The settings of the alias.
    alias: Option<Arc<SettingsVec>>,
}

impl Chosen {
    pub(super) fn find(cx: &mut Cx<'_>, name: BString) -> Option<Chosen> {
        if let Some(alias) = cx.process.shared::<AuthnAliases>().0.get(&name) {
            let (provider, alias) = (alias.provider, Some(alias.settings.clone()));
            return Some(Chosen { name, provider, alias });
        }
        let provider = cx.provider::<dyn AuthnProvider>(&name)?;
        Some(Chosen { name, provider, alias: None })
    }
    /// The provider that answers where none was chosen: files.
    pub(super) fn usual(r: &Request) -> Option<Chosen> {
        let provider = r.configuration.providers.find::<dyn AuthnProvider>(b"file")?;
        Some(Chosen { name: "file".into(), provider, alias: None })
    }
    pub(super) fn knows_realms(&self) -> bool {
        self.provider.knows_realms()
    }
    /// Asks the provider something, under the settings of the alias.
    pub(super) fn ask<T>(&self, r: &mut Request, ask: impl FnOnce(&mut Request, &'static dyn AuthnProvider) -> T) -> T {
        r.notes.set("authn_provider_name", &self.name);
        let before = self.alias.as_ref().map(|settings| {
            let merged = r.dir.settings.merged(settings, &r.configuration.kinds);
            std::mem::replace(&mut r.dir, Arc::new(Merged::new(merged, u64::MAX)))
        });
        let answer = ask(r, self.provider);
        if let Some(before) = before {
            r.dir = before;
        }
        answer
    }
}

fn hooks(on: &mut Hooks) {
    on.check_user_id(LAST, unhandled);
    on.providers.offer::<dyn AuthNames>("auth", &Names);
}

fn unhandled(r: &mut Request) -> Answer {
    let Some(kind) = server::auth_type(r) else { return Answer::Ok };
    let text = format_args!("AH01796: AuthType {kind} configured without corresponding module");
    r.log(Level::Error, "authn_core", text);
    Answer::Status(Status::INTERNAL_SERVER_ERROR)
}

struct Names;

fn value(text: &Option<Text>, r: &mut Request, failure: &str) -> Option<BString> {
    match text.as_ref()? {
        Text::Constant(text) => Some(text.clone()),
        Text::Expression(expression) => match server::expression::text(expression, r) {
            Ok(text) => Some(text),
            Err(error) => {
                r.log(Level::Error, "authn_core", format_args!("{failure} expression could not be evaluated: {error}"));
                None
            }
        },
    }
}

impl AuthNames for Names {
    fn auth_type(&self, r: &mut Request) -> Option<BString> {
        let dir = r.dir.clone();
        value(&dir.settings.of::<AuthnDir>().kind, r, "AH02834: AuthType")
            .filter(|kind| !kind.eq_ignore_ascii_case(b"none"))
    }
    fn auth_name(&self, r: &mut Request) -> Option<BString> {
        let dir = r.dir.clone();
        let name = &dir.settings.of::<AuthnDir>().name;
        let text = value(name, r, "AH02835: AuthName")?;
        Some(if matches!(name, Some(Text::Expression(_))) { escape_quotes(&text) } else { text })
    }
}
