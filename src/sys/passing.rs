//! Open descriptors handed from one process to another over a Unix socket.

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Sends `fd` with a note. Never waits: a full queue is an error of kind WouldBlock.
pub fn send(socket: impl AsFd, fd: RawFd, note: &[u8]) -> io::Result<()> {
    let fds = [fd];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
    sendmsg::<()>(socket.as_fd().as_raw_fd(), &[IoSlice::new(note)], &[ControlMessage::ScmRights(&fds)], flags, None)?;
    Ok(())
}

/// Takes one descriptor and the length of its note. Never waits.
pub fn receive(socket: impl AsFd, note: &mut [u8]) -> io::Result<(OwnedFd, usize)> {
    let mut space = nix::cmsg_space!([RawFd; 1]);
    let mut slices = [IoSliceMut::new(note)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(socket.as_fd().as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let length = message.bytes;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(fds) = control
            && let Some(fd) = fds.first()
        {
            // SAFETY: the kernel has just made this descriptor for us; nobody else knows of it. The buffer has room for one.
            return Ok((unsafe { OwnedFd::from_raw_fd(*fd) }, length));
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_descriptor_arrives_with_its_note() {
        let (here, there) = UnixStream::pair().unwrap();
        let (mut kept, given) = UnixStream::pair().unwrap();
        super::send(&here, given.as_raw_fd(), b"note").unwrap();
        drop(given);
        let mut note = [0; 16];
        let (fd, length) = super::receive(&there, &mut note).unwrap();
        assert_eq!(&note[..length], b"note");
        UnixStream::from(fd).write_all(b"x").unwrap();
        let mut got = [0];
        kept.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"x");
        assert_eq!(super::receive(&there, &mut note).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}
