//! Balancers: groups of workers that share the requests for one `balancer://` URL.
//!
//! A balancer's parameters and members come from the configuration; what may change while the server runs (members'
//! states, what the manager's page sets, members that it adds) stands in memory that all children share, which
//! mod_proxy_balancer makes before it forks them ([`Balancer::share`]).

use super::state::{State, Text, Words, clock, word};
use super::worker::{Health, Worker, bits};
use crate::config::{Cx, atoi, on_off};
use crate::engine::BoxFuture;
use crate::log::Level;
use crate::module::{Answer, SlotMemory, Slots};
use crate::request::Request;
use bstr::{BStr, BString, ByteSlice};
use parking_lot::RwLock;
use std::io;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Longest nonce, as a UUID's text.
const NONCE: usize = 36;
/// The method where nothing is said.
const METHOD: &str = "byrequests";

/// Words of a balancer's record.
pub mod live {
    use super::Text;
    /// Microseconds.
    pub const TIMEOUT: usize = 1;
    pub const ATTEMPTS: usize = 2;
    /// `nofailover`.
    pub const FORCE: usize = 3;
    /// How often members were added.
    pub const ADDED: usize = 4;
    pub const STICKY: Text = Text { at: 5, words: 17 };
    pub const STICKY_PATH: Text = Text { at: 22, words: 17 };
    pub const METHOD: Text = Text { at: 39, words: 3 };
    pub const NONCE: Text = Text { at: 42, words: 6 };
    pub const ALL: usize = 48;
}

/// Parameters of a balancer.
#[derive(Clone, Debug)]
pub struct BalancerParameters {
    /// The cookie's name, and the name within URLs.
    pub sticky: BString,
    pub sticky_path: BString,
    /// What stands before the route; None: all of it is the route.
    pub separator: Option<u8>,
    pub semicolons: bool,
    pub force: bool,
    /// Seconds that a request waits for a member.
    pub timeout: i64,
    pub attempts: Option<i64>,
    pub method: BString,
    pub growth: i64,
    pub fail_on: Vec<u16>,
    pub fail_on_timeout: bool,
    /// None: a random one.
    pub nonce: Option<BString>,
    pub force_recovery: bool,
}

impl Default for BalancerParameters {
    fn default() -> BalancerParameters {
        BalancerParameters {
            sticky: BString::default(),
            sticky_path: BString::default(),
            separator: Some(b'.'),
            semicolons: false,
            force: false,
            timeout: 0,
            attempts: None,
            method: METHOD.into(),
            growth: 0,
            fail_on: Vec::new(),
            fail_on_timeout: false,
            nonce: None,
            force_recovery: true,
        }
    }
}

/// What became of a balancer once the server runs.
#[derive(Default)]
struct Running {
    words: OnceLock<Words>,
    slots: OnceLock<Arc<Slots>>,
    /// Members that this child knows beyond the configured ones, and how many additions it has seen.
    added: RwLock<Vec<Arc<Worker>>>,
    seen: AtomicI64,
}

/// A group of workers.
#[derive(Clone)]
pub struct Balancer {
    /// `balancer://name`
    pub name: BString,
    pub members: Vec<Arc<Worker>>,
    pub parameters: BalancerParameters,
    /// The path of the last ProxyPass for it.
    pub path: BString,
    running: Arc<Running>,
}

/// Offered as a method's name (`byrequests`): which member the next request goes to.
pub trait BalancerMethod: Sync {
    /// Runs while the balancer is locked.
    fn choose(&self, balancer: &Balancer, members: &[Arc<Worker>], r: &mut Request) -> Option<Arc<Worker>>;
}

/// What the manager's page shows of a member's health checks.
pub struct HealthRow {
    pub method: &'static str,
    /// Milliseconds.
    pub interval: i64,
    pub passes: i64,
    pub passed: i64,
    pub fails: i64,
    pub failed: i64,
    pub uri: BString,
    pub expression: BString,
}

/// Offered as `hcheck` by the module that asks members whether they are well.
pub trait HealthChecks: Sync {
    /// Sets a parameter of a worker whose name begins with `hc`.
    fn set(&self, cx: &mut Cx<'_>, health: &mut Health, key: &BStr, value: &BStr) -> Result<(), String>;
    /// Changes one while the server runs; what cannot be is passed over.
    fn change(&self, r: &Request, worker: &Worker, key: &str, value: &BStr);
    fn row(&self, worker: &Worker) -> HealthRow;
    fn methods(&self) -> &'static [&'static str];
    /// Calls `each` with the names and texts of the expressions that a worker may have.
    fn expressions(&self, r: &Request, each: &mut dyn FnMut(&BStr, &BStr));
}

/// A member that was elected for a request.
pub struct Elected {
    pub worker: Arc<Worker>,
    pub url: BString,
}

/// Offered as `balancer`: elections, for URLs of balancers.
pub trait Balancing: Sync {
    /// The member for a request, and the URL there. Error: the answer.
    fn elect<'a>(
        &'a self,
        r: &'a mut Request,
        balancer: &'a Arc<Balancer>,
        url: &'a BStr,
    ) -> BoxFuture<'a, Result<Elected, Answer>>;
    /// The member has answered, or not.
    fn done(&self, r: &Request, balancer: &Balancer, worker: &Worker);
}

/// The part of a URL that names a balancer, in lower case; None where it cannot.
pub fn balancer_name(url: &[u8]) -> Option<BString> {
    let (scheme, rest) = url.split_once_str("://")?;
    let host = rest.split(|byte| *byte == b'/').next().filter(|host| !host.is_empty())?;
    Some([scheme, b"://", host].concat().to_ascii_lowercase().into())
}

impl Balancer {
    pub fn new(name: BString) -> Balancer {
        Balancer {
            name,
            members: Vec::new(),
            parameters: BalancerParameters::default(),
            path: "/".into(),
            running: Arc::default(),
        }
    }

    /// Sets one parameter; the error is Apache's text.
    pub fn set(&mut self, cx: &Cx<'_>, key: &BStr, value: &BStr) -> Result<(), String> {
        let parameters = &mut self.parameters;
        let flag = |name: &str| on_off(value).ok_or_else(|| format!("{name} must be On|Off"));
        let number = atoi(value);
        match key.to_ascii_lowercase().as_slice() {
            b"stickysession" => {
                let (cookie, path) = value.split_once_str("|").unwrap_or((value, value));
                (parameters.sticky, parameters.sticky_path) = (cookie.into(), path.into());
            }
            b"stickysessionsep" => match (value.as_bytes(), on_off(value)) {
                (_, Some(false)) => parameters.separator = None,
                ([byte], _) => parameters.separator = Some(*byte),
                _ => return Err("stickysessionsep must be a single character or Off".into()),
            },
            b"nofailover" => parameters.force = flag("failover")?,
            b"timeout" if number < 1 => return Err("timeout must be at least one second".into()),
            b"timeout" => parameters.timeout = number,
            b"maxattempts" if number < 0 => return Err("maximum number of attempts must be a positive number".into()),
            b"maxattempts" => parameters.attempts = Some(number),
            b"lbmethod" if cx.provider::<dyn BalancerMethod>(value).is_none() => return Err("unknown lbmethod".into()),
            b"lbmethod" => parameters.method = value.into(),
            b"scolonpathdelim" => parameters.semicolons = flag("scolonpathdelim")?,
            b"failonstatus" => {
                for code in value.split(|byte| b", ".contains(byte)).filter(|code| !code.is_empty()) {
                    let code = atoi(code);
                    if !(100..600).contains(&code) {
                        return Err("failonstatus must be one or more HTTP response codes".into());
                    }
                    parameters.fail_on.push(code as u16);
                }
            }
            b"failontimeout" => parameters.fail_on_timeout = flag("failontimeout")?,
            b"nonce" if value.eq_ignore_ascii_case(b"None") => parameters.nonce = Some(BString::default()),
            b"nonce" if value.len() > NONCE => return Err("Provided nonce is too large".into()),
            b"nonce" => parameters.nonce = Some(value.into()),
            b"growth" if !(1..=100).contains(&number) => return Err("growth must be between 1 and 100".into()),
            b"growth" => parameters.growth = number,
            b"forcerecovery" => parameters.force_recovery = flag("forcerecovery")?,
            _ => return Err("unknown Balancer parameter".into()),
        }
        Ok(())
    }

    /// This balancer's parameters with the members of another.
    pub fn with_members_of(&self, other: &Balancer) -> Balancer {
        Balancer { members: other.members.clone(), ..self.clone() }
    }

    /// How many members there can be.
    pub fn most(&self) -> usize {
        self.members.len() + usize::try_from(self.parameters.growth).unwrap_or(0)
    }

    /// Puts the balancer's and its members' states into shared memory: the record `index` of `all`. `kept`: what was there
    /// in an earlier generation stays. True: it is shared now, and was not before.
    pub fn share(
        &self,
        memory: &dyn SlotMemory,
        all: &Arc<Slots>,
        index: usize,
        id: &BStr,
        nonce: &[u8],
    ) -> io::Result<bool> {
        if self.running.words.get().is_some() {
            return Ok(false);
        }
        let words = Words::Slot(all.clone(), index);
        all.take(index);
        let parameters = &self.parameters;
        words.set(live::TIMEOUT, parameters.timeout * 1_000_000);
        let attempts = (self.members.len() as i64 - 1).max(0);
        words.set(live::ATTEMPTS, parameters.attempts.unwrap_or(attempts));
        words.set(live::FORCE, i64::from(parameters.force));
        words.set_text(live::STICKY, &parameters.sticky);
        words.set_text(live::STICKY_PATH, &parameters.sticky_path);
        words.set_text(live::METHOD, &parameters.method);
        words.set_text(live::NONCE, parameters.nonce.as_ref().map_or(nonce, |nonce| nonce));
        let slots = memory.create(id, word::ALL, self.most().max(1))?;
        for (at, member) in self.members.iter().enumerate() {
            slots.take(at);
            member.share(Words::Slot(slots.clone(), at));
        }
        let _ = self.running.slots.set(slots);
        let _ = self.running.words.set(words);
        Ok(true)
    }

    /// The live record.
    pub fn words(&self) -> &Words {
        self.running.words.get_or_init(|| Words::own(live::ALL))
    }

    /// All members, those added lately included.
    pub fn all(&self) -> Vec<Arc<Worker>> {
        self.look_for_new();
        let mut all = self.members.clone();
        all.extend(self.running.added.read().iter().cloned());
        all
    }

    fn look_for_new(&self) {
        let now = self.words().number(live::ADDED);
        if self.running.seen.load(Relaxed) == now {
            return;
        }
        let Some(slots) = self.running.slots.get() else { return };
        let mut added = self.running.added.write();
        for at in self.members.len() + added.len()..slots.len() {
            if !slots.taken(at) {
                break;
            }
            let words = Words::Slot(slots.clone(), at);
            let Ok(mut worker) = Worker::parse(&words.text(word::NAME), false) else { break };
            worker.parameters.status = 0;
            worker.share_as_it_is(words);
            added.push(Arc::new(worker));
        }
        self.running.seen.store(now, Relaxed);
    }

    /// Adds a member while the server runs; it begins disabled. Error: why it cannot be.
    pub fn add(&self, url: &[u8]) -> Result<(), String> {
        let text = || "no room".to_owned();
        let slots = self.running.slots.get().ok_or_else(text)?;
        let mut worker = Worker::parse(url, false).map_err(|_| text())?;
        worker.parameters.status = bits::DISABLED;
        let at = {
            let _held = self.words().lock();
            slots.grab()
        };
        let words = Words::Slot(slots.clone(), at.ok_or_else(text)?);
        words.set_text(word::NAME, url);
        State::begin(words, &worker.parameters);
        self.words().add(live::ADDED, 1);
        Ok(())
    }

    /// Adds a member that an earlier generation had added.
    pub fn add_again(&self, record: &[AtomicU64]) {
        let Some(slots) = self.running.slots.get() else { return };
        if let Some(at) = slots.grab() {
            Words::Slot(slots.clone(), at).take_over(record);
            self.words().add(live::ADDED, 1);
        }
    }

    /// Slots for members that are free.
    pub fn room(&self) -> usize {
        self.running.slots.get().map_or(0, |slots| self.most().min(slots.free()))
    }

    /// The member with that URL.
    pub fn member(&self, url: &[u8]) -> Option<Arc<Worker>> {
        super::worker::find(&self.all(), url).cloned()
    }

    /// The method, by the name that holds now.
    pub fn method(&self, r: &Request) -> Option<&'static dyn BalancerMethod> {
        r.configuration.providers.find::<dyn BalancerMethod>(&self.words().text(live::METHOD))
    }

    /// The best member: those of the lowest set that has any, hot spares for those of the set that cannot, hot standbys
    /// where nobody else can. `is_better` sees each candidate with the best so far.
    pub fn best(
        &self,
        members: &[Arc<Worker>],
        r: &Request,
        mut is_better: impl FnMut(&Worker, Option<&Worker>) -> bool,
    ) -> Option<Arc<Worker>> {
        let most = members.iter().map(|member| member.state().0.number(word::SET)).max().unwrap_or(0);
        let mut best: Option<&Arc<Worker>> = None;
        for set in 0..=most {
            let (mut spares, mut standbys, mut missing) = (Vec::new(), Vec::new(), 0);
            for member in members.iter().filter(|member| member.state().0.number(word::SET) == set) {
                let state = member.state();
                let reserve = state.has(bits::HOT_SPARE | bits::HOT_STANDBY);
                if state.has(bits::DRAIN) {
                    missing += usize::from(!reserve);
                    continue;
                }
                let usable = member.retry(r);
                if state.has(bits::HOT_SPARE) {
                    spares.extend(usable.then_some(member));
                } else if state.has(bits::HOT_STANDBY) {
                    standbys.extend(usable.then_some(member));
                } else if !usable {
                    missing += 1;
                } else if is_better(member, best.map(|best| &**best)) {
                    best = Some(member);
                }
            }
            for spare in spares.into_iter().take(missing) {
                if is_better(spare, best.map(|best| &**best)) {
                    best = Some(spare);
                }
            }
            if best.is_none() {
                for standby in standbys {
                    if is_better(standby, best.map(|best| &**best)) {
                        best = Some(standby);
                    }
                }
            }
            if best.is_some() {
                break;
            }
        }
        best.cloned()
    }
}

impl Worker {
    /// Whether requests may go there: one in error is tried again once its time has come.
    pub fn retry(&self, r: &Request) -> bool {
        self.retry_as("BALANCER".into(), |text| r.server.log(Level::Debug, "proxy", format_args!("{text}")))
    }

    pub(super) fn retry_as(&self, who: &BStr, tell: impl Fn(String)) -> bool {
        let state = self.state();
        if !state.has(bits::IN_ERROR) {
            return state.usable();
        }
        let (host, port) = (&self.host, self.port);
        if state.has(bits::STOPPED) {
            tell(format!("AH3305: {who}: Won't retry worker ({host}:{port}): stopped"));
            return false;
        }
        let wait = self.parameters.retry.map_or(60_000_000, |retry| retry.as_micros() as i64);
        if state.has(bits::IGNORE_ERRORS) || clock() > state.0.number(word::ERROR_TIME) + wait {
            state.0.add(word::RETRIES, 1);
            state.mark(bits::IN_ERROR, false);
            tell(format!("AH00932: {who}: worker for ({host}:{port}) has been marked for retry"));
        } else {
            tell(format!("AH00933: {who}: too soon to retry worker for ({host}:{port})"));
        }
        state.usable()
    }
}
