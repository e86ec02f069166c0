//! Where in the configuration a complaint belongs that names no place itself.

use crate::config::{At, Node, Server, Tree};
use bstr::{BStr, BString, ByteSlice};
use std::path::Path;

/// Every line of a tree, with the host around it.
#[derive(Default)]
pub(super) struct Places(Vec<Place>);

struct Place {
    name: BString,
    argument: BString,
    at: At,
    host: Option<At>,
}

impl Places {
    pub(super) fn of(tree: &Tree) -> Places {
        let mut places = Places::default();
        places.gather(&tree.nodes, None);
        places
    }

    fn gather(&mut self, nodes: &[Node], host: Option<&At>) {
        for node in nodes {
            let at = At { file: node.file.as_slice().into(), line: node.line };
            let (argument, _) = httpd_conf::next_word(&node.args);
            let own = node.name.eq_ignore_ascii_case(b"<VirtualHost").then(|| at.clone());
            self.0.push(Place { name: node.name.clone(), argument, at, host: host.cloned() });
            self.gather(&node.children, own.as_ref().or(host));
        }
    }

    /// The line of a host, or of what it inherits, that sets `directive` to `argument`; without one, the host itself.
    pub(super) fn set(&self, server: &Server, root: &Path, directive: &str, argument: &BStr) -> Option<At> {
        let own = (server.index != 0).then(|| At { file: server.defined_file.clone(), line: server.defined_line });
        let fits = |place: &&Place| {
            place.name.eq_ignore_ascii_case(directive.as_bytes())
                && (argument.is_empty()
                    || place.argument == argument
                    || root.join(place.argument.to_path_lossy()) == argument.to_path_lossy())
        };
        let within = |place: &&Place| place.host == own;
        let mut fitting = self.0.iter().filter(fits);
        let found = self.0.iter().filter(fits).rfind(within).or_else(|| fitting.rfind(|place| place.host.is_none()));
        found.map(|place| place.at.clone()).or(own)
    }

    /// The last line whose directive and argument a text names.
    pub(super) fn named_in(&self, text: &BStr) -> Option<At> {
        let words: Vec<BString> =
            text.split(|byte| !byte.is_ascii_alphanumeric()).map(|word| word.to_ascii_lowercase().into()).collect();
        let named = |place: &&Place| {
            words.iter().any(|word| place.name.eq_ignore_ascii_case(word))
                && !place.argument.is_empty()
                && text.contains_str(&place.argument)
        };
        self.0.iter().rfind(named).map(|place| place.at.clone())
    }

    /// The `Listen` of an address, shown as `127.0.0.1:80` or `[::]:80`.
    pub(super) fn listening(&self, text: &BStr) -> Option<At> {
        let told = text.rsplit_once_str(":").map_or(text.as_bytes(), |(_, port)| port);
        let port = told.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
        let of_port = |place: &&Place| {
            let own = place.argument.rsplit_once_str(":").map_or(place.argument.as_bytes(), |(_, port)| port);
            place.name.eq_ignore_ascii_case(b"Listen") && own == port
        };
        let exact = |place: &&Place| place.argument.contains(&b':') && text.contains_str(&place.argument);
        let found = self.0.iter().filter(of_port).find(exact).or_else(|| self.0.iter().find(of_port));
        found.map(|place| place.at.clone())
    }
}
