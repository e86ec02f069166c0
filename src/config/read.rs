//! The reading pass: files become logical lines, lines a tree. Directives that act while reading (`LoadModule`,
//! `Define`, `Include`, `<IfModule>`, `Use` ...) run here, in the order of the files; their rows carry ON_READ and act
//! upon the [`Reader`]. The tree that is left is executed by `walk`.
//!
//! Manual: configuring.html, sections.html.

use super::{
    At, Commands, Complaint, Cx, MpmKind, ON_READ, Outcome, Permit, Place, Process, Providers, Refused, Registered,
    Row, Server, SettingsVec, Trouble, Warning, call, no_children,
};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::{Command, Lines};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Includes within includes that are followed.
const INCLUDE_DEPTH: u32 = 128;
/// Sections within sections that are followed; deeper nesting would cost stack.
const SECTION_DEPTH: u32 = 100;

/// A directive of the tree.
#[derive(Clone, Debug)]
pub struct Node {
    /// As written, a section's with its `<` and without its `>`.
    pub name: BString,
    /// The rest of the line; a section's with its `>`.
    pub args: BString,
    pub file: Arc<BString>,
    pub line: u32,
    pub children: Vec<Node>,
}

/// Text that lines are taken from.
struct Source {
    name: Arc<BString>,
    lines: std::vec::IntoIter<(u32, BString)>,
    /// Number of the line taken last.
    line: u32,
    /// Whose end is not an end: the lines of what is below follow, as after those of a macro.
    within: bool,
    /// The last line has no line end.
    ragged: bool,
    /// The lines of something within came last.
    behind: bool,
}

impl Source {
    fn new(name: BString, lines: Vec<(u32, BString)>) -> Source {
        let lines = lines.into_iter();
        Source { name: Arc::new(name), lines, line: 0, within: false, ragged: false, behind: false }
    }
}

/// A macro's text, kept between `<Macro>` and `Use`; mod_macro gives it meaning.
#[derive(Clone, Debug)]
pub struct MacroText {
    /// Lower case.
    pub name: BString,
    pub arguments: Vec<BString>,
    /// Lines with their numbers within the macro, from 1.
    pub lines: Vec<(u32, BString)>,
    /// `defined on line 1 of "F"`.
    pub location: BString,
}

/// What the command line asks the reader for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// ServerRoot at first (`-d`).
    pub server_root: PathBuf,
    /// `-f`, or its default; relative to ServerRoot.
    pub file: BString,
    /// The text of a configuration that is not a file; instead of `file`.
    pub text: Option<Vec<u8>>,
    /// `-C`.
    pub before: Vec<BString>,
    /// `-c`.
    pub after: Vec<BString>,
    /// `-D`.
    pub defines: Vec<BString>,
    /// `-T`.
    pub any_document_root: bool,
    /// Whether complaints are gathered in [`Process::complaints`].
    pub gather: bool,
}

/// A file that was read, for `-t -D DUMP_INCLUDES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    pub file: BString,
    /// Line of the Include; 0 for the main file.
    pub line: u32,
    pub depth: u32,
}

/// The tree with everything that reading it settled.
pub struct Tree {
    pub nodes: Vec<Node>,
    pub commands: Commands,
    pub process: Process,
    pub warnings: Vec<Warning>,
    pub included: Vec<Included>,
}

/// See the module text.
pub struct Reader {
    pub commands: Commands,
    pub process: Process,
    pub warnings: Vec<Warning>,
    pub macros: Vec<MacroText>,
    /// Whether a macro was ever defined.
    pub macros_known: bool,
    /// Everything that LoadModule could switch on.
    pub registry: Vec<&'static dyn Registered>,
    pub included: Vec<Included>,
    sources: Vec<Source>,
    /// The lists that directives go to, innermost last.
    out: Vec<Vec<Node>>,
    includes: u32,
    /// Directories within directories of one `Include`.
    directories: u32,
    sections: u32,
    place: Place,
    permit: Permit,
}

/// Reads the configuration.
pub fn read(request: &Request, registry: Vec<&'static dyn Registered>) -> Result<Tree, Box<Refused>> {
    let mut reader = Reader::new(registry, request.server_root.clone());
    for module in reader.registry.clone().into_iter().filter(|module| module.is_static()) {
        reader.commands.add(module);
        reader.process.loaded.push((module.ident(), true));
    }
    reader.process.complaints = request.gather.then(Vec::new);
    reader.process.any_document_root = request.any_document_root;
    reader.process.defines = request.defines.iter().map(|name| (name.clone(), None)).collect();
    match reader.all(request) {
        Ok(()) => Ok(Tree {
            nodes: reader.out.pop().unwrap_or_default(),
            commands: reader.commands,
            process: reader.process,
            warnings: reader.warnings,
            included: reader.included,
        }),
        Err(trouble) => Err(Box::new(Refused {
            mpm: reader.process.mpm,
            trouble,
            warnings: reader.warnings,
            included: reader.included,
            complaints: reader.process.complaints.unwrap_or_default(),
        })),
    }
}

impl Reader {
    fn new(registry: Vec<&'static dyn Registered>, server_root: PathBuf) -> Reader {
        // What an earlier reading has set counts no more.
        crate::sys::regex::default_flags(Default::default());
        Reader {
            commands: Commands::default(),
            process: Process { server_root, ..Process::default() },
            warnings: Vec::new(),
            macros: Vec::new(),
            macros_known: false,
            registry,
            included: Vec::new(),
            sources: Vec::new(),
            out: vec![Vec::new()],
            includes: 0,
            directories: 0,
            sections: 0,
            place: Place::Main,
            permit: Permit::default(),
        }
    }

    fn all(&mut self, request: &Request) -> Result<(), Trouble> {
        self.command_line(&request.before)?;
        match &request.text {
            Some(text) => {
                let name = request.file.clone();
                self.text(name, text).map_err(|trouble| Trouble::Read(located(trouble)))?;
            }
            None => {
                let path = self.process.server_root.join(request.file.to_path_lossy());
                self.process.config_file = path.clone();
                let path = BString::from(<[u8]>::from_path(&path).unwrap_or_default());
                self.resource(path.as_ref(), false).map_err(|trouble| Trouble::Read(located(trouble)))?;
            }
        }
        let mut kinds = self.commands.modules().iter().filter_map(|module| module.mpm());
        self.process.mpm = match (kinds.next(), kinds.next()) {
            (None, _) => return Err(Trouble::Mpm("No MPM loaded.")),
            (Some(kind), None) => Some(kind),
            _ => return Err(Trouble::Mpm("More than one MPM loaded.")),
        };
        self.command_line(&request.after)
    }

    fn command_line(&mut self, lines: &[BString]) -> Result<(), Trouble> {
        if lines.is_empty() {
            return Ok(());
        }
        let lines = lines.iter().enumerate().map(|(at, line)| (at as u32 + 1, line.trim().into())).collect();
        self.source(Source::new("-c/-C directives".into(), lines)).map_err(|trouble| {
            let mut text = BString::from("Syntax error in -C/-c directive: ");
            text.extend_from_slice(&trouble.text());
            Trouble::Read(text)
        })
    }

    /// Reads a file, or every file below a directory in the order of names. An optional one may be missing, or a link to
    /// nowhere.
    fn resource(&mut self, path: &BStr, optional: bool) -> Outcome {
        let at = path.to_path_lossy();
        if optional && !at.exists() {
            return Ok(());
        }
        if self.includes > 0 && at.is_dir() && !path.is_empty() {
            return self.directory(&at, optional);
        }
        let text = read_file(&at, &mut self.warnings).map_err(|error| {
            let mut text = BString::from("Could not open configuration file ");
            text.extend_from_slice(path);
            text.extend_from_slice(format!(": {}", os_text(&error)).as_bytes());
            Complaint::Text(text)
        })?;
        self.note(path);
        self.text(path.into(), &text)
    }

    fn directory(&mut self, dir: &Path, optional: bool) -> Outcome {
        if self.directories > INCLUDE_DEPTH {
            return Err(too_deep("Directory", dir, INCLUDE_DEPTH));
        }
        for name in names_in(dir).map_err(|error| {
            let mut text = BString::from("Could not open config directory ");
            text.extend_from_slice(<[u8]>::from_path(dir).unwrap_or_default());
            text.extend_from_slice(format!(": {}", os_text(&error)).as_bytes());
            Complaint::Text(text)
        })? {
            let path = join(dir, &name);
            self.directories += 1;
            let done = self.resource(path.as_ref(), optional);
            self.directories -= 1;
            done?;
        }
        Ok(())
    }

    fn note(&mut self, path: &BStr) {
        let line = if self.includes == 0 { 0 } else { self.sources.last().map_or(0, |source| source.line) };
        self.included.push(Included { file: path.into(), line, depth: self.sources.len() as u32 });
    }

    /// Reads the lines of one file; its errors name it.
    fn text(&mut self, name: BString, text: &[u8]) -> Outcome {
        let mut lines = Vec::new();
        for line in Lines::new(text) {
            if line.too_long {
                let mut text = BString::from("Error reading ");
                text.extend_from_slice(&name);
                text.extend_from_slice(format!(" at line {}: Line too long", line.number).as_bytes());
                return Err(Complaint::Text(text));
            }
            lines.push((line.number as u32, line.text.into_owned()));
        }
        self.source(Source { ragged: text.last().is_some_and(|last| *last != b'\n'), ..Source::new(name, lines) })
    }

    fn source(&mut self, source: Source) -> Outcome {
        self.sources.push(source);
        let depth = self.sources.len();
        let done = self.lines(None);
        self.sources.truncate(depth - 1);
        done
    }

    /// Has prepared lines follow as though they stood here; errors name `name`.
    pub fn insert(&mut self, name: BString, lines: Vec<(u32, BString)>) {
        self.sources.push(Source { within: true, ..Source::new(name, lines) });
    }

    /// The next line as it stands: number and text.
    pub fn next_line(&mut self) -> Option<(u32, BString)> {
        loop {
            let source = self.sources.last_mut()?;
            let behind = std::mem::take(&mut source.behind);
            match source.lines.next() {
                // Apache loses the last line of a file that has no line end where a macro's lines came before it.
                Some(_) if behind && source.ragged && source.lines.len() == 0 => {}
                Some((line, text)) => {
                    source.line = line;
                    return Some((line, text));
                }
                None if source.within => {
                    self.sources.pop();
                    if let Some(below) = self.sources.last_mut() {
                        below.behind = true;
                    }
                }
                None => return None,
            }
        }
    }

    /// The file that lines are taken from.
    pub fn file(&self) -> Arc<BString> {
        self.sources.last().map(|source| source.name.clone()).unwrap_or_default()
    }

    /// Takes the lines of a section whose condition holds into the tree, as though its brackets were not there.
    pub fn keep(&mut self, name: &str) -> Outcome {
        self.deeper()?;
        let done = self.lines(Some(name));
        self.sections -= 1;
        done
    }

    fn deeper(&mut self) -> Outcome {
        if self.sections >= SECTION_DEPTH {
            return Err(format!("Sections are nested deeper than {SECTION_DEPTH} levels").into());
        }
        self.sections += 1;
        Ok(())
    }

    /// Passes over the lines of a section whose condition does not hold. A name that more stands behind has its bracket in
    /// it, and a closing one loses its last letter whatever that is: so are the names in complaints.
    pub fn skip(&mut self, name: &str) -> Outcome {
        let mut open = vec![BString::from(name)];
        while let Some((_, line)) = self.next_line() {
            let (word, rest) = httpd_conf::next_word(&line);
            let Some(inner) = word.strip_prefix(b"<") else { continue };
            let Some(closing) = inner.strip_prefix(b"/") else {
                let whole = rest.is_empty().then(|| inner.strip_suffix(b">")).flatten();
                open.push(whole.unwrap_or(inner).into());
                continue;
            };
            let closing = closing.split_last().map_or(b"".as_slice(), |(_, name)| name);
            let last = open.last().map(|name| &name[..]).unwrap_or_default();
            if !closing.eq_ignore_ascii_case(last) {
                return Err(Complaint::Text(joined(&[b"Expected </", last, b"> but saw </", closing, b">"])));
            }
            open.pop();
            if open.is_empty() {
                return Ok(());
            }
        }
        let last = open.pop().unwrap_or_default();
        Err(Complaint::Text(joined(&[b"Expected </", &last, b"> before end of configuration"])))
    }

    /// Reads up to the source's end, or to `</closer>` outside of any section opened here.
    fn lines(&mut self, closer: Option<&str>) -> Outcome {
        let mut open: Vec<Node> = Vec::new();
        let depth = self.out.len();
        let done = self.lines_into(closer, &mut open);
        self.sections -= open.len() as u32;
        self.out.truncate(depth);
        done
    }

    fn lines_into(&mut self, closer: Option<&str>, open: &mut Vec<Node>) -> Outcome {
        while let Some((line, raw)) = self.next_line() {
            if matches!(raw.first(), None | Some(b'#')) {
                continue;
            }
            if let (Some(closer), true) = (closer, open.is_empty())
                && let Command::Close { name, closed: true, .. } = Command::split(&raw)
                && name.eq_ignore_ascii_case(closer.as_bytes())
            {
                return Ok(());
            }
            let file = self.file();
            let at = || At { file: file.as_ref().clone(), line };
            let text = self.expand(&raw);
            let (name, args) = match Command::split(&text) {
                Command::Close { name, closed, .. } => {
                    let done = self.close(&name, closed, open).map_err(|complaint| complaint.at(at()));
                    self.process.complain(done)?;
                    continue;
                }
                Command::Open { name, args, .. } => {
                    let args = if args.is_empty() { BStr::new(">") } else { args };
                    (joined(&[b"<", &name]), args)
                }
                Command::Directive { name, args } => {
                    let name = name.strip_suffix(b">").unwrap_or(&name);
                    (BString::from(name), args)
                }
            };
            if let Some(row) =
                self.commands.find(&name).first().copied().filter(|row| row.directive.contexts.has(ON_READ))
            {
                let done = self.execute(row, name.as_ref(), args, line).map_err(|complaint| complaint.at(at()));
                let section = name.strip_prefix(b"<").filter(|_| done.is_err());
                self.process.complain(done)?;
                if let Some(section) = section {
                    // Only where complaints are gathered: the lines of a section that was not entered.
                    self.skip(&section.to_str_lossy())?;
                }
                continue;
            }
            let node = Node { args: args.into(), name, file: file.clone(), line, children: Vec::new() };
            if node.name.first() == Some(&b'<') {
                self.deeper().map_err(|complaint| complaint.at(at()))?;
                open.push(node);
                self.out.push(Vec::new());
            } else if let Some(list) = self.out.last_mut() {
                list.push(node);
            }
        }
        let done = self.unclosed(open);
        self.process.complain(done)?;
        while let Some(mut node) = open.pop() {
            self.sections -= 1;
            node.children = self.out.pop().unwrap_or_default();
            if let Some(list) = self.out.last_mut() {
                list.push(node);
            }
        }
        Ok(())
    }

    fn unclosed(&mut self, open: &[Node]) -> Outcome {
        let Some(first) = open.first() else { return Ok(()) };
        let mut text = BString::default();
        for node in open.iter().rev() {
            if !text.is_empty() {
                text.push(b'\n');
            }
            text.extend_from_slice(&node.file);
            text.extend_from_slice(format!(":{}: ", node.line).as_bytes());
            text.extend_from_slice(&node.name);
            text.extend_from_slice(b"> was not closed.");
        }
        Err(Complaint::At(At { file: first.file.as_ref().clone(), line: first.line }, text))
    }

    fn close(&mut self, name: &BStr, closed: bool, open: &mut Vec<Node>) -> Outcome {
        let bracket: &[u8] = if closed { b">" } else { b"" };
        let Some(top) = open.last() else {
            return Err(Complaint::Text(joined(&[
                b"</",
                name,
                bracket,
                b" without matching <",
                name,
                bracket,
                b" section",
            ])));
        };
        if !closed {
            return Err(Complaint::Text(joined(&[b"</", name, b"> directive missing closing '>'"])));
        }
        let expected = top.name.get(1..).unwrap_or_default();
        if !expected.eq_ignore_ascii_case(name) {
            return Err(Complaint::Text(joined(&[b"Expected </", expected, b"> but saw </", name, b">"])));
        }
        self.sections -= 1;
        if let (Some(mut node), Some(children)) = (open.pop(), self.out.pop()) {
            node.children = children;
            if let Some(list) = self.out.last_mut() {
                list.push(node);
            }
        }
        Ok(())
    }

    fn expand(&mut self, raw: &BString) -> BString {
        let process = &self.process;
        let expanded = httpd_conf::expand(raw, |name| lookup(process, name));
        for name in &expanded.undefined {
            let mut text = BString::from("AH00111: Config variable ${");
            text.extend_from_slice(name);
            text.extend_from_slice(b"} is not defined");
            self.warnings.push(Warning { hidden: false, module: "core", level: crate::log::Level::Warn, text });
        }
        expanded.text.into_owned()
    }

    /// Runs the setter of an ON_READ row upon this reader.
    fn execute(&mut self, row: Row, name: &BStr, args: &BStr, line: u32) -> Outcome {
        let file = self.file();
        let (mut server, mut dir, mut hosts) = (Server::default(), SettingsVec::default(), Vec::new());
        let mut process = std::mem::take(&mut self.process);
        let mut warnings = std::mem::take(&mut self.warnings);
        let (providers, commands) = (Providers::default(), Commands::default());
        let (place, permit) = (self.place, self.permit.clone());
        let mut cx = Cx {
            directive: row.directive,
            module: row.module.log_name(),
            name,
            file: file.as_ref().as_ref(),
            line,
            place,
            path: None,
            around: Vec::new(),
            overrides: permit.overrides,
            override_options: permit.options,
            limited: u64::MAX,
            server: &mut server,
            dir: &mut dir,
            process: &mut process,
            providers: &providers,
            children: &mut no_children(),
            warnings: &mut warnings,
            hosts: &mut hosts,
            commands: &commands,
            reader: Some(self),
        };
        // In .htaccess the rows that act while reading need their place as all others do.
        let done = match place != Place::Htaccess || permit.allows(row.directive) {
            true => call(&mut cx, args),
            false if permit.nonfatal.overridden => {
                cx.warnings.push(super::forbidden(row.directive));
                match row.directive.name.strip_prefix('<') {
                    Some(name) => cx.reading(|reader| reader.skip(name)).and_then(|done| done),
                    None => Ok(()),
                }
            }
            false => Err(Complaint::from([row.directive.name, " not allowed here"].concat())),
        };
        self.process = process;
        self.warnings = warnings;
        match done {
            Err(Complaint::Decline) => Ok(()),
            done => done,
        }
    }

    /// Reads what an `Include` names: a file, a directory, or a pattern.
    pub fn include(&mut self, argument: &BStr, optional: bool) -> Outcome {
        let path = self.process.server_root.join(argument.to_path_lossy());
        let path = without_dots(<[u8]>::from_path(&path).unwrap_or_default());
        if self.includes >= INCLUDE_DEPTH {
            return Err(
                format!("Exceeded maximum include depth of {INCLUDE_DEPTH}, There appears to be a recursion.").into()
            );
        }
        self.includes += 1;
        let directories = std::mem::take(&mut self.directories);
        let done = if !super::fnmatch::is_pattern(&path) {
            self.resource(path.as_ref(), optional)
        } else {
            let parts: Vec<&[u8]> = path.split_str("/").filter(|part| !part.is_empty()).collect();
            self.matching(Path::new("/"), &parts, optional)
        };
        self.includes -= 1;
        self.directories = directories;
        done.map_err(|complaint| Complaint::Text(located(complaint)))
    }

    /// Reads what matches the rest of a pattern below `dir`, directories in order of names.
    fn matching(&mut self, dir: &Path, parts: &[&[u8]], optional: bool) -> Outcome {
        let Some(first) = parts.iter().position(|part| super::fnmatch::is_pattern(part)) else {
            let path = parts.iter().fold(dir.to_owned(), |path, part| path.join(part.to_path_lossy()));
            let path = BString::from(<[u8]>::from_path(&path).unwrap_or_default());
            return self.resource(path.as_ref(), optional);
        };
        let dir = parts[..first].iter().fold(dir.to_owned(), |path, part| path.join(part.to_path_lossy()));
        let shown = dir.display();
        let names = match names_in(&dir) {
            Ok(names) => names,
            Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                let text = format!("Include/IncludeOptional: Could not open directory {shown}: {}", os_text(&error));
                return Err(text.into());
            }
        };
        let (pattern, rest) = (parts[first], &parts[first + 1..]);
        let fits = |name: &BString| {
            super::fnmatch::matches(pattern, name, super::fnmatch::PERIOD)
                && (rest.is_empty() || dir.join(name.to_path_lossy()).is_dir())
        };
        let names: Vec<BString> = names.into_iter().filter(fits).collect();
        if names.is_empty() {
            return match optional {
                true => Ok(()),
                false => Err(format!(
                    "Include/IncludeOptional: No matches for the wildcard '{}' in '{shown}', failing",
                    pattern.as_bstr()
                )
                .into()),
            };
        }
        for name in names {
            match rest.is_empty() {
                true => self.resource(join(&dir, &name).as_ref(), optional)?,
                false => self.matching(&dir.join(name.to_path_lossy()), rest, optional)?,
            }
        }
        Ok(())
    }

    /// Reads the lines of a .htaccess file.
    pub(super) fn htaccess(
        text: &[u8],
        name: BString,
        commands: &Commands,
        process: &Process,
        permit: Permit,
    ) -> (Result<Vec<Node>, Complaint>, Vec<Warning>) {
        let mut reader = Reader::new(Vec::new(), process.server_root.clone());
        reader.commands = commands.clone();
        reader.process.defines = process.defines.clone();
        reader.process.loaded = process.loaded.clone();
        reader.place = Place::Htaccess;
        reader.permit = permit;
        let done = reader.text(name, text);
        (done.map(|()| reader.out.pop().unwrap_or_default()), reader.warnings)
    }
}

impl Cx<'_> {
    /// Lets `act` work on the reader of an ON_READ directive.
    pub fn reading<T>(&mut self, act: impl FnOnce(&mut Reader) -> T) -> Result<T, Complaint> {
        let Some(reader) = self.reader.as_deref_mut() else {
            return Err("the directive acts only while files are read".into());
        };
        std::mem::swap(self.process, &mut reader.process);
        std::mem::swap(self.warnings, &mut reader.warnings);
        let done = act(reader);
        std::mem::swap(self.process, &mut reader.process);
        std::mem::swap(self.warnings, &mut reader.warnings);
        Ok(done)
    }
    /// Takes the lines of the section that the directive opens, or passes over them.
    pub fn keep_if(&mut self, holds: bool) -> Outcome {
        let name = self.directive.name.trim_start_matches('<');
        self.reading(|reader| if holds { reader.keep(name) } else { reader.skip(name) })?
    }
}

impl Complaint {
    /// With a place, unless it has one.
    fn at(self, at: At) -> Complaint {
        match self {
            Complaint::Text(text) => Complaint::At(at, text),
            other => other,
        }
    }
    pub(super) fn text(&self) -> BString {
        match self {
            Complaint::Text(text) | Complaint::At(_, text) => text.clone(),
            other => other.to_string().into(),
        }
    }
}

/// An absolute path with repeated slashes and `.` parts taken out and `..` resolved by the text, as APR merges paths. A
/// slash at the end stays.
fn without_dots(path: &[u8]) -> BString {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split_str("/") {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let mut out = BString::from("/");
    out.extend_from_slice(&bstr::join("/", &parts));
    if path.ends_with(b"/") && !parts.is_empty() {
        out.push(b'/');
    }
    out
}

fn joined(parts: &[&[u8]]) -> BString {
    parts.concat().into()
}

/// A complaint with its place in front, as errors of included files are passed up.
fn located(complaint: Complaint) -> BString {
    match complaint {
        Complaint::At(at, text) => {
            let mut out = BString::from(format!("Syntax error on line {} of ", at.line));
            out.extend_from_slice(&at.file);
            out.extend_from_slice(b": ");
            out.extend_from_slice(&text);
            out
        }
        other => other.text(),
    }
}

/// What `${name}` stands for: a Define, any case, else the environment.
pub fn lookup(process: &Process, name: &BStr) -> Option<BString> {
    let define =
        process.defines.iter().rev().find(|(known, value)| value.is_some() && known.eq_ignore_ascii_case(name));
    if let Some((_, value)) = define {
        return value.clone();
    }
    if name.is_empty() || name.contains(&b'=') || name.contains(&0) {
        return None;
    }
    std::env::var_os(name.to_os_str_lossy())
        .map(|value| BString::from(std::os::unix::ffi::OsStringExt::into_vec(value)))
}

/// An error's text as C's strerror has it.
pub fn os_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error") {
        Some(at) => text[..at].to_owned(),
        None => text,
    }
}

fn read_file(path: &Path, warnings: &mut Vec<Warning>) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() && path != Path::new("/dev/null") {
        let text = format!("AH00554: Access to file {} denied by server: not a regular file", path.display());
        warnings.push(Warning { hidden: false, module: "core", level: crate::log::Level::Error, text: text.into() });
        return Err(std::io::Error::from_raw_os_error(libc::EBADF));
    }
    let mut text = Vec::new();
    file.read_to_end(&mut text)?;
    Ok(text)
}

/// Names in a directory, sorted by octets, without `.` and `..`.
fn names_in(dir: &Path) -> std::io::Result<Vec<BString>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        names.push(BString::from(std::os::unix::ffi::OsStringExt::into_vec(entry?.file_name())));
    }
    names.sort();
    Ok(names)
}

fn join(dir: &Path, name: &BString) -> BString {
    <[u8]>::from_path(&dir.join(name.to_path_lossy())).unwrap_or_default().into()
}

fn too_deep(what: &str, path: &Path, depth: u32) -> Complaint {
    format!(
        "{what} {} exceeds the maximum include directory nesting level of {depth}. You have probably a recursion \
         somewhere.",
        path.display()
    )
    .into()
}

/// Which MPM is among the modules.
pub fn mpm_of(commands: &Commands) -> Option<MpmKind> {
    commands.modules().iter().find_map(|module| module.mpm())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::registered;
    use crate::modules::REGISTRY;

    fn load(text: &str) -> Result<crate::config::Configuration, String> {
        let request = Request {
            server_root: "/".into(),
            file: "F".into(),
            text: Some(text.into()),
            before: vec!["LoadModule mpm_event_module mod_mpm_event.so".into()],
            ..Request::default()
        };
        let shown = |refused: Box<Refused>| refused.trouble.render("httpd").to_string();
        let tree = read(&request, registered(REGISTRY)).map_err(shown)?;
        crate::config::compile(tree, Providers::default()).map_err(shown)
    }
    fn refused(text: &str) -> String {
        load(text).err().unwrap_or_default()
    }

    #[test]
    fn what_reading_finds_names_its_line() {
        for (text, shown) in [
            ("<Directory /x>\nFooBar", "F:1: <Directory> was not closed."),
            ("</Directory>", "</Directory> without matching <Directory> section"),
            ("<Directory>\n</Files>", "Expected </Directory> but saw </Files>"),
            ("<IfModule nope.c>\nFoo", "Expected </IfModule> before end of configuration"),
            (
                "LoadModule x",
                "LoadModule takes two arguments, a module name and the name of a shared object file to load it from",
            ),
            (
                "<IfVersion >= x>\n</IfVersion>",
                "Version appears to be invalid. It must have the format major[.minor[.patch]] where major, minor and patch are numbers.",
            ),
        ] {
            let refused = refused(text);
            assert!(refused.starts_with("httpd: Syntax error on line "), "{refused}");
            assert!(refused.ends_with(shown), "{refused}");
        }
    }

    #[test]
    fn what_the_tree_holds_is_refused_in_its_place() {
        for (text, shown) in [
            (
                "\nFooBar",
                "2 of F:\nInvalid command 'FooBar', perhaps misspelled or defined by a module not included in the server configuration",
            ),
            ("KeepAlive x", "1 of F:\nKeepAlive must be On or Off"),
            ("<Directory /x>\nListen 80\n</Directory>", "2 of F:\nListen not allowed in <Directory> context"),
            (
                "<VirtualHost *:80>\nListen 81\n</VirtualHost>",
                "2 of F:\nListen cannot occur within <VirtualHost> section",
            ),
            (
                "<Location /x>\n<Files a>\n</Files>\n</Location>",
                "2 of F:\n<Files> cannot occur within <Location> section",
            ),
            ("AllowOverride All", "1 of F:\nAllowOverride not allowed here"),
            (
                "<Else>\n</Else>",
                "1 of F:\n<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope",
            ),
        ] {
            assert_eq!(refused(text), format!("AH00526: Syntax error on line {shown}"));
        }
    }

    #[test]
    fn defines_conditions_and_macros_act_while_reading() {
        let text = "LoadModule macro_module mod_macro.so\n<Macro host $name>\n<VirtualHost *:80>\nServerName $name\n\
                    </VirtualHost>\n</Macro>\nDefine A one.test\n<IfDefine A>\nUse host ${a}\n</IfDefine>\n\
                    <IfModule !macro_module>\nFooBar\n</IfModule>\nUse host two.test\n";
        let configuration = load(text).unwrap();
        let names: Vec<_> = configuration.servers.iter().map(|server| server.name.clone()).collect();
        assert_eq!(names, [None, Some("one.test".into()), Some("two.test".into())]);
        assert_eq!(configuration.process.mpm, Some(MpmKind::Event));
    }

    #[test]
    fn hosts_inherit_from_the_main_server() {
        let text = "Timeout 7\nKeepAlive Off\n<VirtualHost *:80>\nKeepAlive On\n</VirtualHost>\nTimeout 9\n";
        let configuration = load(text).unwrap();
        let host = &configuration.servers[1];
        assert_eq!((host.timeout, host.keep_alive), (Some(std::time::Duration::from_secs(9)), Some(true)));
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let text = "<IfModule core.c>\n".repeat(5000);
        assert!(refused(&text).contains("nested deeper"));
    }
}
