//! mod_proxy: which requests go where, and what the directives refuse.

use compat_tests::{Backend, Group, Step, group, says, says_and_closes};

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

/// A group whose backend says what `scripts` tell.
fn scripted(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let backend = Backend::start(scripts);
    group(name)
        .and_modules("proxy proxy_http rewrite headers")
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
}

#[test]
fn reverse() {
    let moved = |to: &str| {
        says(format!(
            "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Location: {to}\r\nURI: {to}\r\nDestination: {to}\r\nRefresh: 1;url={to}\r\nContent-Length: 0\r\n\r\n"
        ))
    };
    let cookies = "Set-Cookie: a=b; path=/in; domain=in.example; secure\r\nSet-Cookie: c=d;Path=/in/x;Domain=IN.EXAMPLE\r\nSet-Cookie: e=f; path=/; domain=other\r\n\
                   Set-Cookie: domain=in.example; path=/in\r\nSet-Cookie: plain\r\n";
    scripted(
        "ProxyPassReverse",
        &[
            ("abs", moved("http://in.example/x/y?z")),
            ("upper", moved("HTTP://IN.example/x/y")),
            ("path", moved("/base/x")),
            ("other", moved("http://other.example/")),
            ("short", moved("http://in.example")),
            ("cookies", says(format!("HTTP/1.1 200 OK\r\n{cookies}Content-Length: 0\r\n\r\n"))),
        ],
        "ProxyPass /p/ http://@BACKEND@/\nProxyPassReverse /p/ http://in.example/\nProxyPassReverse /p/ /base/\nProxyPassReverseCookiePath /in /out\nProxyPassReverseCookieDomain in.example out.example\n\
         <Location /l/>\nProxyPass http://@BACKEND@/\nProxyPassReverse http://in.example/\nProxyPassReverseCookiePath / /l/\n</Location>\n\
         <Location /v/>\nProxyPassInterpolateEnv on\nProxyPass http://@BACKEND@/ interpolate\nProxyPassReverse http://${WHO}/ interpolate\nProxyPassReverseCookieDomain in.example ${WHO} interpolate\n</Location>\n\
         SetEnv WHO in.example\nSetEnvIf Host .* WHO=in.example",
    )
    .get("/p/abs")
    .get("/p/upper")
    .get("/p/path")
    .get("/p/other")
    .get("/p/short")
    .get("/p/cookies")
    .get("/l/abs")
    .get("/l/path")
    .get("/l/cookies")
    .get("/v/abs")
    .get("/v/cookies")
    .request("GET /p/abs HTTP/1.1\r\nHost: else.example:8080\r\nConnection: close\r\n\r\n")
    .check();
}

#[test]
fn error_override() {
    scripted(
        "ProxyErrorOverride",
        &[
            ("missing", says("HTTP/1.1 404 Nope\r\nContent-Length: 4\r\nX: y\r\n\r\ngone")),
            ("oops", says("HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops")),
            ("fine", says("HTTP/1.1 200 Fine\r\nContent-Length: 4\r\n\r\nfine")),
            ("auth", says("HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 1\r\n\r\nx")),
            ("noauth", says("HTTP/1.1 401 Who\r\nContent-Length: 1\r\n\r\nx")),
            ("same", says("HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n")),
            ("range", says("HTTP/1.1 416 No\r\nContent-Range: bytes */4\r\nContent-Length: 0\r\n\r\n")),
        ],
        "ErrorDocument 500 \"ours\"\n<Location /all/>\nProxyErrorOverride on\nProxyPass http://@BACKEND@/\n</Location>\n\
         <Location /some/>\nProxyErrorOverride on 404 502\nProxyPass http://@BACKEND@/\n</Location>\n\
         <Location /off/>\nProxyErrorOverride off\nProxyPass http://@BACKEND@/\n</Location>\n\
         <Location /all/not/>\nProxyErrorOverride off\n</Location>",
    )
    .get("/all/missing")
    .get("/all/oops")
    .get("/all/fine")
    .get("/all/auth")
    .get("/all/noauth")
    .get("/all/same")
    .get("/all/range")
    .ask("HEAD", "/all/missing", "")
    .get("/some/missing")
    .get("/some/oops")
    .get("/off/missing")
    .get("/all/not/missing")
    .check();
}

#[test]
fn fields_that_are_added() {
    proxied(
        "ProxyPreserveHost, ProxyVia, ProxyAddHeaders",
        "ServerName own.example\n<Location /host>\nProxyPreserveHost on\nProxyPass http://@BACKEND@/\n</Location>\n\
         <Location /none>\nProxyAddHeaders off\nProxyPass http://@BACKEND@/\n</Location>\n\
         <Location /head>\nRequestHeader set X-Own 1\nRequestHeader unset Accept\nHeader set X-Back 2\nProxyPass http://@BACKEND@/\n</Location>\n\
         ProxyVia on\nProxyMaxForwards 7\n",
    )
    .get("/host/x")
    .request("GET /host/x HTTP/1.0\r\n\r\n")
    .get_with("/host/x", "Via: 1.0 before")
    .get("/none/x")
    .get_with("/head/x", "Accept: a/b")
    .check();
    for via in ["full", "block", "off"] {
        proxied(&format!("ProxyVia {via}"), &format!("ProxyPass / http://@BACKEND@/\nProxyVia {via}\n"))
            .get_with("/x", "Via: 1.0 before")
            .check();
    }
}

#[test]
fn via_in_responses() {
    let script = [
        ("new", says("HTTP/1.1 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 1\r\n\r\nx")),
        ("old", says_and_closes("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx")),
    ];
    for via in ["on", "full", "block", "off"] {
        scripted(
            &format!("ProxyVia {via} in responses"),
            &script,
            &format!("ProxyPass / http://@BACKEND@/\nProxyVia {via}\n"),
        )
        .get("/new")
        .get("/old")
        .check();
    }
}

#[test]
fn other_ways_in() {
    proxied(
        "SetHandler and RewriteRule",
        "<Location /sh>\nSetHandler \"proxy:http://@BACKEND@/base\"\n</Location>\n<Location /sho>\nSetHandler \"proxy:http://@BACKEND@\"\n</Location>\n\
         RewriteEngine on\nRewriteRule ^/rw/(.*)$ http://@BACKEND@/r/$1 [P]\nRewriteRule ^/rq/(.*)$ http://@BACKEND@/r/$1?own=1 [P,QSA]\nRewriteRule ^/rn/(.*)$ http://@BACKEND@/r/$1 [P,NE]\n\
         RewriteRule ^/env http://@BACKEND@/env [P,E=proxy-nokeepalive:1]\nProxyPass / http://@BACKEND@/all/\nSetEnvIf Request_URI ^/direct no-proxy=1\n\
         <Location /direct>\nRequire all granted\n</Location>\n<Proxy http://@BACKEND@/all/denied>\nRequire all denied\n</Proxy>\n\
         <ProxyMatch ^http://[^/]*/all/(deny|nope)>\nRequire all denied\n</ProxyMatch>\n<Location /loc/deny>\nRequire all denied\n</Location>",
    )
    .file("htdocs/sh/a.txt", "here\n")
    .file("htdocs/direct.txt", "here\n")
    .file("htdocs/ht/.htaccess", "RewriteEngine on\nRewriteRule x - [L]\n")
    .get("/sh/a.txt?q=1")
    .get("/sho/none%20x")
    .get("/rw/a%20b%25c?q")
    .get("/rq/a?q")
    .get("/rn/a%20b")
    .get("/env")
    .get("/direct.txt")
    .get("/denied/x")
    .get("/deny")
    .get("/nope/x")
    .get("/loc/deny")
    .get("/else")
    .check();
}

#[test]
fn rewriting_in_htaccess() {
    let backend = Backend::start(&[]);
    let rules = format!("RewriteEngine on\nRewriteRule ^(.*)$ http://127.0.0.1:{}/ht/$1 [P]\n", backend.port);
    group("[P] in .htaccess")
        .and_modules("proxy proxy_http rewrite")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride all\n</Directory>")
        .file("htdocs/ht/.htaccess", rules)
        .get("/ht/x%20y?z")
        .get("/ht/")
        .check();
}

#[test]
fn inheritance() {
    proxied(
        "ProxyPassInherit and hosts",
        "ProxyPass /main http://@BACKEND@/main\nProxyVia full\n<VirtualHost *:@PORT@>\nServerName one.example\nProxyPass /own http://@BACKEND@/own\nProxyVia off\n</VirtualHost>\n\
         <VirtualHost *:@PORT@>\nServerName two.example\nProxyPassInherit off\nProxyPass /own http://@BACKEND@/own2\n</VirtualHost>",
    )
    .request("GET /main HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n")
    .request("GET /own HTTP/1.1\r\nHost: one.example\r\nConnection: close\r\n\r\n")
    .request("GET /main HTTP/1.1\r\nHost: two.example\r\nConnection: close\r\n\r\n")
    .request("GET /own HTTP/1.1\r\nHost: two.example\r\nConnection: close\r\n\r\n")
    .check();
}

#[test]
fn workers_that_are_off() {
    let snippets = ["+D", "+S", "+E", "+I", "+H", "+N", "+R"];
    let conf: String = snippets
        .iter()
        .enumerate()
        .map(|(at, status)| format!("ProxyPass /s{at} http://@BACKEND@/s{at} status={status} retry=100\n"))
        .collect();
    let mut group = proxied("status= of workers", &conf);
    for at in 0..snippets.len() {
        group = group.get(&format!("/s{at}"));
    }
    group.check();
}
