//! Traits behind which modules offer something to one another.

use crate::config::Cx;
use crate::engine::BoxFuture;
use crate::request::Request;
use bstr::BStr;
use std::any::Any;
use std::sync::Arc;

/// Result of checking a password (`authn_status`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authn {
    Denied,
    Granted,
    UserFound,
    UserNotFound,
    GeneralError,
}

/// An authentication provider (`AuthBasicProvider file`). Runs where blocking is allowed.
pub trait AuthnProvider: Sync {
    /// Whether `password` is the user's.
    fn check_password(&self, r: &mut Request, user: &BStr, password: &BStr) -> Authn;
    /// The stored hash for `user` in `realm` (digest authentication); None where not supported.
    fn realm_hash(&self, _r: &mut Request, _user: &BStr, _realm: &BStr) -> Option<Result<Vec<u8>, Authn>> {
        None
    }
}

/// Result of an authorization provider (`authz_status`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Authz {
    Denied,
    Granted,
    Neutral,
    GeneralError,
    /// Denied because there is no user yet: authentication may change it.
    DeniedNoUser,
}

/// An authorization provider: the word after `Require`.
pub trait AuthzProvider: Sync {
    /// Parses the rest of the `Require` line once.
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String>;
    /// Whether the request fulfils the requirement.
    fn check<'a>(
        &'a self,
        r: &'a mut Request,
        arguments: &'a BStr,
        parsed: &'a Arc<dyn Any + Send + Sync>,
    ) -> AuthzCheck<'a>;
}

/// A check's result, at once or later.
pub enum AuthzCheck<'a> {
    Now(Authz),
    Later(BoxFuture<'a, Authz>),
}
