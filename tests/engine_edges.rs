//! The engine where it is easily wrong: ends that arrive with data, wakes that must not repeat, descriptors that run
//! short, what is left over when a loop stops.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use pinion::engine::{self, Listener, Notify, Stream, alone, event};
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

fn listener() -> (OwnedFd, SocketAddr) {
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

/// Runs `future` and counts how often it was polled.
async fn counted(polls: Arc<AtomicUsize>, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        polls.fetch_add(1, Ordering::SeqCst);
        future.as_mut().poll(cx)
    })
    .await;
}

/// Bytes and the end of the stream reported in one event are both read.
#[test]
fn an_end_that_comes_with_data_is_seen() {
    async fn check() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let stream = Stream::from_unix(ours).unwrap();
        // Until the reader waits: what comes now comes in one event.
        let reader = async {
            let mut buffer = [0; 64];
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 1);
            assert_eq!(stream.read(&mut buffer).await.unwrap(), 0);
        };
        let mut reader = pin!(reader);
        assert!(std::future::poll_fn(|cx| Poll::Ready(reader.as_mut().poll(cx).is_pending())).await);
        engine::yield_now().await;
        assert!(std::future::poll_fn(|cx| Poll::Ready(reader.as_mut().poll(cx).is_pending())).await);
        theirs.write_all(b"x").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        engine::timeout(Duration::from_secs(5), reader).await.expect("the end was lost");
    }
    in_a_loop(check());
    alone::run(check());
}

/// A wake while the task runs does not make every later wait return at once.
#[test]
fn a_wake_is_used_up_by_one_turn() {
    let polls = Arc::new(AtomicUsize::new(0));
    let wait = async {
        engine::yield_now().await;
        engine::yield_now().await;
        engine::sleep(Duration::from_millis(200)).await;
    };
    alone::run(counted(polls.clone(), wait));
    assert!(polls.load(Ordering::SeqCst) < 10, "{polls:?} polls");
}

/// The same with wakes from another thread.
#[test]
fn a_wake_from_another_thread_is_used_up_too() {
    let polls = Arc::new(AtomicUsize::new(0));
    let bell = Arc::new(Notify::new());
    let (ringer, (asked, answer)) = (bell.clone(), mpsc::channel());
    let thread = std::thread::spawn(move || {
        while answer.recv().is_ok() {
            ringer.notify_all();
        }
    });
    let wait = async {
        for _ in 0..20 {
            let rung = bell.notified();
            asked.send(()).unwrap();
            engine::timeout(LONG, rung).await.unwrap();
        }
        drop(asked);
        engine::sleep(Duration::from_millis(200)).await;
    };
    alone::run(counted(polls.clone(), wait));
    thread.join().unwrap();
    assert!(polls.load(Ordering::SeqCst) < 100, "{polls:?} polls");
}

/// What is dropped with the loop is dropped, not leaked: sockets close, futures end.
#[test]
fn a_stopped_loop_drops_its_tasks() {
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let gone = Arc::new(AtomicUsize::new(0));
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let counter = gone.clone();
    event::run(event::Options::default(), async move {
        let (one, two) = (Gone(counter.clone()), Gone(counter));
        engine::spawn(async move {
            let _one = one;
            let stream = Stream::from_unix(ours).unwrap();
            let _ = stream.read(&mut [0]).await;
        });
        engine::spawn(async move {
            let _two = two;
            engine::sleep(Duration::from_secs(3600)).await;
        });
        for _ in 0..4 {
            engine::yield_now().await;
        }
        event::handle().unwrap().stop();
        engine::sleep(Duration::from_secs(3600)).await;
    })
    .unwrap();
    assert_eq!(gone.load(Ordering::SeqCst), 2);
    theirs.set_read_timeout(Some(LONG)).unwrap();
    assert_eq!(theirs.read(&mut [0]).unwrap(), 0);
}

/// A stream made outside of a loop, or in another one, is at home where it is used.
#[test]
fn a_stream_may_be_made_before_the_loop() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let stream = Stream::from_unix(ours).unwrap();
    theirs.write_all(b"1").unwrap();
    let thread = std::thread::spawn(move || {
        let mut got = [0];
        theirs.read_exact(&mut got).unwrap();
        theirs.write_all(b"2").unwrap();
        got
    });
    in_a_loop(async move {
        let mut got = [0; 8];
        assert_eq!(engine::timeout(LONG, stream.read(&mut got)).await.unwrap().unwrap(), 1);
        stream.write_all(b"x").await.unwrap();
        assert_eq!(engine::timeout(LONG, stream.read(&mut got)).await.expect("lost").unwrap(), 1);
    });
    assert_eq!(&thread.join().unwrap(), b"x");
}

const SHORT_OF_DESCRIPTORS: &str = "PINION_TEST_SHORT_OF_DESCRIPTORS";

/// Run by the next test in a process of its own, with the listener as its standard input.
#[test]
fn server_short_of_descriptors() {
    if std::env::var_os(SHORT_OF_DESCRIPTORS).is_none() {
        return;
    }
    use nix::sys::resource::{Resource, setrlimit};
    setrlimit(Resource::RLIMIT_NOFILE, 32, 32).unwrap();
    use std::os::fd::AsFd;
    let fd = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let failures = Arc::new(AtomicUsize::new(0));
    let main = async move {
        let listener = Listener::new(fd).unwrap();
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                failures.fetch_add(1, Ordering::SeqCst);
                continue;
            };
            let failures = failures.clone();
            engine::spawn(async move {
                while let Ok(1) = stream.read(&mut [0]).await {
                    let count = failures.load(Ordering::SeqCst).min(255) as u8;
                    let _ = stream.write_all(&[count]).await;
                }
            });
        }
    };
    event::run(event::Options::default(), main).unwrap();
}

/// A shortage of descriptors neither spins nor stops the server for good.
#[test]
fn accepting_goes_on_when_descriptors_are_free_again() {
    let (fd, address) = listener();
    struct Server(std::process::Child);
    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
    let server = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["server_short_of_descriptors", "--exact", "--nocapture"])
        .env(SHORT_OF_DESCRIPTORS, "1")
        .stdin(fd)
        .spawn()
        .unwrap();
    let _server = Server(server);
    let ask = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.write_all(b"?").unwrap();
        let mut count = [0];
        stream.read_exact(&mut count).unwrap();
        count[0]
    };
    let mut streams: Vec<_> = (0..64).map(|_| TcpStream::connect(address).unwrap()).collect();
    // Answered at a leisurely pace, while the others wait for descriptors.
    let mut failures = 0;
    let begin = std::time::Instant::now();
    while failures == 0 || begin.elapsed() < Duration::from_millis(400) {
        failures = ask(&mut streams[0]);
    }
    assert!(failures < 40, "{failures} attempts while descriptors were short");
    let later = streams.split_off(40);
    drop(streams);
    for mut stream in later {
        ask(&mut stream);
    }
}

/// Each child that waits on the same listener gets its share of the connections.
#[test]
fn two_loops_share_a_listener() {
    let (fd, address) = listener();
    let counts = [Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0))];
    let handles = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let threads = counts.clone().map(|count| {
        let (fd, handles) = (fd.try_clone().unwrap(), handles.clone());
        std::thread::spawn(move || {
            let main = async move {
                handles.lock().push(event::handle().unwrap());
                let listener = Listener::new(fd).unwrap();
                loop {
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    count.fetch_add(1, Ordering::SeqCst);
                    engine::spawn(async move {
                        let _ = stream.write_all(b".").await;
                        let _ = stream.read(&mut [0]).await;
                    });
                }
            };
            event::run(event::Options::default(), main).unwrap();
        })
    });
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LONG)).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        streams.push(stream);
    }
    handles.lock().iter().for_each(event::Handle::stop);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let shares = counts.map(|count| count.load(Ordering::SeqCst));
    assert_eq!(shares[0] + shares[1], 200);
    assert!(shares.iter().all(|share| *share >= 40), "{shares:?}");
}

/// A listener that is switched off leaves its connections in the backlog, and takes them when it is on again.
#[test]
fn a_listener_is_switched_off_and_on() {
    async fn check() {
        let (fd, address) = listener();
        let listener = Listener::new(fd).unwrap();
        let first = TcpStream::connect(address).unwrap();
        listener.accept().await.unwrap();
        listener.disable();
        listener.disable();
        let second = TcpStream::connect(address).unwrap();
        assert!(engine::timeout(Duration::from_millis(50), listener.accept()).await.is_err());
        let mut accept = pin!(listener.accept());
        assert!(std::future::poll_fn(|cx| Poll::Ready(accept.as_mut().poll(cx).is_pending())).await);
        listener.enable();
        listener.enable();
        let (_, peer) = engine::timeout(LONG, accept).await.expect("still off").unwrap();
        assert_eq!(peer, Some(second.local_addr().unwrap()));
        drop(first);
    }
    in_a_loop(check());
    alone::run(check());
}

/// Followers are made up to the limit, and without one the closure runs where it is.
#[test]
fn blocking_with_one_thread_or_within_itself_is_a_plain_call() {
    let options = event::Options { max_threads: 1, ..event::Options::default() };
    let (done, ended) = mpsc::channel();
    event::run(options, async move {
        let here = std::thread::current().id();
        let there = engine::block(|| engine::block(|| std::thread::current().id()));
        assert_eq!(here, there);
        assert_eq!(event::handle().unwrap().threads(), 1);
        engine::sleep(Duration::from_millis(10)).await;
        done.send(()).unwrap();
    })
    .unwrap();
    ended.try_recv().unwrap();
    assert_eq!(engine::block(|| 7), 7);
}

/// After it blocked, a task still reads, writes, sets timers and spawns, from whatever thread it is on.
#[test]
fn a_task_waits_after_it_blocked() {
    let main = async {
        let finished = Arc::new(AtomicUsize::new(0));
        let bell = Arc::new(Notify::new());
        for _ in 0..20 {
            let (finished, bell) = (finished.clone(), bell.clone());
            engine::spawn(async move {
                let (ours, theirs) = UnixStream::pair().unwrap();
                let far = Stream::from_unix(theirs).unwrap();
                for round in 0..10u8 {
                    engine::block(|| std::thread::sleep(Duration::from_millis(1)));
                    let near = Stream::from_unix(ours.try_clone().unwrap()).unwrap();
                    let sender = near.clone();
                    engine::spawn(async move {
                        engine::block(std::thread::yield_now);
                        sender.write_all(&[round]).await.unwrap();
                    });
                    let mut got = [0];
                    let read = engine::timeout(LONG, far.read(&mut got)).await.expect("lost").unwrap();
                    assert_eq!((read, got), (1, [round]));
                    engine::sleep(Duration::from_millis(1)).await;
                }
                finished.fetch_add(1, Ordering::SeqCst);
                bell.notify_all();
            });
        }
        loop {
            let rung = bell.notified();
            if finished.load(Ordering::SeqCst) == 20 {
                break;
            }
            engine::timeout(LONG, rung).await.expect("some task is lost");
        }
    };
    in_a_loop(main);
}

/// sendfile sends what is there, in both ways of running, to a reader that is slower.
#[test]
fn a_file_goes_out_whole() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..3_000_000u32).map(|at| (at % 251) as u8).collect();
    file.write_all(&content).unwrap();
    let file = Arc::new(file);
    let send = |file: Arc<std::fs::File>, ours: UnixStream| async move {
        let stream = Stream::from_unix(ours).unwrap();
        assert_eq!(stream.sendfile(&file, 1000, 2_000_000).await.unwrap(), 2_000_000);
        assert_eq!(stream.sendfile(&file, 2_999_000, 5000).await.unwrap(), 1000);
        stream.shutdown_write().unwrap();
    };
    for looped in [true, false] {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).unwrap();
            got
        });
        match looped {
            true => in_a_loop(send(file.clone(), ours)),
            false => alone::run(send(file.clone(), ours)),
        }
        let got = reader.join().unwrap();
        assert!(got == [&content[1000..2_001_000], &content[2_999_000..]].concat(), "looped: {looped}");
    }
}
