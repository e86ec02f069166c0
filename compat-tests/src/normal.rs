//! The normalisers: the whole list of what may differ between the two servers.
//!
//! Each has a name and a reason. A case may name further ones for its last request (`masking`); those are below, named too.

use std::os::unix::ffi::OsStrExt;
use std::sync::LazyLock;

use flate2::read::MultiGzDecoder;
use regex::bytes::Regex;

use crate::tree::{Names, replace};
use crate::wire::{self, Answer};

/// A rule for text: name, why, pattern, replacement.
pub struct Rule {
    /// What README.md calls it.
    pub name: &'static str,
    /// Why the two may differ there.
    pub why: &'static str,
    pattern: &'static str,
    with: &'static str,
}

/// Rules for all text; then the per-side names (root, port, program) are replaced.
pub const RULES: &[Rule] = &[
    Rule {
        name: "date",
        why: "the second of the answer",
        pattern: r"(?m)^Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT\r$",
        with: "Date: {DATE}\r",
    },
    Rule {
        name: "server-parenthesis",
        why: "who we are",
        pattern: r"Apache/2\.4\.71 \((Debian|Pinion|Unix)\)",
        with: "Apache/2.4.71 ({OS})",
    },
    Rule {
        name: "error-log-time",
        why: "the moment",
        pattern: r"(?m)^\[[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d\.\d{6} \d{4}\]",
        with: "[{TIME}]",
    },
    Rule {
        name: "access-log-time",
        why: "the moment",
        pattern: r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]",
        with: "[{TIME}]",
    },
    Rule {
        name: "session-expiry",
        why: "the moment, in microseconds",
        pattern: r"expiry=\d{16}",
        with: "expiry={EXPIRY}",
    },
    Rule {
        name: "forensic-id",
        why: "process, second and a count",
        pattern: r"(?m)^([+-])\d+:[0-9a-f]+:[0-9a-f]+(\||$)",
        with: "$1{ID}$2",
    },
    Rule {
        name: "log-pid",
        why: "process and thread numbers",
        pattern: r"\[pid \d+:tid \d+\]",
        with: "[pid {PID}:tid {TID}]",
    },
    Rule {
        name: "pid-in-text",
        why: "process numbers",
        pattern: r"\b(child pid|pid|process|child process) \d+",
        with: "$1 {PID}",
    },
    Rule {
        name: "race-at-stop",
        why: "Apache's event MPM sometimes logs that a connection which just ended met the shutdown",
        pattern: r"(?m)^.*AH03092: process_lingering_close.*\n",
        with: "",
    },
    Rule {
        name: "usage-indent",
        why: "the usage text is indented by the length of argv[0]",
        pattern: r"(?m)^ {10,}\[-",
        with: "          [-",
    },
    Rule {
        name: "server-built",
        why: "when and with which libraries each was built",
        pattern: r"(?m)^(Server built|Server loaded|Compiled using): .*$",
        with: "$1: {BUILD}",
    },
    Rule {
        name: "own-version-line",
        why: "-v and -V of ours add one line with our own version (DIFFERENCES.md)",
        pattern: r"(?m)^Pinion .*\n",
        with: "",
    },
    Rule {
        name: "pid-file-temp",
        why: "a random name",
        pattern: r"(AH00099: could not create \S+)\.[A-Za-z0-9]{6}\b",
        with: "$1.{RANDOM}",
    },
    Rule {
        name: "log-source",
        why: "file and line of the statement that logs",
        pattern: r"(?m)(\[pid \{PID\}:tid \{TID\}\] |\[pid \d+:tid \d+\] )[a-z0-9_]+\.(c|rs)\(\d+\): ",
        with: "$1{SOURCE}: ",
    },
    Rule {
        name: "client-port",
        why: "chosen by the kernel",
        pattern: r"\[(client|remote) ([0-9a-f.:]+):\d+\]",
        with: "[$1 $2:{CLIENTPORT}]",
    },
    Rule {
        name: "client-port",
        why: "chosen by the kernel",
        pattern: r"(dialog with client [0-9a-f.:]+):\d+ failed",
        with: "$1:{CLIENTPORT} failed",
    },
    Rule {
        name: "rewrite-ids",
        why: "addresses in memory that tell servers and requests apart",
        pattern: r"/sid#[0-9a-f]+\]\[rid#[0-9a-f]+/",
        with: "/sid#{ID}][rid#{ID}/",
    },
    Rule {
        name: "tls-library",
        why: "what each protects connections with, and what only OpenSSL says of itself (DIFFERENCES.md)",
        pattern: r"(?m)^.*AH018(82|83|76): .*\n|^.*SSL Library Error: .*\n| OpenSSL/[0-9][0-9a-z.]*",
        with: "",
    },
    Rule {
        name: "tls-library-variable",
        why: "what each protects connections with",
        pattern: r"(SSL_VERSION_LIBRARY=)[A-Za-z]+/[0-9][0-9a-z.]*",
        with: "$1{LIBRARY}",
    },
    Rule {
        name: "tls-session",
        why: "a random number",
        pattern: r"(SSL_SESSION_ID=)[0-9a-fA-F]+",
        with: "$1{SESSION}",
    },
    Rule {
        name: "program-name",
        why: "argv[0]",
        pattern: r"(?m)(^|AH\d{5}: )(apache2|httpd): ",
        with: "${1}{HTTPD}: ",
    },
];

/// For `/server-status?auto`: keys and their order stay, values go (the uptime in words is empty in the first second). `CPULoad` is there only when the load is not zero.
pub const STATUS_VALUES: Mask = Mask {
    name: "status-values",
    rules: &[
        (r"(?m)^CPULoad: .*\n", ""),
        (r"(?m)^([A-Z][A-Za-z0-9 /]*): [^\r\n]*$", "$1: {VALUE}"),
        (r"(?m)^ServerUptime:$", "ServerUptime: {VALUE}"),
    ],
};
/// A session that was encrypted with a salt of its own.
pub const SEALED_SESSION: Mask = Mask {
    name: "sealed-session",
    rules: &[(r"(?m)^(Set-Cookie2?: [a-z]+=)[A-Za-z0-9+/]{40,}={0,2};", "$1{SEALED};")],
};
/// What differs from start to start in the pages of balancers.
pub const BALANCERS: Mask = Mask {
    name: "balancers",
    rules: &[
        (r"(Server Built: )[^<\n]*", "$1{BUILT}"),
        (r"\[p[0-9a-f]+_", "[p{SERVER}_"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "{NONCE}"),
        (r"(<httpd:error_time>)[^<]*", "$1{TIME}"),
        (r"(?m)^Content-Length: \d+\r$", "Content-Length: {LENGTH}\r"),
    ],
};
/// A body's length where the body holds values that were masked.
pub const BODY_LENGTH: Mask =
    Mask { name: "body-length", rules: &[(r"(?m)^Content-Length: \d+\r$", "Content-Length: {LENGTH}\r")] };

/// The last digit of an Age, how many seconds passed since the response was stored, and the distance of an Expires, which grows less with it.
pub const AGE: Mask = Mask {
    name: "age",
    rules: &[
        (r"(?m)^Age: (\d*)\d\r$", "Age: $1{SECOND}\r"),
        (r"(?m)^Expires: \{DATE\}\+(\d*)\d\d\r$", "Expires: {DATE}+$1{SECONDS}\r"),
    ],
};

/// How long a compressed body is, of which only the head or a part is asked.
const GZIP_SIZES: Mask = Mask {
    name: "gzip-sizes",
    rules: &[
        (r"(?m)^(Content-Range: bytes [0-9-]+)/\d+\r$", "$1/{LENGTH}\r"),
        (r"(?m)^Content-Length: \d+\r$", "Content-Length: {LENGTH}\r"),
    ],
};

/// server-info's lines about libraries and the build.
pub const INFO_LIBRARIES: Mask = Mask {
    name: "info-libraries",
    rules: &[
        (r"(?m)^<dt><strong>(Server loaded|Compiled with) .*\n", ""),
        (r"(Server Built:</strong> <font size=.\+1.><tt>)[^<]*", "$1{BUILT}"),
    ],
};

/// The size after the status in an access log, in the common format and what begins like it.
pub const LOG_SIZES: Mask = Mask { name: "log-sizes", rules: &[("(?m)(\" \\d{3}) (\\d+|-)", "$1 {SIZE}")] };

/// A rule for a single request, named by its case.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    /// What README.md calls it.
    pub name: &'static str,
    rules: &'static [(&'static str, &'static str)],
}

impl Mask {
    /// `text` with the rule applied.
    pub fn apply(&self, text: &[u8]) -> Vec<u8> {
        self.rules.iter().fold(text.to_vec(), |text, (pattern, with)| {
            Regex::new(pattern).expect("a pattern").replace_all(&text, with.as_bytes()).into_owned()
        })
    }
}

static COMPILED: LazyLock<Vec<(Regex, &'static str)>> =
    LazyLock::new(|| RULES.iter().map(|rule| (Regex::new(rule.pattern).expect(rule.name), rule.with)).collect());

/// Log lines, program output and other text.
pub fn text(bytes: &[u8], names: &Names) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for (pattern, with) in COMPILED.iter() {
        out = pattern.replace_all(&out, with.as_bytes()).into_owned();
    }
    out = sorted_mutexes(&out);
    out = replace(&out, names.root.as_os_str().as_bytes(), b"{ROOT}");
    out = replace(&out, names.httpd.as_os_str().as_bytes(), b"{HTTPD}");
    for (port, mark) in names.ports.numbers.iter().zip(["{PORT}", "{PORT2}"]) {
        let pattern = Regex::new(&format!(r"\b{port}\b")).expect("a number");
        out = pattern.replace_all(&out, mark.as_bytes()).into_owned();
    }
    out
}

/// Everything that came on one connection: answers taken apart, chunk boundaries joined, gzip and brotli unpacked, then the rules for text.
pub fn connection(bytes: &[u8], names: &Names) -> Vec<u8> {
    let (answers, rest) = wire::answers(bytes);
    let mut out = Vec::new();
    for answer in answers {
        out.extend_from_slice(&one_answer(&answer));
    }
    out.extend_from_slice(&rest);
    text(&out, names)
}

/// `log-order`: the lines of a log in an order that chance has no part in.
pub fn sorted_lines(text: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// `mutex-order`: the `Mutex` lines of DUMP_RUN_CFG come in the order of a hash table, too.
fn sorted_mutexes(text: &[u8]) -> Vec<u8> {
    if !text.starts_with(b"Mutex ") && !text.windows(7).any(|w| w == b"\nMutex ") {
        return text.to_vec();
    }
    let mut lines: Vec<&[u8]> = text.split_inclusive(|b| *b == b'\n').collect();
    for run in lines.chunk_by_mut(|a, b| a.starts_with(b"Mutex ") && b.starts_with(b"Mutex ")) {
        run.sort_unstable();
    }
    lines.concat()
}

/// `allow-order`: the methods of an Allow header come in the order of a hash table that Apache seeds anew in each process.
fn sorted_allow(head: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(head.len());
    for line in head.split_inclusive(|b| *b == b'\n') {
        match line.strip_prefix(b"Allow: ").and_then(|rest| rest.strip_suffix(b"\r\n")) {
            Some(methods) => {
                let mut sorted: Vec<&[u8]> = methods.split(|b| *b == b',').collect();
                sorted.sort_unstable();
                out.extend_from_slice(b"Allow: ");
                out.extend_from_slice(&sorted.join(&b","[..]));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

fn boundary(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head).into_owned();
    let (_, rest) = text.split_once("Content-Type: multipart/byteranges; boundary=")?;
    let boundary = rest.split_once("\r\n")?.0;
    (boundary.len() >= 10 && boundary.bytes().all(|b| b.is_ascii_hexdigit())).then(|| boundary.to_owned())
}

/// `expires`: an Expires that is not before Date is told by its distance; the two answers may be a second apart.
fn relative_expires(head: Vec<u8>, answer: &Answer) -> Vec<u8> {
    let (Some(date), Some(expires)) = (answer.header("Date"), answer.header("Expires")) else { return head };
    match (seconds(&date), seconds(&expires)) {
        (Some(from), Some(to)) if to >= from => {
            let told = format!("\nExpires: {{DATE}}+{}\r\n", to - from);
            replace(&head, format!("\nExpires: {expires}\r\n").as_bytes(), told.as_bytes())
        }
        _ => head,
    }
}

/// Seconds of `Mon, 23 Nov 2026 09:33:20 GMT`, since some day.
fn seconds(date: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let rest = date.get(5..)?.strip_suffix(" GMT")?;
    let mut words = rest.split([' ', ':']);
    let day: i64 = words.next()?.parse().ok()?;
    let month = i64::try_from(MONTHS.find(words.next()?)?).ok()? / 3 + 1;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.map_while(|word| word.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()?, clock.next()?, clock.next()?);
    // Years that begin in March: the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

fn one_answer(answer: &Answer) -> Vec<u8> {
    let mut head = relative_expires(sorted_allow(&answer.head), answer);
    let mut body = answer.body.clone();
    let mut notes = Vec::new();
    let coding = answer.header("Content-Encoding").unwrap_or_default();
    let is_brotli = coding.split(',').any(|token| token.trim() == "br");
    if coding.contains("gzip") || is_brotli {
        // The two compress with different libraries.
        head = GZIP_SIZES.apply(&head);
    }
    let packed = (coding.contains("gzip") || is_brotli) && !body.is_empty();
    if packed {
        // Compressors may choose other bytes for the same text; the text and the framing must agree.
        let mut plain = Vec::new();
        let name = if is_brotli { "br" } else { "gzip" };
        let unpacked = match is_brotli {
            true => std::io::Read::read_to_end(&mut brotli::Decompressor::new(body.as_slice(), 4096), &mut plain),
            false => std::io::Read::read_to_end(&mut MultiGzDecoder::new(body.as_slice()), &mut plain),
        };
        match unpacked {
            Ok(_) => {
                notes.extend_from_slice(format!("[{name}] ").as_bytes());
                body = plain;
            }
            Err(_) => notes.extend_from_slice(format!("[{name}, broken] ").as_bytes()),
        }
        head = BODY_LENGTH.apply(&head);
    }
    if let Some(boundary) = boundary(&head) {
        // Made of a random number and the time, of any length: named, and not counted.
        let count = body.windows(boundary.len()).filter(|w| *w == boundary.as_bytes()).count();
        head = replace(&head, boundary.as_bytes(), b"{BOUNDARY}");
        body = replace(&body, boundary.as_bytes(), b"{BOUNDARY}");
        if answer.body.is_empty() {
            // An answer to HEAD: how often the boundary would be in the body cannot be seen.
            head = BODY_LENGTH.apply(&head);
        } else if let Some(length) = answer.header("Content-Length").and_then(|v| v.parse::<usize>().ok()) {
            let rest =
                format!("Content-Length: {} and {count} boundaries\r\n", length.saturating_sub(count * boundary.len()));
            head = replace(&head, format!("Content-Length: {length}\r\n").as_bytes(), rest.as_bytes());
        }
    }
    let mut out = head;
    if let Some(trailer) = &answer.chunked {
        // Where one chunk ends and the next begins is the server's own affair.
        notes.extend_from_slice(match trailer {
            Some(trailer) if trailer.is_empty() => b"[chunked] ".as_slice(),
            Some(_) => b"[chunked, with trailer] ",
            None => b"[chunked, not ended] ",
        });
        if let Some(trailer) = trailer {
            body.extend_from_slice(trailer);
        }
    }
    if !notes.is_empty() {
        notes.push(b'\n');
    }
    out.extend_from_slice(&notes);
    out.extend_from_slice(&body);
    if !body.is_empty() && !body.ends_with(b"\n") {
        out.extend_from_slice(b"[no newline]\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_counted_over_leap_days_and_years() {
        let day = |text: &str| seconds(&format!("Mon, {text} 00:00:00 GMT")).unwrap() / 86_400;
        assert_eq!(day("01 Mar 2024") - day("28 Feb 2024"), 2);
        assert_eq!(day("01 Mar 2025") - day("28 Feb 2025"), 1);
        assert_eq!(day("01 Jan 2026") - day("31 Dec 2025"), 1);
        assert_eq!(
            seconds("Mon, 23 Nov 2026 09:33:21 GMT").unwrap() - seconds("Mon, 23 Nov 2026 09:32:20 GMT").unwrap(),
            61
        );
        assert_eq!(seconds("0"), None);
    }
}
