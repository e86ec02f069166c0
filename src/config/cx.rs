//! The command context: what a directive's setter sees and may change (Apache's `cmd_parms`).

use super::{Commands, Contexts, Directive, Override, Process, Providers, Reader, Server, Settings, SettingsVec};
use bstr::{BStr, BString, ByteSlice};
use std::path::PathBuf;

/// What a setter answers.
pub type Outcome = Result<(), Complaint>;

/// Why a directive was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Complaint {
    /// Printed below "AH00526: Syntax error on line N of FILE:".
    #[error("{0}")]
    Text(BString),
    /// The setter has no use for the directive here; the next module that has a row of this name is asked.
    #[error("declined")]
    Decline,
    /// A directive inside of the section was not accepted; passed on as it is.
    #[error("{1}")]
    At(super::At, BString),
    /// A line of its own, without file and line: tag and text, which the program's name precedes.
    #[error("{0}: {1}")]
    Fatal(&'static str, BString),
}

impl From<String> for Complaint {
    fn from(text: String) -> Complaint {
        Complaint::Text(text.into())
    }
}
impl From<&str> for Complaint {
    fn from(text: &str) -> Complaint {
        Complaint::Text(text.into())
    }
}
impl From<BString> for Complaint {
    fn from(text: BString) -> Complaint {
        Complaint::Text(text)
    }
}

/// Which kind of place a directive stands in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The main server, outside any section.
    Main,
    /// `<VirtualHost>`, outside any directory-like section.
    VirtualHost,
    /// A directory-like section of the server's configuration.
    Section,
    /// A .htaccess file.
    Htaccess,
}

/// The context of one directive: the settings under construction and where they belong.
pub struct Cx<'a> {
    /// The directive's row.
    pub directive: &'static Directive,
    /// Log name of the module that the row belongs to.
    pub module: &'static str,
    /// The directive's name as the file spells it.
    pub name: &'a BStr,
    pub file: &'a BStr,
    pub line: u32,
    pub place: Place,
    /// The directory, location or file pattern of the innermost directory-like section; with a trailing slash for a
    /// directory and for the directory of a .htaccess. None outside.
    pub path: Option<BString>,
    /// The sections around, outermost first, as opened: `<VirtualHost>`, `<Directory>`, `<Limit>` ...
    pub around: Vec<&'static str>,
    /// Override classes that hold here (all outside of .htaccess).
    pub overrides: Override,
    /// Options that `AllowOverride Options=...` lets .htaccess set.
    pub override_options: u32,
    /// Methods that `<Limit>`/`<LimitExcept>` restrict to; all bits set outside.
    pub limited: u64,
    /// Settings of the server (main or virtual host) that the directive belongs to. A .htaccess sees a scratch copy.
    pub server: &'a mut Server,
    /// Settings of the section that the directive stands in; a server's own defaults outside of any.
    pub dir: &'a mut SettingsVec,
    /// Process-wide settings: listeners, MPM numbers, user, pid file.
    pub process: &'a mut Process,
    pub providers: &'a Providers,
    /// Runs the lines between a section's opener and its closer; see [`Cx::section`].
    pub children: &'a mut dyn Children,
    /// What must be printed or logged as a warning: `[core:warn]`-style lines, in order.
    pub warnings: &'a mut Vec<Warning>,
    /// `<VirtualHost>`s so far.
    pub hosts: &'a mut Vec<Server>,
    /// The loaded modules and what they understand.
    pub commands: &'a Commands,
    /// What an ON_READ directive acts upon; None while the tree is walked.
    pub reader: Option<&'a mut Reader>,
}

/// A warning of the configuration phase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// `core`, `alias` ...: the module's log name; empty for a bare line.
    pub module: &'static str,
    pub level: crate::log::Level,
    /// Text with its AH tag.
    pub text: BString,
    /// Only the strict check shows it: httpd writes warnings of a virtual host to that host's log, which is not open yet.
    pub hidden: bool,
}

/// The lines inside of the section whose opener is being executed.
pub trait Children {
    /// Executes them with the given place and settings.
    fn run(&mut self, place: Inner<'_>) -> Outcome;
}

/// Where a section's children belong.
pub struct Inner<'a> {
    pub place: Place,
    pub path: Option<BString>,
    pub around: &'static str,
    pub limited: u64,
    pub server: &'a mut Server,
    pub dir: &'a mut SettingsVec,
    pub process: &'a mut Process,
    pub warnings: &'a mut Vec<Warning>,
}

impl Cx<'_> {
    /// The module's settings for the server that the directive stands in.
    pub fn server<T: Settings>(&mut self) -> &mut T {
        self.server.settings.edit::<T>()
    }
    /// The module's settings for the section that the directive stands in.
    pub fn dir<T: Settings>(&mut self) -> &mut T {
        self.dir.edit::<T>()
    }
    /// A provider of trait `T`.
    pub fn provider<T: ?Sized + Sync + 'static>(&self, name: &[u8]) -> Option<&'static T> {
        self.providers.find(name)
    }
    /// `path` itself if absolute, else below ServerRoot.
    pub fn server_root_relative(&self, path: &[u8]) -> PathBuf {
        self.process.server_root.join(path.to_path_lossy())
    }
    /// Notes a warning of the row's module.
    pub fn warn(&mut self, level: crate::log::Level, text: impl Into<BString>) {
        let module = self.module;
        let hidden = module != "macro" && self.around.first() == Some(&"<VirtualHost");
        self.warnings.push(Warning { hidden, module, level, text: text.into() });
    }
    /// Notes a line for whoever starts the server.
    pub fn tell(&mut self, text: impl Into<BString>) {
        self.warnings.push(Warning { hidden: false, module: "", level: crate::log::Level::Warn, text: text.into() });
    }
    /// The directive's name as messages show a section: `<Files>`.
    pub fn shown(&self) -> String {
        shown(self.directive.name)
    }
    /// Refuses the directive inside of the sections named (`<Directory`, `<Location` ...).
    pub fn forbid_within(&self, sections: &[&str]) -> Outcome {
        match self.around.iter().rev().find(|name| sections.contains(*name)) {
            Some(name) => Err(format!("{} cannot occur within {} section", self.shown(), shown(name)).into()),
            None => Ok(()),
        }
    }
    /// Refuses the directive inside of `<VirtualHost>`.
    pub fn forbid_in_host(&self) -> Outcome {
        match self.around.first() {
            Some(&"<VirtualHost") => Err(format!("{} cannot occur within <VirtualHost> section", self.shown()).into()),
            _ => Ok(()),
        }
    }
    /// Refuses the directive where only some methods are configured.
    pub fn forbid_in_limit(&self) -> Outcome {
        match self.limited {
            u64::MAX if !self.around.iter().any(|name| name.starts_with("<Require")) => Ok(()),
            _ => Err(format!("{} cannot occur within <Limit> or <LimitExcept> section", self.shown()).into()),
        }
    }
    /// Refuses the directive in .htaccess.
    pub fn forbid_in_htaccess(&self) -> Outcome {
        match self.in_htaccess() {
            true => Err(format!("{} cannot occur within htaccess files", self.shown()).into()),
            false => Ok(()),
        }
    }
    /// Runs the lines of a section with settings of their own below `server`.
    pub fn section(&mut self, path: Option<BString>, dir: &mut SettingsVec) -> Outcome {
        let place = if self.place == Place::Htaccess { Place::Htaccess } else { Place::Section };
        self.children.run(Inner {
            place,
            path,
            around: self.directive.name,
            limited: self.limited,
            server: self.server,
            dir,
            process: self.process,
            warnings: self.warnings,
        })
    }
    /// Runs the lines of a section that changes nothing of where its directives belong but the methods.
    pub fn limited(&mut self, limited: u64) -> Outcome {
        self.children.run(Inner {
            place: self.place,
            path: self.path.clone(),
            around: self.directive.name,
            limited,
            server: self.server,
            dir: self.dir,
            process: self.process,
            warnings: self.warnings,
        })
    }
    /// The arguments of a section opener, or Apache's complaints about the bracket or their absence.
    pub fn section_arguments<'t>(&self, args: &'t [u8]) -> Result<&'t BStr, Complaint> {
        let shown = self.shown();
        let Some(args) = httpd_conf::section_args(args) else {
            return Err(format!("{shown} directive missing closing '>'").into());
        };
        match args.is_empty() {
            true => Err(format!("{shown} directive requires additional arguments").into()),
            false => Ok(args),
        }
    }
    /// Whether the row lets the directive stand in all of `contexts`.
    pub fn allows(&self, contexts: Contexts) -> bool {
        self.directive.contexts.has(contexts)
    }
    /// What an expression may do here.
    pub fn rights(&self) -> super::Rights {
        super::Rights { restricted: self.in_htaccess(), ..super::Rights::default() }
    }
    /// Whether the directive stands in a .htaccess file.
    pub fn in_htaccess(&self) -> bool {
        self.place == Place::Htaccess
    }
}

/// A row's name as messages show it: sections get their `>`.
pub fn shown(name: &str) -> String {
    if name.starts_with('<') { format!("{name}>") } else { name.to_owned() }
}
