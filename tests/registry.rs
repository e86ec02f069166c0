//! The rows of every module in the registry against what Debian's apache2 has: no directive too few or too many, and each
//! with Apache's spelling, contexts, override class and argument shape.
//!
//! `data/directives.tsv` holds the facts, of modules too that Pinion does not have yet.

#![allow(clippy::unwrap_used)]

use pinion::config::{Contexts, DIRECTORY, Directive, HTACCESS, Override, SERVER, Shape};
use pinion::modules::REGISTRY;
use std::collections::BTreeMap;

/// A directive as the table shows it.
#[derive(PartialEq, Eq, Debug)]
struct Fact {
    contexts: String,
    overrides: String,
    arguments: String,
}

/// By module and name.
type Facts = BTreeMap<(String, String), Fact>;

fn apache() -> Facts {
    include_str!("data/directives.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut columns = line.split('\t').map(str::to_owned);
            let mut next = || columns.next().unwrap();
            let (name, module) = (next(), next());
            ((module, name), Fact { contexts: next(), overrides: next(), arguments: next() })
        })
        .collect()
}

fn pinion() -> Facts {
    let rows = |module: &'static pinion::module::Module| {
        module
            .directives
            .iter()
            .copied()
            .flatten()
            .map(|row| ((module.name.to_owned(), row.name.to_owned()), fact(row)))
    };
    REGISTRY.iter().copied().flat_map(rows).collect()
}

fn fact(row: &Directive) -> Fact {
    Fact {
        contexts: contexts(row.contexts).to_owned(),
        overrides: overrides(row.overrides),
        arguments: arguments(&row.shape).to_owned(),
    }
}

/// That a row acts while it is read, or is for the main server alone, is not in Apache's own listing.
fn contexts(contexts: Contexts) -> &'static str {
    match (contexts.has(SERVER), contexts.has(DIRECTORY), contexts.has(HTACCESS)) {
        (true, true, true) => "svdh",
        (true, true, false) => "svd",
        (true, false, false) => "sv",
        (false, true, true) => "dh",
        (false, true, false) => "d",
        _ => "none of Apache's",
    }
}

fn overrides(classes: Override) -> String {
    let names = [
        (Override::AUTH_CONFIG, "AuthConfig"),
        (Override::FILE_INFO, "FileInfo"),
        (Override::INDEXES, "Indexes"),
        (Override::LIMIT, "Limit"),
        (Override::OPTIONS, "Options"),
    ];
    if classes == Override::ALL {
        return "any".to_owned();
    }
    let names: Vec<&str> = names.iter().filter(|(class, _)| classes.meets(*class)).map(|(_, name)| *name).collect();
    if names.is_empty() { "-".to_owned() } else { names.join("+") }
}

fn arguments(shape: &Shape) -> &'static str {
    match shape {
        Shape::NoArgs(_) => "NO_ARGS",
        Shape::RawArgs(_) | Shape::Section(_) => "RAW_ARGS",
        Shape::Take1(_) => "TAKE1",
        Shape::Take2(_) => "TAKE2",
        Shape::Take3(_) => "TAKE3",
        Shape::Take12(_) => "TAKE12",
        Shape::Take23(_) => "TAKE23",
        Shape::Take123(_) => "TAKE123",
        Shape::Take13(_) => "TAKE13",
        Shape::TakeArgv(_) => "TAKE_ARGV",
        Shape::Iterate(_) => "ITERATE",
        Shape::Iterate2(_) => "ITERATE2",
        Shape::Flag(_) => "FLAG",
    }
}

#[test]
fn rows_are_apaches() {
    let (theirs, ours) = (apache(), pinion());
    let mut wrong = Vec::new();
    for (key @ (module, _), fact) in &theirs {
        if !REGISTRY.iter().any(|known| known.name == module) {
            continue;
        }
        match ours.get(key) {
            None => wrong.push(format!("{key:?} is missing")),
            Some(row) if row != fact => wrong.push(format!("{key:?}\n  is        {row:?}\n  should be {fact:?}")),
            Some(_) => {}
        }
    }
    wrong.extend(ours.keys().filter(|key| !theirs.contains_key(key)).map(|key| format!("{key:?} is not Apache's")));
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_module_is_known_by_one_name() {
    let theirs = apache();
    // Modules without any directive are not in the table.
    let bare = [
        "mod_asis.c",
        "mod_authz_host.c",
        "mod_authz_owner.c",
        "mod_authz_user.c",
        "mod_data.c",
        "mod_proxy_ajp.c",
        "mod_proxy_fdpass.c",
        "mod_lbmethod_bybusyness.c",
        "mod_lbmethod_byrequests.c",
        "mod_lbmethod_bytraffic.c",
        "mod_proxy_balancer.c",
        "mod_proxy_http.c",
        "mod_proxy_uwsgi.c",
        "mod_ratelimit.c",
        "mod_slotmem_plain.c",
        "mod_slotmem_shm.c",
        "mod_socache_dbm.c",
        "mod_socache_shmcb.c",
        "mod_status.c",
        "mod_systemd.c",
        "mod_unique_id.c",
    ];
    for (at, module) in REGISTRY.iter().enumerate() {
        let known = theirs.keys().any(|(name, _)| name == module.name) || bare.contains(&module.name);
        assert!(known, "{} is not one of Apache's", module.name);
        let again = REGISTRY.iter().skip(at + 1).any(|other| other.name == module.name || other.ident == module.ident);
        assert!(!again, "{} stands twice in REGISTRY", module.name);
    }
}

#[test]
fn texts_and_reasons_say_something() {
    for module in REGISTRY {
        for row in module.directives.iter().copied().flatten() {
            assert!(!row.help.is_empty(), "{} has no help text", row.name);
            assert!(row.ignored.is_none_or(|reason| !reason.is_empty()), "{} is ignored without a reason", row.name);
            let htaccess = row.contexts.has(HTACCESS);
            assert_eq!(htaccess, row.overrides != Override::NONE, "{}: .htaccess needs an override class", row.name);
        }
    }
}

/// The table in DIFFERENCES.md is what the rows say.
#[test]
fn directives_without_effect_are_listed() {
    let mut wanted = String::from("| directive | module | why |\n|---|---|---|\n");
    for module in REGISTRY {
        for row in module.directives.iter().copied().flatten() {
            if let Some(reason) = row.ignored {
                wanted.push_str(&format!("| `{}` | {} | {reason} |\n", row.name, module.name.trim_end_matches(".c")));
            }
        }
    }
    let text = include_str!("../compat-tests/DIFFERENCES.md");
    let listed: String = text.split_once("## Accepted without effect").unwrap().1.split_once("| directive").map_or(
        String::new(),
        |(_, table)| {
            let rows = table.lines().take_while(|line| line.starts_with('|') || line.starts_with(' '));
            format!("| directive{}\n", rows.collect::<Vec<_>>().join("\n"))
        },
    );
    assert_eq!(listed, wanted, "the table should be:\n{wanted}");
}
