//! mod_proxy_balancer: who gets which request, sessions, failures, and the manager's page.

use compat_tests::normal::{BALANCERS, BODY_LENGTH, STATUS_VALUES};
use compat_tests::{Backend, Group, Step, group, says, says_and_closes};
use nix::sys::signal::Signal;

const MODULES: &str = "proxy proxy_http proxy_balancer slotmem_shm lbmethod_byrequests headers rewrite";
const SEEN: &str = "\\\"%r\\\" %>s %B %{BALANCER_NAME}e %{BALANCER_WORKER_NAME}e %{BALANCER_WORKER_ROUTE}e %{BALANCER_SESSION_STICKY}e %{BALANCER_SESSION_ROUTE}e %{BALANCER_ROUTE_CHANGED}e";

/// A group with backends named in `@A@`, `@B@`, `@C@`.
pub fn balanced(name: &str, scripts: &[(&str, Vec<Step>)], conf: &str) -> Group {
    let mut conf = conf.to_owned();
    for mark in ["@A@", "@B@", "@C@"] {
        let mut own = vec![("who", says(format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{mark}")))];
        own.extend(scripts.iter().cloned());
        conf = conf.replace(mark, &format!("127.0.0.1:{}", Backend::start(&own).port));
    }
    group(name).and_modules(MODULES).log_format(SEEN).log_sizes_vary().conf(&conf)
}

fn many(mut group: Group, count: usize, path: &str) -> Group {
    for _ in 0..count {
        group = group.get(path);
    }
    group
}

/// Asks as the manager's own page does.
fn manage(group: Group, form: &str) -> Group {
    group
        .request(format!(
            "POST /bm HTTP/1.1\r\nHost: www.example.test\r\nReferer: http://www.example.test/bm\r\nContent-Type: \
             application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
            form.len()
        ))
        .masking(BALANCERS)
}

fn look(group: Group, path: &str) -> Group {
    group.get_with(path, "Referer: http://www.example.test/bm").masking(BALANCERS)
}

const PAGE: &str =
    "<Location /bm>\nSetHandler balancer-manager\n</Location>\n<Location /st>\nSetHandler server-status\n</Location>\n";

#[test]
fn distribution_and_urls() {
    let group = balanced(
        "balancer: distribution and URLs",
        &[],
        "<Proxy balancer://c>\nBalancerMember http://@A@ loadfactor=3\nBalancerMember http://@B@/in\nBalancerMember http://@C@/ lbset=1\n</Proxy>\n\
         <Proxy BALANCER://Up>\nBalancerMember HTTP://@A@\n</Proxy>\nProxyPass /x balancer://c\nProxyPass /up/ balancer://UP/base/\n\
         ProxyPass /raw balancer://c/raw nocanon\nProxyPassMatch ^/m/(.*)$ balancer://up/m/$1\nProxyPass /none balancer://none\n\
         <Location /sh>\nSetHandler \"proxy:balancer://up/sh\"\n</Location>\nRewriteEngine on\nRewriteRule ^/rw/(.*)$ balancer://up/$1 [P]\n\
         RewriteRule ^/rn/(.*)$ balancer://up/$1 [P,NE]\nRewriteRule ^/port/(.*)$ balancer://up:8080/$1 [P]\nRewriteRule ^/unknown balancer://nobody/ [P]\n\
         BalancerMember balancer://late http://@B@/late\nProxyPass /late balancer://late\n",
    );
    many(group, 9, "/x/who")
        .get("/x/a%20b%3f?q=%41")
        .get("/x")
        .get("/up/a")
        .get("/raw/a%20%41?x")
        .get("/m/a%20b?c")
        .get("/none")
        .get("/sh/x")
        .get("/rw/a%20b?c")
        .get("/rn/a%0d%0aX:y")
        .get("/port/x")
        .get("/unknown")
        .get("/late/x")
        .ask("HEAD", "/up/x", "")
        .request("POST /up/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody")
        .check();
}

#[test]
fn sessions() {
    let group = balanced(
        "balancer: sessions",
        &[],
        "<Proxy balancer://c>\nBalancerMember http://@A@ route=a\nBalancerMember http://@B@ route=b\nBalancerMember http://127.0.0.1:1 route=off status=D redirect=b\n\
         BalancerMember http://@C@ route=spare status=+H\nProxySet stickysession=SID|sid\n</Proxy>\n\
         <Proxy balancer://s>\nBalancerMember http://@A@ route=a\nBalancerMember http://@B@ route=b\nBalancerMember http://127.0.0.1:1 route=off status=D\nProxySet stickysession=sid scolonpathdelim=on stickysessionsep=! nofailover=on\n</Proxy>\n\
         <Proxy balancer://w>\nBalancerMember http://@A@ route=a\nBalancerMember http://@B@ route=b\nProxySet stickysession=SID stickysessionsep=off\n</Proxy>\n\
         ProxyPass /c balancer://c\nProxyPass /s balancer://s\nProxyPass /w balancer://w\nHeader add Set-Cookie \"ROUTE=.%{BALANCER_WORKER_ROUTE}e; path=/\" env=BALANCER_ROUTE_CHANGED\n",
    );
    let mut group = group.get("/c/who").get("/c/who");
    for cookie in [
        "SID=x.a",
        "SID=x.b",
        "SID=x.a",
        "SID=b",
        "SID=x.y.a",
        "SID=x.none",
        "SID=x.off",
        "SID=x.spare",
        "aSID=x.a",
        "p=q; SID = x.b",
        "p=q,SID=x.b;z",
        "SID=",
        "SID=x.",
        "sid=x.a",
        "SID=x.a; SID=x.b",
    ] {
        group = group.get_with("/c/who", &format!("Cookie: {cookie}"));
    }
    for path in [
        "/c/who?sid=x.a",
        "/c/who?sid=x.b",
        "/c/who?p=1&sid=x.a&q=2",
        "/c/who?sid=x.none",
        "/c/who?asid=x.b",
        "/c/x;sid=x.b",
        "/c/who?SID=x.a",
        "/s/x;sid=x!b",
        "/s/x;sid=x!b;y=z",
        "/s/x;sid=x!off",
        "/s/x;sid=x!none",
        "/s/x;sid=x.b",
        "/s/x?sid=x!a;b",
    ] {
        group = group.get(path);
    }
    group
        .get_with("/s/who", "Cookie: sid=x!b")
        .get_with("/w/who", "Cookie: SID=b")
        .get_with("/w/who", "Cookie: SID=x.b")
        .get_with("/c/who?sid=x.b", "Cookie: SID=x.a")
        .check();
}

#[test]
fn states() {
    let conf: String = ["D", "S", "E", "H", "N", "R", "C", "I+E", "+H+D", "-D"]
        .iter()
        .enumerate()
        .map(|(at, status)| {
            format!(
                "<Proxy balancer://s{at}>\nBalancerMember http://@A@ status={status}\nBalancerMember http://@B@\nBalancerMember http://@C@ status=+R\n</Proxy>\nProxyPass /s{at} balancer://s{at}\n\
                 <Proxy balancer://t{at}>\nBalancerMember http://@A@ status={status}\n</Proxy>\nProxyPass /t{at} balancer://t{at}\n"
            )
        })
        .collect();
    let mut group = balanced("balancer: states", &[], &(conf + PAGE + "ProxyStatus Full\nExtendedStatus off\n"));
    for at in 0..10 {
        group = many(group, 3, &format!("/s{at}/who"));
        group = many(group, 2, &format!("/t{at}/who"));
    }
    group = look(look(group, "/bm"), "/bm?xml=1");
    group.get("/st?auto").masking(STATUS_VALUES).masking(BODY_LENGTH).check();
}

#[test]
fn failures() {
    let group = balanced(
        "balancer: failures",
        &[
            ("busy", says("HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno")),
            ("ours", says("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno")),
            ("junk", says_and_closes("")),
        ],
        "<Proxy balancer://one>\nBalancerMember http://127.0.0.1:1\n</Proxy>\n<Proxy balancer://two>\nBalancerMember http://127.0.0.1:1\nBalancerMember http://@A@\n</Proxy>\n\
         <Proxy balancer://never>\nBalancerMember http://127.0.0.1:1 retry=600\nBalancerMember http://127.0.0.1:2 retry=600\nProxySet forcerecovery=off\n</Proxy>\n\
         <Proxy balancer://tries>\nBalancerMember http://127.0.0.1:1\nBalancerMember http://127.0.0.1:2\nBalancerMember http://@A@\nProxySet maxattempts=0\n</Proxy>\n\
         <Proxy balancer://status>\nBalancerMember http://@A@\nBalancerMember http://@B@\nProxySet failonstatus=503,500\n</Proxy>\n\
         <Proxy balancer://ignored>\nBalancerMember http://@A@ status=+I\nBalancerMember http://127.0.0.1:1 status=+I\nProxySet failonstatus=503\n</Proxy>\n\
         <Proxy balancer://order>\nBalancerMember http://127.0.0.1:1 lbset=0\nBalancerMember http://@A@ lbset=1\nBalancerMember http://@B@ lbset=2\nBalancerMember http://@C@ status=+H\n</Proxy>\n\
         ProxyPass /one balancer://one\nProxyPass /two balancer://two\nProxyPass /never balancer://never\nProxyPass /tries balancer://tries\nProxyPass /status balancer://status\nProxyPass /ignored balancer://ignored\nProxyPass /order balancer://order\n\
         ProxyPass /plain http://127.0.0.1:1 status=-I retry=600\n",
    );
    let mut group = many(group, 3, "/one/who");
    group = many(group, 3, "/two/who");
    group = group.request("POST /two/x HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody");
    group = many(group, 3, "/never/who");
    group = many(group, 4, "/tries/who");
    group = group.get("/status/busy").get("/status/busy").get("/status/ours").get("/status/who").get("/status/who");
    group = many(group, 2, "/ignored/busy");
    group = many(group, 2, "/ignored/who");
    group = many(group, 3, "/order/who");
    group = group.get("/two/junk").get("/two/who");
    many(group, 2, "/plain").check();
}

#[test]
fn a_body_reaches_the_next_member() {
    let group = balanced(
        "balancer: a body after a failure",
        &[],
        "<Proxy balancer://two>\nBalancerMember http://127.0.0.1:1\nBalancerMember http://@A@\n</Proxy>\nProxyPass /two balancer://two\n",
    );
    let long = "x".repeat(50_000);
    group
        .request(format!(
            "POST /two/x HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{long}",
            long.len()
        ))
        .check();
}

#[test]
fn failure_by_timeout() {
    let hang = [("hang", vec![Step::Read, Step::Hang])];
    balanced(
        "balancer: failontimeout",
        &hang,
        &("<Proxy balancer://c>\nBalancerMember http://@A@ timeout=1\nBalancerMember http://@B@ timeout=1\nProxySet failontimeout=on\n</Proxy>\nProxyPass /x balancer://c\n".to_owned()
            + PAGE),
    )
    .get("/x/hang")
    .get("/x/who")
    .get("/x/who")
    .check();
}

const MANAGED: &str = "<Proxy balancer://c>\nBalancerMember http://@A@ route=ra timeout=5 acquire=2030 receivebuffersize=4096 iobuffersize=9000 keepalive=on flushpackets=auto flushwait=20 ping=3 disablereuse=on \
                       connectiontimeout=7500ms retry=9 min=1 max=5 smax=3 ttl=60 loadfactor=1.5 redirect=rb lbset=1\n\
                       BalancerMember http://@B@/p route=r&b\nProxySet stickysession=SID growth=2 nonce=NN timeout=3 nofailover=on maxattempts=4 failontimeout=on scolonpathdelim=on\n</Proxy>\n\
                       <Proxy balancer://other>\nBalancerMember unix:/nonexistent.sock|http://localhost/x\nProxySet stickysession=A|B\n</Proxy>\nProxyPass /x balancer://c\nProxyPass /y balancer://c/b2\nProxyPass /o balancer://other\n";

#[test]
fn pages() {
    let group =
        balanced("balancer-manager: pages", &[], &(MANAGED.to_owned() + PAGE + "ProxyStatus on\nExtendedStatus off\n"));
    let group =
        group.get("/bm").masking(BALANCERS).get_with("/bm?xml=1", "Referer: http://elsewhere/").masking(BALANCERS);
    let mut group = group.get("/x/who");
    for path in [
        "/bm",
        "/bm?b=c&nonce=NN",
        "/bm?b=c&nonce=bad",
        "/bm?b=other",
        "/bm?b=nobody&nonce=NN",
        "/bm?b=c&w=nobody&nonce=NN",
        "/bm?xml=1",
        "/bm/more?xml",
    ] {
        group = look(group, path);
    }
    group
        .ask("HEAD", "/bm", "")
        .masking(BALANCERS)
        .ask("PUT", "/bm", "")
        .ask("OPTIONS", "/bm", "")
        .get("/st?auto")
        .masking(STATUS_VALUES)
        .masking(BODY_LENGTH)
        .check();
}

#[test]
fn changes() {
    let group = balanced("balancer-manager: changes", &[], &(MANAGED.to_owned() + PAGE));
    let mut group = group;
    for form in [
        "b=c&nonce=NN&b_tmo=7&b_max=9&b_sforce=0&b_ss=A%7cB",
        "b=c&nonce=NN&b_tmo=-1&b_max=100&b_sforce=x&b_ss=-&b_lbm=nope",
        "b=c&nonce=bad&b_max=3",
        "b=c&b_max=3",
        "b=c&nonce=NN&b_ss=%2541+%3C&b_max=%zz",
        "b=c&nonce=NN&b_wyes=1&b_nwrkr=http://127.0.0.1:1/q",
        "b=c&nonce=NN&b_nwrkr=http://127.0.0.1:1/z",
        "b=c&nonce=NN&b_wyes=1&b_nwrkr=junk",
        "b=c&nonce=NN&b_wyes=1&b_nwrkr=http://127.0.0.1:2/r",
        "b=c&nonce=NN&b_wyes=1&b_nwrkr=http://127.0.0.1:3/full",
        "b=c&nonce=NN&b_wyes=1&b_nwrkr=http://127.0.0.1:2/r",
        "b=c&nonce=NN&w=http://127.0.0.1:1/q&w_status_D=0&w_lf=2.25&w_ls=7&w_wr=new&w_rr=other",
        "b=c&nonce=NN&w=http://127.0.0.1:1/q&w_status_I=1&w_status_N=1&w_status_H=1&w_status_R=1&w_status_S=1&w_status_C=1",
        "b=c&nonce=NN&w=http://127.0.0.1:1/q&w_lf=0.5&w_ls=100",
        "xml=1&b=c&nonce=NN",
    ] {
        group = manage(group, form);
    }
    many(group, 3, "/x/who").check();
}

#[test]
fn a_member_is_taken_out_and_put_back() {
    let (conf, port) = {
        let backend = Backend::start(&[("who", says("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))]);
        let conf = format!(
            "<Proxy balancer://c>\nBalancerMember http://127.0.0.1:{}\nBalancerMember http://@B@\nProxySet nonce=NN\n</Proxy>\nProxyPass /x balancer://c\n{PAGE}",
            backend.port
        );
        (conf, backend.port)
    };
    let mut group = balanced("balancer-manager: out and back", &[], &conf);
    group = many(group, 3, "/x/who");
    group = manage(group, &format!("b=c&nonce=NN&w=http://127.0.0.1:{port}&w_status_D=1"));
    group = many(group, 3, "/x/who");
    group = manage(group, &format!("b=c&nonce=NN&w=http://127.0.0.1:{port}&w_status_D=0"));
    group = many(group, 3, "/x/who");
    look(group, "/bm?b=c&nonce=NN").check();
}

#[test]
fn hosts_and_inheritance() {
    let page = "<Location /bm>\nSetHandler balancer-manager\n</Location>\n";
    let host =
        |name: &str, more: &str| format!("<VirtualHost *:@PORT@>\nServerName {name}\n{more}{page}</VirtualHost>\n");
    let conf = format!(
        "<Proxy balancer://main>\nBalancerMember http://@A@\n</Proxy>\nProxyPass /m balancer://main\n{}{}{}",
        host("one.example", ""),
        host(
            "two.example",
            "BalancerInherit off\nProxyPassInherit off\nProxyPass /o balancer://own\nBalancerMember balancer://own http://@B@\nBalancerPersist on\n"
        ),
        host(
            "three.example",
            "<Proxy balancer://main>\nBalancerMember http://@C@\n</Proxy>\nProxyPass /o balancer://main\n"
        ),
    );
    let mut group = balanced("BalancerInherit and hosts", &[], &conf);
    for host in ["one.example", "two.example", "three.example"] {
        for path in ["/m/who", "/o/who", "/bm"] {
            group = group
                .request(format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\nReferer: http://{host}/\r\nConnection: close\r\n\r\n"
                ))
                .masking(BALANCERS);
        }
    }
    group.check();
}

#[test]
fn persistence() {
    for persist in ["on", "off"] {
        let conf = format!(
            "<Proxy balancer://c>\nBalancerMember http://127.0.0.1:1 route=ra\nBalancerMember http://127.0.0.1:2 route=rb\nProxySet nonce=NN growth=1\n</Proxy>\nBalancerPersist {persist}\n{PAGE}"
        );
        balanced(&format!("BalancerPersist {persist}"), &[], &conf).facts_only(|server| {
            let ask = |server: &mut compat_tests::Running, bytes: String| {
                String::from_utf8_lossy(&server.ask(bytes.as_bytes())).into_owned()
            };
            let page = |server: &mut compat_tests::Running| {
                let text = ask(server, "GET /bm HTTP/1.0\r\n\r\n".into());
                let rows: Vec<&str> =
                    text.lines().filter(|line| line.contains("&amp;w=") || line.starts_with("<td>S")).collect();
                rows.join("\n") + "\n"
            };
            let form = "w=http://127.0.0.1:1&b=c&nonce=NN&w_lf=3&w_wr=new&w_status_D=1&b_ss=SS";
            ask(
                server,
                format!(
                    "POST /bm HTTP/1.0\r\nReferer: http://www.example.test/\r\nContent-Length: {}\r\n\r\n{form}",
                    form.len()
                ),
            );
            let mut facts = page(server);
            let old = server.children();
            server.signal(Signal::SIGUSR1);
            server.wait(|server| server.logged("resuming normal operations") == 2);
            server.wait(|server| server.children().iter().all(|child| !old.contains(child)));
            facts += &page(server);
            facts
        });
    }
}

#[test]
fn syntax() {
    let parameters = [
        "lbset=1",
        "stickysession=a|b",
        "stickysession=",
        "stickysessionsep=ab",
        "stickysessionsep=x",
        "stickysessionsep=off",
        "nofailover=x",
        "nofailover=on",
        "timeout=0",
        "timeout=x",
        "timeout=5",
        "maxattempts=-1",
        "maxattempts=x",
        "maxattempts=3",
        "lbmethod=nope",
        "lbmethod=byrequests",
        "growth=-1",
        "growth=101",
        "growth=0",
        "growth=100",
        "scolonpathdelim=x",
        "scolonpathdelim=on",
        "failonstatus=x",
        "failonstatus=500,600",
        "failonstatus=500,503",
        "failonstatus=1",
        "failontimeout=x",
        "failontimeout=on",
        "nonce=None",
        "nonce=abc",
        "nonce=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        "forcerecovery=x",
        "forcerecovery=off",
        "loadfactor=2",
        "retry=5",
        "foo=1",
        "min=1",
        "foo",
    ];
    let mut snippets: Vec<String> = parameters.iter().map(|text| format!("ProxyPass /a balancer://x {text}")).collect();
    snippets.extend(
        [
            "BalancerMember",
            "BalancerMember http://h",
            "BalancerMember balancer://x",
            "BalancerMember balancer://x http://h",
            "BalancerMember balancer://x http://h foo",
            "BalancerMember balancer://x http://h foo=1",
            "BalancerMember balancer://x http://h loadfactor=1000",
            "BalancerMember x http://h",
            "BalancerMember balancer:// http://h",
            "BalancerMember balancer://x h",
            "BalancerMember balancer://x http://h:x/",
            "<Proxy balancer://x>\nBalancerMember\n</Proxy>",
            "<Proxy balancer://x>\nBalancerMember http://h lbmethod=byrequests\n</Proxy>",
            "<Proxy balancer://x lbmethod=byrequests>\n</Proxy>",
            "<Proxy balancer://x foo>\n</Proxy>",
            "<Proxy balancer://x foo=1>\n</Proxy>",
            "<Proxy balancer://x>\nProxySet foo=1\n</Proxy>",
            "<Proxy balancer://x>\nProxySet foo\n</Proxy>",
            "ProxySet balancer://x lbmethod=byrequests",
            "ProxySet balancer://x",
            "<Proxy balancer://x>\nBalancerMember http://h\n</Proxy>\nProxySet balancer://x timeout=3 lbmethod=nope",
            "<Proxy balancer://>\n</Proxy>",
            "<Proxy balancer://x/y>\nBalancerMember http://h\n</Proxy>\nProxyPass / balancer://x/y",
            "<Location /a>\nBalancerMember balancer://x http://h\n</Location>",
            "<Directory />\nBalancerMember balancer://x http://h\n</Directory>",
            "<Proxy *>\nBalancerMember http://h\n</Proxy>",
            "ProxyPass /a balancer://",
            "ProxyPass /a balancer://x:y/",
            "ProxyPassMatch ^/(.*) balancer://x/$1 stickysession=q",
            "ProxyPassMatch ^/(.*) balancer://$1/ stickysession=q",
            "BalancerGrowth x",
            "BalancerGrowth -1",
            "BalancerGrowth 1001",
            "BalancerPersist x",
            "BalancerPersist on",
            "<Proxy balancer://x>\nBalancerMember http://h/\nBalancerMember http://h\nBalancerMember http://h/foo a=b\n</Proxy>",
            "<Proxy balancer://x>\nBalancerMember http://h hcmethod=TCP\n</Proxy>",
        ]
        .map(str::to_owned),
    );
    group("mod_proxy_balancer syntax")
        .and_modules("proxy proxy_http proxy_balancer slotmem_shm lbmethod_byrequests")
        .syntax(&snippets);
}

#[test]
fn what_it_needs() {
    group("balancers without slotted memory")
        .and_modules("proxy proxy_http proxy_balancer lbmethod_byrequests")
        .start_fails(&["-DFOREGROUND"]);
    group("balancers without their module")
        .and_modules("proxy proxy_http lbmethod_byrequests")
        .conf("<Proxy balancer://x>\nBalancerMember http://127.0.0.1:1\n</Proxy>\nProxyPass /a balancer://x\n")
        .get("/a")
        .check();
}
