//! Hooks: the phases of a request and of a process, each an ordered list of functions.
//!
//! Order within a phase is Apache's: FIRST, MIDDLE, LAST, refined by "before" and "after" lists of module names, then
//! the order of loading. A compiled [`Chains`] holds plain arrays, so that running a phase allocates nothing.

use crate::config::{Configuration, Providers};
use crate::engine::BoxFuture;
use crate::log::LogsNotOpened;
use crate::request::{Filter, Request, Status};

/// What a request hook answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Not mine: ask the next.
    Declined,
    /// Done, go on with the next phase (or, where all hooks run, with the next hook).
    Ok,
    /// The response is complete: skip to logging.
    Done,
    /// End with this status: an error, a redirect.
    Status(Status),
}

/// A request hook: sync, or waiting.
#[derive(Clone, Copy)]
pub enum Hook {
    Now(fn(&mut Request) -> Answer),
    Later(for<'a> fn(&'a mut Request) -> BoxFuture<'a, Answer>),
}

/// A waiting hook's answer that is there already: it has no state, so that its box allocates nothing.
struct Known<const OK: bool>;

impl<const OK: bool> Future for Known<OK> {
    type Output = Answer;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Answer> {
        std::task::Poll::Ready(if OK { Answer::Ok } else { Answer::Declined })
    }
}

/// The answer of a waiting hook that has nothing to do.
pub fn declined<'a>() -> BoxFuture<'a, Answer> {
    Box::pin(Known::<false>)
}

/// The answer of a waiting hook that agrees without waiting.
pub fn agreed<'a>() -> BoxFuture<'a, Answer> {
    Box::pin(Known::<true>)
}

/// Position in a phase; lower runs earlier.
pub type Position = i32;
pub const REALLY_FIRST: Position = -10;
pub const FIRST: Position = 0;
pub const MIDDLE: Position = 10;
pub const LAST: Position = 20;
pub const REALLY_LAST: Position = 30;

/// A hook with what orders it.
#[derive(Clone, Copy)]
pub struct Entry<F> {
    pub run: F,
    pub module: &'static str,
    pub position: Position,
    /// Modules that must run after this one.
    pub before: &'static [&'static str],
    /// Modules that must run before this one.
    pub after: &'static [&'static str],
}

/// Runs once the configuration is compiled, before logs are opened; an error stops the start.
pub type PostConfig = fn(&mut Configuration) -> Result<(), String>;
/// Looks at the compiled configuration, under `-t` as well as before a start; complains itself and answers false.
pub type CheckConfig = fn(&Configuration) -> bool;
/// Reports on a configuration that is sound, under `-t` and the reports alone.
pub type TestConfig = fn(&mut dyn std::io::Write, &Configuration);
/// Opens a module's logs in the parent, after the error logs; complains itself when it cannot.
pub type OpenLogs = fn(&mut Configuration) -> Result<(), LogsNotOpened>;
/// Runs in each child when it starts, with privileges already dropped.
pub type ChildInit = fn(&'static Configuration);
/// Runs in each child before it ends, when no request is left.
pub type ChildExit = fn(&'static Configuration);

macro_rules! phases {
    ($($(#[$doc:meta])* $phase:ident;)*) => {
        /// The request phases, in order.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[allow(non_camel_case_types)]
        pub enum Phase { $($phase,)* }

        /// Collects what the loaded modules register.
        #[derive(Default)]
        pub struct Hooks {
            module: &'static str,
            $(pub(crate) $phase: Vec<Entry<Hook>>,)*
            pub(crate) post_config: Vec<Entry<PostConfig>>,
            pub(crate) check_config: Vec<Entry<CheckConfig>>,
            pub(crate) test_config: Vec<Entry<TestConfig>>,
            pub(crate) open_logs: Vec<Entry<OpenLogs>>,
            pub(crate) child_init: Vec<Entry<ChildInit>>,
            pub(crate) child_exit: Vec<Entry<ChildExit>>,
            pub(crate) filters: Vec<&'static Filter>,
            pub(crate) input_filters: Vec<&'static Filter>,
            pub providers: Providers,
        }

        impl Hooks {
            $(
                $(#[$doc])*
                pub fn $phase(&mut self, position: Position, run: fn(&mut Request) -> Answer) -> &mut Entry<Hook> {
                    let entry = self.entry(position, Hook::Now(run));
                    push(&mut self.$phase, entry)
                }
            )*
            /// A hook that may wait, for any phase.
            pub fn later(
                &mut self, phase: Phase, position: Position, run: for<'a> fn(&'a mut Request) -> BoxFuture<'a, Answer>,
            ) -> &mut Entry<Hook> {
                let entry = self.entry(position, Hook::Later(run));
                match phase { $(Phase::$phase => push(&mut self.$phase, entry),)* }
            }
            /// Orders everything and freezes it.
            pub fn compile(self) -> (Chains, Providers) {
                let mut registered = Vec::new();
                let chains = Chains {
                    $($phase: ordered(stringify!($phase), self.$phase, &mut registered),)*
                    post_config: ordered("post_config", self.post_config, &mut registered),
                    check_config: ordered("check_config", self.check_config, &mut registered),
                    test_config: ordered("test_config", self.test_config, &mut registered),
                    open_logs: ordered("open_logs", self.open_logs, &mut registered),
                    child_init: ordered("child_init", self.child_init, &mut registered),
                    child_exit: ordered("child_exit", self.child_exit, &mut registered),
                    filters: self.filters,
                    input_filters: self.input_filters,
                    registered,
                };
                (chains, self.providers)
            }
        }

        /// The compiled phases of one configuration.
        #[derive(Default)]
        pub struct Chains {
            $(pub $phase: Box<[Hook]>,)*
            pub post_config: Box<[PostConfig]>,
            pub check_config: Box<[CheckConfig]>,
            pub test_config: Box<[TestConfig]>,
            pub open_logs: Box<[OpenLogs]>,
            pub child_init: Box<[ChildInit]>,
            pub child_exit: Box<[ChildExit]>,
            pub filters: Vec<&'static Filter>,
            pub input_filters: Vec<&'static Filter>,
            /// Who registered what, for reports: phase, then modules with their positions.
            pub registered: Registered,
        }
    };
}

phases! {
    /// All run; the head is read, nothing mapped yet.
    post_read_request;
    /// The first that does not decline serves the request before mapping (caches).
    quick_handler;
    /// The first that does not decline; the path is not decoded yet. Done: it is mapped already, and stays undecoded.
    pre_translate_name;
    /// The first that does not decline maps the path to a file name.
    translate_name;
    /// The first that does not decline applies what holds for the mapped place.
    map_to_storage;
    /// All run; per-directory settings are known (early headers).
    header_parser;
    /// All run: access by address and the like (`access_checker`).
    access_checker;
    /// The first that does not decline decides whether access needs no user (`access_checker_ex`).
    access_checker_ex;
    /// The first that does not decline establishes the user.
    check_user_id;
    /// The first that does not decline decides whether the user may.
    auth_checker;
    /// The first that does not decline finds type, encoding, language, handler.
    type_checker;
    /// All run: last changes before the handler.
    fixups;
    /// All run: output and input filters.
    insert_filter;
    /// All run when an error page replaces the response.
    insert_error_filter;
    /// The first that does not decline makes the response.
    handler;
    /// All run when the response is out.
    log_transaction;
}

fn push<F>(list: &mut Vec<Entry<F>>, entry: Entry<F>) -> &mut Entry<F> {
    let at = list.len();
    list.push(entry);
    &mut list[at]
}

impl<F> Entry<F> {
    /// Runs before the hooks of these modules.
    pub fn before(&mut self, modules: &'static [&'static str]) -> &mut Self {
        self.before = modules;
        self
    }
    /// Runs after the hooks of these modules.
    pub fn after(&mut self, modules: &'static [&'static str]) -> &mut Self {
        self.after = modules;
        self
    }
}

impl Hooks {
    fn entry<F>(&self, position: Position, run: F) -> Entry<F> {
        Entry { run, module: self.module, position, before: &[], after: &[] }
    }
    /// Says whose hooks are registered next.
    pub fn enter(&mut self, module: &'static super::Module) {
        self.module = module.name;
    }
    pub fn post_config(&mut self, position: Position, run: PostConfig) -> &mut Entry<PostConfig> {
        let entry = self.entry(position, run);
        push(&mut self.post_config, entry)
    }
    pub fn check_config(&mut self, position: Position, run: CheckConfig) -> &mut Entry<CheckConfig> {
        let entry = self.entry(position, run);
        push(&mut self.check_config, entry)
    }
    pub fn test_config(&mut self, position: Position, run: TestConfig) -> &mut Entry<TestConfig> {
        let entry = self.entry(position, run);
        push(&mut self.test_config, entry)
    }
    pub fn open_logs(&mut self, position: Position, run: OpenLogs) -> &mut Entry<OpenLogs> {
        let entry = self.entry(position, run);
        push(&mut self.open_logs, entry)
    }
    pub fn child_init(&mut self, position: Position, run: ChildInit) -> &mut Entry<ChildInit> {
        let entry = self.entry(position, run);
        push(&mut self.child_init, entry)
    }
    pub fn child_exit(&mut self, position: Position, run: ChildExit) -> &mut Entry<ChildExit> {
        let entry = self.entry(position, run);
        push(&mut self.child_exit, entry)
    }
    /// Makes an output filter known under its name.
    pub fn output_filter(&mut self, filter: &'static Filter) {
        self.providers.offer(filter.name, filter);
        self.filters.push(filter);
    }
    /// Makes an input filter known under its name.
    pub fn input_filter(&mut self, filter: &'static Filter) {
        self.input_filters.push(filter);
    }
}

impl Chains {
    /// The output filter of that name; names are compared without case.
    pub fn output_filter(&self, name: &[u8]) -> Option<&'static Filter> {
        self.filters.iter().copied().find(|filter| filter.name.as_bytes().eq_ignore_ascii_case(name))
    }
    /// The input filter of that name.
    pub fn input_filter(&self, name: &[u8]) -> Option<&'static Filter> {
        self.input_filters.iter().copied().find(|filter| filter.name.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// Sorts by position, keeping registration order, then moves entries so that before and after lists hold.
/// Who registered what in a phase.
type Registered = Vec<(&'static str, Vec<(&'static str, Position)>)>;

fn ordered<F: Copy>(phase: &'static str, mut list: Vec<Entry<F>>, registered: &mut Registered) -> Box<[F]> {
    list.sort_by_key(|entry| entry.position);
    let mut out: Vec<Entry<F>> = Vec::with_capacity(list.len());
    while !list.is_empty() {
        // The first entry that nothing left must precede; on a cycle, simply the first.
        let free = list.iter().position(|entry| {
            !list.iter().any(|other| {
                other.module != entry.module
                    && (entry.after.contains(&other.module) || other.before.contains(&entry.module))
            })
        });
        out.push(list.remove(free.unwrap_or(0)));
    }
    registered.push((phase, out.iter().map(|entry| (entry.module, entry.position)).collect()));
    out.into_iter().map(|entry| entry.run).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(run: u8, module: &'static str, position: Position) -> Entry<u8> {
        Entry { run, module, position, before: &[], after: &[] }
    }

    #[test]
    fn position_then_lists_then_loading_order() {
        let mut list = vec![entry(1, "a", MIDDLE), entry(2, "b", FIRST), entry(3, "c", MIDDLE), entry(4, "d", LAST)];
        list[0].after(&["c"]);
        assert_eq!(&ordered("a phase", list, &mut Vec::new())[..], [2, 3, 1, 4]);
    }
}
