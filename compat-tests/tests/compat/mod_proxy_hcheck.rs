//! mod_proxy_hcheck: what is asked of members, how often, and what the answers mean.

use compat_tests::normal::BALANCERS;
use compat_tests::tls::server;
use compat_tests::{Backend, Group, group, says_and_closes, under_each_mpm};

const MODULES: &str = "proxy proxy_http proxy_balancer slotmem_shm lbmethod_byrequests proxy_hcheck";

/// A group whose backends answer as the last segment of the path says.
fn checked(name: &str, conf: &str) -> Group {
    let scripts = [
        ("ill", says_and_closes("HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno")),
        ("moved", says_and_closes("HTTP/1.1 302 Found\r\nLocation: /x\r\nX-Mood: fine\r\nContent-Length: 0\r\n\r\n")),
        ("junk", says_and_closes("nothing of the kind\r\n\r\n")),
        ("dead", says_and_closes("")),
    ];
    let mut conf = conf.to_owned();
    while let Some(at) = conf.find("@B@") {
        conf.replace_range(at..at + 3, &format!("127.0.0.1:{}", Backend::start(&scripts).port));
    }
    group(name).and_modules(MODULES).conf(&format!(
        "WatchdogInterval 100ms\n{conf}<Location /bm>\nSetHandler balancer-manager\n</Location>\nProxyPass /c balancer://c\n"
    ))
}

/// Compares the members' rows once the member that refuses connections was asked several times.
fn states(group: Group) {
    group.facts_only(|server| {
        server.wait(|server| server.logged("HCTCP: attempt to connect") >= 5);
        let page = String::from_utf8_lossy(&server.ask(b"GET /bm HTTP/1.0\r\n\r\n")).into_owned();
        let cells = |line: &str| {
            let cells: Vec<&str> = line.split("<td>").collect();
            format!("{} {} | {}\n", cells[1].rsplit("\">").next().unwrap_or(""), cells[6], cells[12..].join(" "))
        };
        page.lines().filter(|line| line.contains("&amp;w=")).map(cells).collect()
    });
}

#[test]
fn methods_and_expressions() {
    states(checked(
        "hcheck: methods and expressions",
        "ProxyHCExpr get {hc('body') =~ /connection.GET .up HTTP.1.0.Host: [0-9.:]+..$/}\nProxyHCExpr both {hc('BODY') =~ /GET .base..up HTTP.1.1.Host: [0-9.:]+..$/}\n\
         ProxyHCExpr bare {hc('body') =~ /GET .base HTTP.1.0/}\nProxyHCExpr never {hc('body') =~ /never/}\nProxyHCExpr five {%{REQUEST_STATUS} =~ /^5/}\nProxyHCExpr mood {%{resp:X-Mood} == 'fine'}\n\
         ProxyHCTemplate t hcmethod=HEAD hcinterval=100ms hcuri=/ill hcfails=2\n\
         <Proxy balancer://c>\nBalancerMember http://127.0.0.1:1 hcmethod=TCP hcinterval=100ms hcfails=2 hcpasses=3\n\
         BalancerMember http://@B@ hcmethod=TCP hcinterval=100ms\nBalancerMember http://@B@/o hcmethod=OPTIONS hcinterval=100ms\n\
         BalancerMember http://@B@/o hcmethod=OPTIONS11 hcinterval=100ms hcuri=/x\nBalancerMember http://@B@/h hcmethod=HEAD hcinterval=100ms\n\
         BalancerMember http://@B@/ill hcmethod=HEAD11 hcinterval=100ms\nBalancerMember http://@B@ hctemplate=t\n\
         BalancerMember http://@B@ hcmethod=GET hcinterval=100ms hcuri=/up hcexpr=get\nBalancerMember http://@B@/base hcmethod=GET11 hcinterval=100ms hcuri=/up hcexpr=both\n\
         BalancerMember http://@B@/base hcmethod=GET hcinterval=100ms hcexpr=bare\nBalancerMember http://@B@/base hcmethod=GET hcinterval=100ms hcexpr=never\n\
         BalancerMember http://@B@/ill hcmethod=GET hcinterval=100ms hcexpr=five\nBalancerMember http://@B@/moved hcmethod=HEAD hcinterval=100ms hcexpr=mood\n\
         BalancerMember http://@B@/moved hcmethod=HEAD hcinterval=100ms\nBalancerMember http://@B@/junk hcmethod=GET hcinterval=100ms\n\
         BalancerMember http://@B@/dead hcmethod=GET hcinterval=100ms\nBalancerMember http://@B@/unasked\nBalancerMember unix:/nonexistent.sock|http://localhost hcmethod=GET hcinterval=100ms\n\
         BalancerMember http://@B@/ill hcmethod=GET hcinterval=100ms status=S\nBalancerMember http://@B@/back hcmethod=HEAD hcinterval=100ms status=C+E\n</Proxy>\n",
    ));
}

under_each_mpm! {
    fn one_after_the_other(mpm) {
        states(
            checked(
                "hcheck: ProxyHCTPsize 0",
                "ProxyHCTPsize 0\n<Proxy balancer://c>\nBalancerMember http://127.0.0.1:1 hcmethod=TCP hcinterval=100ms\nBalancerMember http://@B@/ill hcmethod=GET hcinterval=100ms\n\
                 BalancerMember http://@B@/well hcmethod=GET hcinterval=100ms\n</Proxy>\n",
            )
            .mpm(mpm),
        );
    }
}

#[test]
fn over_tls() {
    let secured = Backend::start_tls(&server("local"), &[]).port;
    let members = format!(
        "<Proxy balancer://c>\nBalancerMember http://127.0.0.1:1 hcmethod=TCP hcinterval=100ms\nBalancerMember https://localhost:{secured} hcmethod=GET hcinterval=100ms hcuri=/x hcexpr=shown\n</Proxy>\n"
    );
    for engine in ["on", "off"] {
        let conf = format!("SSLProxyEngine {engine}\nProxyHCExpr shown {{hc('body') =~ /GET .x HTTP/}}\n{members}");
        states(checked(&format!("hcheck: SSLProxyEngine {engine}"), &conf).with_tls());
    }
}

#[test]
fn members_that_are_ill_are_left_out() {
    checked(
        "hcheck: requests",
        "LogLevel proxy_hcheck:info\n<Proxy balancer://c>\nBalancerMember http://@B@/ill hcmethod=HEAD hcinterval=100ms\nBalancerMember http://@B@/well hcmethod=HEAD hcinterval=100ms\n</Proxy>\n",
    )
    .facts_only(|server| {
        server.wait(|server| server.logged("AH03303: Threaded Health check DISABLING") == 1);
        (0..4).map(|_| String::from_utf8_lossy(&server.ask(b"GET /c/x HTTP/1.0\r\n\r\n")).contains("GET /well/x").to_string()).collect()
    });
}

#[test]
fn the_manager() {
    let conf = "ProxyHCExpr one {true}\nProxyHCExpr two {false}\n<Proxy balancer://c>\nBalancerMember http://127.0.0.1:1 hcmethod=GET hcinterval=3600 hcuri=/up hcexpr=two\nBalancerMember http://127.0.0.1:2\nProxySet nonce=NN\n</Proxy>\n";
    let mut group = checked("hcheck: balancer-manager", conf);
    for form in [
        "",
        "&w_hi=2000&w_hp=2&w_hf=3&w_hm=HEAD11&w_hu=/other&w_he=one&w_status_C=1",
        "&w_hi=5&w_hp=0&w_hf=x&w_hm=CPING&w_hu=&w_he=nope",
        "&w_hi=3600s&w_hm=tcp&w_he=one",
        "&w_hm=none",
    ] {
        let form = format!("b=c&nonce=NN&w=http://127.0.0.1:1{form}");
        group = group
            .request(format!(
                "POST /bm HTTP/1.1\r\nHost: www.example.test\r\nReferer: http://www.example.test/\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{form}",
                form.len()
            ))
            .masking(BALANCERS);
    }
    group.log_format("\\\"%r\\\" %>s %B").log_sizes_vary().check();
}

#[test]
fn syntax() {
    let long = "z".repeat(70);
    let parameters = [
        "hcmethod=TCP",
        "hcmethod=tcp",
        "hcmethod=nope",
        "hcmethod=CPING",
        "hcmethod=PROVIDER",
        "hcmethod=get11",
        "hcmethod=none",
        "hcmethod=EXTERNAL",
        "hcinterval=x",
        "hcinterval=0",
        "hcinterval=1",
        "hcinterval=1ms",
        "hcinterval=100ms",
        "hcpasses=0",
        "hcpasses=x",
        "hcpasses=-1",
        "hcfails=-1",
        "hcfails=3",
        "hcuri=/x",
        "hcuri=",
        "hcexpr=no",
        "hctemplate=no",
        "hcfoo=1",
        "HCMETHOD=GET",
    ];
    let mut snippets: Vec<String> = parameters
        .iter()
        .map(|text| format!("<Proxy balancer://x>\nBalancerMember http://h {text}\n</Proxy>"))
        .collect();
    snippets.push(format!("<Proxy balancer://x>\nBalancerMember http://h hcuri=/{long}\n</Proxy>"));
    snippets.push(format!("ProxyHCExpr {long} {{true}}"));
    snippets.extend(
        [
            "ProxyPass /a http://h hcmethod=TCP",
            "ProxyPass /a balancer://h hcmethod=TCP",
            "ProxyHCExpr",
            "ProxyHCExpr x",
            "ProxyHCExpr x {",
            "ProxyHCExpr x {}",
            "ProxyHCExpr x {true}",
            "ProxyHCExpr x {true} more",
            "ProxyHCExpr x \"true\"",
            "ProxyHCExpr x true",
            "ProxyHCExpr x {%{REQUEST_STATUS} =~ /^[234]/}",
            "ProxyHCExpr x {(}",
            "ProxyHCExpr x {hc('body') !~ /Under/}",
            "ProxyHCExpr x {hc('foo') == 'a'}",
            "ProxyHCTemplate",
            "ProxyHCTemplate x",
            "ProxyHCTemplate x a",
            "ProxyHCTemplate x a=b",
            "ProxyHCTemplate x hcmethod=TCP hcinterval=5",
            "ProxyHCTemplate x hctemplate=y",
            "ProxyHCTemplate x hcmethod=zz",
            "ProxyHCTPsize x",
            "ProxyHCTPsize -1",
            "ProxyHCTPsize 0",
            "<VirtualHost *>\nProxyHCTPsize 8\n</VirtualHost>",
            "<Location />\nProxyHCExpr x {true}\nProxyHCTemplate y hcmethod=TCP\n</Location>",
            "ProxyHCTemplate t hcmethod=TCP hcinterval=5\n<Proxy balancer://x>\nBalancerMember http://h hctemplate=t\nProxySet hcmethod=TCP\n</Proxy>",
            "<If \"hc('body')=='a'\">\n</If>",
        ]
        .map(str::to_owned),
    );
    group("mod_proxy_hcheck syntax").and_modules(MODULES).syntax(&snippets);
    group("hc() without its module").syntax(&["<If \"hc('body')=='a'\">\n</If>"]);
}
