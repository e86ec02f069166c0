//! Any expression: a tree whose span lies in the source, or an error with a text.
#![no_main]

use httpd_conf::expr::{Use, parse_condition, parse_string};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let refuse = |used: Use<'_>| match used {
        Use::Variable(name) if name.len() % 2 == 1 => Err(used.does_not_exist()),
        _ => Ok(()),
    };
    match parse_condition(data, refuse) {
        Ok(condition) => assert!(condition.span.start < condition.span.end && condition.span.end <= data.len()),
        Err(error) => assert!(!error.message().is_empty() && error.offset <= data.len()),
    }
    match parse_string(data, refuse) {
        Ok(word) => assert!(!word.parts.is_empty() && word.span.end <= data.len()),
        Err(error) => assert!(!error.message().is_empty() && error.offset <= data.len()),
    }
});
