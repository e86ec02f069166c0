//! The engine: both ways of running, blocking beside static traffic, timers, the watchdog.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pinion::engine::{self, Listener, Notify, Semaphore, Stream, alone, event};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn listener() -> (OwnedFd, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    (listener.into(), address)
}

/// Runs `main` in a loop of its own; a panic in it is the test's.
fn in_a_loop(main: impl Future<Output = ()> + Send + 'static) {
    let (done, ended) = mpsc::channel();
    let main = async move {
        main.await;
        done.send(()).unwrap();
    };
    event::run(event::Options::default(), main).unwrap();
    ended.try_recv().expect("the task panicked");
}

async fn echo(stream: Stream) {
    let mut buffer = [0; 1024];
    while let Ok(read) = stream.read(&mut buffer).await {
        match buffer.get(..read) {
            Some([b'b', ..]) => engine::block(|| std::thread::sleep(Duration::from_millis(300))),
            Some([b's', ..]) => {
                // Not announced as blocking: the watchdog must notice.
                std::thread::sleep(Duration::from_millis(300));
            }
            Some([b'p', ..]) => panic!("asked for"),
            Some([b'q', ..]) => {
                if let Some(handle) = event::handle() {
                    handle.stop();
                }
            }
            _ => {}
        }
        if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

/// Runs an echo server; returns its address and a way to wait for its end.
fn server(options: event::Options) -> (std::net::SocketAddr, mpsc::Receiver<()>) {
    let (fd, address) = listener();
    let (done, ended) = mpsc::channel();
    std::thread::spawn(move || {
        let main = async move {
            let listener = Listener::new(fd).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                engine::spawn(echo(stream));
            }
        };
        event::run(options, main).unwrap();
        done.send(()).unwrap();
    });
    (address, ended)
}

fn ask(stream: &mut TcpStream, text: &[u8]) -> Duration {
    let begin = Instant::now();
    stream.write_all(text).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text);
    begin.elapsed()
}

fn connect(address: std::net::SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn many_connections_on_one_loop() {
    let (address, ended) = server(event::Options::default());
    let mut streams: Vec<_> = (0..200).map(|_| connect(address)).collect();
    for round in 0..20u8 {
        for stream in &mut streams {
            ask(stream, &[b'e', round]);
        }
    }
    ask(&mut connect(address), b"q");
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn blocking_and_spinning_tasks_stall_nobody_else() {
    for word in [b"b", b"s"] {
        let (address, ended) = server(event::Options::default());
        let mut slow: Vec<_> = (0..4).map(|_| connect(address)).collect();
        let mut fast = connect(address);
        ask(&mut fast, b"e");
        for stream in &mut slow {
            stream.write_all(word).unwrap();
        }
        let spent = ask(&mut fast, b"e");
        assert!(spent < Duration::from_millis(290), "{spent:?} beside {}", word[0] as char);
        for stream in &mut slow {
            stream.read_exact(&mut [0]).unwrap();
        }
        ask(&mut connect(address), b"q");
        ended.recv_timeout(Duration::from_secs(20)).unwrap();
    }
}

#[test]
fn a_panic_ends_one_connection() {
    let (address, ended) = server(event::Options::default());
    let mut other = connect(address);
    ask(&mut other, b"e");
    let mut victim = connect(address);
    victim.write_all(b"p").unwrap();
    assert_eq!(victim.read(&mut [0]).unwrap(), 0);
    ask(&mut other, b"e");
    ask(&mut other, b"q");
    ended.recv_timeout(Duration::from_secs(20)).unwrap();
}

/// Both ways of running keep time.
#[test]
fn timers_keep_their_order_and_length() {
    async fn check() {
        let begin = Instant::now();
        let late = engine::timeout(Duration::from_millis(80), std::future::pending::<()>()).await;
        assert!(late.is_err());
        let spent = begin.elapsed();
        assert!(spent >= Duration::from_millis(75) && spent < Duration::from_secs(5), "{spent:?}");
        assert_eq!(engine::timeout(Duration::from_secs(60), async { 7 }).await, Ok(7));
        engine::sleep(Duration::from_millis(20)).await;
        assert!(begin.elapsed() >= Duration::from_millis(95));
    }
    alone::run(check());
    in_a_loop(check());
}

#[test]
fn alone_reads_and_writes_like_the_loop() {
    let (fd, address) = listener();
    let client = std::thread::spawn(move || {
        let mut stream = connect(address);
        for _ in 0..50 {
            ask(&mut stream, b"hello");
        }
    });
    alone::run(async move {
        let listener = Listener::new(fd).unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        assert!(peer.is_some());
        echo(stream).await;
    });
    client.join().unwrap();
}

/// Tasks that wake each other from several threads are never polled twice at once.
#[test]
fn a_task_is_polled_by_one_thread_at_a_time() {
    let inside = Arc::new(AtomicUsize::new(0));
    let rounds = Arc::new(AtomicUsize::new(0));
    let (watch, count) = (inside, rounds.clone());
    let main = async move {
        for _ in 0..16 {
            let (watch, count) = (watch.clone(), count.clone());
            let own = Arc::new(AtomicUsize::new(0));
            engine::spawn(async move {
                for _ in 0..200 {
                    assert_eq!(own.fetch_add(1, Ordering::SeqCst), 0);
                    watch.fetch_add(1, Ordering::SeqCst);
                    engine::block(|| std::thread::sleep(Duration::from_micros(50)));
                    own.fetch_sub(1, Ordering::SeqCst);
                    engine::yield_now().await;
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    };
    event::run(event::Options { max_threads: 8, ..event::Options::default() }, main).unwrap();
    assert_eq!(rounds.load(Ordering::SeqCst), 16 * 200);
}

#[test]
fn a_semaphore_serves_in_order_and_a_notification_reaches_all() {
    let semaphore = Semaphore::new(1);
    let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let notify = Arc::new(Notify::new());
    let (line, seen, bell) = (semaphore, order.clone(), notify);
    let main = async move {
        let first = line.acquire().await;
        for at in 0..5 {
            let (line, seen, bell) = (line.clone(), seen.clone(), bell.clone());
            engine::spawn(async move {
                let permit = line.acquire().await;
                seen.lock().push(at);
                drop(permit);
                bell.notify_all();
            });
        }
        engine::yield_now().await;
        engine::yield_now().await;
        assert_eq!(line.waiting(), 5);
        drop(first);
        while line.waiting() > 0 {
            engine::yield_now().await;
        }
    };
    event::run(event::Options::default(), main).unwrap();
    assert_eq!(*order.lock(), [0, 1, 2, 3, 4]);
}

fn cat() -> Command {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

/// A child process that is dropped before its end is killed with all its kin, and no zombie stays.
#[test]
fn a_dropped_program_is_gone() {
    async fn check() {
        // The grandchild holds the pipe's other end: it closes when both are gone.
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$; sleep 1000 & sleep 1000"]).stdout(Stdio::piped());
        let mut child = engine::Child::spawn_group(&mut command).unwrap();
        let stdout = child.stdout.take().unwrap();
        let mut buffer = [0; 64];
        let read = stdout.read(&mut buffer).await.unwrap();
        let pid = std::str::from_utf8(&buffer[..read]).unwrap().trim().to_owned();
        assert_eq!(pid, child.id().to_string());
        drop(child);
        let end = engine::timeout(Duration::from_secs(20), stdout.read(&mut buffer)).await;
        assert_eq!(end.expect("somebody lives on").unwrap(), 0);
        let gone = async {
            while std::path::Path::new("/proc").join(&pid).exists() {
                engine::yield_now().await;
            }
        };
        engine::timeout(Duration::from_secs(20), gone).await.expect("a zombie stays");
    }
    alone::run(check());
    in_a_loop(check());
}

#[test]
fn a_program_runs_beside_the_loop() {
    let main = async {
        let mut child = engine::Child::spawn(cat().env_clear()).unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        stdin.write_all(b"through a pipe").await.unwrap();
        drop(stdin);
        let mut buffer = [0; 64];
        let read = stdout.read(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..read], b"through a pipe");
        assert!(child.wait().await.unwrap().success());
    };
    in_a_loop(main);
}
