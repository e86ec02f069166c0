//! The configuration as it was read, as text and as HTML.

use crate::config::{Commands, Node};
use crate::server::escape;

/// `-D DUMP_CONFIG`: file and line of each directive as comments.
pub(super) fn plain(out: &mut Vec<u8>, nodes: &[Node]) {
    let mut file = None;
    plain_level(out, nodes, 0, &mut file);
}

fn plain_level<'n>(out: &mut Vec<u8>, nodes: &'n [Node], depth: usize, file: &mut Option<&'n [u8]>) {
    let indent = " ".repeat(depth * 2);
    for node in nodes {
        if *file != Some(node.file.as_slice()) {
            *file = Some(&node.file);
            put(out, &[b"# In file: ", &node.file, b"\n"]);
        }
        let number = format!("{indent}# {:>3}:\n{indent}", node.line);
        put(out, &[number.as_bytes(), &node.name, b" ", &node.args, b"\n"]);
        if let Some(name) = section(node) {
            plain_level(out, &node.children, depth + 1, file);
            put(out, &[indent.as_bytes(), b"</", name, b">\n"]);
        }
    }
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The name of a section without its bracket. One without content is shown as any other directive.
fn section(node: &Node) -> Option<&[u8]> {
    node.name.strip_prefix(b"<").filter(|_| !node.children.is_empty())
}

/// The tree as HTML; of one module only the directives that are its own, with the sections around them.
pub(super) struct Html<'a> {
    pub(super) commands: &'a Commands,
    /// The module's name; None: everything.
    pub(super) module: Option<&'a str>,
}

impl Html<'_> {
    pub(super) fn append(&self, out: &mut Vec<u8>, nodes: &[Node]) {
        self.level(out, nodes, 0, &mut None);
    }

    fn is_shown(&self, node: &Node) -> bool {
        let Some(module) = self.module else { return true };
        if section(node).is_some() {
            return node.children.iter().any(|child| self.is_shown(child));
        }
        self.commands.find(&node.name).iter().any(|row| row.module.name() == module)
    }

    fn level<'n>(&self, out: &mut Vec<u8>, nodes: &'n [Node], depth: usize, file: &mut Option<&'n [u8]>) {
        for node in nodes.iter().filter(|node| self.is_shown(node)) {
            if *file != Some(node.file.as_slice()) {
                *file = Some(&node.file);
                put(out, &[b"<dd><tt><strong>In file: ", &escape::html(&node.file), b"</strong></tt></dd>\n"]);
            }
            let args = escape::html(&node.args);
            start(out, Some(node.line), depth);
            let Some(name) = section(node) else {
                put(out, &[&escape::html(&node.name), b" <i>", &args, b"</i></tt></dd>\n"]);
                continue;
            };
            put(out, &[&escape::html(&node.name), b" ", &args, b"</tt></dd>\n"]);
            self.level(out, &node.children, depth + 1, file);
            start(out, None, depth);
            put(out, &[b"&lt;/", &escape::html(name), b"&gt;</tt></dd>"]);
        }
    }
}

/// A line's number in four columns, then its indentation.
fn start(out: &mut Vec<u8>, line: Option<u32>, depth: usize) {
    let number = line.map_or_else(String::new, |line| line.to_string());
    put(out, &[b"<dd><tt>"]);
    put(out, &[&b"&nbsp;".repeat(4usize.saturating_sub(number.len())), number.as_bytes(), b":&nbsp;"]);
    put(out, &[&b"&nbsp;&nbsp;".repeat(depth)]);
}
