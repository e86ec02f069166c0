//! The operating system and C libraries: the only folder with `unsafe`.
#![allow(unsafe_code)]

pub mod regex;
