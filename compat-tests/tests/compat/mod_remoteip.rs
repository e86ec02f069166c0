//! mod_remoteip: RemoteIPHeader and its lists, the PROXY protocol.

use compat_tests::{Group, group};

const FORMAT: &str = "%a|%{c}a|%h|%{remoteip-proxy-ip-list}n|%{X-Forwarded-For}i|%{X-By}i|%>s";

fn values(mut g: Group) -> Group {
    for value in [
        "192.0.2.1",
        " 192.0.2.1 ",
        "192.0.2.1, 198.51.100.7",
        "203.0.113.5, 192.0.2.1, 198.51.100.7",
        "203.0.113.5,10.1.2.3,198.51.100.7",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.3.4",
        "169.254.1.1",
        "127.0.0.1",
        "10.1.2.3, 10.9.9.9",
        "8.8.8.8, 10.1.2.3",
        "nonsense",
        "1.2.3.4, nonsense",
        "nonsense, 1.2.3.4",
        "1.2.3.4,",
        ",1.2.3.4",
        "1.2.3.4:80",
        "[2001:db8::1]",
        "2001:db8::1",
        "2001:DB8:0::1",
        "::1",
        "fe80::1",
        "::ffff:1.2.3.4",
        "1.2.3",
        "01.2.3.4",
        "1.2.3.4 5.6.7.8",
        "",
        "example.org",
        "0.0.0.0",
        "255.255.255.255",
    ] {
        g = g.get_with("/who/", &format!("X-Forwarded-For: {value}"));
    }
    g.get("/who/")
        .get_with("/who/", "X-Forwarded-For: 192.0.2.1\nX-Forwarded-For: 192.0.2.2")
        .get_with("/none", "X-Forwarded-For: 192.0.2.9")
}

fn who(name: &str) -> Group {
    group(name).and_modules("remoteip headers").log_format(FORMAT).file("htdocs/who/index.html", "in\n")
}

const BASE: &str = "RemoteIPHeader X-Forwarded-For\nRemoteIPProxiesHeader X-By\nLogLevel remoteip:trace1\n<Location /who>\nRequire not ip 8.8.8.8\nRequire all granted\n</Location>\n\
    Header always set X-A expr=%{REMOTE_ADDR}/%{CONN_REMOTE_ADDR}\n";

#[test]
fn without_lists() {
    values(who("RemoteIPHeader")).conf(&BASE.replace("Require not ip 8.8.8.8\n", "")).check();
}

#[test]
fn trusted() {
    values(who("RemoteIPTrustedProxy"))
        .conf(&BASE.replace("Require not ip 8.8.8.8\n", ""))
        .conf("RemoteIPTrustedProxy 127.0.0.0/8 198.51.100.0/24 10.9.9.9\n")
        .check();
}

#[test]
fn internal() {
    values(who("RemoteIPInternalProxy"))
        .file("conf/list", "# ours\n127.0.0.1 # here\n 10.0.0.0/8\n\n198.51.100.7")
        .conf(&BASE.replace("Require not ip 8.8.8.8\n", ""))
        .conf("RemoteIPInternalProxyList conf/list\n")
        .check();
}

#[test]
fn mixed_and_distrusted() {
    values(who("RemoteIPTrustedProxy and internal"))
        .conf(&BASE.replace("Require not ip 8.8.8.8\n", ""))
        .conf("RemoteIPInternalProxy 127.0.0.1\nRemoteIPTrustedProxy 198.51.100.7\n")
        .check();
    who("a stranger")
        .conf(BASE.replace("Require not ip 8.8.8.8\n", "").as_str())
        .conf("RemoteIPTrustedProxy 192.0.2.0/24\n")
        .get_with("/who/", "X-Forwarded-For: 1.2.3.4")
        .check();
}

#[test]
fn access_follows_the_client() {
    who("RemoteIP and Require ip")
        .conf("RemoteIPHeader X-Forwarded-For\n<Location /who>\nRequire ip 8.8.8.0/24\n</Location>\nErrorDocument 403 /who/no\n")
        .get_with("/who/", "X-Forwarded-For: 8.8.8.8")
        .get_with("/who/", "X-Forwarded-For: 9.9.9.9")
        .get("/who/")
        .exchange(&["GET /who/ HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 8.8.8.8\r\n\r\n", "GET /who/ HTTP/1.1\r\nHost: x\r\n\r\n"])
        .check();
}

#[test]
fn proxy_protocol() {
    let mut g =
        who("RemoteIPProxyProtocol").conf("RemoteIPProxyProtocol On\nAcceptFilter http none\nLogLevel remoteip:info\n");
    for header in [
        "PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n",
        "PROXY TCP6 2001:db8::1 2001:db8::2 4000 80\r\n",
        "PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\n",
        "PROXY TCP9 192.0.2.1 192.0.2.2 4000 80\r\n",
        "PROXY TCP4 nonsense 192.0.2.2 4000 80\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.1\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 x 80\r\n",
        "PROXY TCP4 192.0.2.1 192.0.2.2 99999 80\r\n",
        "PROXX TCP4 192.0.2.1 192.0.2.2 4000 80\r\n",
        "",
    ] {
        g = g.request(format!("{header}GET /who/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    }
    let long = format!("PROXY TCP4 {}\r\n", "1".repeat(200));
    g.request(long)
        .exchange(&[
            "PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\nGET /who/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "GET /who/ HTTP/1.1\r\nHost: x\r\n\r\n",
        ])
        .check();
}

#[test]
fn proxy_protocol_2() {
    let mut g = who("RemoteIPProxyProtocol 2").conf(
        "RemoteIPProxyProtocol On\nAcceptFilter http none\nRemoteIPHeader X-Forwarded-For\nLogLevel remoteip:info\n",
    );
    let four: &[u8] = &[192, 0, 2, 1, 192, 0, 2, 2, 15, 160, 0, 80];
    let six: &[u8] = &[
        32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 15,
        160, 0, 80,
    ];
    let long = [four, &[3, 0, 1, 0][..]].concat();
    let most = [four, &[0; 204][..]].concat();
    let over = [four, &[0; 205][..]].concat();
    for (kind, family, addresses) in [
        (0x21, 0x11, four),
        (0x21, 0x21, six),
        (0x20, 0x00, &[][..]),
        (0x20, 0x11, four),
        (0x21, 0x11, &long),
        (0x21, 0x11, &most),
        (0x21, 0x11, &over),
        (0x21, 0x11, &four[..6]),
        (0x21, 0x21, four),
        (0x21, 0x31, four),
        (0x2f, 0x11, four),
        (0x31, 0x11, four),
    ] {
        let mut bytes = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        bytes.extend([kind, family, (addresses.len() >> 8) as u8, addresses.len() as u8]);
        bytes.extend(addresses);
        bytes.extend(b"GET /who/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        g = g.request(bytes);
    }
    g.check();
}

#[test]
fn proxy_protocol_by_address() {
    let plain = "GET /who/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let proxied = format!("PROXY TCP4 192.0.2.1 192.0.2.2 4000 80\r\n{plain}");
    for conf in [
        "RemoteIPProxyProtocol On\nRemoteIPProxyProtocolExceptions 10.0.0.0/8 127.0.0.0/8\n",
        "RemoteIPProxyProtocol On\nRemoteIPProxyProtocolExceptions 10.0.0.0/8\n",
        "<VirtualHost *:@PORT@>\nServerName a\nDocumentRoot @ROOT@/htdocs\nRemoteIPProxyProtocol On\n</VirtualHost>\n<VirtualHost *:@PORT@>\nServerName x\nDocumentRoot @ROOT@/htdocs\n</VirtualHost>\n",
        "<VirtualHost 127.0.0.2:@PORT@>\nServerName a\nRemoteIPProxyProtocol On\n</VirtualHost>\n",
        "RemoteIPProxyProtocol On\n<VirtualHost *:@PORT@>\nServerName a\nDocumentRoot @ROOT@/htdocs\nRemoteIPProxyProtocol Off\n</VirtualHost>\n",
        "RemoteIPProxyProtocol Off\n",
    ] {
        who("RemoteIPProxyProtocol and addresses")
            .conf(&format!("AcceptFilter http none\n{conf}"))
            .request(plain)
            .request(&proxied)
            .check();
    }
}

#[test]
fn errors() {
    group("remoteip errors").and_modules("remoteip").file("conf/list", "10.0.0.0/8\n\n1.1.1.1 10.0.0.0/99\n").syntax(
        &[
            "RemoteIPHeader",
            "RemoteIPHeader a b",
            "RemoteIPProxiesHeader",
            "RemoteIPInternalProxy",
            "RemoteIPInternalProxy 10.0.0.0/99",
            "RemoteIPInternalProxy 10.0.0",
            "RemoteIPInternalProxy 10.0.0.1/x",
            "RemoteIPTrustedProxy 10.0.0/24",
            "RemoteIPTrustedProxy no.such.host.invalid",
            "RemoteIPTrustedProxy localhost",
            "RemoteIPTrustedProxy 300.1.1.1",
            "RemoteIPTrustedProxy 10.0.0.0/255.0.0.0",
            "RemoteIPTrustedProxy ::1 2001:db8::/32",
            "RemoteIPTrustedProxy 2001:db8::/129",
            "RemoteIPTrustedProxy localhost/8",
            "RemoteIPTrustedProxyList none",
            "RemoteIPTrustedProxyList conf/list",
            "RemoteIPInternalProxyList conf",
            "RemoteIPProxyProtocol Maybe",
            "RemoteIPProxyProtocolExceptions",
            "RemoteIPProxyProtocolExceptions 10.0.0.1 foo",
            "RemoteIPProxyProtocolExceptions 10.0.0.0/99",
            "RemoteIPProxyProtocolExceptions 10.0.0.1 ::1",
            "<Directory />\nRemoteIPHeader x\n</Directory>",
        ],
    );
    group("remoteip .htaccess").and_modules("remoteip").htaccess(&["RemoteIPHeader x", "RemoteIPProxyProtocol On"]);
}
