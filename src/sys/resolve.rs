//! The system's resolver: names of addresses (getnameinfo) and addresses of names.

use socket2::SockAddr;
use std::ffi::CStr;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

/// The host name of an address, if it has one. Blocks.
pub fn name_of(ip: IpAddr) -> Option<Vec<u8>> {
    let address = SockAddr::from(SocketAddr::new(ip, 0));
    let mut host = [0 as libc::c_char; libc::NI_MAXHOST as usize];
    // SAFETY: address and length belong together; the buffer's length is given and it is NUL-terminated on success.
    let result = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr(),
            libc::NI_MAXHOST,
            std::ptr::null_mut(),
            0,
            libc::NI_NAMEREQD,
        )
    };
    if result != 0 {
        return None;
    }
    // SAFETY: as above.
    Some(unsafe { CStr::from_ptr(host.as_ptr()) }.to_bytes().to_vec())
}

/// The addresses of a host name. Blocks.
pub fn addresses_of(name: &[u8]) -> Vec<IpAddr> {
    let Ok(name) = std::str::from_utf8(name) else { return Vec::new() };
    match (name, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    }
}
