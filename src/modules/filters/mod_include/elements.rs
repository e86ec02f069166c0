//! What the elements do.

use super::codes;
use super::page::{Inclusion, Page, Work, mark};
use super::parse::{Attribute, Element};
use super::variables::{self, Unset};
use crate::log::Level;
use crate::module::ExecElement;
use crate::request::{Body, FileInfo, FileKind, Request, Status};
use crate::server::{self, KeptBody, escape};
use bstr::{BStr, BString, ByteSlice};
use std::fmt::Arguments;

pub(super) fn complain(r: &Request, text: Arguments<'_>) {
    r.log(Level::Error, "include", text);
}

/// Attributes up to the first without a value.
fn valued(attributes: &[Attribute]) -> impl Iterator<Item = (&BStr, &BStr)> {
    attributes.iter().map_while(|attribute| Some((attribute.name.as_bstr(), attribute.value.as_ref()?.as_bstr())))
}

impl Page {
    pub(super) async fn element(&mut self, r: &mut Request, element: Element) {
        let attributes = element.attributes;
        match element.name.as_slice() {
            b"if" => self.condition(r, &attributes, false),
            b"elif" => self.condition(r, &attributes, true),
            b"else" => self.branch_without(r, &attributes, "AH01360: else"),
            b"endif" => self.branch_without(r, &attributes, "AH01361: endif"),
            b"comment" => {}
            b"config" => self.config(r, &attributes),
            b"echo" => self.echo(r, &attributes),
            b"fsize" => self.file_facts(r, &attributes, "fsize").await,
            b"flastmod" => self.file_facts(r, &attributes, "flastmod").await,
            b"include" => {
                if self.wanted(r, &attributes, 1, "AH01341: missing argument for include element in") {
                    (self.steps, self.work) = (attributes.into(), Work::Include);
                }
            }
            b"printenv" => self.print_environment(r, &attributes),
            b"set" => self.set(r, &attributes),
            name => {
                let exec = r.configuration.providers.find::<dyn ExecElement>(b"exec").filter(|_| name == b"exec");
                if let Some(exec) = exec {
                    return self.exec(r, attributes, exec);
                }
                let name = name.as_bstr();
                complain(
                    r,
                    format_args!(
                        "AH01371: unknown directive \"{name}\" in parsed doc {}",
                        crate::log::raw(&r.filename)
                    ),
                );
                if self.state.printing {
                    self.fail();
                }
            }
        }
    }

    /// Whether an element is to be worked out: it has attributes enough and stands in a branch that holds.
    fn wanted(&mut self, r: &Request, attributes: &[Attribute], least: usize, missing: &str) -> bool {
        let enough = attributes.len() >= least;
        if !enough {
            r.log(self.level(), "include", format_args!("{missing} {}", crate::log::raw(&r.filename)));
        }
        if self.state.printing && !enough {
            self.fail();
        }
        self.state.printing && enough
    }

    fn config(&mut self, r: &mut Request, attributes: &[Attribute]) {
        if !self.wanted(r, attributes, 1, "AH01347: missing argument for config element in") {
            return;
        }
        for (name, value) in valued(attributes) {
            let text = self.state.expand(r, value, Unset::Drop);
            match name.as_bytes() {
                b"errmsg" => self.state.error_message = text,
                b"echomsg" => self.state.undefined_echo = text,
                b"timefmt" => {
                    variables::settle_times(r, &text);
                    self.state.time_format = text;
                }
                b"sizefmt" if text == "bytes" => self.state.exact_sizes = true,
                b"sizefmt" if text == "abbrev" => self.state.exact_sizes = false,
                b"sizefmt" => {
                    let file = &r.filename;
                    let text = format_args!(
                        "AH01348: unknown value \"{text}\" to parameter \"sizefmt\" of tag config in {file}"
                    );
                    complain(r, text);
                    return self.fail();
                }
                _ => {
                    let text = format_args!(
                        "AH01349: unknown parameter \"{name}\" to tag config in {}",
                        crate::log::raw(&r.filename)
                    );
                    complain(r, text);
                    return self.fail();
                }
            }
        }
    }

    /// Strips and puts on encodings; the numbers are those of complaints. None: one is unknown.
    fn recode(
        &mut self,
        r: &Request,
        text: BString,
        codes: (&BStr, &BStr),
        tags: (&str, &str),
        element: &str,
    ) -> Option<BString> {
        let file = &r.filename;
        let unknown = |code: &[u8], tag: &str, parameter: &str| {
            let code = code.as_bstr();
            let text =
                format_args!("{tag}: unknown value \"{code}\" to parameter \"{parameter}\" of tag {element} in {file}");
            complain(r, text);
        };
        let plain = codes::decode(text, codes.0).map_err(|code| unknown(code, tags.0, "decoding")).ok()?;
        codes::encode(plain, codes.1).map_err(|code| unknown(code, tags.1, "encoding")).ok()
    }

    fn echo(&mut self, r: &mut Request, attributes: &[Attribute]) {
        if !self.wanted(r, attributes, 1, "AH01343: missing argument for echo element in") {
            return;
        }
        let (mut decoding, mut encoding) = (BStr::new("none"), BStr::new("entity"));
        for (name, value) in valued(attributes) {
            match name.as_bytes() {
                b"var" => {
                    let variable = self.state.expand(r, codes::decode_entities(value).as_bstr(), Unset::Drop);
                    let Some(value) = self.state.lookup(r, variable.as_bstr()) else {
                        let undefined = self.state.undefined_echo.clone();
                        self.write(&undefined);
                        continue;
                    };
                    let tags = ("AH01344", "AH01345");
                    match self.recode(r, value, (decoding, encoding), tags, "echo") {
                        Some(text) => self.write(&text),
                        None => return self.fail(),
                    }
                }
                b"decoding" => decoding = value,
                b"encoding" => encoding = value,
                _ => {
                    complain(
                        r,
                        format_args!(
                            "AH01346: unknown parameter \"{name}\" in tag echo of {}",
                            crate::log::raw(&r.filename)
                        ),
                    );
                    return self.fail();
                }
            }
        }
    }

    fn set(&mut self, r: &mut Request, attributes: &[Attribute]) {
        if !self.wanted(r, attributes, 2, "AH01362: missing argument for set element in") {
            return;
        }
        let (mut decoding, mut encoding) = (BStr::new("none"), BStr::new("none"));
        let mut variable = None;
        for (name, value) in valued(attributes) {
            match (name.as_bytes(), &variable) {
                (b"var", _) => variable = Some(self.state.expand(r, value, Unset::Drop)),
                (b"decoding", _) => decoding = value,
                (b"encoding", _) => encoding = value,
                (b"value", None) => {
                    complain(
                        r,
                        format_args!(
                            "AH01363: variable must precede value in set directive in {}",
                            crate::log::raw(&r.filename)
                        ),
                    );
                    return self.fail();
                }
                (b"value", Some(variable)) => {
                    let text = self.state.expand(r, value, Unset::Drop);
                    let tags = ("AH01364", "AH01365");
                    match self.recode(r, text, (decoding, encoding), tags, "set") {
                        Some(text) => r.env.set(variable, text),
                        None => return self.fail(),
                    }
                }
                _ => {
                    complain(
                        r,
                        format_args!("AH01366: Invalid tag for set directive in {}", crate::log::raw(&r.filename)),
                    );
                    return self.fail();
                }
            }
        }
    }

    fn print_environment(&mut self, r: &mut Request, attributes: &[Attribute]) {
        if !attributes.is_empty() {
            let text =
                format_args!("AH01367: printenv directive does not take tags in {}", crate::log::raw(&r.filename));
            r.log(self.level(), "include", text);
        }
        if !self.state.printing {
            return;
        }
        if !attributes.is_empty() {
            return self.fail();
        }
        for name in variables::LATE {
            variables::settle(r, name.into(), &self.state.time_format);
        }
        for (name, value) in r.env.iter() {
            self.write(&escape::html(name));
            self.write(b"=");
            self.write(&escape::html(value));
            self.write(b"\n");
        }
    }

    /// `fsize` and `flastmod`.
    async fn file_facts(&mut self, r: &mut Request, attributes: &[Attribute], element: &str) {
        let missing = if element == "fsize" { "AH01350" } else { "AH01351" };
        if !self.wanted(r, attributes, 1, &format!("{missing}: missing argument for {element} element in")) {
            return;
        }
        for (name, value) in valued(attributes) {
            let path = self.state.expand(r, codes::decode_entities(value).as_bstr(), Unset::Drop);
            let Some(facts) = facts(r, name, path.as_bstr(), element).await else { return self.fail() };
            if element == "flastmod" {
                let time = variables::time(&self.state.time_format, facts.mtime, false);
                self.write(&time);
            } else if self.state.exact_sizes {
                self.write(grouped(facts.size).as_bytes());
            } else {
                self.write(server::short_size(Some(facts.size)).as_bytes());
            }
        }
    }

    /// Does the next attribute of an `include` or `exec`.
    pub(super) async fn step(&mut self, r: &mut Request) {
        let done = match self.steps.pop_front() {
            Some(Attribute { name, value: Some(value) }) => {
                let plain = codes::decode_entities(&value);
                match self.work {
                    Work::Include => self.include_step(r, name.as_bstr(), plain.as_bstr()).await,
                    Work::Exec(element) => {
                        self.failed = self.exec_step(r, element, name.as_bstr(), plain.as_bstr()).await.is_none();
                        self.failed
                    }
                }
            }
            _ => true,
        };
        if done {
            self.steps.clear();
        }
        if self.steps.is_empty() && std::mem::take(&mut self.failed) {
            self.fail();
        }
    }

    /// True: the attributes behind this one do not count.
    async fn include_step(&mut self, r: &mut Request, name: &BStr, value: &BStr) -> bool {
        if !["virtual", "file", "onerror"].iter().any(|known| name == known) {
            complain(
                r,
                format_args!(
                    "AH01342: unknown parameter \"{name}\" to tag include in {}",
                    crate::log::raw(&r.filename)
                ),
            );
            self.fail();
            return true;
        }
        let target = self.state.expand(r, value, Unset::Drop);
        // Behind a failure a `virtual` waits for what rescues it; a `file` is tried all the same.
        let rescues = name == "onerror";
        if name != "file" && rescues != self.failed {
            return false;
        }
        match self.document(r, name, target.as_bstr()).await {
            Ok(inclusion) => {
                self.failed = false;
                self.include(inclusion);
                false
            }
            Err(text) => {
                if let Some(text) = text {
                    complain(r, format_args!("{text}"));
                }
                self.failed = true;
                rescues
            }
        }
    }

    async fn document(&mut self, r: &mut Request, name: &BStr, target: &BStr) -> Result<Inclusion, Option<String>> {
        let file = r.filename.clone();
        let mut sub = if name == "file" {
            let Some(path) = below(target) else {
                let text = format_args!("unable to include file \"{target}\" in parsed file {file}");
                r.log_errno(Level::Error, "include", ABOVE_ROOT, text);
                return Err(None);
            };
            server::lookup_file(r, &path).await
        } else {
            // A body that was kept is there for the document too, which then answers the same method.
            let method = if r.extensions.of::<KeptBody>().is_some() { r.method.name.clone() } else { "GET".into() };
            server::lookup_method_uri(r, &method, target).await
        };
        server::pass_body_on(r, &mut sub);
        let (status, shown) = (sub.status, format!("\"{target}\" in parsed file {file}"));
        if status != Status::OK {
            return Err(Some(format!("unable to include {shown}, subrequest setup returned {}", status.0)));
        }
        let text = sub.content_type.as_ref().is_none_or(|kind| kind.starts_with(b"text/"));
        if !self.state.may_execute && !text {
            return Err(Some(format!("unable to include potential exec {shown}, content type not text/*")));
        }
        mark(r, &mut sub);
        match server::run_sub(r, &mut sub).await {
            Ok(body) => Ok(Inclusion { body, sub: Some(sub) }),
            Err(status) => Err(Some(format!("unable to include {shown}, subrequest returned {}", status.0))),
        }
    }

    fn exec(&mut self, r: &Request, attributes: Vec<Attribute>, element: &'static dyn ExecElement) {
        let (module, file) = (element.module(), &r.filename);
        if attributes.is_empty() {
            r.log(self.level(), module, format_args!("AH03195: missing argument for exec element in {file}"));
        }
        if !self.state.printing {
            return;
        }
        if attributes.is_empty() {
            return self.fail();
        }
        if !self.state.may_execute {
            r.log(Level::Error, module, format_args!("AH01228: exec used but not allowed in {file}"));
            return self.fail();
        }
        (self.steps, self.work) = (attributes.into(), Work::Exec(element));
    }

    async fn exec_step(
        &mut self,
        r: &mut Request,
        element: &'static dyn ExecElement,
        name: &BStr,
        value: &BStr,
    ) -> Option<()> {
        let file = r.filename.clone();
        let complain = |r: &Request, text: Arguments<'_>| r.log(Level::Error, element.module(), text);
        let inclusion = match name.as_bytes() {
            b"cmd" => {
                let command = self.state.expand(r, value, Unset::Leave);
                script_variables(r).await;
                let body = element.command(r, command.as_bstr()).await;
                if body.is_none() {
                    let text =
                        format_args!("AH01229: execution failure for parameter \"{name}\" to tag exec in file {file}");
                    complain(r, text);
                }
                Inclusion { body: body?, sub: None }
            }
            b"cgi" => {
                let target = self.state.expand(r, value, Unset::Drop);
                let inclusion = script(r, &target).await;
                if inclusion.is_none() {
                    complain(r, format_args!("AH01230: invalid CGI ref \"{value}\" in {file}"));
                }
                inclusion?
            }
            _ => {
                complain(r, format_args!("AH01231: unknown parameter \"{name}\" to tag exec in {file}"));
                return None;
            }
        };
        self.include(inclusion);
        Some(())
    }
}

/// What a command learns of the path behind the document.
async fn script_variables(r: &mut Request) {
    if !r.path_info.is_empty() {
        let target = escape::uri(&r.path_info);
        r.env.set("PATH_INFO", target.clone());
        let there = server::lookup_uri(r, &target).await;
        if !there.filename.is_empty() {
            r.env.set("PATH_TRANSLATED", [there.filename.as_slice(), &there.path_info].concat());
        }
    }
    variables::set_query(r);
}

/// Runs a script with the path and the query of the document. None: that is no script.
async fn script(r: &mut Request, target: &[u8]) -> Option<Inclusion> {
    let mut sub = server::lookup_uri(r, target).await;
    let plain = sub.path_info.is_empty() && sub.args.is_none() && sub.finfo.kind == FileKind::File;
    if sub.status != Status::OK || !plain {
        return None;
    }
    sub.path_info = r.path_info.clone();
    sub.args = r.args.clone();
    sub.set_content_type(CGI_TYPE);
    sub.handler.get_or_insert_with(|| CGI_TYPE.into());
    let body = match server::run_sub(r, &mut sub).await {
        Ok(body) => body,
        Err(status) => match sub.headers_out.get("Location").filter(|_| status.is_redirect()) {
            Some(location) => {
                let location = escape::html(location);
                Body::from(format!("<a href=\"{location}\">{location}</a>").into_bytes())
            }
            None => Body::Empty,
        },
    };
    Some(Inclusion { body, sub: Some(sub) })
}

/// The media type that makes anything a script.
const CGI_TYPE: &str = "application/x-httpd-cgi";

/// Error number of the portable runtime: a path that leads above its root.
const ABOVE_ROOT: i32 = 20023;

/// A path relative to the document's directory that stays below it. None: it does not.
fn below(path: &[u8]) -> Option<BString> {
    let mut parts: Vec<&[u8]> = Vec::new();
    if path.starts_with(b"/") || path.contains(&0) {
        return None;
    }
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b".." => drop(parts.pop()?),
            b"" | b"." => {}
            _ => parts.push(part),
        }
    }
    let slash = if path.ends_with(b"/") && !parts.is_empty() { &b"/"[..] } else { b"" };
    Some([bstr::join("/", parts).as_slice(), slash].concat().into())
}

/// What is known of the file that an attribute names. None: nothing, which the log says.
async fn facts(r: &mut Request, name: &BStr, path: &BStr, element: &str) -> Option<FileInfo> {
    let file = r.filename.clone();
    let (sub, tag) = match name.as_bytes() {
        b"file" => {
            let Some(path) = below(path) else {
                let text = format_args!("AH02668: unable to access file \"{path}\" in parsed file {file}");
                r.log_errno(Level::Error, "include", ABOVE_ROOT, text);
                return None;
            };
            (server::lookup_file(r, &path).await, "AH02670: unable to lookup information about")
        }
        b"virtual" => (server::lookup_uri(r, path).await, "AH01339: unable to get information about"),
        _ => {
            complain(r, format_args!("AH01340: unknown parameter \"{name}\" to tag {element} in {file}"));
            return None;
        }
    };
    if sub.status == Status::OK && sub.finfo.kind != FileKind::None {
        return Some(sub.finfo);
    }
    complain(r, format_args!("{tag} \"{path}\" in parsed file {file}"));
    None
}

/// A number with commas between its thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below() {
        for (path, merged) in [("a/../b//c/./d", Some("b/c/d")), ("a/", Some("a/")), ("../a", None), ("/a", None)] {
            assert_eq!(below(path.as_bytes()), merged.map(BString::from), "{path}");
        }
    }

    #[test]
    fn thousands() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
