//! httpd
fn main() {}
