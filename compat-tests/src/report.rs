//! Says in plain words where the two sides differ.

/// One thing seen on both sides.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What was done: the request, the command line, the log's name.
    pub what: String,
    /// What came of it, normalised.
    pub result: Vec<u8>,
}

/// Steps that are known to differ for now.
#[derive(Debug, Clone)]
pub struct Todo {
    /// Part of the steps' [`Seen::what`].
    pub step: String,
    /// What is missing.
    pub reason: String,
}

/// TODO.tsv: group, start of a step, what is missing.
const LISTED: &str = include_str!("../TODO.tsv");

/// The todos that TODO.tsv has for a group.
pub(crate) fn listed(key: &str) -> Vec<Todo> {
    let rows = LISTED.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row.len() == 3 && row[0] == key)
        .map(|row| Todo { step: row[1].to_owned(), reason: row[2].to_owned() })
        .collect()
}

/// Appends to the file at `path` the rows that TODO.tsv would need for what differs.
pub(crate) fn append_todos(path: &std::ffi::OsStr, key: &str, apache: &[Seen], pinion: &[Seen]) {
    use std::io::Write;
    let differing = apache.iter().zip(pinion).filter(|(a, p)| a.result != p.result);
    let rows: String = differing.map(|(a, _)| format!("{key}\t{}\t\n", cut(&one_line(&a.what), 300))).collect();
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("a file for todos");
    file.write_all(rows.as_bytes()).expect("todos to write");
}

/// Text in one line without tabs, as TODO.tsv has it.
pub(crate) fn one_line(text: &str) -> String {
    text.replace('\t', "\\t").split('\n').map(str::trim).collect::<Vec<_>>().join(" ")
}

impl Todo {
    fn is_of(&self, what: &str) -> bool {
        what.contains(&self.step) || one_line(what).contains(&self.step)
    }
}

/// Compares what was seen on the two sides, in order; the text of the differences, empty when there are none. A todo
/// whose steps are all the same on both sides, or that there is no step for, is a difference too where `strict`.
pub fn differences(apache: &[Seen], pinion: &[Seen], todos: &[Todo], strict: bool) -> String {
    let mut out = String::new();
    let mut open: Vec<&Todo> = todos.iter().collect();
    for (a, p) in apache.iter().zip(pinion) {
        if a.result != p.result {
            open.retain(|todo| !todo.is_of(&a.what));
            if todos.iter().any(|todo| todo.is_of(&a.what)) {
                continue;
            }
            out.push_str(&format!("\n=== {}\n{}", a.what, diff(&a.result, &p.result)));
        }
    }
    for todo in open.into_iter().filter(|_| strict) {
        out.push_str(&format!(
            "\n=== {}\n    is the same on both sides: remove its todo ({})\n",
            todo.step, todo.reason
        ));
    }
    if apache.len() != pinion.len() {
        out.push_str(&format!("\n=== Apache did {} steps, Pinion {}\n", apache.len(), pinion.len()));
    }
    out
}

/// Line by line: `  ` on both sides, `- ` Apache only, `+ ` Pinion only.
fn diff(apache: &[u8], pinion: &[u8]) -> String {
    let (a, p) = (lines(apache), lines(pinion));
    // The longest common subsequence; cases are small, large bodies are cut first.
    let mut table = vec![vec![0u32; p.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..p.len()).rev() {
            table[i][j] = if a[i] == p[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < a.len() || j < p.len() {
        if i < a.len() && j < p.len() && a[i] == p[j] {
            out.push_str(&format!("    {}\n", a[i]));
            (i, j) = (i + 1, j + 1);
        } else if j >= p.len() || (i < a.len() && table[i + 1][j] >= table[i][j + 1]) {
            out.push_str(&format!("  - {}\n", a[i]));
            i += 1;
        } else {
            out.push_str(&format!("  + {}\n", p[j]));
            j += 1;
        }
    }
    out
}

fn lines(bytes: &[u8]) -> Vec<String> {
    const MOST: usize = 400;
    let mut out: Vec<String> = bytes
        .split_inclusive(|b| *b == b'\n')
        .map(|line| {
            let shown = show(line);
            // A carriage return at the end is the rule; its absence shows as what it is.
            shown.strip_suffix("\\n").map_or_else(|| format!("{shown}[no newline]"), ToOwned::to_owned)
        })
        .map(|line| {
            if line.len() > 600 {
                format!("{}… ({} bytes, sum {})", cut(&line, 600), line.len(), sum(line.as_bytes()))
            } else {
                line
            }
        })
        .collect();
    if out.len() > MOST {
        let rest = out.split_off(MOST);
        out.push(format!("… {} more lines, sum {}", rest.len(), sum(rest.concat().as_bytes())));
    }
    out
}

fn cut(text: &str, at: usize) -> &str {
    &text[..(0..=at).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)]
}

pub(crate) fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// Bytes as a reader can see them: printable UTF-8 stays, the rest is escaped.
pub fn show(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                c if c.is_control() => out.push_str(&format!("\\x{:02x}", c as u32)),
                c => out.push(c),
            }
        }
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out
}
