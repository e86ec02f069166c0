//! Byte streams: TCP and Unix sockets, pipes, and TLS over them.

use super::io::{READABLE, Source, WRITABLE};
use super::tls::{HandshakeError, Session, Tls};
use crate::sys;
use nix::sys::socket::{Shutdown, shutdown, sockopt};
use socket2::{Domain, SockAddr, Socket, Type};
use std::fs::File;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Octets that one sendfile(2) is asked for, so that one fast client does not hold the loop.
const SENDFILE_MOST: usize = 2 * 1024 * 1024;
/// Octets of a file that are read and encrypted at once.
const ENCRYPT_MOST: usize = 64 * 1024;

/// What is to hold for our side of a connection that we open.
#[derive(Clone, Copy, Debug, Default)]
pub struct Outbound {
    /// The address to come from.
    pub source: Option<std::net::IpAddr>,
    /// SO_RCVBUF.
    pub receive_buffer: Option<usize>,
}

/// A stream. Clones share the socket and what is known of its readiness.
#[derive(Clone)]
pub struct Stream {
    source: Arc<Source>,
    tls: Option<Arc<Tls>>,
}

impl Stream {
    fn over(source: Source) -> Stream {
        Stream { source: Arc::new(source), tls: None }
    }
    /// Over any descriptor that reads and writes octets; it is made non-blocking by the caller.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Stream> {
        Ok(Stream::over(Source::new(fd)))
    }
    pub fn from_tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nonblocking(true)?;
        Stream::from_fd(stream.into())
    }
    /// A connection that rests between two exchanges: its reader waits before the first attempt.
    pub fn from_resting_tcp(stream: TcpStream) -> io::Result<Stream> {
        stream.set_nonblocking(true)?;
        Ok(Stream::over(Source::resting(stream.into())))
    }
    pub fn from_unix(stream: UnixStream) -> io::Result<Stream> {
        stream.set_nonblocking(true)?;
        Stream::from_fd(stream.into())
    }
    pub async fn connect_tcp(address: SocketAddr) -> io::Result<Stream> {
        Stream::connect(Domain::for_address(address), &address.into()).await
    }
    pub async fn connect_unix(path: &Path) -> io::Result<Stream> {
        Stream::connect(Domain::UNIX, &SockAddr::unix(path)?).await
    }

    /// As [`connect_tcp`](Stream::connect_tcp), with what is to hold for our side.
    pub async fn connect_from(address: SocketAddr, how: Outbound) -> io::Result<Stream> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, None)?;
        if let Some(size) = how.receive_buffer {
            let _ = socket.set_recv_buffer_size(size);
        }
        if let Some(source) = how.source.filter(|source| source.is_ipv4() == address.is_ipv4()) {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        Stream::connect_socket(socket, &address.into()).await
    }

    async fn connect(domain: Domain, address: &SockAddr) -> io::Result<Stream> {
        Stream::connect_socket(Socket::new(domain, Type::STREAM, None)?, address).await
    }

    async fn connect_socket(socket: Socket, address: &SockAddr) -> io::Result<Stream> {
        socket.set_nonblocking(true)?;
        match socket.connect(address) {
            Ok(()) => return Stream::from_fd(socket.into()),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        let stream = Stream::over(Source::not_ready(socket.into(), false));
        std::future::poll_fn(|cx| stream.source.poll_ready(cx, WRITABLE)).await?;
        match nix::sys::socket::getsockopt(&stream.source.fd, sockopt::SocketError)? {
            0 => Ok(stream),
            code => Err(io::Error::from_raw_os_error(code)),
        }
    }

    /// The same socket with TLS over it; `received` was read from it already. The handshake follows.
    pub fn secured(&self, session: Session, received: &[u8]) -> Stream {
        Stream { source: self.source.clone(), tls: Some(Arc::new(Tls::new(session, received))) }
    }
    /// Does the handshake, where there is TLS. The caller sets a time.
    pub async fn handshake(&self) -> Result<(), HandshakeError> {
        match &self.tls {
            Some(tls) => std::future::poll_fn(|cx| tls.poll_handshake(cx, &self.source)).await,
            None => Ok(()),
        }
    }
    /// What the TLS session knows, where there is one.
    pub fn tls<T>(&self, at: impl FnOnce(&rustls::CommonState) -> T) -> Option<T> {
        Some(self.tls.as_ref()?.look(at))
    }
    /// Octets that the socket gave and took since the last call, where there is TLS: more than was read and written.
    pub fn take_traffic(&self) -> Option<(u64, u64)> {
        Some(self.tls.as_ref()?.take_traffic())
    }
    /// Whether the other side ended a TLS connection without saying so: what came may not be all.
    pub fn is_cut(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_cut())
    }
    pub fn is_secured(&self) -> bool {
        self.tls.is_some()
    }

    /// Reads; 0 at the end. A short read means that nothing is left: the next read waits without another attempt.
    pub fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(tls) = &self.tls {
            return tls.poll_read(cx, &self.source, buffer);
        }
        self.source.poll_with(cx, READABLE, |fd| {
            let read = nix::unistd::read(fd, buffer)?;
            Ok((read, read > 0 && read < buffer.len()))
        })
    }
    /// Writes some. Over TLS the socket may not have taken all of it yet: [`Stream::poll_flush`] sees it off.
    pub fn poll_write_vectored(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if let Some(tls) = &self.tls {
            return tls.poll_write(cx, &self.source, buffers);
        }
        self.source.poll_with(cx, WRITABLE, |fd| {
            let sent = match buffers {
                [whole] => nix::unistd::write(fd, whole)?,
                several => nix::sys::uio::writev(fd, several)?,
            };
            Ok((sent, false))
        })
    }
    /// Ready when the socket took everything that was written.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.tls {
            Some(tls) => tls.poll_flush(cx, &self.source),
            None => Poll::Ready(Ok(())),
        }
    }
    /// Ready when a read is worth an attempt.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(tls) = &self.tls {
            return tls.poll_readable(cx, &self.source);
        }
        // What cannot be waited for, the read will report.
        self.source.poll_ready(cx, READABLE).map(|_| ())
    }

    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        std::future::poll_fn(|cx| self.poll_read(cx, buffer)).await
    }
    /// Waits until a read is worth an attempt. Needs no buffer: for idle connections.
    pub async fn readable(&self) {
        std::future::poll_fn(|cx| self.poll_readable(cx)).await;
    }
    pub async fn write_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let wrote = std::future::poll_fn(|cx| self.poll_write_vectored(cx, buffers)).await?;
        if self.tls.is_some() {
            std::future::poll_fn(|cx| self.poll_flush(cx)).await?;
        }
        Ok(wrote)
    }
    /// Writes all of `buffer`.
    pub async fn write_all(&self, mut buffer: &[u8]) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.write_vectored(&[IoSlice::new(buffer)]).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                wrote => buffer = buffer.get(wrote..).unwrap_or_default(),
            }
        }
        Ok(())
    }
    /// Writes all of `buffers`, which are used up on the way.
    pub async fn write_all_vectored(&self, mut buffers: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            match self.write_vectored(buffers).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                wrote => IoSlice::advance_slices(&mut buffers, wrote),
            }
        }
        Ok(())
    }
    /// Sends a piece of a file as far as the socket takes it at once; 0 when the file ends early.
    pub async fn sendfile_some(&self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(SENDFILE_MOST);
        if self.tls.is_some() {
            let mut piece = vec![0; len.min(ENCRYPT_MOST)];
            let read = file.read_at(&mut piece, offset)?;
            piece.truncate(read);
            return match piece.is_empty() {
                true => Ok(0),
                false => self.write_vectored(&[IoSlice::new(&piece)]).await.map(|sent| sent as u64),
            };
        }
        let attempt = |fd: &OwnedFd| Ok((sys::socket::sendfile(fd, file, offset, len)? as u64, false));
        std::future::poll_fn(|cx| self.source.poll_with(cx, WRITABLE, attempt)).await
    }
    /// Sends `len` octets of a file, or up to its end; says how many.
    pub async fn sendfile(&self, file: &File, offset: u64, len: u64) -> io::Result<u64> {
        let mut sent = 0;
        while sent < len {
            match self.sendfile_some(file, offset + sent, len - sent).await? {
                0 => break,
                some => sent += some,
            }
            if sent < len {
                super::yield_now().await;
            }
        }
        Ok(sent)
    }

    /// Ends our side; over TLS the other side is told as far as the socket takes it at once.
    pub fn shutdown_write(&self) -> io::Result<()> {
        self.close_notify();
        Ok(shutdown(self.source.fd.as_raw_fd(), Shutdown::Write)?)
    }
    /// Whether nothing at all has come that was not read, the end included.
    pub fn is_quiet(&self) -> bool {
        if let Some(tls) = &self.tls {
            return tls.is_quiet(&self.source);
        }
        let mut octet = [std::mem::MaybeUninit::uninit()];
        let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
        match socket2::SockRef::from(&self.source.fd).recv_with_flags(&mut octet, flags) {
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
            Ok(_) => false,
        }
    }
    /// Tells the other side over TLS that nothing more will come; without TLS, nothing.
    pub fn close_notify(&self) {
        if let Some(tls) = &self.tls {
            tls.close(&self.source);
        }
    }
    pub fn set_nodelay(&self, on: bool) {
        let _ = nix::sys::socket::setsockopt(&self.source.fd, sockopt::TcpNoDelay, &on);
    }
    /// Holds back partial segments (TCP_CORK) while several writes make up one answer.
    pub fn set_cork(&self, on: bool) {
        let _ = sys::socket::set_cork(&self.source.fd, on);
    }
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = socket2::SockRef::from(&self.source.fd).local_addr()?;
        address.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let address = socket2::SockRef::from(&self.source.fd).peer_addr()?;
        address.as_socket().ok_or_else(|| io::ErrorKind::Unsupported.into())
    }
    /// The descriptor, to look at, to copy or to send to another process.
    pub fn as_raw_fd(&self) -> RawFd {
        self.source.lend()
    }
}
