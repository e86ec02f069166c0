//! Methods: names to numbers, as `<Limit>` and `Allow` need them (RFC 9110 section 9, RFC 4918 and others).

use bstr::{BStr, BString};

/// A request method: a registered number (bit position in method masks) and the bytes as sent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Method {
    pub number: MethodNumber,
    /// As sent; HEAD has GET's number.
    pub name: BString,
}

/// Bit position of a method in masks, Apache's M_* order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, PartialOrd, Ord, Hash)]
pub struct MethodNumber(pub u8);

macro_rules! methods {
    ($($const:ident $number:literal $name:literal;)*) => {
        impl MethodNumber { $(pub const $const: MethodNumber = MethodNumber($number);)* }
        /// Built-in methods by number.
        const NAMES: &[(&str, MethodNumber)] = &[$(($name, MethodNumber($number)),)*];
    };
}

methods! {
    GET 0 "GET";
    PUT 1 "PUT";
    POST 2 "POST";
    DELETE 3 "DELETE";
    CONNECT 4 "CONNECT";
    OPTIONS 5 "OPTIONS";
    TRACE 6 "TRACE";
    PATCH 7 "PATCH";
    PROPFIND 8 "PROPFIND";
    PROPPATCH 9 "PROPPATCH";
    MKCOL 10 "MKCOL";
    COPY 11 "COPY";
    MOVE 12 "MOVE";
    LOCK 13 "LOCK";
    UNLOCK 14 "UNLOCK";
    VERSION_CONTROL 15 "VERSION-CONTROL";
    CHECKOUT 16 "CHECKOUT";
    UNCHECKOUT 17 "UNCHECKOUT";
    CHECKIN 18 "CHECKIN";
    UPDATE 19 "UPDATE";
    LABEL 20 "LABEL";
    REPORT 21 "REPORT";
    MKWORKSPACE 22 "MKWORKSPACE";
    MKACTIVITY 23 "MKACTIVITY";
    BASELINE_CONTROL 24 "BASELINE-CONTROL";
    MERGE 25 "MERGE";
}

/// Names that got numbers from [`MethodNumber::FIRST_FREE`] on.
static REGISTERED: parking_lot::RwLock<Vec<BString>> = parking_lot::RwLock::new(Vec::new());

impl MethodNumber {
    /// Any method without a number.
    pub const INVALID: MethodNumber = MethodNumber(26);
    /// First number free for `RegisterHttpMethod` and `<Limit>` with unknown names.
    pub const FIRST_FREE: u8 = 27;

    /// The number of a built-in method; HEAD is GET's. Case matters.
    pub fn of(name: &[u8]) -> Option<MethodNumber> {
        if name == b"GET" || name == b"HEAD" {
            return Some(MethodNumber::GET);
        }
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, number)| *number)
    }
    /// The number of a method that the configuration names (`<Limit>`, RegisterHttpMethod), handed out where it has none
    /// yet; None when all are taken. Numbers last as long as the process.
    pub fn register(name: &[u8]) -> Option<MethodNumber> {
        if let Some(known) = MethodNumber::of(name) {
            return Some(known);
        }
        let mut names = REGISTERED.write();
        let at = names.iter().position(|known| known == name).unwrap_or(names.len());
        let number = u8::try_from(at).ok()?.checked_add(MethodNumber::FIRST_FREE).filter(|number| *number < 63)?;
        if at == names.len() {
            names.push(name.into());
        }
        Some(MethodNumber(number))
    }
    /// The number of a built-in or registered method.
    pub fn known(name: &[u8]) -> Option<MethodNumber> {
        if let Some(known) = MethodNumber::of(name) {
            return Some(known);
        }
        let at = REGISTERED.read().iter().position(|known| known == name)?;
        Some(MethodNumber(u8::try_from(at).ok()? + MethodNumber::FIRST_FREE))
    }
    /// The name of a built-in method.
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(_, number)| *number == self).map(|(name, _)| *name)
    }
    /// As a mask.
    pub fn bit(self) -> u64 {
        1 << self.0
    }
}

impl Method {
    /// The method of a request line; unknown ones get [`MethodNumber::INVALID`].
    pub fn parse(name: &[u8]) -> Method {
        Method { number: MethodNumber::known(name).unwrap_or(MethodNumber::INVALID), name: name.into() }
    }
    pub fn name(&self) -> &BStr {
        self.name.as_ref()
    }
    pub fn is(&self, number: MethodNumber) -> bool {
        self.number == number
    }
    pub fn is_head(&self) -> bool {
        self.name == "HEAD"
    }
}
