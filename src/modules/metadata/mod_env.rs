//! mod_env: environment variables of scripts from the configuration (SetEnv, PassEnv, UnsetEnv).
//!
//! UnsetEnv takes back what SetEnv and PassEnv said further out or further up, nothing else. A variable that the request
//! already has (from SetEnvIf, RewriteRule) keeps its value.
//!
//! Hook: `fixups`, middle: late, so that the variables reach scripts and logs but decide no access.
//! Differences: none known. Manual: mod/mod_env.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::Request;
use bstr::{BString, ByteSlice};
use std::os::unix::ffi::OsStrExt;

pub static MODULE: Module = Module {
    name: "mod_env.c",
    ident: "env_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<Environment>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    iterate("PassEnv", ANYWHERE, FILE_INFO, pass_env, "a list of environment variables to pass to CGI."),
    take12("SetEnv", ANYWHERE, FILE_INFO, set_env, "an environment variable name and optional value to pass to CGI."),
    iterate("UnsetEnv", ANYWHERE, FILE_INFO, unset_env, "a list of variables to remove from the CGI environment."),
];

/// The variables of a place.
#[derive(Clone, Default)]
struct Environment {
    set: Vec<(BString, BString)>,
    /// What is not inherited.
    unset: Vec<BString>,
}

impl Environment {
    fn put(&mut self, name: BString, value: BString) {
        match self.set.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            Some(entry) => *entry = (name, value),
            None => self.set.push((name, value)),
        }
    }
    fn remove(&mut self, name: &[u8]) {
        self.set.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }
}

impl Settings for Environment {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut out = base.clone();
        for name in &add.unset {
            out.remove(name);
        }
        for (name, value) in &add.set {
            out.put(name.clone(), value.clone());
        }
        out
    }
}

fn set_env(cx: &mut Cx<'_>, name: Word<'_>, value: Option<Word<'_>>) -> Outcome {
    if name.contains(&b'=') {
        let rest = name.trim_start_with(|c| c == '=');
        let (wanted, given) = rest.split_once_str("=").unwrap_or((rest, b""));
        let (wanted, given) = (wanted.as_bstr(), given.as_bstr());
        let text = "Spurious usage of '=' in an environment variable name.";
        cx.warn(Level::Warn, format!("AH10032: {text} 'SetEnv {wanted} {given}' expected instead?"));
    }
    cx.dir::<Environment>().put(name.into(), value.map(BString::from).unwrap_or_default());
    Ok(())
}

fn pass_env(cx: &mut Cx<'_>, name: Word<'_>) -> Outcome {
    match std::env::var_os(name.to_os_str_lossy()) {
        Some(value) => cx.dir::<Environment>().put(name.into(), value.as_bytes().into()),
        None => cx.warn(Level::Warn, format!("AH01506: PassEnv variable {name} was undefined")),
    }
    Ok(())
}

fn unset_env(cx: &mut Cx<'_>, name: Word<'_>) -> Outcome {
    let environment = cx.dir::<Environment>();
    environment.remove(name);
    environment.unset.push(name.into());
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.fixups(MIDDLE, fixups);
}

fn fixups(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    let environment = dir.settings.of::<Environment>();
    if environment.set.is_empty() {
        return Answer::Declined;
    }
    for (name, value) in &environment.set {
        // Behind what the request has, which stays until programs get the variables: those see the last one.
        r.env.add(name, value);
    }
    Answer::Ok
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing;

    fn environment(set: &[(&str, &str)], unset: &[&str]) -> Environment {
        let mut out = Environment::default();
        set.iter().for_each(|(name, value)| out.put((*name).into(), (*value).into()));
        out.unset.extend(unset.iter().map(|name| BString::from(*name)));
        out
    }

    #[test]
    fn inner_places_add_and_take_away() {
        let base = environment(&[("A", "1"), ("B", "2")], &[]);
        let merged = Environment::merge(&base, &environment(&[("C", "3"), ("B", "4")], &["a", "B"]));
        assert_eq!(merged.set, environment(&[("C", "3"), ("B", "4")], &[]).set);
    }

    #[test]
    fn what_the_request_has_stays() {
        let mut dir = SettingsVec::default();
        *dir.edit::<Environment>() = environment(&[("A", "1"), ("B", "2")], &[]);
        let mut r = testing::request_on(testing::server(), Providers::default(), dir);
        r.env.add("A", "kept");
        assert_eq!(fixups(&mut r), Answer::Ok);
        assert_eq!((r.env.get("A"), r.env.get("B")), (Some("kept".into()), Some("2".into())));
    }
}
