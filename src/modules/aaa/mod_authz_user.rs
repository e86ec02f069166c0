//! mod_authz_user: `Require user NAME ...` and `Require valid-user`. No directives, no hooks: two providers.
//! Manual: mod/mod_authz_user.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Authz, AuthzCheck, AuthzProvider, Hooks, Linked, Module};
use crate::request::Request;
use crate::server;
use bstr::BStr;
use std::any::Any;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authz_user.c",
    ident: "authz_user_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthzProvider>("user", &User);
    on.providers.offer::<dyn AuthzProvider>("valid-user", &ValidUser);
}

/// `Require user NAME ...`: names may be a string expression.
struct User;

impl AuthzProvider for User {
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        if arguments.is_empty() {
            // Nobody is named: nobody fulfils it.
            return Ok(Arc::new(()));
        }
        match Expression::string(arguments, cx.rights().without_vary(), cx.providers) {
            Ok(expression) => Ok(Arc::new(expression.at("authz_user", cx.file, cx.line))),
            Err(error) => Err(format!("Cannot parse expression in require line: {error}")),
        }
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let Some(user) = r.user.clone() else { return AuthzCheck::Now(Authz::DeniedNoUser) };
        let names = parsed.downcast_ref::<Expression>().map(|expression| server::expression::text(expression, r));
        let names = match names.unwrap_or_else(|| Ok(Default::default())) {
            Ok(names) => names,
            Err(error) => {
                let text = format_args!(
                    "AH02594: authz_user authorize: require user: Can't evaluate require expression: {error}"
                );
                r.log(Level::Error, "authz_user", text);
                return AuthzCheck::Now(Authz::Denied);
            }
        };
        if httpd_conf::words(&names).any(|name| *name == user) {
            return AuthzCheck::Now(Authz::Granted);
        }
        let text = format_args!(
            "AH01663: access to {} failed, reason: user '{user}' does not meet 'require'ments for user to be allowed access",
            crate::log::raw(&r.uri),
            user = crate::log::raw(&user)
        );
        r.log(Level::Debug, "authz_user", text);
        AuthzCheck::Now(Authz::Denied)
    }
}

/// `Require valid-user`: anybody who authenticated.
struct ValidUser;

impl AuthzProvider for ValidUser {
    fn parse(&self, _: &mut Cx<'_>, _: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        Ok(Arc::new(()))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        AuthzCheck::Now(if r.user.is_some() { Authz::Granted } else { Authz::DeniedNoUser })
    }
}
