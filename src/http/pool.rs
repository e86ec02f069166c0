//! Buffers and requests that connections hand to each other: an idle connection owns none.

use super::input::BUFFER;
use crate::config::{Configuration, Dir};
use crate::request::{Connection, Request};
use std::cell::RefCell;
use std::sync::Arc;

/// Things of one kind that a thread keeps at most.
const KEEP: usize = 64;
/// A buffer that grew beyond this is let go.
const LARGEST: usize = 64 * 1024;

thread_local! {
    static INPUT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    static REQUESTS: RefCell<Vec<Parts>> = const { RefCell::new(Vec::new()) };
}

type Shelf = std::thread::LocalKey<RefCell<Vec<Vec<u8>>>>;

fn take(shelf: &'static Shelf) -> Option<Vec<u8>> {
    shelf.try_with(|shelf| shelf.try_borrow_mut().ok()?.pop()).ok().flatten()
}

fn keep<T>(shelf: &'static std::thread::LocalKey<RefCell<Vec<T>>>, value: T) {
    let _ = shelf.try_with(|shelf| {
        if let Ok(mut shelf) = shelf.try_borrow_mut()
            && shelf.len() < KEEP
        {
            shelf.push(value);
        }
    });
}

/// A buffer of [`BUFFER`] octets.
pub fn input_buffer() -> Vec<u8> {
    take(&INPUT).unwrap_or_else(|| vec![0; BUFFER])
}

pub fn keep_input_buffer(buffer: Vec<u8>) {
    if buffer.len() == BUFFER {
        keep(&INPUT, buffer);
    }
}

/// An empty buffer.
pub fn output_buffer() -> Vec<u8> {
    take(&OUTPUT).unwrap_or_else(|| Vec::with_capacity(2048))
}

pub fn keep_output_buffer(mut buffer: Vec<u8>) {
    buffer.clear();
    if (1..=LARGEST).contains(&buffer.capacity()) {
        keep(&OUTPUT, buffer);
    }
}

/// The memory of a request that is worth keeping. Nothing of its content survives.
struct Parts(Box<Request>);

/// A fresh request, in the memory of an earlier one.
pub fn request(connection: &Arc<Connection>, configuration: &'static Configuration, dir: Dir) -> Box<Request> {
    match REQUESTS.try_with(|shelf| shelf.try_borrow_mut().ok()?.pop()).ok().flatten() {
        Some(Parts(mut old)) => {
            old.renew(connection.clone(), configuration, dir);
            old
        }
        None => Box::new(Request::new(connection.clone(), configuration, dir)),
    }
}

/// Takes a finished request back. What it holds of others (body, connection, settings) goes at once.
pub fn keep_request(mut r: Box<Request>) {
    if r.headers_in.size() + r.headers_out.size() + r.env.size() > LARGEST {
        return;
    }
    r.body_in = Default::default();
    r.body_out = Default::default();
    r.prev = None;
    r.main = None;
    r.extensions.clear();
    r.input_filters.clear();
    r.output_filters.clear();
    keep(&REQUESTS, Parts(r));
}
