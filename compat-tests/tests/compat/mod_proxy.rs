//! mod_proxy: which requests go where, and what the directives refuse.

use compat_tests::{Backend, Group, group};

/// A group with the proxy's modules and a backend that shows what it receives.
fn proxied(name: &str, conf: &str) -> Group {
    let backend = Backend::start(&[]);
    group(name)
        .and_modules("proxy proxy_http rewrite headers")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
}

#[test]
fn pass() {
    proxied(
        "ProxyPass",
        "ProxyPass /a/no !\nProxyPass /a http://@BACKEND@/b\nProxyPass /slash/ http://@BACKEND@/\nProxyPass /raw http://@BACKEND@/raw nocanon\n\
         ProxyPass /noquery http://@BACKEND@/q noquery\nProxyPassMatch ^/m/(.*)\\.x$ http://@BACKEND@/m/$1\nProxyPass ~ ^/tilde(.*)$ http://@BACKEND@/t$1\n\
         <Location /loc>\nProxyPass http://@BACKEND@/l\n</Location>\n<Location /loc/out>\nProxyPass !\n</Location>\n\
         <LocationMatch ^/lm/(x|y)>\nProxyPass http://@BACKEND@/lm/$1\n</LocationMatch>\nProxyPassMatch ^/exact$ http://@BACKEND@/exact\n",
    )
    .file("htdocs/a/no", "here\n")
    .get("/a")
    .get("/a/x%20y%2Bz?q=%41+b")
    .get("/ab")
    .get("/a/no")
    .get("//a//x")
    .get("/a/%e4%3f%23;p=1~")
    .get("/slash/x")
    .get("/slash")
    .get("/raw/x%20%41?q")
    .get("/r%61w/x%20%41?q")
    .get("/noquery/x?q=1")
    .get("/m/one%20two.x?y")
    .get("/m/x.y")
    .get("/tilde/x")
    .get("/loc/x?y")
    .get("/loc/out/x")
    .get("/lm/x/z")
    .get("/exact")
    .ask("OPTIONS", "/a/x", "")
    .ask("DELETE", "/a/x", "")
    .ask("HEAD", "/a/x", "")
    .check();
}

#[test]
fn syntax() {
    group("mod_proxy syntax").and_modules("proxy proxy_http").syntax(&[
        "ProxyPass",
        "ProxyPass /a",
        "ProxyPass /a b",
        "ProxyPass /a /b",
        "ProxyPass /a http://",
        "ProxyPass /a http:///x",
        "ProxyPass /a http://h:x/",
        "ProxyPass /a http://h/ x",
        "ProxyPass /a http://h/ x=y",
        "ProxyPass /a http://h/ nocanon interpolate noquery",
        "ProxyPass /a http://h/ mapping=x",
        "ProxyPass /a http://h/ mapping=encoded",
        "ProxyPass /a unix:/x",
        "ProxyPass /a unix:/x|http://h/",
        "ProxyPass ~ ( http://h/",
        "ProxyPassMatch ~ a http://h/",
        "ProxyPassMatch ( http://h/",
        "ProxyPassMatch ^/(.*)$ http://h$1/",
        "<Location /a>\nProxyPass /b http://h/\n</Location>",
        "<Location /a>\nProxyPass http://h/ /b\n</Location>",
        "<Location /a>\nProxyPass http://h/ x=1\n</Location>",
        "<Location /a>\nProxyPass http://h/ timeout=5\n</Location>",
        "<Location /a>\nProxyPass\n</Location>",
        "<Directory />\nProxyPass /b http://h/\n</Directory>",
        "<Files x>\nProxyPass /b http://h/\n</Files>",
        "ProxyPassReverse /a",
        "ProxyPassReverse /a b",
        "<Location /a>\nProxyPassReverse /a http://h/\n</Location>",
        "<Location /a>\nProxyPassReverse http://h/\n</Location>",
        "<Directory />\nProxyPassReverse /a http://h/\n</Directory>",
        "ProxyPassReverseCookiePath /",
        "ProxyPassReverseCookieDomain a",
        "ProxyVia Maybe",
        "ProxyTimeout 0",
        "ProxyTimeout x",
        "ProxyTimeout 5",
        "ProxyBadHeader x",
        "ProxyStatus x",
        "ProxyStatus Full",
        "ProxyIOBufferSize 5",
        "ProxyIOBufferSize 0",
        "ProxyReceiveBufferSize 511",
        "ProxyReceiveBufferSize -1",
        "ProxyMaxForwards x",
        "ProxyDomain x",
        "ProxyDomain .x",
        "ProxyErrorOverride",
        "ProxyErrorOverride x",
        "ProxyErrorOverride on 404 500",
        "ProxyErrorOverride 404",
        "ProxyErrorOverride off 404",
        "ProxyErrorOverride on 200",
        "ProxyErrorOverride on x",
        "ProxyErrorOverride on 600",
        "ProxyRemote * x",
        "ProxyRemote * http://h",
        "ProxyRemote * http://h:x",
        "ProxyRemote * http://h:99999",
        "ProxyRemote * http://h:1/ a:b c",
        "ProxyRemoteMatch ( http://h:1",
        "ProxyRemoteMatch .* h",
        "ProxySourceAddress no.such.invalid",
        "ProxySourceAddress 127.0.0.1",
        "ProxyRequests x",
        "BalancerGrowth 2000",
        "BalancerGrowth 5",
        "BalancerInherit x",
        "NoProxy",
        "NoProxy .a 10.0 10.0.0.0/8 h",
        "ProxyBlock x",
        "ProxySet",
        "ProxySet http://h/ timeout=5",
        "ProxySet http://h/ x",
        "ProxySet http://h/ x=y",
        "ProxyPass /a http://h/\nProxySet http://h/ timeout=5",
        "ProxyPass /a http://h/\nProxySet http://h/ x=y",
        "ProxyPass /a http://h/\nProxySet http://h/ x",
        "ProxyPass /a http://h/\nProxySet unix:/x timeout=1",
        "<Proxy>\n</Proxy>",
        "<Proxy",
        "<Proxy *>\nRequire all denied\n</Proxy>",
        "<Proxy * x=y>\n</Proxy>",
        "<Proxy foo x=y>\n</Proxy>",
        "<Proxy http://h/ x=y>\n</Proxy>",
        "<Proxy http://h/ timeout=3>\n</Proxy>",
        "<Proxy http://h/ x>\n</Proxy>",
        "<Proxy http://h/>\nProxySet timeout=3\n</Proxy>",
        "<Proxy http://h/>\nProxySet x=3\n</Proxy>",
        "<ProxyMatch (>\n</ProxyMatch>",
        "<ProxyMatch a b>\n</ProxyMatch>",
        "<ProxyMatch>\n</ProxyMatch>",
        "<Proxy ~ >\n</Proxy>",
        "<Proxy ~ ^x>\n</Proxy>",
        "<Location />\nProxyVia on\n</Location>",
        "<Directory />\nProxyPreserveHost on\n</Directory>",
    ]);
}

#[test]
fn parameters() {
    let good = [
        "min=1 max=2 smax=1 ttl=60 acquire=3000 timeout=5 retry=0 keepalive=On ping=1 lbset=1 flushpackets=auto flushwait=5 iobuffersize=8192",
        "receivebuffersize=4096 connectiontimeout=5 disablereuse=on status=+I-D route=a redirect=b loadfactor=1.5 secret=x upgrade=websocket",
        "responsefieldsize=9000 addressttl=-1 enablereuse=on acquire=5s connectiontimeout=100ms ping=100ms flusher=flush",
    ];
    let bad = [
        "loadfactor=0",
        "loadfactor=101",
        "retry=-1",
        "ttl=0",
        "min=-1",
        "max=-1",
        "smax=-1",
        "acquire=x",
        "acquire=0",
        "acquire=5x",
        "timeout=0",
        "timeout=x",
        "iobuffersize=100",
        "receivebuffersize=100",
        "keepalive=x",
        "disablereuse=x",
        "enablereuse=x",
        "addressttl=x",
        "addressttl=-2",
        "addressttl=99999999999",
        "status=X",
        "flushpackets=x",
        "flushwait=1001",
        "flushwait=-1",
        "ping=x",
        "ping=0",
        "lbset=100",
        "lbset=-1",
        "connectiontimeout=x",
        "connectiontimeout=0",
        "responsefieldsize=-1",
        "nosuch=1",
        "=1",
        "hcmethod=GET",
    ];
    let long = "x".repeat(200);
    let long: Vec<String> =
        ["route", "redirect", "flusher", "upgrade", "secret"].iter().map(|key| format!("{key}={long}")).collect();
    let all = good.iter().chain(&bad).map(|text| (*text).to_owned()).chain(long);
    let snippets: Vec<String> = all.map(|text| format!("ProxyPass /a http://h/ {text}")).collect();
    group("worker parameters").and_modules("proxy proxy_http").syntax(&snippets);
}
