//! Reading DER (X.690), as far as certificates, lists and answers need it.

/// A tag with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    pub tag: u8,
    pub value: &'a [u8],
    /// Tag, length and value.
    pub whole: &'a [u8],
}

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OID: u8 = 0x06;
pub const SEQUENCE: u8 = 0x30;
pub const UTC_TIME: u8 = 0x17;
pub const GENERALIZED_TIME: u8 = 0x18;

/// The items of a value, one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Items<'a>(pub &'a [u8]);

impl<'a> Items<'a> {
    /// The next item if it has that tag; it is passed.
    pub fn pass(&mut self, tag: u8) -> Option<Item<'a>> {
        let mut ahead = *self;
        let item = ahead.next().filter(|item| item.tag == tag)?;
        *self = ahead;
        Some(item)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;
    fn next(&mut self) -> Option<Item<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (octets.iter().fold(0usize, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (value, after) = rest.split_at_checked(length)?;
        let whole = self.0.get(..self.0.len() - after.len())?;
        self.0 = after;
        Some(Item { tag, value, whole })
    }
}

impl<'a> Item<'a> {
    pub fn items(&self) -> Items<'a> {
        Items(self.value)
    }
}

/// One item that is all there is.
pub fn single(bytes: &[u8], tag: u8) -> Option<Item<'_>> {
    let mut items = Items(bytes);
    items.pass(tag).filter(|_| items.0.is_empty())
}

/// An OID as text.
pub fn oid_text(value: &[u8]) -> String {
    let mut arcs: Vec<u64> = Vec::new();
    let mut arc = 0u64;
    for octet in value {
        arc = arc << 7 | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            if arcs.is_empty() {
                let first = (arc / 40).min(2);
                arcs.push(first);
                arc -= 40 * first;
            }
            arcs.push(arc);
            arc = 0;
        }
    }
    arcs.iter().map(u64::to_string).collect::<Vec<_>>().join(".")
}

/// Seconds since the epoch of a UTCTime or GeneralizedTime.
pub fn time(item: &Item<'_>) -> Option<i64> {
    let text = std::str::from_utf8(item.value).ok()?.strip_suffix('Z')?;
    let (year, rest) = match item.tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let date = jiff::civil::date(1, 1, 1)
        .with()
        .year(year)
        .month(part(0)?)
        .day(part(2)?)
        .build()
        .ok()?
        .to_datetime(jiff::civil::Time::new(part(4)?, part(6)?, part(8).unwrap_or(0), 0).ok()?);
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// An item made of its tag and value.
pub fn make(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = value.len();
    match length {
        0..=0x7f => out.push(length as u8),
        0x80..=0xff => out.extend([0x81, length as u8]),
        0x100..=0xffff => out.extend([0x82, (length >> 8) as u8, length as u8]),
        _ => out.extend([0x83, (length >> 16) as u8, (length >> 8) as u8, length as u8]),
    }
    out.extend_from_slice(value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_never_read_beyond_their_end() {
        let sequence = make(SEQUENCE, &[make(INTEGER, &[5]), make(OCTET_STRING, &[1; 200])].concat());
        let mut items = single(&sequence, SEQUENCE).unwrap().items();
        assert_eq!(items.pass(INTEGER).unwrap().value, [5]);
        assert_eq!(items.pass(INTEGER), None);
        assert_eq!(items.pass(OCTET_STRING).unwrap().value.len(), 200);
        for cut in 0..sequence.len() {
            assert!(single(&sequence[..cut], SEQUENCE).is_none(), "{cut}");
        }
        assert_eq!(oid_text(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1]), "1.2.840.113549.1.1.1");
        let at = make(UTC_TIME, b"261123173836Z");
        assert_eq!(time(&single(&at, UTC_TIME).unwrap()), Some(1_795_455_516));
    }
}
