//! A file as nodes that hold every byte of it.

use crate::command::{Command, section_args};
use crate::lines::Lines;
use bstr::{BStr, BString, ByteSlice};
use std::borrow::Cow;
use std::ops::Range;

/// A whole file. [`Document::to_bytes`] gives back what was parsed, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Document<'a> {
    /// One node for each logical line, in order. Sections are not nested: their nodes point at each other.
    pub nodes: Vec<Node<'a>>,
}

/// One logical line with its layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// What it is.
    pub kind: Kind<'a>,
    /// Its bytes as they stand in the file, line end and continuations included. What is written back: change it to
    /// change the file.
    pub raw: Cow<'a, BStr>,
    /// Where these bytes are in the source.
    pub span: Range<usize>,
    /// Its first physical line, from 1.
    pub line_start: usize,
    /// Its last physical line: the number httpd prints.
    pub line_end: usize,
    /// How many sections it stands in. An opener and its closer have the same depth.
    pub depth: usize,
}

/// The kinds of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A directive, `Include` and `Define` among them. `${…}` is not expanded.
    Directive {
        /// Unquoted name, case kept.
        name: Cow<'a, BStr>,
        /// The rest of the line; [`words`](crate::words) splits it.
        args: Cow<'a, BStr>,
    },
    /// `<Name args>`.
    SectionOpen {
        /// Without brackets.
        name: Cow<'a, BStr>,
        /// What stands before the last `>`.
        args: Cow<'a, BStr>,
        /// Whether there is a `>`.
        complete: bool,
        /// Index of the node that closes it; `None` when nothing does.
        close: Option<usize>,
    },
    /// `</Name>`.
    SectionClose {
        /// Without brackets.
        name: Cow<'a, BStr>,
        /// Index of the node that it closes; `None` when the innermost open section has another name.
        open: Option<usize>,
    },
    /// `# …`.
    Comment,
    /// Nothing but white space.
    Blank,
}

impl<'a> Document<'a> {
    /// Parses any bytes: what httpd would refuse is a node too. Names of sections match without regard to case.
    pub fn parse(source: &'a [u8]) -> Document<'a> {
        let mut nodes: Vec<Node<'a>> = Vec::with_capacity(source.len() / 32);
        let mut open: Vec<usize> = Vec::new();
        for line in Lines::new(source) {
            let index = nodes.len();
            let mut depth = open.len();
            let kind = match (line.is_blank(), line.is_comment()) {
                (true, _) => Kind::Blank,
                (_, true) => Kind::Comment,
                _ => match line.text {
                    Cow::Borrowed(text) => kind(Command::split(text), Cow::Borrowed),
                    Cow::Owned(text) => kind(Command::split(&text), |args| Cow::Owned(args.to_owned())),
                },
            };
            let kind = match kind {
                Kind::SectionClose { name, .. } => {
                    let partner = open.last().copied().filter(|&at| opens(nodes.get(at), &name));
                    if partner.is_some() {
                        open.pop();
                        depth = open.len();
                    }
                    if let Some(Kind::SectionOpen { close, .. }) =
                        partner.and_then(|at| nodes.get_mut(at)).map(|node| &mut node.kind)
                    {
                        *close = Some(index);
                    }
                    Kind::SectionClose { name, open: partner }
                }
                Kind::SectionOpen { .. } => {
                    open.push(index);
                    kind
                }
                _ => kind,
            };
            nodes.push(Node {
                kind,
                raw: Cow::Borrowed(source.get(line.span.clone()).unwrap_or_default().as_bstr()),
                span: line.span,
                line_start: line.first,
                line_end: line.number,
                depth,
            });
        }
        Document { nodes }
    }

    /// The file's bytes, with the changes made to [`Node::raw`].
    pub fn to_bytes(&self) -> BString {
        let mut out = BString::new(Vec::with_capacity(self.nodes.iter().map(|node| node.raw.len()).sum()));
        for node in &self.nodes {
            out.extend_from_slice(&node.raw);
        }
        out
    }
}

/// Whether `node` opens a section of that name.
fn opens(node: Option<&Node<'_>>, closing: &BStr) -> bool {
    matches!(node, Some(Node { kind: Kind::SectionOpen { name, .. }, .. }) if name.eq_ignore_ascii_case(closing))
}

/// The node for a command; `keep` makes its borrowed parts live long enough.
fn kind<'t, 'a>(command: Command<'t>, keep: impl Fn(&'t BStr) -> Cow<'a, BStr>) -> Kind<'a> {
    let own = |name: Cow<'t, BStr>| match name {
        Cow::Borrowed(name) => keep(name),
        Cow::Owned(name) => Cow::Owned(name),
    };
    match command {
        Command::Directive { name, args } => Kind::Directive { name: own(name), args: keep(args) },
        Command::Open { name, args, bare } => {
            let cut = if bare { Some(BStr::new(b"")) } else { section_args(args) };
            Kind::SectionOpen { name: own(name), args: keep(cut.unwrap_or(args)), complete: cut.is_some(), close: None }
        }
        Command::Close { name, .. } => Kind::SectionClose { name: own(name), open: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sections_point_at_each_other() {
        let document =
            Document::parse(b"<VirtualHost *>\n# c\n<ifmodule a>\nX y\n</IfModule>\n\n</Virtual\\\nHost>\n</Foo>");
        let kinds: Vec<_> = document.nodes.iter().map(|node| (&node.kind, node.depth)).collect();
        assert!(matches!(kinds[0], (Kind::SectionOpen { close: Some(6), complete: true, .. }, 0)));
        assert!(matches!(kinds[1], (Kind::Comment, 1)));
        assert!(matches!(kinds[2], (Kind::SectionOpen { close: Some(4), .. }, 1)));
        let (Kind::Directive { name, args }, 2) = kinds[3] else { panic!("{:?}", kinds[3]) };
        assert_eq!((name.as_ref(), args.as_ref()), (BStr::new("X"), BStr::new("y")));
        assert!(matches!(kinds[4], (Kind::SectionClose { open: Some(2), .. }, 1)));
        assert!(matches!(kinds[5], (Kind::Blank, 1)));
        assert!(matches!(kinds[6], (Kind::SectionClose { open: Some(0), .. }, 0)));
        assert!(matches!(kinds[7], (Kind::SectionClose { open: None, .. }, 0)));
        assert_eq!((document.nodes[6].line_start, document.nodes[6].line_end), (7, 8));
    }

    #[test]
    fn a_node_can_be_rewritten() {
        let mut document = Document::parse(b"# keep\n  Timeout 5\n");
        document.nodes[1].raw = Cow::Borrowed(BStr::new("  Timeout 60\n"));
        assert_eq!(document.to_bytes(), "# keep\n  Timeout 60\n");
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(source in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Document::parse(&source).to_bytes().to_vec(), source);
        }

        #[test]
        fn any_configuration_comes_back(source in r#"([a-zA-Z#<>/" '\\$\{\}\r\n\t\x00]|\\\n|\\\r\n|</?[A-Z]>){0,120}"#) {
            let document = Document::parse(source.as_bytes());
            prop_assert_eq!(document.to_bytes().to_vec(), source.as_bytes());
            let mut end = 0;
            for node in &document.nodes {
                prop_assert_eq!(node.span.start, end);
                end = node.span.end;
            }
            prop_assert_eq!(end, source.len());
        }
    }
}
