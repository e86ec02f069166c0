//! The chunked transfer coding (RFC 9112 section 7.1), read.

/// What a step of decoding gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The octets at hand are used up.
    More,
    /// So many octets of data stand next in the input.
    Data(usize),
    /// The last chunk was read; the trailer section follows.
    Last,
    /// No chunk.
    Malformed,
    /// A size that no body has, or an extension beyond the limit.
    TooLarge,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Before or within the digits of a size.
    #[default]
    Size,
    /// White space after the size.
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
}

/// Decoder of one body. Knows no buffer: it is shown octets and says how many it used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    state: State,
    digits: bool,
    /// Of the size line: the size so far; of the data: octets left.
    left: u64,
    /// Octets of the size line.
    line: usize,
    /// Longest size line.
    pub limit: usize,
    /// A bare LF ends no line.
    pub strict: bool,
}

impl Decoder {
    pub fn new(limit: usize, strict: bool) -> Decoder {
        Decoder { limit, strict, ..Decoder::default() }
    }

    /// Looks at `bytes`: framing octets used, and what comes of them.
    pub fn step(&mut self, bytes: &[u8]) -> (usize, Step) {
        for (used, &byte) in bytes.iter().enumerate() {
            match self.state {
                State::Data => {
                    let here = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len() - used);
                    return (used, Step::Data(here));
                }
                State::DataCr => match byte {
                    b'\r' => self.state = State::DataLf,
                    b'\n' if !self.strict => self.next_chunk(),
                    _ => return (used, Step::Malformed),
                },
                State::DataLf if byte == b'\n' => self.next_chunk(),
                State::DataLf => return (used, Step::Malformed),
                State::SizeEnd if byte != b'\n' => return (used, Step::Malformed),
                _ => {
                    if let Some(step) = self.size_line(byte) {
                        return (used + 1, step);
                    }
                }
            }
        }
        (bytes.len(), Step::More)
    }

    fn next_chunk(&mut self) {
        *self = Decoder::new(self.limit, self.strict);
    }

    fn size_line(&mut self, byte: u8) -> Option<Step> {
        self.line += 1;
        match (self.state, byte) {
            (State::Size | State::Blank | State::Extension, b'\r') if self.digits => self.state = State::SizeEnd,
            (State::SizeEnd, b'\n') => return self.size_known(),
            (State::Size | State::Blank | State::Extension, b'\n') if self.digits && !self.strict => {
                return self.size_known();
            }
            (State::Size | State::Blank, b';') if self.digits => self.state = State::Extension,
            (State::Size | State::Blank, b' ' | b'\t') if self.digits => self.state = State::Blank,
            (State::Size, _) => match (byte as char).to_digit(16) {
                Some(digit) => {
                    self.digits = true;
                    if self.left >> 59 != 0 {
                        return Some(Step::TooLarge);
                    }
                    self.left = self.left << 4 | u64::from(digit);
                }
                None => return Some(Step::Malformed),
            },
            (State::Extension, byte) if byte >= b' ' && byte != 0x7f || byte == b'\t' => {}
            _ => return Some(Step::Malformed),
        }
        (self.line > self.limit).then_some(Step::TooLarge)
    }

    fn size_known(&mut self) -> Option<Step> {
        if self.left == 0 {
            return Some(Step::Last);
        }
        self.state = State::Data;
        None
    }

    /// Says that so many of the octets that [`Step::Data`] named were taken.
    pub fn took(&mut self, count: usize) {
        self.left = self.left.saturating_sub(count as u64);
        if self.left == 0 {
            self.state = State::DataCr;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes `bytes` shown `span` octets at a time.
    fn decode(bytes: &[u8], span: usize, strict: bool) -> Result<(Vec<u8>, usize), Step> {
        let (mut decoder, mut out, mut at) = (Decoder::new(100, strict), Vec::new(), 0);
        loop {
            let shown = &bytes[at..(at + span).min(bytes.len())];
            let (used, step) = decoder.step(shown);
            at += used;
            match step {
                Step::More if at == bytes.len() => return Err(Step::More),
                Step::More => {}
                Step::Data(count) => {
                    out.extend_from_slice(&bytes[at..at + count]);
                    at += count;
                    decoder.took(count);
                }
                Step::Last => return Ok((out, at)),
                other => return Err(other),
            }
        }
    }

    #[test]
    fn any_cut_gives_the_same() {
        let body = b"5;a=b\r\nhello\r\n00A \t; x\r\n0123456789\r\n0\r\n\r\n";
        for span in 1..body.len() {
            assert_eq!(decode(body, span, true), Ok((b"hello0123456789".to_vec(), body.len() - 2)), "{span}");
        }
    }

    #[test]
    fn refusals() {
        for (body, step) in [
            (&b"zz\r\n"[..], Step::Malformed),
            (b"\r\n", Step::Malformed),
            (b"-1\r\n", Step::Malformed),
            (b"0x5\r\nhello", Step::Malformed),
            (b"5\nhello\n0\n\n", Step::Malformed),
            (b"5\rhello", Step::Malformed),
            (b"5 5\r\nhello", Step::Malformed),
            (b"5\r\nhelloX\r\n", Step::Malformed),
            (b"5\r\nhello\rX", Step::Malformed),
            (b"5;\x01\r\nhello", Step::Malformed),
            (b"fffffffffffffffff\r\n", Step::TooLarge),
            (b"8000000000000000\r\n", Step::TooLarge),
            (b"5\r\nhel", Step::More),
        ] {
            assert_eq!(decode(body, 64, true), Err(step), "{:?}", String::from_utf8_lossy(body));
        }
        let long = [b"5;", [b'a'; 200].as_slice()].concat();
        assert_eq!(decode(&long, 64, true), Err(Step::TooLarge));
        assert_eq!(decode(b"5\nhello\n0\n\n", 64, false), Ok((b"hello".to_vec(), 10)));
    }
}
