//! Providers: how one module offers something to another without either naming the other.
//!
//! A provider is a `&'static` trait object under a name (`file` among the authentication providers, `ip` among the
//! authorization ones). The traits stand in `crate::module`; the table here knows only types and names.

use super::{Configuration, Node};
use std::any::{Any, TypeId};
use std::collections::BTreeMap;

/// Offered as `tree` by a module that shows the configuration as it was read: what others need not keep is kept for it.
pub trait TreeKeeper: Sync {
    fn keep(&self, configuration: &mut Configuration, nodes: Vec<Node>);
}

/// Offered as `tls` by a module that knows variables of secured connections (`SSL_…`): expressions may name them.
pub trait TlsNames: Sync {}

/// Offered as `hcheck` by a module that gives expressions the bodies of health checks: `hc('body')`.
pub trait HealthNames: Sync {}

/// All providers of the loaded modules, by trait and name, names in registration order irrelevant.
#[derive(Default)]
pub struct Providers {
    table: BTreeMap<(TypeId, &'static str), Box<dyn Any + Send + Sync>>,
}

impl Providers {
    /// Offers `provider` under `name`. A later offer of the same name wins, as in Apache.
    pub fn offer<T: ?Sized + Sync + 'static>(&mut self, name: &'static str, provider: &'static T) {
        self.table.insert((TypeId::of::<T>(), name), Box::new(provider));
    }
    /// The provider of trait `T` under `name`. Names are compared to the letter.
    pub fn find<T: ?Sized + Sync + 'static>(&self, name: &[u8]) -> Option<&'static T> {
        let name = std::str::from_utf8(name).ok()?;
        let mut range = self.table.range((TypeId::of::<T>(), "")..);
        range
            .find(|((kind, key), _)| *kind != TypeId::of::<T>() || *key == name)
            .filter(|((kind, _), _)| *kind == TypeId::of::<T>())
            .and_then(|(_, value)| value.downcast_ref::<&'static T>().copied())
    }
    /// The names under which providers of trait `T` are offered, sorted.
    pub fn names<T: ?Sized + Sync + 'static>(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.table.keys().filter(|(kind, _)| *kind == TypeId::of::<T>()).map(|(_, name)| *name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    trait Greets: Sync {
        fn greet(&self) -> u8;
    }
    struct One;
    impl Greets for One {
        fn greet(&self) -> u8 {
            1
        }
    }

    #[test]
    fn finds_by_trait_and_name() {
        let mut providers = Providers::default();
        providers.offer::<dyn Greets>("one", &One);
        assert_eq!(providers.find::<dyn Greets>(b"one").map(|p| p.greet()), Some(1));
        assert!(providers.find::<dyn Greets>(b"two").is_none());
        assert_eq!(providers.names::<dyn Greets>().collect::<Vec<_>>(), ["one"]);
    }
}
