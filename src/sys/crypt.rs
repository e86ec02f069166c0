//! crypt(3): the system's password hashes.

use std::ffi::{CStr, CString, c_char, c_int};

/// Room for libcrypt's `struct crypt_data`, whose size is fixed at 32,768 octets for compatibility.
#[repr(C, align(16))]
struct Data([u8; 32_768]);

#[link(name = "crypt")]
unsafe extern "C" {
    fn crypt_r(key: *const c_char, setting: *const c_char, data: *mut Data) -> *mut c_char;
}

/// Hashes `password` under the scheme and salt of `setting` (a whole stored hash serves). None where libcrypt refuses.
pub fn crypt(password: &[u8], setting: &[u8]) -> Option<Vec<u8>> {
    const _: () = assert!(size_of::<c_int>() == 4);
    let (password, setting) = (CString::new(password).ok()?, CString::new(setting).ok()?);
    let mut data = Box::new(Data([0; 32_768]));
    // SAFETY: both strings are NUL-terminated; data is zeroed and of the size that crypt_r writes to at most.
    let hash = unsafe { crypt_r(password.as_ptr(), setting.as_ptr(), &raw mut *data) };
    if hash.is_null() {
        return None;
    }
    // SAFETY: a non-null result points at a NUL-terminated string inside of `data`.
    let hash = unsafe { CStr::from_ptr(hash) }.to_bytes();
    // A result that starts with '*' is libcrypt's way to say no.
    (!hash.starts_with(b"*")).then(|| hash.to_vec())
}
