//! State that a module keeps while the whole configuration is compiled, whatever server its directives stand in.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// One value a type.
#[derive(Clone, Default)]
pub struct Shared(BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>);

impl Shared {
    /// The value of `T`, if any module made one.
    pub fn of<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
    /// The value of `T`, made where absent, copied where a clone of this map holds it too.
    pub fn edit<T: Default + Clone + Send + Sync + 'static>(&mut self) -> &mut T {
        let entry = self.0.entry(TypeId::of::<T>()).or_insert_with(|| Arc::new(T::default()));
        if !entry.is::<T>() || Arc::get_mut(entry).is_none() {
            *entry = Arc::new(entry.downcast_ref::<T>().cloned().unwrap_or_default());
        }
        match Arc::get_mut(entry).and_then(|value| value.downcast_mut()) {
            Some(value) => value,
            // Made unique and of type T just above.
            None => unreachable!("a fresh value is unique"),
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shared({})", self.0.len())
    }
}
