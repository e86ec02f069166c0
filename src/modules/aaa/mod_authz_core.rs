//! mod_authz_core: Require and its algebra.
//!
//! Requirements form a tree: `<RequireAll>`, `<RequireAny>`, `<RequireNone>` are its inner nodes, providers (`Require
//! ip ...`) its leaves. A section without containers is a RequireAny. Hooks: `access_checker_ex` (last) decides what
//! needs no user, so that a page open to an address asks nobody for a password; `auth_checker` (last) decides the rest.
//! Manual: mod/mod_authz_core.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Authz, AuthzCheck, AuthzProvider, Hooks, LAST, Linked, Module, Phase, agreed};
use crate::request::{MethodNumber, Request, Status};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authz_core.c",
    ident: "authz_core_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<AuthzDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    section(
        "<AuthzProviderAlias",
        GLOBAL,
        NO_OVERRIDE,
        provider_alias,
        "container for grouping an authorization provider's directives under a provider alias",
    ),
    raw_args(
        "Require",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        require,
        "specifies authorization directives which one must pass (or not) for a request to suceeed",
    ),
    section(
        "<RequireAll",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        container,
        "container for grouping authorization directives of which none must fail and at least one must pass for a request to succeed",
    ),
    section(
        "<RequireAny",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        container,
        "container for grouping authorization directives of which one must pass for a request to succeed",
    ),
    section(
        "<RequireNone",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        container,
        "container for grouping authorization directives of which none must pass for a request to succeed",
    ),
    take1(
        "AuthMerging",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        auth_merging,
        "controls how a <Directory>, <Location>, or similar directive's authorization directives are combined with those of its predecessor",
    ),
    flag(
        "AuthzSendForbiddenOnFailure",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        forbidden_on_failure,
        "Controls if an authorization failure should result in a '403 FORBIDDEN' response instead of the HTTP-conforming '401 UNAUTHORIZED'",
    ),
];

/// How the children of a node combine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Logic {
    And,
    Or,
}

/// A node of the requirement tree.
#[derive(Clone)]
struct Node {
    negate: bool,
    /// Methods that the node applies to.
    limited: u64,
    kind: Kind,
}

impl Node {
    /// An empty container: it applies to the methods that its children apply to.
    fn container(logic: Logic, negate: bool) -> Node {
        Node { negate, limited: 0, kind: Kind::Group(logic, Vec::new()) }
    }
}

#[derive(Clone)]
enum Kind {
    Group(Logic, Vec<Arc<Node>>),
    /// What AuthMerging makes of two sections.
    Merged(Logic, Vec<Arc<Node>>),
    Leaf(Leaf),
}

#[derive(Clone)]
struct Leaf {
    name: BString,
    arguments: BString,
    parsed: Arc<dyn Any + Send + Sync>,
    provider: &'static dyn AuthzProvider,
    /// Settings inside of the alias container, for an alias.
    alias: Option<Arc<SettingsVec>>,
}

/// AuthMerging.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Merging {
    Off,
    And,
    Or,
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct AuthzDir {
    root: Option<Arc<Node>>,
    merging: Option<Merging>,
    forbidden_on_failure: Option<bool>,
}

impl Settings for AuthzDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let root = match (add.merging, &base.root, &add.root) {
            // Nothing about requirements was said here.
            (None, Some(_), None) => base.root.clone(),
            (Some(merging @ (Merging::And | Merging::Or)), base, add) if base.is_some() || add.is_some() => {
                let logic = if merging == Merging::And { Logic::And } else { Logic::Or };
                let children: Vec<_> = [base, add].into_iter().flatten().cloned().collect();
                let limited = children.iter().fold(0, |mask, node| mask | node.limited);
                Some(Arc::new(Node { negate: false, limited, kind: Kind::Merged(logic, children) }))
            }
            _ => add.root.clone(),
        };
        let merging = if add.merging.is_none() && add.root.is_none() { base.merging } else { add.merging };
        AuthzDir { root, merging, forbidden_on_failure: add.forbidden_on_failure.or(base.forbidden_on_failure) }
    }
}

/// An `<AuthzProviderAlias>`.
#[derive(Clone)]
struct Alias {
    provider: &'static dyn AuthzProvider,
    arguments: BString,
    parsed: Arc<dyn Any + Send + Sync>,
    settings: Arc<SettingsVec>,
}

#[derive(Clone, Default)]
struct Aliases(BTreeMap<BString, Alias>);

/// Puts a node into the section under construction, which a first one opens. A container of the section's own kind
/// brings its children instead.
fn add(cx: &mut Cx<'_>, node: Node) -> Outcome {
    let directive = cx.directive.name;
    let root =
        Arc::make_mut(cx.dir::<AuthzDir>().root.get_or_insert_with(|| Arc::new(Node::container(Logic::Or, false))));
    root.limited |= node.limited;
    let negated = root.negate;
    let Kind::Group(logic, children) = &mut root.kind else { return Ok(()) };
    if node.negate && *logic == Logic::Or {
        let own = if directive.starts_with('<') { format!("{directive}>") } else { directive.to_owned() };
        let around = format!("<Require{}>", if negated { "None" } else { "Any" });
        let negative = if directive.starts_with('<') { "" } else { "negative " };
        return Err(format!("{negative}{own} directive has no effect in {around} directive").into());
    }
    match node.kind {
        Kind::Group(inner, own) if inner == *logic && !node.negate => children.extend(own),
        _ => children.push(Arc::new(node)),
    }
    Ok(())
}

fn require(cx: &mut Cx<'_>, arguments: &BStr) -> Outcome {
    let (mut name, mut rest) = httpd_conf::next_word(arguments);
    let negate = name.eq_ignore_ascii_case(b"not");
    if negate {
        (name, rest) = httpd_conf::next_word(rest);
    }
    let rest = BString::from(rest.trim_end());
    let leaf = match cx.process.shared::<Aliases>().0.get(&name).cloned() {
        Some(alias) => Leaf {
            name,
            arguments: alias.arguments,
            parsed: alias.parsed,
            provider: alias.provider,
            alias: Some(alias.settings),
        },
        None => {
            let Some(provider) = cx.provider::<dyn AuthzProvider>(&name) else {
                return Err(format!("Unknown Authz provider: {name}").into());
            };
            let parsed = provider.parse(cx, rest.as_bstr())?;
            Leaf { name, arguments: rest, parsed, provider, alias: None }
        }
    };
    let limited = cx.limited;
    add(cx, Node { negate, limited, kind: Kind::Leaf(leaf) })
}

fn container(cx: &mut Cx<'_>, opener: &BStr) -> Outcome {
    let name = cx.directive.name;
    let Some(inner) = httpd_conf::section_args(opener) else {
        return Err(format!("{name}> directive missing closing '>'").into());
    };
    if !inner.trim().is_empty() {
        return Err(format!("{name}> directive doesn't take additional arguments").into());
    }
    let (logic, negate) = match name {
        "<RequireAll" => (Logic::And, false),
        "<RequireAny" => (Logic::Or, false),
        _ => (Logic::Or, true),
    };
    let limited = cx.limited;
    let outer = cx.dir::<AuthzDir>().root.replace(Arc::new(Node::container(logic, negate)));
    let result = cx.limited(limited);
    let inner = std::mem::replace(&mut cx.dir::<AuthzDir>().root, outer);
    result?;
    match inner.map(Arc::unwrap_or_clone) {
        Some(node) if matches!(&node.kind, Kind::Group(_, children) if !children.is_empty()) => add(cx, node),
        _ => Err(format!("{name}> directive contains no authorization directives").into()),
    }
}

fn provider_alias(cx: &mut Cx<'_>, opener: &BStr) -> Outcome {
    let name = cx.directive.name;
    let Some(inner) = httpd_conf::section_args(opener) else {
        return Err(format!("{name}> directive missing closing '>'").into());
    };
    let (base, rest) = httpd_conf::next_word(inner);
    let (alias, rest) = httpd_conf::next_word(rest);
    if base.is_empty() || alias.is_empty() {
        return Err(format!("{name}> directive requires additional arguments").into());
    }
    let (arguments, more) = httpd_conf::next_word(rest);
    if !more.trim().is_empty() {
        let text = format!(
            "AH10142: When several arguments ({arguments} {}...) are passed to a {name} directive, they must be enclosed \
             in quotation marks.  Otherwise, only the first one is taken into account",
            more.as_bstr()
        );
        cx.warn(Level::Warn, text);
    }
    let Some(provider) = cx.provider::<dyn AuthzProvider>(&base) else {
        return Err(format!("Unknown Authz provider: {base}").into());
    };
    let parsed = match provider.parse(cx, arguments.as_bstr()) {
        Ok(parsed) => parsed,
        Err(text) => return Err(format!("Can't parse 'Require {base} {arguments}': {text}").into()),
    };
    let mut settings = SettingsVec::default();
    cx.section(None, &mut settings)?;
    let settings = Arc::new(settings);

    cx.process.shared::<Aliases>().0.insert(alias, Alias { provider, arguments, parsed, settings });
    Ok(())
}

fn auth_merging(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let merging = match word.to_ascii_lowercase().as_slice() {
        b"off" => Merging::Off,
        b"and" => Merging::And,
        b"or" => Merging::Or,
        _ => return Err(format!("{} must be one of: Off | And | Or", cx.directive.name).into()),
    };
    cx.dir::<AuthzDir>().merging = Some(merging);
    Ok(())
}

fn forbidden_on_failure(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<AuthzDir>().forbidden_on_failure = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.later(Phase::access_checker_ex, LAST, |r| if lets_in(r) { agreed() } else { Box::pin(authorize(r, false)) });
    on.later(Phase::auth_checker, LAST, |r| Box::pin(authorize(r, true)));
    on.check_config(LAST, check);
    on.providers.offer::<dyn AuthzProvider>("all", &All);
    on.providers.offer::<dyn AuthzProvider>("env", &Env);
    on.providers.offer::<dyn AuthzProvider>("method", &Methods);
    on.providers.offer::<dyn AuthzProvider>("expr", &Expr);
}

/// Refuses `<RequireAll>` with nothing but negations: it could never grant anything.
fn check(configuration: &Configuration) -> bool {
    fn only_negative(node: &Node) -> bool {
        match &node.kind {
            Kind::Leaf(_) => false,
            Kind::Group(logic, children) | Kind::Merged(logic, children) => {
                let all = *logic == Logic::And && children.iter().all(|child| child.negate);
                all || children.iter().any(|child| only_negative(child))
            }
        }
    }
    let mut faulty = false;
    for server in &configuration.servers {
        let core = server.settings.of::<CoreServer>();
        for section in core.directories.iter().chain(&core.locations) {
            let dir = section.settings.of::<AuthzDir>();
            faulty |= dir.root.as_ref().is_some_and(|root| only_negative(root));
        }
    }
    if faulty {
        let text = "AH01624: <RequireAll> directive contains only negative authorization directives";
        crate::log::startup(Level::Error, format_args!("{text}"));
    }
    !faulty
}

/// Whether everybody is let in, by one requirement that looks at nothing.
fn lets_in(r: &Request) -> bool {
    let Some(mut node) = r.dir::<AuthzDir>().root.as_ref() else { return false };
    if r.logs(Level::Debug, "authz_core") {
        return false;
    }
    loop {
        if node.negate || node.limited & r.method.number.bit() == 0 {
            return false;
        }
        match &node.kind {
            Kind::Group(_, children) | Kind::Merged(_, children) => match children.as_slice() {
                [only] => node = only,
                _ => return false,
            },
            Kind::Leaf(leaf) => return leaf.provider.grants_all(&*leaf.parsed),
        }
    }
}

async fn authorize(r: &mut Request, after_authn: bool) -> Answer {
    let settings = r.dir.clone();
    let dir = settings.settings.of::<AuthzDir>();
    let Some(root) = &dir.root else {
        if server::auth_type(r).is_some() {
            let text = format_args!("AH01627: AuthType configured with no corresponding authorization directives");
            r.log(Level::Error, "authz_core", text);
            return Answer::Status(Status::INTERNAL_SERVER_ERROR);
        }
        r.log(Level::Debug, "authz_core", format_args!("AH01628: authorization result: granted (no directives)"));
        return Answer::Ok;
    };
    match evaluate(root, Logic::And, r).await {
        Authz::Granted => Answer::Ok,
        Authz::DeniedNoUser if !after_authn => Answer::Declined,
        Authz::DeniedNoUser => {
            let text =
                format_args!("AH01629: authorization failure (no authenticated user): {}", crate::log::raw(&r.uri));
            r.log(Level::Error, "authz_core", text);
            server::note_auth_failure(r);
            Answer::Status(Status::UNAUTHORIZED)
        }
        Authz::Denied | Authz::Neutral => {
            if !after_authn || server::auth_type(r).is_none() {
                let (kind, what) = if r.filename.is_empty() { ("uri ", &r.uri) } else { ("", &r.filename) };
                let text = format_args!("AH01630: client denied by server configuration: {kind}{what}");
                r.log(Level::Error, "authz_core", text);
                return Answer::Status(Status::FORBIDDEN);
            }
            let user = r.user.clone().unwrap_or_default();
            let text = format_args!(
                "AH01631: user {user}: authorization failure for \"{}\": ",
                crate::log::raw(&r.uri),
                user = crate::log::raw(&user)
            );
            r.log(Level::Error, "authz_core", text);
            if dir.forbidden_on_failure == Some(true) {
                return Answer::Status(Status::FORBIDDEN);
            }
            server::note_auth_failure(r);
            Answer::Status(Status::UNAUTHORIZED)
        }
        // Whoever failed has said why in the log.
        Authz::GeneralError => Answer::Status(Status::INTERNAL_SERVER_ERROR),
    }
}

/// A node's result under a parent of the given kind: three-valued logic, with "denied for lack of a user" kept apart.
async fn evaluate(node: &Node, parent: Logic, r: &mut Request) -> Authz {
    if node.limited & r.method.number.bit() == 0 {
        // A node that has no say in this method must decide nothing.
        let result = if parent == Logic::And { Authz::Granted } else { Authz::Neutral };
        let (node, shown) = (Shown(node), shown(result));
        let text =
            format_args!("AH01625: authorization result of {node}: {shown} (directive limited to other methods)");
        r.log(Level::Debug, "authz_core", text);
        return result;
    }
    let mut result = match &node.kind {
        Kind::Leaf(leaf) => check_leaf(leaf, r).await,
        Kind::Group(logic, children) | Kind::Merged(logic, children) => {
            let mut result = Authz::Neutral;
            for child in children {
                let child = Box::pin(evaluate(child, *logic, r)).await;
                let decisive = if *logic == Logic::And { Authz::Denied } else { Authz::Granted };
                if child == Authz::GeneralError {
                    return child;
                }
                if child == decisive {
                    result = child;
                    break;
                }
                let sharper = child == Authz::DeniedNoUser
                    && match logic {
                        Logic::And => result != Authz::Denied,
                        Logic::Or => result == Authz::Denied,
                    };
                if child != Authz::Neutral && (sharper || result == Authz::Neutral) {
                    result = child;
                }
            }
            result
        }
    };
    if node.negate {
        // A refusal turned round grants nothing: it only does not deny.
        result = match result {
            Authz::Granted => Authz::Denied,
            Authz::Denied | Authz::DeniedNoUser => Authz::Neutral,
            other => other,
        };
    }
    r.log(
        Level::Debug,
        "authz_core",
        format_args!("AH01626: authorization result of {}: {}", Shown(node), shown(result)),
    );
    result
}

async fn check_leaf(leaf: &Leaf, r: &mut Request) -> Authz {
    let before = leaf.alias.as_ref().map(|settings| {
        let merged = r.dir.settings.merged(settings, &r.configuration.kinds);
        std::mem::replace(&mut r.dir, Arc::new(Merged::new(merged, u64::MAX)))
    });
    let result = match leaf.provider.check(r, leaf.arguments.as_bstr(), &leaf.parsed) {
        AuthzCheck::Now(result) => result,
        AuthzCheck::Later(result) => result.await,
    };
    if let Some(before) = before {
        r.dir = before;
    }
    result
}

/// A node as the log shows it.
struct Shown<'a>(&'a Node);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0.kind {
            Kind::Leaf(leaf) => {
                let not = if self.0.negate { "not " } else { "" };
                write!(f, "Require {not}{} {}", leaf.name, leaf.arguments)
            }
            Kind::Group(logic, _) => f.write_str(match (logic, self.0.negate) {
                (Logic::And, _) => "<RequireAll>",
                (Logic::Or, false) => "<RequireAny>",
                (Logic::Or, true) => "<RequireNone>",
            }),
            Kind::Merged(logic, _) => f.write_str(match logic {
                Logic::And => "AuthMerging All",
                Logic::Or => "AuthMerging Any",
            }),
        }
    }
}

fn shown(result: Authz) -> &'static str {
    match result {
        Authz::Denied => "denied",
        Authz::Granted => "granted",
        Authz::Neutral => "neutral",
        Authz::GeneralError => "general error",
        Authz::DeniedNoUser => "denied (no authenticated user yet)",
    }
}

/// `Require all granted|denied`.
struct All;

impl AuthzProvider for All {
    fn parse(&self, _: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        match arguments.to_ascii_lowercase().as_slice() {
            b"granted" => Ok(Arc::new(true)),
            b"denied" => Ok(Arc::new(false)),
            _ => Err("Argument for 'Require all' must be 'granted' or 'denied'".into()),
        }
    }
    fn check<'a>(&'a self, _: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        AuthzCheck::Now(granted(self.grants_all(&**parsed)))
    }
    fn grants_all(&self, parsed: &(dyn Any + Send + Sync)) -> bool {
        parsed.downcast_ref() == Some(&true)
    }
}

fn granted(yes: bool) -> Authz {
    if yes { Authz::Granted } else { Authz::Denied }
}

/// `Require env NAME ...`: one of the variables is set.
struct Env;

impl AuthzProvider for Env {
    fn parse(&self, _: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        Ok(Arc::new(words(arguments)))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let names: &[BString] = parsed.downcast_ref::<Vec<BString>>().map_or(&[], Vec::as_slice);
        AuthzCheck::Now(granted(names.iter().any(|name| r.env.contains(name))))
    }
}

fn words(arguments: &BStr) -> Vec<BString> {
    httpd_conf::words(arguments).take_while(|word| !word.is_empty()).map(|word| word.into_owned()).collect()
}

/// `Require method NAME ...`.
struct Methods;

impl AuthzProvider for Methods {
    fn parse(&self, _: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        let mut mask = 0u64;
        for name in words(arguments) {
            match MethodNumber::of(&name) {
                Some(number) => mask |= number.bit(),
                None => return Err(format!("Invalid Method '{name}'")),
            }
        }
        Ok(Arc::new(mask))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let mask = parsed.downcast_ref::<u64>().copied().unwrap_or(0);
        AuthzCheck::Now(granted(mask & r.method.number.bit() != 0))
    }
}

/// `Require expr CONDITION`.
struct Expr;

impl AuthzProvider for Expr {
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        // The whole condition may stand in quotes; backslashes are the condition's own.
        let text = arguments.strip_prefix(b"\"").map(|text| text.strip_suffix(b"\""));
        let text = match text {
            Some(Some(within)) => within,
            Some(None) if arguments.len() == 1 => b"",
            _ => arguments.as_bytes(),
        };

        match Expression::condition(text.as_bstr(), cx.rights(), cx.providers) {
            Ok(expression) => Ok(Arc::new(expression.at("authz_core", cx.file, cx.line))),
            Err(error) => Err(format!("Cannot parse expression in require line: {error}")),
        }
    }
    fn check<'a>(
        &'a self,
        r: &'a mut Request,
        arguments: &'a BStr,
        parsed: &'a Arc<dyn Any + Send + Sync>,
    ) -> AuthzCheck<'a> {
        let Some(expression) = parsed.downcast_ref::<Expression>() else { return AuthzCheck::Now(Authz::GeneralError) };
        AuthzCheck::Now(match server::expression::holds(expression, r) {
            Err(error) => {
                let text = format_args!("AH02320: Error evaluating expression in 'Require expr': {error}");
                r.log(Level::Error, "authz_core", text);
                Authz::GeneralError
            }
            Ok(false) if r.user.is_none() && arguments.contains_str("REMOTE_USER") => Authz::DeniedNoUser,
            Ok(holds) => granted(holds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(merging: Option<Merging>, granted: Option<bool>) -> AuthzDir {
        let leaf = |granted: bool| Leaf {
            name: "all".into(),
            arguments: "".into(),
            parsed: Arc::new(granted),
            provider: &All,
            alias: None,
        };
        let root =
            granted.map(|granted| Arc::new(Node { negate: false, limited: u64::MAX, kind: Kind::Leaf(leaf(granted)) }));
        AuthzDir { root, merging, forbidden_on_failure: None }
    }

    fn children(dir: &AuthzDir) -> usize {
        match &dir.root.as_ref().unwrap().kind {
            Kind::Group(_, children) | Kind::Merged(_, children) => children.len(),
            Kind::Leaf(_) => 0,
        }
    }

    #[test]
    fn requirements_replace_unless_merging_is_asked_for() {
        let base = dir(None, Some(true));
        assert_eq!(children(&AuthzDir::merge(&base, &dir(None, Some(false)))), 0);
        assert_eq!(children(&AuthzDir::merge(&base, &dir(Some(Merging::And), Some(false)))), 2);
        assert!(AuthzDir::merge(&base, &dir(None, None)).root.is_some());
        assert!(AuthzDir::merge(&base, &dir(Some(Merging::Off), None)).root.is_none());
    }
}
