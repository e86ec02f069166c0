//! The operating system and C libraries: the only folder with `unsafe`.
#![allow(unsafe_code)]

pub mod fork;
pub mod passing;
pub mod regex;
pub mod shared;
pub mod signal;
pub mod tcp;
