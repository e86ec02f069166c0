//! mod_proxy_ajp: what servlet containers get, and what becomes of what they say.

use compat_tests::gateway::{ajp_head, ajp_packet};
use compat_tests::{Backend, Group, Protocol, Step, group};

fn served(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let backend = Backend::gateway(Protocol::Ajp, scripts);
    group(name)
        .and_modules("proxy proxy_ajp rewrite headers")
        .log_sizes_vary()
        .conf(&conf.replace("@BACKEND@", &format!("127.0.0.1:{}", backend.port)))
        .file("passwd", "joe:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M=\n")
        .file("htdocs/a.txt", "here\n")
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: www.example.test\r\n{fields}Connection: close\r\n\r\n{body}")
}

/// A whole answer: a head, a body, the end.
fn whole(head: Vec<u8>, body: &str) -> Vec<Step> {
    vec![Step::Raw(head), Step::Send(body.into())]
}

#[test]
fn requests() {
    let fields = "Accept: a\nAccept-Charset: b\nAccept-Encoding: c\nAccept-Language: d\nCookie: e=f\nCookie2: g\nPragma: h\nReferer: i\n\
                  User-Agent: j\nX-Own: k\nX-Own: l\nAuthorization: Basic am9lOnRlc3Q=\nTE: x\nKeep-Alive: 3\nProxy-Authorization: Basic eA==\n\
                  Upgrade: x\nX-Forwarded-For: 10.0.0.1\nProxy-Connection: x";
    let mut group = served(
        "AJP requests",
        &[],
        "ProxyPass /a/ ajp://@BACKEND@/app/\nProxyPass /s/ ajp://@BACKEND@/secret/ secret=hush\nProxyPass /r/ ajp://@BACKEND@/route/ route=node1\n\
         ProxyPass /raw/ ajp://@BACKEND@/app/ nocanon\n<Location /h>\nSetHandler proxy:ajp://@BACKEND@\n</Location>\nRewriteEngine on\nRewriteRule ^/rw/(.*) ajp://@BACKEND@/$1 [P]\n\
         SetEnv AJP_OWN value\nSetEnv AJP_ empty\nSetEnv OTHER no\nSetEnvIf Request_URI preserve AJP_X=y\n\
         ProxyPass /auth/ ajp://@BACKEND@/auth/\n<Location /auth/>\nAuthType Basic\nAuthName x\nAuthUserFile @ROOT@/passwd\nRequire valid-user\n</Location>\n\
         ProxyPass /host/ ajp://@BACKEND@/host/\n<Location /host/>\nProxyPreserveHost on\n</Location>\nProxyPass /via/ ajp://@BACKEND@/\nProxyVia on\n",
    )
    .get("/a/x/y%20z?q=%41+b")
    .get_with("/a/x", fields)
    .get("/s/x")
    .get("/r/x")
    .get("/raw/x%20y")
    .get("/h/x?y")
    .get("/rw/x%20y?z")
    .get_with("/auth/x", "Authorization: Basic am9lOnRlc3Q=")
    .get("/auth/x")
    .get("/host/x")
    .get("/a/preserve")
    .request("GET /a/x HTTP/1.0\r\n\r\n")
    .request(post("/a/x", "Content-Length: 3\r\nContent-Type: a/b\r\n", "abc"))
    .request(post("/a/x", "Content-Length: 0\r\n", ""))
    .request(post("/a/x", "Content-Length: 20000\r\n", &"y".repeat(20000)))
    .request(post("/a/x", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"))
    .request(post("/a/x", "Transfer-Encoding: chunked\r\n", &format!("8000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x8000))))
    .request(post("/a/x", "Transfer-Encoding: chunked\r\n", "0\r\n\r\n"))
    .request(post("/a/x", "Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"))
    .request(post("/a/x", "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"))
    .request(post("/a/x", "Expect: 100-continue\r\nContent-Length: 3\r\n", "abc"))
    .request(post("/a/x", "Content-Length: 9\r\n", "abc"))
    .request(post("/a/x", "Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"))
    .get_with("/a/x", &format!("X-Long: {}", "l".repeat(8000)))
    .get_with("/a/x", &format!("X-Long: {}\nX-Longer: {}", "l".repeat(4000), "m".repeat(4500)));
    for method in [
        "OPTIONS",
        "HEAD",
        "PUT",
        "DELETE",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "ACL",
        "REPORT",
        "VERSION-CONTROL",
        "CHECKIN",
        "CHECKOUT",
        "UNCHECKOUT",
        "SEARCH",
        "MKWORKSPACE",
        "UPDATE",
        "LABEL",
        "MERGE",
        "BASELINE-CONTROL",
        "MKACTIVITY",
        "PATCH",
        "OWN",
        "get",
    ] {
        group = group.ask(method, "/a/x", "");
    }
    group.check();
}

#[test]
fn answers() {
    let ok = |fields: &[(&str, &str)]| ajp_head(200, "OK", fields);
    let all: Vec<(String, String)> = (1..=11).map(|code| (format!("#{code}"), format!("value{code}"))).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    served(
        "AJP answers",
        &[
            ("plain", whole(ok(&[("#1", "text/plain"), ("X", "1"), ("X", "2")]), "hello")),
            ("codes", whole(ok(&all), "x")),
            ("status", whole(ajp_head(404, "Gone fishing", &[("#1", "a/b")]), "gone")),
            ("noreason", whole(ajp_head(404, "", &[("#1", "a/b")]), "gone")),
            ("error", whole(ajp_head(500, "Oops", &[]), "oops")),
            ("auth", whole(ajp_head(401, "Who", &[("#11", "Basic realm=x")]), "who")),
            ("noauth", whole(ajp_head(401, "Who", &[]), "who")),
            ("moved", whole(ajp_head(302, "Found", &[("#6", "http://other.example/in/x"), ("#7", "a=b; path=/in")]), "")),
            ("length", whole(ok(&[("#3", "3")]), "abc")),
            ("short", whole(ok(&[("#3", "9")]), "abc")),
            ("long", whole(ok(&[("#3", "2")]), "abc")),
            ("chunked", whole(ok(&[("Transfer-Encoding", "chunked")]), "abc")),
            ("hops", whole(ok(&[("Connection", "X-A"), ("X-A", "1"), ("Keep-Alive", "1"), ("Upgrade", "x"), ("Trailer", "y")]), "abc")),
            ("cookies", whole(ok(&[("#7", "a=b"), ("#7", "c=d"), ("Set-Cookie2", "e")]), "x")),
            ("same", vec![Step::Raw(ajp_head(304, "Same", &[("ETag", "\"x\"")]))]),
            ("none", vec![Step::Raw(ajp_head(204, "None", &[]))]),
            ("big", whole(ok(&[("#1", "a/b")]), &"z".repeat(100_000))),
            ("drip", vec![Step::Raw(ok(&[])), Step::Drip(b"abcdef".to_vec())]),
            ("flush", vec![Step::Raw(ok(&[])), Step::Send(b"abc".to_vec()), Step::Raw(ajp_packet(&[3, 0, 0, 0])), Step::Send(b"def".to_vec())]),
            ("earlyflush", vec![Step::Raw(ajp_packet(&[3, 0, 0, 0])), Step::Raw(ok(&[])), Step::Send(b"def".to_vec())]),
            ("dated", whole(ok(&[("#4", "Thu, 01 Jan 2015 00:00:00 GMT"), ("Server", "Own"), ("#5", "Thu, 01 Jan 2015 00:00:00 GMT")]), "x")),
            ("ranges", whole(ok(&[("#3", "10")]), "0123456789")),
            ("empty", vec![]),
        ],
        "ProxyPass /a/ ajp://@BACKEND@/\nProxyPass /o/ ajp://@BACKEND@/\n<Location /o/>\nProxyErrorOverride on\n</Location>\n\
         ProxyPass /v/ ajp://@BACKEND@/\n<Location /v/>\nProxyPassReverse http://other.example/in/\nProxyPassReverseCookiePath /in /v\n</Location>\n",
    )
    .get("/a/plain")
    .get("/a/codes")
    .get("/a/status")
    .get("/o/status")
    .get("/a/noreason")
    .get("/a/error")
    .get("/o/error")
    .get("/a/auth")
    .get("/o/auth")
    .get("/a/noauth")
    .get("/o/noauth")
    .get("/a/moved")
    .get("/v/moved")
    .get("/a/length")
    .get("/a/short")
    .get("/a/long")
    .get("/a/chunked")
    .get("/a/hops")
    .get("/a/cookies")
    .get("/a/same")
    .get("/a/none")
    .get("/a/big")
    .get("/a/drip")
    .get("/a/flush")
    .get("/a/earlyflush")
    .get("/a/dated")
    .get_with("/a/ranges", "Range: bytes=2-4")
    .get("/a/empty")
    .ask("HEAD", "/a/plain", "")
    .ask("HEAD", "/a/length", "")
    .check();
}

#[test]
fn packets_that_are_wrong() {
    let head = ajp_head(200, "OK", &[("#1", "text/plain")]);
    let ok = |fields: &[(&str, &str)]| ajp_head(200, "OK", fields);
    let after = |bytes: &[u8]| vec![Step::Raw(head.clone()), Step::Apart, Step::Raw(bytes.to_vec()), Step::Close];
    let first = |bytes: &[u8]| vec![Step::Raw(bytes.to_vec()), Step::Close];
    let answers = [
        ("gone", vec![Step::Close]),
        ("reset", vec![Step::Reset]),
        ("hang", vec![Step::Hang]),
        ("magic", first(b"XX\0\x02\x05\x01")),
        ("http", first(b"HTTP/1.1 200 OK\r\n\r\n")),
        ("huge", first(b"AB\xff\xff\x05\x01")),
        ("none", first(b"AB\0\0")),
        ("cut", first(b"AB\0\x20\x04\0\xc8")),
        ("halfmagic", first(b"AB\0")),
        ("type", first(&ajp_packet(&[77, 1, 2]))),
        ("pong", first(&ajp_packet(&[9]))),
        ("count", first(&ajp_packet(&[4, 0, 200, 0, 0, 0, 0xff, 0xff]))),
        ("count2", first(&ajp_packet(&[4, 0, 200, 0, 0, 0, 0, 2, 0xa0, 1, 0, 1, b'a', 0]))),
        ("code", first(&ajp_packet(&[4, 0, 200, 0, 0, 0, 0, 1, 0xa0, 0x7f, 0, 1, b'a', 0]))),
        ("string", first(&ajp_packet(&[4, 0, 200, 0, 50, b'a', 0, 0, 0]))),
        ("nostatus", first(&ajp_packet(&[4, 0]))),
        ("nothing", first(&ajp_packet(&[4]))),
        ("chunk", after(&ajp_packet(&[3, 0xff, 0xff, b'a', 0]))),
        ("chunk2", after(&ajp_packet(&[3, 0]))),
        ("chunk3", after(&ajp_packet(&[3, 0, 1, b'a', b'b', b'c', 0]))),
        ("body", after(b"AB\0\x20\x03\0\x10abc")),
        ("closed", after(b"")),
        ("resetbody", vec![Step::Raw(head.clone()), Step::Send(b"abc".to_vec()), Step::Apart, Step::Reset]),
        ("hangbody", vec![Step::Raw(head.clone()), Step::Send(b"abc".to_vec()), Step::Hang]),
        ("twice", vec![Step::Raw(head.clone()), Step::Raw(head.clone()), Step::Send(b"abc".to_vec())]),
        ("onlyend", first(&ajp_packet(&[5, 0]))),
        ("shortend", first(&ajp_packet(&[5]))),
        ("get", vec![Step::Raw(ajp_packet(&[6, 0, 10])), Step::Raw(head.clone()), Step::Send(b"abc".to_vec())]),
        ("nul", whole(ok(&[("X", "a\0b")]), "x")),
        ("reasoncr", whole(ajp_head(200, "OK\r\nX-Evil: 1", &[]), "x")),
        ("reasonctl", whole(ajp_head(200, "O\x01K", &[]), "x")),
        ("status0", whole(ajp_head(0, "OK", &[]), "x")),
        ("status99", whole(ajp_head(99, "OK", &[]), "x")),
        ("status100", whole(ajp_head(100, "OK", &[]), "x")),
        ("status999", whole(ajp_head(999, "OK", &[]), "x")),
        ("status9999", whole(ajp_head(9999, "OK", &[]), "x")),
    ];
    let mut group = served(
        "AJP packets that are wrong",
        &answers,
        "ProxyTimeout 1\nProxyPass /a/ ajp://@BACKEND@/ disablereuse=on\n",
    );
    for (name, _) in &answers {
        group = group.get(&format!("/a/{name}"));
    }
    group
        .request(post("/a/gone", "Content-Length: 3\r\n", "abc"))
        .request(post("/a/onlyend", "Content-Length: 3\r\n", "abc"))
        .request(post("/a/plain", "Content-Length: 30000\r\n", "abc"))
        .check();
}

#[test]
fn connections() {
    let head = ajp_head(200, "OK", &[]);
    served(
        "AJP connections",
        &[
            ("hang", vec![Step::Hang]),
            ("last", vec![Step::Raw(head.clone()), Step::Send(b"x".to_vec()), Step::Raw(ajp_packet(&[5, 0]))]),
            ("more", vec![Step::Raw(head), Step::Send(b"x".to_vec()), Step::Raw(ajp_packet(&[5, 1])), Step::Raw(ajp_packet(&[4, 0]))]),
        ],
        "ProxyPass /kept/ ajp://@BACKEND@/kept/\nProxyPass /once/ ajp://@BACKEND@/once/ disablereuse=on\nProxyPass /ping/ ajp://@BACKEND@/ping/ ping=1 timeout=1\n\
         ProxyPass /flush/ ajp://@BACKEND@/flush/ flushpackets=on\nProxyPass /auto/ ajp://@BACKEND@/auto/ flushpackets=auto flushwait=5\n\
         ProxyPass /dead/ ajp://127.0.0.1:1/\n",
    )
    .get("/kept/x")
    .get("/kept/x")
    .get("/once/x")
    .get("/once/x")
    .get("/ping/x")
    .get("/ping/x")
    .get("/flush/x")
    .get("/auto/x")
    .get("/kept/last")
    .get("/kept/x")
    .get("/dead/x")
    .get("/ping/hang")
    .get("/ping/hang?x")
    .check();
}

#[test]
fn containers_that_do_not_answer_pings() {
    // Speaks HTTP, and so never answers.
    let silent = Backend::start(&[]);
    group("AJP pings that nobody answers")
        .and_modules("proxy proxy_ajp")
        .conf(&format!("ProxyPass /p/ ajp://127.0.0.1:{}/ ping=100ms retry=0\n", silent.port))
        .get("/p/x")
        .check();
}

#[test]
fn parameters() {
    group("AJP parameters").and_modules("proxy proxy_ajp").syntax(&[
        "ProxyPass /a ajp://h/",
        "ProxyPass /a ajp://h/ secret=x",
        &format!("ProxyPass /a ajp://h/ secret={}", "s".repeat(64)),
        &format!("ProxyPass /a ajp://h/ secret={}", "s".repeat(63)),
        "ProxyPass /a ajp://h/ iobuffersize=9000",
        "ProxyPass /a ajp:/h",
    ]);
}

#[test]
fn fields_that_are_unfit() {
    let ok = |fields: &[(&str, &str)]| ajp_head(200, "OK", fields);
    let answers = [
        ("cr", whole(ok(&[("X", "a\rX-Evil: 1")]), "x")),
        ("lf", whole(ok(&[("X", "a\r\nX-Evil: 1")]), "x")),
        ("name", whole(ok(&[("X Y", "a")]), "x")),
        ("noname", whole(ok(&[("", "a")]), "x")),
        ("typecr", whole(ok(&[("#1", "text/html\rX-Evil: 1")]), "x")),
    ];
    let mut group =
        served("AJP fields that are unfit", &answers, "ProxyPass /a/ ajp://@BACKEND@/\nErrorLog /dev/null\n");
    for (name, _) in &answers {
        group = group.get(&format!("/a/{name}"));
    }
    group.check();
}
