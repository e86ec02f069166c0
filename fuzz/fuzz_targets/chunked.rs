//! The chunked coding: decoding octet by octet gives what decoding at once gives.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pinion::http::chunked::{Decoder, Step};

fn decode(bytes: &[u8], span: usize) -> (Vec<u8>, Step) {
    let (mut decoder, mut out, mut at) = (Decoder::new(100, true), Vec::new(), 0);
    loop {
        let end = (at + span).min(bytes.len());
        let (used, step) = decoder.step(&bytes[at..end]);
        at += used;
        match step {
            Step::More if at == bytes.len() => return (out, step),
            Step::More => {}
            Step::Data(count) => {
                out.extend_from_slice(&bytes[at..at + count]);
                at += count;
                decoder.took(count);
            }
            _ => return (out, step),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    assert_eq!(decode(bytes, 1), decode(bytes, usize::MAX / 2));
});
