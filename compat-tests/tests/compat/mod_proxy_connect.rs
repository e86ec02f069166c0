//! mod_proxy_connect, and a forward proxy's other requests.

use compat_tests::{Backend, Group, group};

/// A forward proxy with a backend that shows what it receives.
fn forward(name: &str, conf: &str) -> (Group, String) {
    let backend = Backend::start(&[]);
    let address = format!("127.0.0.1:{}", backend.port);
    let conf = format!("ProxyRequests on\n{conf}")
        .replace("@BACKEND@", &address)
        .replace("@BPORT@", &backend.port.to_string());
    (group(name).and_modules("proxy proxy_http proxy_connect").conf(&conf), address)
}

#[test]
fn tunnels() {
    let (group, backend) = forward("CONNECT", "AllowCONNECT @BPORT@ 1 5-7\n");
    group
        .request(format!("CONNECT {backend} HTTP/1.1\r\nHost: {backend}\r\n\r\nGET /through HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        .request(format!("CONNECT {backend} HTTP/1.0\r\n\r\nGET /through HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
        .request("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("CONNECT 127.0.0.1:8 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("CONNECT 127.0.0.1:6 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("CONNECT no.such.invalid:1 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("CONNECT 127.0.0.1 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("CONNECT / HTTP/1.1\r\nHost: x\r\n\r\n")
        .check();
}

#[test]
fn without() {
    group("CONNECT without ProxyRequests")
        .and_modules("proxy proxy_http proxy_connect")
        .request("CONNECT 127.0.0.1:443 HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET ftp://127.0.0.1:1/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .check();
}

#[test]
fn allow() {
    group("AllowCONNECT").and_modules("proxy proxy_connect").syntax(&[
        "AllowCONNECT",
        "AllowCONNECT 1 2-3",
        "AllowCONNECT x",
        "AllowCONNECT 1-",
        "AllowCONNECT 1-x",
        "AllowCONNECT 99999999999999999999",
        "<Location />\nAllowCONNECT 1\n</Location>",
    ]);
}

#[test]
fn forward_requests() {
    let (group, backend) = forward(
        "ProxyRequests",
        "ProxyBlock 127.0.0.2 wicked\nProxyDomain .example.test\nProxyVia on\nProxyMaxForwards 9\n<Proxy http://@BACKEND@/secret>\nRequire all denied\n</Proxy>\n\
         <ProxyMatch /regex/>\nRequire all denied\n</ProxyMatch>\n<Location /located>\nRequire all denied\n</Location>\n",
    );
    let get = |url: &str| {
        format!(
            "GET {url} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\nProxy-Connection: x\r\nAuthorization: a\r\n\r\n"
        )
    };
    group
        .file("htdocs/here.txt", "here\n")
        .request(get(&format!("http://{backend}/a%20b?c=d")))
        .request(get(&format!("HTTP://{backend}/a%2fb%3f")))
        .request(get(&format!("http://{backend}")))
        .request(get(&format!("http://user:pass@{backend}/x")))
        .request(get(&format!("http://{backend}/secret/x")))
        .request(get(&format!("http://{backend}/regex/x")))
        .request(get(&format!("http://{backend}/located")))
        .request(get("http://wicked.invalid/x"))
        .request(get("http://127.0.0.2:1/x"))
        .request(get("http://nodomain/x"))
        .request(get("http://127.0.0.1:1/x"))
        .request(get("http://no.such.invalid/x"))
        .request(get("gopher://127.0.0.1/x"))
        .request(get("/here.txt"))
        .request(get("http://www.example.test/here.txt"))
        .request(format!(
            "POST http://{backend}/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
        ))
        .request(format!("GET http://{backend}/x HTTP/1.0\r\nMax-Forwards: 3\r\n\r\n"))
        .check();
}

#[test]
fn remotes() {
    let outer = Backend::start(&[]);
    let address = format!("127.0.0.1:{}", outer.port);
    let (group, backend) = forward(
        "ProxyRemote",
        &format!(
            "ProxyRemote http://far.example/ http://{address} user:secret\nProxyRemoteMatch ^http://match http://{address}\nProxyRemote ftp http://{address}/\nNoProxy 127.0.0.0/8 .near.example\n\
             AllowCONNECT 443\nProxyRemote * http://127.0.0.1:1\n"
        ),
    );
    let get = |url: &str| format!("GET {url} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n");
    group
        .request(get("http://far.example/x?y"))
        .request(get("http://match.example/x"))
        .request(get(&format!("http://{backend}/direct")))
        .request(get("http://nobody.near.example/x"))
        .request(get("ftp://host.example/x"))
        .check();
}

#[test]
fn remotes_by_place_and_words() {
    let outer = Backend::start(&[]);
    let address = format!("127.0.0.1:{}", outer.port);
    let (group, backend) = forward(
        "ProxyRemote and NoProxy",
        &format!(
            "ProxyRemote HTTP://Far.example/Sub http://{address}/path\nProxyRemote http://exact.example: http://{address}\nProxyRemote /x http://{address}\n\
             ProxyRemoteMatch ^HTTP://.*\\.match\\. http://{address} a:b\nProxyRemote http://gone.example http://127.0.0.1:0\nProxyRemote http://slash.example http://127.0.0.1/\n\
             NoProxy 10.0.0.0/8 127 .near.example far.near 1.2.3.4/0\nProxyRemote nope http://{address}\n"
        ),
    );
    let get = |url: &str| format!("GET {url} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n");
    group
        .request(get("http://far.example/sub/x"))
        .request(get("http://FAR.EXAMPLE/SUB"))
        .request(get("http://far.example/other"))
        .request(get("http://exact.example:80/x"))
        .request(get("http://exact.example/x"))
        .request(get("http://a.match.example/x"))
        .request(get("http://gone.example/x"))
        .request(get("http://slash.example/x"))
        .request(get(&format!("http://{backend}/direct")))
        .request(get("http://x.near.example/x"))
        .request(get("http://near.example/x"))
        .request(get("http://far.near./x"))
        .request(get("nope://host.example/x"))
        .check();
}

#[test]
fn blocks_and_domains() {
    let blocked = ["ProxyBlock .wicked. localhost", "ProxyBlock *", "ProxyBlock 127.0.0.1"];
    for (number, conf) in blocked.iter().enumerate() {
        let (group, backend) =
            forward(&format!("ProxyBlock {number}"), &format!("{conf}\nProxyDomain .example.test\n"));
        let get = |url: &str| {
            format!("GET {url} HTTP/1.1\r\nHost: other.example\r\nReferer: http://r/\r\nConnection: close\r\n\r\n")
        };
        group
            .request(get(&format!("http://{backend}/x")))
            .request(get("http://a.wicked.invalid/x"))
            .request(get("http://a.Wicked.invalid/x"))
            .request(get("http://localhost:1/x"))
            .request(get("http://nodomain:81/x?y"))
            .request(get("http://nodomain/a%20b"))
            .request(get("http://[::1]:1/x"))
            .request("CONNECT a.wicked.invalid:443 HTTP/1.1\r\nHost: x\r\n\r\n")
            .request("CONNECT nodomain:443 HTTP/1.1\r\nHost: x\r\n\r\n")
            .check();
    }
}

#[test]
fn words_of_remotes() {
    let mut snippets = Vec::new();
    for url in [
        "http://h:0",
        "http://h:-1",
        "http://h:1x",
        "http://h:x",
        "http://h:",
        "http://",
        "http:///",
        "http://:80",
        "h:80",
        "://h",
        "nope://h",
        "http://[::1]",
        "http://[::1]:80",
        "http://u:p@h:80",
        "http://h/path:80",
        "http://h:80:90",
        "http://h:+1",
        "HTTP://H:65536",
        "http://h:99999999999",
    ] {
        snippets.push(format!("ProxyRemote * {url}"));
        snippets.push(format!("ProxyRemoteMatch .* {url} u:p"));
    }
    for word in [
        "1.2.3.4/0",
        "1.2.3.4/8",
        "1.2.3.4/33",
        "1.2.3.4/",
        "1..2",
        ".1.2",
        "1.",
        "1.2.3.4.5",
        "256",
        "0",
        "10.0.0.0/255.0.0.0",
        "::1",
        "a:80",
        "..",
        "1.2.3.0",
    ] {
        snippets.push(format!("NoProxy {word}"));
    }
    for size in ["2147483648", "4294967296", "-1", "511", "+600", "x"] {
        snippets.push(format!("ProxyIOBufferSize {size}"));
        snippets.push(format!("ProxyReceiveBufferSize {size}"));
        snippets.push(format!("ProxyPass /a http://h/ iobuffersize={size}"));
    }
    for time in
        ["1us", "1000us", "1S", "1H", "1MS", "+1", "-1", "ms", "1sx", "1m", "1mi", "1.5", "99999999999999999999"]
    {
        snippets.push(format!("ProxyPass /a http://h/ ping={time}"));
        snippets.push(format!("ProxyPass /a http://h/ acquire={time}"));
        snippets.push(format!("ProxyPass /a http://h/ connectiontimeout={time}"));
        snippets.push(format!("KeepAliveTimeout {time}"));
        snippets.push(format!("WatchdogInterval {time}"));
    }
    group("words of forward proxies").and_modules("proxy proxy_http").syntax(&snippets);
}
