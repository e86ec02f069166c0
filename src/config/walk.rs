//! Runs the setters of a tree: contexts, override classes, argument shapes, with Apache's texts.
//!
//! Manual: mod/directive-dict.html.

use super::{
    At, Children, Commands, Complaint, Contexts, Cx, DIRECTORY, Directive, GLOBAL, HTACCESS, Inner, Node, Outcome,
    Override, PROXY, Place, Process, Providers, Row, SERVER, Server, SettingsVec, Shape, Warning, Word,
};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::{next_word, words};
use std::borrow::Cow;
use std::sync::Arc;

/// What the directives of a .htaccess file may do.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permit {
    pub overrides: Override,
    /// Options that may be set.
    pub options: u32,
    /// AllowOverrideList.
    pub list: Option<Arc<Vec<BString>>>,
    pub nonfatal: super::Nonfatal,
}

impl Permit {
    /// Whether a row may stand in .htaccess.
    pub fn allows(&self, directive: &Directive) -> bool {
        let listed = || {
            let list = self.list.as_deref();
            list.is_some_and(|list| list.iter().any(|name| name.eq_ignore_ascii_case(directive.name.as_bytes())))
        };
        directive.contexts.has(HTACCESS) && (self.overrides.meets(directive.overrides) || listed())
    }
}

impl Default for Permit {
    fn default() -> Permit {
        Permit { overrides: Override::ALL, options: u32::MAX, list: None, nonfatal: super::Nonfatal::default() }
    }
}

/// What every directive of one walk shares.
#[derive(Clone, Copy)]
pub struct Walker<'a> {
    pub commands: &'a Commands,
    pub providers: &'a Providers,
    pub permit: &'a Permit,
}

/// The lines of one section, ready to run.
struct Body<'a> {
    walker: Walker<'a>,
    nodes: &'a [Node],
    around: &'a [&'static str],
}

impl Children for Body<'_> {
    fn run(&mut self, inner: Inner<'_>) -> Outcome {
        let around = [self.around, &[inner.around]].concat();
        self.walker.run(self.nodes, &around, inner, &mut Vec::new())
    }
}

struct Nothing;
impl Children for Nothing {
    fn run(&mut self, _: Inner<'_>) -> Outcome {
        Ok(())
    }
}

/// For directives that are not sections.
pub fn no_children() -> impl Children {
    Nothing
}

impl<'a> Walker<'a> {
    /// Runs `nodes` in the place that `inner` describes; `around` are the sections around them, outermost first.
    pub fn run(&self, nodes: &[Node], around: &[&'static str], inner: Inner<'_>, hosts: &mut Vec<Server>) -> Outcome {
        for node in nodes {
            let rows = self.commands.find(&node.name);
            if rows.is_empty() {
                if inner.place == Place::Htaccess && self.permit.nonfatal.unknown {
                    let mut text = BString::from("AH02296: Unknown directive ");
                    text.extend_from_slice(&node.name.to_ascii_lowercase());
                    text.extend_from_slice(
                        b" perhaps misspelled or defined by a module not included in the server configuration",
                    );
                    inner.warnings.push(Warning {
                        hidden: false,
                        module: "core",
                        level: crate::log::Level::Warn,
                        text,
                    });
                    continue;
                }
                let at = At { file: node.file.as_ref().clone(), line: node.line };
                inner.process.complain(Err(Complaint::At(at, unknown_text(&node.name))))?;
                continue;
            }
            for row in rows {
                let done = self
                    .directive(
                        row,
                        node,
                        around,
                        &mut *inner.server,
                        &mut *inner.dir,
                        &mut *inner.process,
                        &mut *inner.warnings,
                        hosts,
                        inner.place,
                        &inner.path,
                        inner.limited,
                    )
                    .map_err(|complaint| match complaint {
                        Complaint::Text(text) => {
                            Complaint::At(At { file: node.file.as_ref().clone(), line: node.line }, text)
                        }
                        other => other,
                    });
                inner.process.complain(done)?;
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn directive(
        &self,
        row: &Row,
        node: &Node,
        around: &[&'static str],
        server: &mut Server,
        dir: &mut SettingsVec,
        process: &mut Process,
        warnings: &mut Vec<Warning>,
        hosts: &mut Vec<Server>,
        place: Place,
        path: &Option<BString>,
        limited: u64,
    ) -> Outcome {
        if !self.permitted(row.directive, place, around) || !permitted_within(around, row.directive) {
            let name = row.directive.name;
            let text = match around.last() {
                Some(section) => format!("{name} not allowed in {} context", super::shown(section)),
                None => format!("{name} not allowed here"),
            };
            if place == Place::Htaccess && self.permit.nonfatal.overridden {
                warnings.push(forbidden(row.directive));
                return Ok(());
            }
            return Err(text.into());
        }
        let mut children = Body { walker: *self, nodes: &node.children, around };
        let mut cx = Cx {
            directive: row.directive,
            module: row.module.log_name(),
            name: node.name.as_ref(),
            file: node.file.as_ref().as_ref(),
            line: node.line,
            place,
            path: path.clone(),
            around: around.to_vec(),
            overrides: self.permit.overrides,
            override_options: self.permit.options,
            limited,
            server,
            dir,
            process,
            providers: self.providers,
            children: &mut children,
            warnings,
            hosts,
            commands: self.commands,
            reader: None,
        };
        match call(&mut cx, node.args.as_ref()) {
            Err(Complaint::Decline) => Ok(()),
            done => done,
        }
    }

    fn permitted(&self, directive: &Directive, place: Place, around: &[&str]) -> bool {
        let allows = |contexts: Contexts| directive.contexts.has(contexts);
        match place {
            Place::Main | Place::VirtualHost => allows(SERVER),
            Place::Section if allows(PROXY) => around.iter().any(|name| name.starts_with("<Proxy")),
            Place::Section => allows(DIRECTORY),
            Place::Htaccess => self.permit.allows(directive),
        }
    }
}

/// Whether sections of requirements and provider aliases around a directive let it stand there: both take what AuthConfig
/// allows, aliases also what only sections may have. `<Files>` and `<If>` between them and the directive take anything.
fn permitted_within(around: &[&str], directive: &Directive) -> bool {
    let special = ["<Require", "<Auth", "<Files", "<If", "<Else"];
    let innermost = around.iter().rev().find(|name| special.iter().any(|start| name.starts_with(start)));
    match innermost {
        Some(name) if name.starts_with("<Require") => OF_AUTHORIZATION.allows(directive),
        Some(name) if name.starts_with("<Auth") => {
            let sections_only = directive.contexts.has(DIRECTORY) && directive.overrides == Override::NONE;
            sections_only || OF_AUTHORIZATION.allows(directive)
        }
        _ => true,
    }
}

/// What may stand within `<RequireAll>` and its kin.
const OF_AUTHORIZATION: Permit = Permit {
    overrides: Override::AUTH_CONFIG,
    options: 0,
    list: None,
    nonfatal: super::Nonfatal { overridden: false, unknown: false },
};

/// Apache's text for a name that no module knows.
pub fn unknown_text(name: &[u8]) -> BString {
    let tail = b"', perhaps misspelled or defined by a module not included in the server configuration";
    [b"Invalid command '", name, tail].concat().into()
}

/// What `AllowOverride Nonfatal=Override` makes of a directive that is not allowed.
pub fn forbidden(directive: &Directive) -> Warning {
    let text = format!("AH02295: {} in .htaccess forbidden by AllowOverride", directive.name);
    Warning { hidden: false, module: "core", level: crate::log::Level::Warn, text: text.into() }
}

/// Cuts the arguments as the row's shape asks and calls its setter.
pub fn call(cx: &mut Cx<'_>, args: &BStr) -> Outcome {
    let directive = cx.directive;
    // What may stand in the main server alone says so once its arguments are of the right number.
    let whole = |cx: &Cx<'_>| match directive.contexts.has(GLOBAL) && cx.place == Place::VirtualHost {
        true => cx.forbid_in_host(),
        false => Ok(()),
    };
    let wrong = |what: &str| {
        let comma = if directive.help.is_empty() { "" } else { ", " };
        Err(Complaint::from(format!("{} {what}{comma}{}", directive.name, directive.help)))
    };
    // A word where there is more to read at all, and what is left behind it.
    let optional = |rest: &'_ [u8]| -> (Option<BString>, usize) {
        if rest.is_empty() {
            return (None, 0);
        }
        let (word, left) = next_word(rest);
        (Some(word), left.len())
    };
    // What is left of `args` when `n` octets are.
    let left = |n: usize| -> &[u8] { args.get(args.len() - n.min(args.len())..).unwrap_or_default() };
    match directive.shape {
        Shape::RawArgs(set) | Shape::Section(set) => whole(cx).and_then(|()| set(cx, args)),
        // Words that stand there all the same are passed over.
        Shape::NoArgs(set) => whole(cx).and_then(|()| set(cx)),
        Shape::Take1(set) => {
            let (word, rest) = next_word(args);
            if word.is_empty() || !rest.is_empty() {
                return wrong("takes one argument");
            }
            whole(cx)?;
            set(cx, word.as_bstr())
        }
        Shape::Take2(set) => {
            let (first, rest) = next_word(args);
            let (second, rest) = next_word(rest);
            if first.is_empty() || second.is_empty() || !rest.is_empty() {
                return wrong("takes two arguments");
            }
            whole(cx)?;
            set(cx, first.as_bstr(), second.as_bstr())
        }
        Shape::Take3(set) => {
            let (first, rest) = next_word(args);
            let (second, rest) = next_word(rest);
            let (third, rest) = next_word(rest);
            if first.is_empty() || second.is_empty() || third.is_empty() || !rest.is_empty() {
                return wrong("takes three arguments");
            }
            whole(cx)?;
            set(cx, first.as_bstr(), second.as_bstr(), third.as_bstr())
        }
        Shape::Take12(set) => {
            let (first, rest) = next_word(args);
            let (second, rest) = next_word(rest);
            if first.is_empty() || !rest.is_empty() {
                return wrong("takes 1-2 arguments");
            }
            whole(cx)?;
            set(cx, first.as_bstr(), some(&second))
        }
        Shape::Take23(set) => {
            let (first, rest) = next_word(args);
            let (second, rest) = next_word(rest);
            let (third, n) = optional(rest);
            if first.is_empty() || second.is_empty() || !left(n).is_empty() {
                return wrong("takes two or three arguments");
            }
            whole(cx)?;
            set(cx, first.as_bstr(), second.as_bstr(), third.as_ref().map(|word| word.as_bstr()))
        }
        Shape::Take123(set) => {
            let (first, rest) = next_word(args);
            let (second, n) = optional(rest);
            let (third, n) = optional(left(n));
            if first.is_empty() || !left(n).is_empty() {
                return wrong("takes one, two or three arguments");
            }
            whole(cx)?;
            set(
                cx,
                first.as_bstr(),
                second.as_ref().map(|word| word.as_bstr()),
                third.as_ref().map(|word| word.as_bstr()),
            )
        }
        Shape::Take13(set) => {
            let (first, rest) = next_word(args);
            let (second, n) = optional(rest);
            let (third, n) = optional(left(n));
            if first.is_empty() || (second.is_some() && third.is_none()) || !left(n).is_empty() {
                return wrong("takes one or three arguments");
            }
            whole(cx)?;
            set(
                cx,
                first.as_bstr(),
                second.as_ref().map(|word| word.as_bstr()),
                third.as_ref().map(|word| word.as_bstr()),
            )
        }
        Shape::TakeArgv(set) => {
            let list: Vec<Cow<'_, BStr>> = words(args).collect();
            let list: Vec<Word<'_>> = list.iter().map(|word| word.as_ref()).collect();
            whole(cx)?;
            set(cx, &list)
        }
        Shape::Iterate(set) => {
            let mut list = words(args).take_while(|word| !word.is_empty()).peekable();
            if list.peek().is_none() {
                return wrong("requires at least one argument");
            }
            whole(cx)?;
            list.try_for_each(|word| set(cx, &word))
        }
        Shape::Iterate2(set) => {
            let (first, rest) = next_word(args);
            if first.is_empty() || rest.is_empty() {
                return wrong("requires at least two arguments");
            }
            whole(cx)?;
            words(rest).take_while(|word| !word.is_empty()).try_for_each(|word| set(cx, first.as_bstr(), &word))
        }
        Shape::Flag(set) => {
            let (word, _) = next_word(args);
            match on_off(&word) {
                Some(value) => whole(cx).and_then(|()| set(cx, value)),
                None => Err(format!("{} must be On or Off", directive.name).into()),
            }
        }
    }
}

fn some(word: &BString) -> Option<Word<'_>> {
    (!word.is_empty()).then_some(word.as_bstr())
}

/// `On` and `Off`, any case.
pub fn on_off(word: &[u8]) -> Option<bool> {
    match word {
        _ if word.eq_ignore_ascii_case(b"on") => Some(true),
        _ if word.eq_ignore_ascii_case(b"off") => Some(false),
        _ => None,
    }
}
