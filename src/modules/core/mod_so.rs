//! mod_so: LoadModule switches a module's record on. No code is loaded: what has no record is refused by name.
//!
//! Directives: LoadModule, LoadFile. Manual: mod/mod_so.html. Difference: the file of a module that Pinion has itself
//! need not exist; its name must be the one that Apache has that module in.

use crate::config::*;
use crate::log::Level;
use crate::module::{Linked, Module};
use bstr::{BString, ByteSlice};
use std::io::Read;
use std::path::Path;

pub static MODULE: Module = Module {
    name: "mod_so.c",
    ident: "so_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[
    take2(
        "LoadModule",
        SERVER.and(ON_READ),
        NO_OVERRIDE,
        load_module,
        "a module name and the name of a shared object file to load it from",
    ),
    iterate(
        "LoadFile",
        SERVER.and(ON_READ),
        NO_OVERRIDE,
        load_file,
        "shared object file or library to load into the server at runtime",
    )
    .ignored("modules are part of the server and need no other library"),
];

/// What the dynamic loader would say of a file that is not there.
fn unopenable(path: &Path, argument: &[u8]) -> Option<Complaint> {
    let error = std::fs::File::open(path).err()?;
    // A name without a slash is looked for along the loader's path too, and named as written.
    let shown = match argument.contains(&b'/') {
        true => path.to_string_lossy().into_owned(),
        false => argument.to_str_lossy().into_owned(),
    };
    let text = format!(
        "Cannot load {} into server: {shown}: cannot open shared object file: {}",
        argument.as_bstr(),
        os_text(&error)
    );
    Some(text.into())
}

/// What the dynamic loader would say of a file that is no library.
fn unloadable(path: &Path, argument: &[u8]) -> Option<Complaint> {
    let mut head = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(64).read_to_end(&mut head).ok()?;
    let why = match head.starts_with(b"\x7fELF") {
        true => return None,
        false if head.len() < 64 => "file too short",
        false => "invalid ELF header",
    };
    Some(format!("Cannot load {} into server: {}: {why}", argument.as_bstr(), path.display()).into())
}

fn load_module(cx: &mut Cx<'_>, ident: Word<'_>, file: Word<'_>) -> Outcome {
    let path = cx.server_root_relative(file);
    let (file_at, line) = (BString::from(cx.file), cx.line);
    let loaded = cx.reading(|reader| {
        reader.commands.modules().iter().copied().find(|m| m.ident().as_bytes() == ident.as_bytes())
    })?;
    let known =
        cx.reading(|reader| reader.registry.iter().copied().find(|m| m.ident().as_bytes() == ident.as_bytes()))?;
    match loaded {
        Some(module) if module.is_static() => {
            if let Some(complaint) = unopenable(&path, file).filter(|_| !module.name().starts_with("mod_")) {
                return Err(complaint);
            }
            return Err(format!("module {ident} is built-in and can't be loaded").into());
        }
        Some(_) => {
            cx.warn(Level::Warn, format!("AH01574: module {ident} is already loaded, skipping"));
            return Ok(());
        }
        None => {}
    }
    let base = file.rsplit_str("/").next().unwrap_or_default();
    let own = known.filter(|module| module.file_name().as_bytes() == base);
    let Some(module) = own else {
        if let Some(complaint) = unopenable(&path, file) {
            return Err(complaint);
        }
        if let Some(complaint) = unloadable(&path, file) {
            return Err(complaint);
        }
        // The file of one of our own modules, under another's name; or nothing that we have.
        let ours = cx.reading(|reader| reader.registry.iter().any(|m| m.file_name().as_bytes() == base))?;
        let shown = path.display();
        return Err(match ours || known.is_some() {
            true => format!(
                "Can't locate API module structure `{ident}' in file {shown}: {shown}: undefined symbol: {ident}"
            ),
            false => format!(
                "Pinion has no module {ident} and cannot run the code in {shown} (LoadModule on line {line} of \
                 {file_at}). Comment the line out, or wrap what needs the module in <IfModule {ident}>."
            ),
        }
        .into());
    };
    cx.process.loaded.push((module.ident(), false));
    cx.warn(Level::Debug, format!("AH01575: loaded module {ident} from {}", path.display()));
    cx.reading(|reader| reader.commands.add(module))
}

fn load_file(cx: &mut Cx<'_>, file: Word<'_>) -> Outcome {
    let path = cx.server_root_relative(file);
    match unopenable(&path, file) {
        Some(complaint) => Err(complaint),
        None => Ok(()),
    }
}
