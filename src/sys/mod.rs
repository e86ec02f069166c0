//! The operating system and C libraries: the only folder with `unsafe`.
#![allow(unsafe_code)]

pub mod account;
pub mod crypt;
pub mod dbm;
pub mod epoll;
pub mod fork;
pub mod iconv;
pub mod limits;
pub mod pages;
pub mod passing;
pub mod regex;
pub mod resolve;
pub mod shared;
pub mod shared_lock;
pub mod signal;
pub mod socket;
pub mod strftime;
pub mod tcp;
