//! A small server that keeps values, as memcached or Redis do, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running one; it ends with the process.
#[derive(Clone, Default)]
pub struct Keeper {
    values: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Keeper {
    /// Listens on that port and speaks memcached's protocol, or Redis'.
    pub fn start(port: u16) -> Keeper {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port of a keeper");
        let keeper = Keeper::default();
        let own = keeper.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let keeper = own.clone();
                thread::spawn(move || keeper.serve(stream));
            }
        });
        keeper
    }

    /// What it was asked so far: verbs and keys.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("the list").clone()
    }

    fn serve(&self, stream: TcpStream) {
        let mut input = BufReader::new(stream.try_clone().expect("a clone"));
        let mut output = stream;
        loop {
            let mut line = String::new();
            if !input.read_line(&mut line).is_ok_and(|count| count > 0) {
                return;
            }
            let answer = match line.trim_end().strip_prefix('*').and_then(|count| count.parse::<usize>().ok()) {
                Some(count) => self.redis(&mut input, count),
                None => self.memcached(&mut input, line.trim_end()),
            };
            if output.write_all(&answer).is_err() {
                return;
            }
        }
    }

    fn note(&self, verb: &str, key: &str) {
        self.asked.lock().expect("the list").push(format!("{} {key}", verb.to_lowercase()));
    }

    fn memcached(&self, input: &mut impl BufRead, line: &str) -> Vec<u8> {
        let words: Vec<&str> = line.split(' ').collect();
        let key = words.get(1).copied().unwrap_or_default().to_owned();
        self.note(words[0], &key);
        let mut values = self.values.lock().expect("the values");
        match words[0] {
            "set" => {
                let mut value = vec![0; words[4].parse::<usize>().expect("a length") + 2];
                input.read_exact(&mut value).expect("a value");
                value.truncate(value.len() - 2);
                values.insert(key, value);
                b"STORED\r\n".to_vec()
            }
            "get" => match values.get(&key) {
                Some(value) => {
                    [format!("VALUE {key} 0 {}\r\n", value.len()).as_bytes(), value, b"\r\nEND\r\n"].concat()
                }
                None => b"END\r\n".to_vec(),
            },
            "delete" => match values.remove(&key) {
                Some(_) => b"DELETED\r\n".to_vec(),
                None => b"NOT_FOUND\r\n".to_vec(),
            },
            "version" => b"VERSION 1.6.0\r\n".to_vec(),
            _ => b"ERROR\r\n".to_vec(),
        }
    }

    fn redis(&self, input: &mut impl BufRead, count: usize) -> Vec<u8> {
        let words: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let mut line = String::new();
                input.read_line(&mut line).expect("a length");
                let mut word = vec![0; line.trim_end().trim_start_matches('$').parse::<usize>().expect("a number") + 2];
                input.read_exact(&mut word).expect("a word");
                word.truncate(word.len() - 2);
                word
            })
            .collect();
        let text = |at: usize| String::from_utf8_lossy(words.get(at).map_or(&[][..], Vec::as_slice)).into_owned();
        let (verb, key) = (text(0).to_uppercase(), text(1));
        self.note(&verb, &key);
        let mut values = self.values.lock().expect("the values");
        match verb.as_str() {
            "SETEX" | "SET" => {
                values.insert(key, words.last().cloned().unwrap_or_default());
                b"+OK\r\n".to_vec()
            }
            "GET" => match values.get(&key) {
                Some(value) => [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
                None => b"$-1\r\n".to_vec(),
            },
            "DEL" => format!(":{}\r\n", u8::from(values.remove(&key).is_some())).into_bytes(),
            "PING" => b"+PONG\r\n".to_vec(),
            _ => b"-ERR unknown command\r\n".to_vec(),
        }
    }
}
