//! Users and groups as the directives name them: by name, or by number after `#` (manual: mod/mod_unixd.html).

use bstr::{BStr, ByteSlice};
use nix::unistd::{Gid, Group, Uid, User};

/// The number after `#`: digits up to the first other character, as `atoi` reads them; negative wraps around.
fn number(word: &BStr) -> Option<u32> {
    let digits = word.strip_prefix(b"#")?;
    let (negative, digits) = match digits.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, digits),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0u32, |value, byte| value.wrapping_mul(10).wrapping_add(u32::from(byte - b'0')));
    Some(if negative { value.wrapping_neg() } else { value })
}

/// User id of a `User` word; None for a name that the system does not know.
pub fn user_id(word: &BStr) -> Option<Uid> {
    match number(word) {
        Some(id) => Some(Uid::from_raw(id)),
        None => User::from_name(&word.to_str_lossy()).ok().flatten().map(|user| user.uid),
    }
}

/// Group id of a `Group` word; None for a name that the system does not know.
pub fn group_id(word: &BStr) -> Option<Gid> {
    match number(word) {
        Some(id) => Some(Gid::from_raw(id)),
        None => Group::from_name(&word.to_str_lossy()).ok().flatten().map(|group| group.gid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_the_directives_take_them() {
        assert_eq!(number(BStr::new("#33")), Some(33));
        assert_eq!(number(BStr::new("#-1")), Some(u32::MAX));
        assert_eq!(number(BStr::new("#12x")), Some(12));
        assert_eq!(number(BStr::new("www-data")), None);
        assert_eq!(user_id(BStr::new("root")), Some(Uid::from_raw(0)));
        assert_eq!(group_id(BStr::new("no-such-group")), None);
    }
}
