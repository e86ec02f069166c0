//! Any file: comes back byte for byte; its lines, words and variables make no panic.
#![no_main]

use httpd_conf::{Command, Document, Lines, expand, section_args, words};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    assert_eq!(Document::parse(data).to_bytes().as_slice(), data);
    let mut end = 0;
    for line in Lines::new(data) {
        assert_eq!(line.span.start, end);
        assert!(line.first <= line.number);
        end = line.span.end;
        let expanded = expand(&line.text, |name| (name.len() % 2 == 0).then_some(" a\"b"));
        let command = Command::split(&expanded.text);
        let _ = section_args(command.args());
        for word in words(command.args()) {
            assert!(word.len() <= expanded.text.len());
        }
    }
    assert_eq!(end, data.len());
});
