//! mod_reqtimeout: RequestReadTimeout for heads and bodies.

use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn slow_clients(mpm) {
        group("RequestReadTimeout")
            .mpm(mpm)
            .conf("LogLevel warn reqtimeout:info\nRequestReadTimeout header=1 body=1\n")
            .hold("GET / HTTP/1.1\r\nHost: x\r\n")
            .hold("G")
            .hold("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
            .get("/")
            .check();
    }
}

/// Without deadlines of its own the connection's timeout holds, and nothing is said of it.
#[test]
fn stages_that_are_off() {
    group("RequestReadTimeout off")
        .conf("LogLevel warn reqtimeout:info\nTimeout 1\nRequestReadTimeout header=0 body=0\n")
        .hold("GET / HTTP/1.1\r\nHost: x\r\n")
        .hold("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        .check();
    group("RequestReadTimeout of the head alone")
        .conf("LogLevel warn reqtimeout:info\nTimeout 2\nRequestReadTimeout header=1-2,MinRate=500 body=0\n")
        .hold("GET / HTTP/1.1\r\nHost: x\r\n")
        .hold("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        .check();
}

#[test]
fn errors() {
    group("reqtimeout errors").syntax(&[
        "RequestReadTimeout",
        "RequestReadTimeout header",
        "RequestReadTimeout header=",
        "RequestReadTimeout header=x",
        "RequestReadTimeout foo=5",
        "RequestReadTimeout header=20-40,minrate=500 body=20,MinRate=500",
        "RequestReadTimeout header=20-10",
        "RequestReadTimeout header=20,minrate=0",
        "RequestReadTimeout header=20,minrate=x",
        "RequestReadTimeout header=20,foo=1",
        "RequestReadTimeout header=20-40",
        "RequestReadTimeout header=-1",
        "RequestReadTimeout handshake=5 header=10 body=30",
        "RequestReadTimeout header=0 body=0",
        "RequestReadTimeout header=5 header=6",
        "RequestReadTimeout header=5s",
    ]);
}
