//! mod_dumpio: everything that goes over connections, in the error log: DumpIOInput, DumpIOOutput.
//!
//! No hooks: the wire code tells the provider `dumpio` what it reads and writes. Lines of input are told one by one, as
//! Apache reads them; output as it is written. Manual: mod/mod_dumpio.html.

use crate::config::*;
use crate::log::{Level, raw};
use crate::module::{Dump, Hooks, Linked, Module};
use crate::request::Connection;
use bstr::ByteSlice;

pub static MODULE: Module = Module {
    name: "mod_dumpio.c",
    ident: "dumpio_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<DumpServer>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    flag("DumpIOInput", SERVER, NO_OVERRIDE, input, "Enable I/O Dump on Input Data"),
    flag("DumpIOOutput", SERVER, NO_OVERRIDE, output, "Enable I/O Dump on Output Data"),
];

/// The module's settings of a server. A host with any of its own inherits none.
#[derive(Clone, Default)]
pub struct DumpServer {
    input: bool,
    output: bool,
}

impl Settings for DumpServer {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn input(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<DumpServer>().input = on;
    Ok(())
}

fn output(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<DumpServer>().output = on;
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn Dump>("dumpio", &Log);
}

const LEVEL: Level = Level::Trace7;
/// Octets of one line of the log at most.
const EXCERPT: usize = 4096;

struct Log;

impl Dump for Log {
    fn wants(&self, connection: &Connection) -> (bool, bool) {
        let settings = connection.base.settings.of::<DumpServer>();
        let heard = (settings.input || settings.output) && connection.logs(LEVEL, "dumpio");
        (heard && settings.input, heard && settings.output)
    }
    fn came(&self, connection: &Connection, how: &str, octets: &[u8]) {
        let lines: Vec<&[u8]> = match how {
            "getline" => octets.lines_with_terminator().collect(),
            _ => vec![octets],
        };
        for line in lines {
            let asked = if how == "getline" { 0 } else { line.len() };
            let text = format_args!("mod_dumpio: dumpio_in [{how}-blocking] {asked} readbytes");
            connection.log(LEVEL, "dumpio", text);
            dump(connection, "dumpio_in", line);
        }
    }
    fn goes(&self, connection: &Connection, octets: &[u8]) {
        connection.log(LEVEL, "dumpio", format_args!("mod_dumpio: dumpio_out"));
        dump(connection, "dumpio_out", octets);
    }
}

fn dump(connection: &Connection, way: &str, octets: &[u8]) {
    let text = format_args!("mod_dumpio:  {way} (data-HEAP): {} bytes", octets.len());
    connection.log(LEVEL, "dumpio", text);
    for part in octets.chunks(EXCERPT) {
        let text = format_args!("mod_dumpio:  {way} (data-HEAP): {}", raw(part));
        connection.log(LEVEL, "dumpio", text);
    }
}
