//! mod_proxy_wstunnel, and upgrades through mod_proxy_http.

use compat_tests::{Backend, Group, Step, group, says, says_and_closes};

fn served(name: &str, conf: &str) -> Group {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nX: y\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: abc\r\n\r\nhello from the other side";
    let backend = Backend::start(&[
        ("switch", says_and_closes(switch)),
        (
            "echo",
            vec![
                Step::Send(
                    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n".to_vec(),
                ),
                Step::Echo,
            ],
        ),
        ("refuse", says("HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")),
        ("other", says_and_closes("HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: Upgrade\r\n\r\n")),
        ("none", says_and_closes("HTTP/1.1 101 Switching Protocols\r\n\r\n")),
    ]);
    group(name)
        .and_modules("proxy proxy_http proxy_wstunnel")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
}

fn upgrade(path: &str, protocol: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: www.example.test\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Key: x\r\n\r\n{more}"
    )
}

const CONF: &str = "ProxyPass /ws/ ws://@BACKEND@/\nProxyPass /up/ http://@BACKEND@/up/ upgrade=websocket\nProxyPass /any/ http://@BACKEND@/any/ upgrade=ANY\nProxyPass /no/ http://@BACKEND@/no/\n";

#[test]
fn upgrades() {
    served("upgrades", &format!("{CONF}ProxyPass /ws2/ ws://@BACKEND@/ws2/\n"))
        .request(upgrade("/ws/switch", "websocket", ""))
        .request(upgrade("/ws2/switch", "WebSocket", ""))
        .request(upgrade("/ws2/echo", "WebSocket", "early octets"))
        .request(upgrade("/ws2/shown", "websocket", ""))
        .request(upgrade("/ws2/refuse", "websocket", ""))
        .request(upgrade("/ws2/other", "websocket", ""))
        .request(upgrade("/ws2/none", "websocket", ""))
        .request(upgrade("/up/switch", "websocket", ""))
        .request(upgrade("/up/shown", "h2c", ""))
        .request(upgrade("/any/other", "other", ""))
        .request(upgrade("/no/shown", "websocket", ""))
        .request(upgrade("/no/switch", "websocket", ""))
        .get("/ws2/shown")
        .check();
}

/// The switch holds for places too.
#[test]
fn without_fallback_in_a_place() {
    served(
        "ProxyWebsocketFallbackToProxyHttp off in a place",
        &format!("{CONF}<Location /ws/>\nProxyWebsocketFallbackToProxyHttp off\n</Location>\n"),
    )
    .hold(upgrade("/ws/switch", "websocket", ""))
    .get("/ws/shown")
    .check();
}

#[test]
fn without_fallback() {
    served("ProxyWebsocketFallbackToProxyHttp off", &format!("ProxyWebsocketFallbackToProxyHttp off\n{CONF}"))
        .hold(upgrade("/ws/switch", "websocket", ""))
        .get("/ws/shown")
        .check();
}

#[test]
fn directives() {
    served("wstunnel directives", "").syntax(&[
        "ProxyWebsocketFallbackToProxyHttp",
        "ProxyWebsocketFallbackToProxyHttp x",
        "ProxyWebsocketFallbackToProxyHttp on",
    ]);
}
