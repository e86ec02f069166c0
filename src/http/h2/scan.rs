//! A look at the heads of frames as they come, for what the library does not tell: frames of a length that their kind cannot
//! have, which it calls faults of another kind, promises, which clients cannot make, and the client's settings.

use ::h2::Reason;

const FRAME_HEAD: usize = 9;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;
/// Octets of one setting.
const SETTING: usize = 6;

/// See the module text.
#[derive(Default)]
pub struct Scan {
    head: [u8; FRAME_HEAD],
    have: usize,
    /// Octets of the payload that are still to come.
    left: usize,
    /// The payload is one of settings.
    settings: bool,
    setting: [u8; SETTING],
    had: usize,
    begun: bool,
    /// Whether the client refuses pushed responses.
    pub no_push: bool,
}

impl Scan {
    /// Looks at octets behind the preface; a fault, and how many octets stand before the frame that has it.
    pub fn look(&mut self, octets: &[u8]) -> Result<(), (usize, Reason)> {
        let mut at = 0;
        while let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty()) {
            if self.left > 0 {
                let count = rest.len().min(self.left);
                if self.settings {
                    self.settings(rest.get(..count).unwrap_or_default()).map_err(|fault| (at, fault))?;
                }
                self.left -= count;
                at += count;
                continue;
            }
            let count = rest.len().min(FRAME_HEAD - self.have);
            let start = at;
            for (to, from) in self.head.iter_mut().skip(self.have).zip(rest.iter().take(count)) {
                *to = *from;
            }
            self.have += count;
            at += count;
            if self.have == FRAME_HEAD {
                self.have = 0;
                self.frame().map_err(|fault| (start, fault))?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Reason> {
        let [a, b, c, kind, flags, ..] = self.head;
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        if !std::mem::replace(&mut self.begun, true) && kind != SETTINGS {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if kind == PUSH_PROMISE {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let fits = match kind {
            PRIORITY => length == 5,
            RST_STREAM | WINDOW_UPDATE => length == 4,
            PING => length == 8,
            SETTINGS => length % SETTING == 0 && (flags & ACK == 0 || length == 0),
            _ => true,
        };
        if !fits {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        self.left = length;
        self.settings = kind == SETTINGS;
        self.had = 0;
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Result<(), Reason> {
        for octet in payload {
            if let Some(place) = self.setting.get_mut(self.had) {
                *place = *octet;
            }
            self.had += 1;
            if self.had == SETTING {
                self.had = 0;
                let [high, low, value @ ..] = self.setting;
                let value = u32::from_be_bytes(value);
                match u16::from_be_bytes([high, low]) {
                    ENABLE_PUSH => self.no_push = value == 0,
                    INITIAL_WINDOW_SIZE if value > i32::MAX as u32 => return Err(Reason::FLOW_CONTROL_ERROR),
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0];

    #[test]
    fn settings_however_they_are_cut() {
        for size in 1..=SET.len() {
            let mut scan = Scan::default();
            assert!(SET.chunks(size).all(|piece| scan.look(piece).is_ok()));
            assert!(scan.no_push);
        }
    }

    #[test]
    fn lengths_that_cannot_be() {
        let ping = [SET, &[0, 0, 7, 6, 0, 0, 0, 0, 0]].concat();
        assert_eq!(Scan::default().look(&ping), Err((SET.len(), Reason::FRAME_SIZE_ERROR)));
        assert_eq!(Scan::default().look(&ping[SET.len()..]), Err((0, Reason::PROTOCOL_ERROR)));
        let data = [SET, &[0, 0, 1, 0, 0, 0, 0, 0, 1, 9], SET].concat();
        assert_eq!(Scan::default().look(&data), Ok(()));
    }
}
