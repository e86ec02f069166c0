//! mod_authz_host: Require ip, host, forward-dns, local.

use compat_tests::group;

#[test]
fn rules() {
    let mut conf = String::new();
    let mut g = group("Require ip");
    for (number, rule) in [
        "ip 127.0.0.1",
        "ip 127",
        "ip 127.0",
        "ip 127.0.0.0/8",
        "ip 127.0.0.0/255.0.0.0",
        "ip 10.0.0.0/8",
        "ip 10 127",
        "ip ::1",
        "ip ::/1",
        "ip 0.0.0.0/1",
        "ip 127.0.0.1/32",
        "ip 127.0.0.2",
        "host localhost",
        "host example.test",
        "host .localdomain",
        "forward-dns localhost",
        "forward-dns no-such-host.invalid",
        "local",
    ]
    .iter()
    .enumerate()
    {
        conf.push_str(&format!("<Directory @ROOT@/htdocs/d{number}>\nRequire {rule}\n</Directory>\n<Directory @ROOT@/htdocs/n{number}>\n<RequireAll>\nRequire all granted\nRequire not {rule}\n</RequireAll>\n</Directory>\n"));
        g = g
            .file(&format!("htdocs/d{number}/index.html"), "in\n")
            .file(&format!("htdocs/n{number}/index.html"), "in\n")
            .get(&format!("/d{number}/"))
            .get(&format!("/n{number}/"));
    }
    g.conf(&conf).check();
}

#[test]
fn errors() {
    let dir = |text: &str| format!("<Directory /x>\nRequire {text}\n</Directory>");
    group("authz_host errors").syntax(&[
        dir("ip"),
        dir("ip 10.0.0.0/8"),
        dir("ip 10.0.0.0/99"),
        dir("ip 10.0.0.0/-1"),
        dir("ip 10.0.0.0/"),
        dir("ip 10.0.0.0/255.0.255.0"),
        dir("ip 300.0.0.1"),
        dir("ip x"),
        dir("ip 10.0.0.1.2"),
        dir("ip 10."),
        dir("ip 2001:db8::/32 ::1"),
        dir("ip 2001:db8::/129"),
        dir("ip [::1]"),
        dir("ip 1.2.3.4, 5.6.7.8"),
        dir("ip 1.2.3.4 # comment"),
        dir("host"),
        dir("host a b"),
        dir("host %{NOPE}"),
        dir("forward-dns"),
        dir("local"),
        dir("local x"),
    ]);
}
