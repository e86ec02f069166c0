//! House rules: sizes, import arrows, where `unsafe` may stand, a compat file for each module.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Lines of a file without its tests.
const LARGEST: usize = 800;

/// What a folder of `src` may name, besides itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("log", &["sys"]),
    ("engine", &["sys", "log"]),
    ("config", &["sys", "log", "engine"]),
    ("request", &["config", "sys", "log", "engine"]),
    ("module", &["request", "config", "sys", "log", "engine"]),
    ("server", &["module", "request", "config", "sys", "log", "engine"]),
    ("modules", &["server", "module", "request", "config", "sys", "log", "engine"]),
    ("http", &["server", "module", "request", "config", "sys", "log", "engine"]),
    ("mpm", &["http", "server", "module", "request", "config", "sys", "log", "engine"]),
    ("cli", &["mpm", "http", "server", "module", "request", "config", "sys", "log", "engine"]),
];

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file up to its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

#[test]
fn files_stay_small_and_say_what_they_are() {
    for folder in ["src", "parser/src", "compat-tests/src", "benches/src"] {
        for path in sources(&root().join(folder)) {
            let text = code(&path);
            let lines = text.lines().count();
            assert!(lines <= LARGEST, "{} has {lines} lines", path.display());
            assert!(text.starts_with("//!"), "{} has no header", path.display());
        }
    }
}

#[test]
fn imports_follow_the_arrows() {
    let mut wrong = Vec::new();
    for (folder, allowed) in ARROWS {
        for path in sources(&root().join("src").join(folder)) {
            for (number, line) in
                code(&path).lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"))
            {
                for name in line.split("crate::").skip(1) {
                    let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                    let known = ARROWS.iter().any(|(other, _)| *other == name);
                    if known && name != *folder && !allowed.contains(&name.as_str()) {
                        wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that do not exist:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stands_in_sys_and_gives_its_reason() {
    for path in sources(&root().join("src")) {
        let text = code(&path);
        let mut reason = false;
        for (number, line) in text.lines().enumerate() {
            let bare = line.split("//").next().unwrap_or_default();
            if line.contains("// SAFETY:") {
                reason = true;
            }
            let uses = bare.contains("unsafe {") || bare.contains("unsafe impl");
            if uses {
                assert!(path.starts_with(root().join("src/sys")), "{}:{} is unsafe", path.display(), number + 1);
                assert!(reason, "{}:{} has no SAFETY comment", path.display(), number + 1);
                reason = false;
            }
        }
    }
}

#[test]
fn each_module_has_its_compat_file_and_its_place_in_the_registry() {
    let registry = fs::read_to_string(root().join("src/modules/mod.rs")).unwrap();
    let mut missing = BTreeMap::new();
    for path in sources(&root().join("src/modules")) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let record = fs::read_to_string(&path).unwrap().contains("pub static MODULE: Module");
        if !record || !name.starts_with("mod_") {
            continue;
        }
        let compat = root().join("compat-tests/tests/compat");
        if !compat.join(format!("{name}.rs")).exists() && !compat.join(&name).is_dir() {
            missing.insert(name.clone(), "compat file");
        }
        if !registry.contains(&format!("::{name}::MODULE")) {
            missing.insert(name, "place in REGISTRY");
        }
    }
    assert!(missing.is_empty(), "missing: {missing:?}");
}
