//! Typed settings of modules: one value per module and server, one per module and directory-like section.
//!
//! A module declares a type, gives it `Default` and a merge, and from then on asks for it by type. Behind that stands a
//! vector indexed by a slot that is handed out once, when the module is registered: a look-up on the request path is an
//! index and a type check.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A type-erased settings value.
pub type Erased = Arc<dyn Any + Send + Sync>;

/// The place of one settings type in every [`SettingsVec`].
pub struct Slot {
    index: AtomicUsize,
    default: OnceLock<Erased>,
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

impl Slot {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Slot {
        Slot { index: AtomicUsize::new(usize::MAX), default: OnceLock::new() }
    }
    /// The index, handed out at the first call.
    pub fn index(&self) -> usize {
        let index = self.index.load(Ordering::Relaxed);
        if index != usize::MAX {
            return index;
        }
        let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
        match self.index.compare_exchange(usize::MAX, fresh, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => fresh,
            Err(other) => other,
        }
    }
}

/// Settings of one module for a server or for a directory-like section.
pub trait Settings: Default + Clone + Send + Sync + 'static {
    /// The type's slot; write it with the [`slot!`](crate::slot) macro.
    fn slot() -> &'static Slot;
    /// Whether a virtual host that says nothing of the module has the main server's settings as they are; otherwise they
    /// are merged with the default, so that what is not for hosts stays with the main server.
    const SILENT_HOSTS_SHARE: bool = true;
    /// What holds where `add` (the more specific) stands on top of `base`.
    fn merge(base: &Self, add: &Self) -> Self;
}

/// The body of [`Settings::slot`]: a static of its own for each type.
#[macro_export]
macro_rules! slot {
    () => {
        fn slot() -> &'static $crate::config::Slot {
            static SLOT: $crate::config::Slot = $crate::config::Slot::new();
            &SLOT
        }
    };
}

/// What a module record says of its settings: how to create and merge them, erased.
#[derive(Clone, Copy)]
pub struct SettingsKind {
    slot: fn() -> &'static Slot,
    create: fn() -> Erased,
    merge: fn(&Erased, &Erased) -> Erased,
    silent_hosts_share: bool,
}

/// Makes a record's `server` and `dir` fields.
pub struct Config;

impl Config {
    /// The module has no such settings.
    pub const fn none() -> Option<SettingsKind> {
        None
    }
    /// The module keeps `T` for each server or section.
    pub const fn of<T: Settings>() -> Option<SettingsKind> {
        Some(SettingsKind {
            slot: T::slot,
            create: || Arc::new(T::default()),
            merge: merge_erased::<T>,
            silent_hosts_share: T::SILENT_HOSTS_SHARE,
        })
    }
}

fn merge_erased<T: Settings>(base: &Erased, add: &Erased) -> Erased {
    match (base.downcast_ref::<T>(), add.downcast_ref::<T>()) {
        (Some(base), Some(add)) => Arc::new(T::merge(base, add)),
        _ => add.clone(),
    }
}

/// The settings of all modules for one server or one section. Absent entries inherit.
#[derive(Clone, Default)]
pub struct SettingsVec {
    values: Vec<Option<Erased>>,
}

impl SettingsVec {
    /// The value of `T`, or its default where nothing was set.
    #[inline]
    pub fn of<T: Settings>(&self) -> &T {
        let slot = T::slot();
        match self.values.get(slot.index()) {
            Some(Some(value)) => match value.downcast_ref::<T>() {
                Some(value) => value,
                None => fallback::<T>(),
            },
            _ => fallback::<T>(),
        }
    }
    /// The value of `T` to keep, or its default where nothing was set.
    pub fn shared<T: Settings>(&self) -> Arc<T> {
        let value = self.values.get(T::slot().index()).cloned().flatten();
        value.and_then(|value| value.downcast().ok()).unwrap_or_default()
    }
    /// The value of `T` if this section or server set one.
    pub fn own<T: Settings>(&self) -> Option<&T> {
        self.values.get(T::slot().index())?.as_ref()?.downcast_ref()
    }
    /// The value of `T` for change; created where absent, copied where shared.
    pub fn edit<T: Settings>(&mut self) -> &mut T {
        let index = T::slot().index();
        if self.values.len() <= index {
            self.values.resize(index + 1, None);
        }
        let entry = self.values[index].get_or_insert_with(|| Arc::new(T::default()));
        let fits = entry.is::<T>() && Arc::get_mut(entry).is_some();
        if !fits {
            *entry = Arc::new(entry.downcast_ref::<T>().cloned().unwrap_or_default());
        }
        match Arc::get_mut(entry).and_then(|value| value.downcast_mut()) {
            Some(value) => value,
            // The entry was made unique and of type T just above.
            None => unreachable!("a fresh settings value is unique"),
        }
    }
    /// Whether nothing at all was set.
    pub fn is_empty(&self) -> bool {
        self.values.iter().all(Option::is_none)
    }
    /// These settings under the more specific `add`. Entries that only one side has are shared, not copied.
    pub fn merged(&self, add: &SettingsVec, kinds: &Kinds) -> SettingsVec {
        let len = self.values.len().max(add.values.len());
        let mut values = Vec::with_capacity(len);
        for index in 0..len {
            let base = self.values.get(index).and_then(Option::as_ref);
            let over = add.values.get(index).and_then(Option::as_ref);
            values.push(match (base, over) {
                (Some(base), Some(over)) => match kinds.0.get(index).copied().flatten() {
                    Some(kind) => Some((kind.merge)(base, over)),
                    None => Some(over.clone()),
                },
                (Some(one), None) | (None, Some(one)) => Some(one.clone()),
                (None, None) => None,
            });
        }
        SettingsVec { values }
    }
    /// These settings as a host takes them over that says nothing of its own: not all that a server has is for its hosts.
    pub fn inherited(&self, kinds: &Kinds) -> SettingsVec {
        let inherit = |(index, base): (usize, &Option<Erased>)| {
            let base = base.as_ref()?;
            match kinds.0.get(index).copied().flatten() {
                Some(kind) if !kind.silent_hosts_share => Some((kind.merge)(base, &(kind.create)())),
                _ => Some(base.clone()),
            }
        };
        SettingsVec { values: self.values.iter().enumerate().map(inherit).collect() }
    }
    /// The merge of these settings with what a host says, where it says anything; elsewhere what it inherits ([`SettingsVec::inherited`]).
    pub fn with_host(&self, host: &SettingsVec, inherited: &SettingsVec, kinds: &Kinds) -> SettingsVec {
        let mut merged = self.merged(host, kinds);
        for (index, value) in merged.values.iter_mut().enumerate() {
            if host.values.get(index).is_none_or(Option::is_none) {
                *value = inherited.values.get(index).cloned().flatten();
            }
        }
        merged
    }
    /// Creates the defaults of every registered kind that is absent.
    pub fn fill(&mut self, kinds: &Kinds) {
        for (index, kind) in kinds.0.iter().enumerate() {
            let Some(kind) = kind else { continue };
            if self.values.len() <= index {
                self.values.resize(index + 1, None);
            }
            self.values[index].get_or_insert_with(kind.create);
        }
    }
}

fn fallback<T: Settings>() -> &'static T {
    let slot = T::slot();
    let value = slot.default.get_or_init(|| Arc::new(T::default()));
    match value.downcast_ref() {
        Some(value) => value,
        // The cell belongs to T's own slot, so it never holds another type.
        None => unreachable!("a slot belongs to one type"),
    }
}

/// The settings kinds of all registered modules, by slot index.
#[derive(Clone, Default)]
pub struct Kinds(Vec<Option<SettingsKind>>);

impl Kinds {
    /// Makes a module's kind known to merges.
    pub fn register(&mut self, kind: SettingsKind) {
        let index = (kind.slot)().index();
        if self.0.len() <= index {
            self.0.resize(index + 1, None);
        }
        self.0[index] = Some(kind);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default, Clone)]
    struct Words(Vec<u8>);
    impl Settings for Words {
        slot!();
        fn merge(base: &Self, add: &Self) -> Self {
            Words([base.0.clone(), add.0.clone()].concat())
        }
    }

    #[test]
    fn merges_only_where_both_sides_are_set() {
        let mut kinds = Kinds::default();
        if let Some(kind) = Config::of::<Words>() {
            kinds.register(kind);
        }
        let (mut base, mut add) = (SettingsVec::default(), SettingsVec::default());
        base.edit::<Words>().0.push(1);
        assert_eq!(base.merged(&add, &kinds).of::<Words>().0, [1]);
        add.edit::<Words>().0.push(2);
        assert_eq!(base.merged(&add, &kinds).of::<Words>().0, [1, 2]);
        assert_eq!(SettingsVec::default().of::<Words>().0, [0u8; 0]);
        let inherited = base.inherited(&kinds);
        assert_eq!(base.with_host(&add, &inherited, &kinds).of::<Words>().0, [1, 2]);
        assert_eq!(base.with_host(&SettingsVec::default(), &inherited, &kinds).of::<Words>().0, [1]);
    }

    #[test]
    fn an_edit_never_changes_a_shared_value() {
        let mut first = SettingsVec::default();
        first.edit::<Words>().0.push(1);
        let mut second = first.clone();
        second.edit::<Words>().0.push(2);
        assert_eq!(first.of::<Words>().0, [1]);
        assert_eq!(second.of::<Words>().0, [1, 2]);
    }
}
