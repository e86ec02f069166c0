//! Range lists: every part lies within the body, and merged parts do not touch the one before.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pinion::http::ranges::parse;

fuzz_target!(|input: (u64, &[u8])| {
    let (length, list) = (input.0 >> 1, input.1);
    if let Some(asked) = parse(list, length) {
        for (first, last) in &asked.spans {
            assert!(first <= last && *last < length);
        }
        for pair in asked.spans.windows(2) {
            assert!(pair[1].0 > pair[0].1 + 1 || pair[1].1 + 1 < pair[0].0);
        }
    }
});
