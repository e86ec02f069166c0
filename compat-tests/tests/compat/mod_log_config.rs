//! mod_log_config: LogFormat, CustomLog, TransferLog, conditions, escapes, every format letter.

use compat_tests::{group, under_each_mpm};

fn format(name: &str, format: &str) -> compat_tests::Group {
    group(name)
        .conf(&format!(
            "LogFormat \"{format}\" mine\nCustomLog logs/mine.log mine\nRedirect 302 /moved http://other.test/\n"
        ))
        .also("logs/mine.log")
        .file("htdocs/a.txt", "0123456789\n")
        .get_with(
            "/a.txt?q=1",
            "User-Agent: a \"quoted\" \\ agent\nReferer: http://r.test/\nCookie: one=1; two=2\nX-Esc: t\tx",
        )
        .get("/nope?x=%22%0a")
        .get("/moved/on")
        .get_with("/a.txt", "Range: bytes=0-3")
        .ask("HEAD", "/a.txt", "")
        .ask("FOO", "/a.txt", "")
        .get("/a%22b%5c%01%c3%a9")
        .request("POST /a.txt HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc")
        .request("GET /a.txt\r\n")
        .request("BAD\x01 / HTTP/1.1\r\n\r\n")
        .request("")
        .request("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
}

under_each_mpm! {
    fn common_and_combined(mpm) {
        format("combined", r#"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""#).mpm(mpm).check();
    }
}

#[test]
fn letters() {
    format("letters 1", r"%a %A %B %b %f %H %k %m %q %R %s %>s %<s %U %v %V %X %%").check();
    format(
        "letters 2",
        r"%{c}a %{local}p %{canonical}p %p %{User-Agent}i %{Content-Type}o %{Server}o %{one}C %{NOPE}e %{x}n %l %u %h",
    )
    .check();
    format("letters 3", r"%200,304s|%!200>s|%!200{User-Agent}i|%404U|%{X-Esc}i|%{Accept-Ranges}o|%{Location}o").check();
    format("sizes", r"%I %S %b").check();
    format("escapes", r"a\tb\\c\q %{Foo}^ti %{Foo}^to").check();
}

#[test]
fn conditional_logs() {
    group("conditional logs")
        .conf(
            r#"
SetEnvIf Request_URI "^/img" image
SetEnvIf Request_URI "^/a" dontlog=yes
CustomLog logs/env.log "%U" env=image
CustomLog logs/notenv.log "%U" env=!dontlog
CustomLog logs/expr.log "%U" "expr=%{REQUEST_STATUS} -ge 400"
LogFormat "%U transfer"
TransferLog logs/transfer.log
LogFormat "nick %U" nick
CustomLog logs/nick.log nick
CustomLog logs/literal.log notanickname
BufferedLogs Off
<VirtualHost *:@PORT@>
  ServerName vh.test
  CustomLog logs/vhost.log "%v %U"
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName nolog.test
</VirtualHost>
"#,
        )
        .also("logs/env.log")
        .also("logs/notenv.log")
        .also("logs/expr.log")
        .also("logs/transfer.log")
        .also("logs/nick.log")
        .also("logs/literal.log")
        .also("logs/vhost.log")
        .get("/")
        .get("/img")
        .get("/abc")
        .request("GET / HTTP/1.1\r\nHost: vh.test\r\nConnection: close\r\n\r\n")
        .request("GET /n HTTP/1.1\r\nHost: nolog.test\r\nConnection: close\r\n\r\n")
        .check();
}

#[test]
fn global_log() {
    group("GlobalLog")
        .conf("GlobalLog logs/global.log \"%v %U\"\n<VirtualHost *:@PORT@>\nServerName vh.test\nCustomLog logs/vhost.log \"%U\"\n</VirtualHost>\n")
        .also("logs/global.log")
        .also("logs/vhost.log")
        .get("/")
        .get("/nope")
        .check();
}

#[test]
fn internal_redirects_and_time_formats() {
    group("redirect status and time")
        .conf("ErrorDocument 404 /index.html\nCustomLog logs/x.log \"%s %<s %>s %U %<U %>U %r\"\nCustomLog logs/t.log \"%{%Y}t %{begin:%Y}t %{end:%Y}t %{x}t\"\n")
        .also("logs/x.log")
        .also("logs/t.log")
        .get("/nope")
        .get("/")
        .check();
}

#[test]
fn piped_log() {
    group("piped log").conf("CustomLog \"|/bin/cat >> @ROOT@/logs/piped.log\" \"%U\"\nCustomLog \"|$/bin/cat >> @ROOT@/logs/shell.log\" \"%U\"\n").facts_only(|server| {
        server.get("/one");
        server.get("/two");
        let both = |name: &str, s: &compat_tests::Running| std::fs::read_to_string(s.path(name)).unwrap_or_default();
        server.wait(|s| both("logs/shell.log", s).lines().count() == 2);
        both("logs/shell.log", server)
    });
}

#[test]
fn errors() {
    group("log_config errors").syntax(&[
        "LogFormat \"%Q\" x",
        "LogFormat \"%\" x",
        "LogFormat \"%{a\" x",
        "LogFormat \"%{a}\" x",
        "LogFormat \"%>\" x",
        "LogFormat \"%200\" x",
        "LogFormat \"%!\" x",
        "LogFormat \"%{foo}p\" x",
        "LogFormat \"%{foo}P\" x",
        "LogFormat \"%{ms}T %{us}T %{s}T\" x",
        "LogFormat \"%{foo}T\" x",
        "LogFormat \"%{tid}P %{pid}P %{hextid}P\" x",
        "LogFormat",
        "LogFormat a b c",
        "CustomLog logs/x",
        "CustomLog logs/x %Q",
        "CustomLog logs/x common env=a",
        "CustomLog logs/x common foo",
        "CustomLog logs/x common env=!",
        "CustomLog logs/x common env=",
        "CustomLog logs/x common \"expr=(\"",
        "CustomLog /nonexistent/x common",
        "CustomLog",
        "CustomLog |",
        "CustomLog \"|/nonexistent\" common",
        "TransferLog",
        "TransferLog logs/x",
        "CookieLog logs/x",
        "BufferedLogs maybe",
        "GlobalLog logs/x",
        "GlobalLog logs/x common",
        "<VirtualHost *:80>\nGlobalLog logs/x common\n</VirtualHost>",
    ]);
}

under_each_mpm! {
    fn buffered_logs_are_written_at_the_end(mpm) {
        // Each child writes its own: only equal lines have no order.
        group("BufferedLogs On").mpm(mpm).conf("BufferedLogs On\n").get("/").get("/").get("/").check();
        group("BufferedLogs until").mpm(mpm).conf("BufferedLogs On\n").facts(|server| {
            server.get("/").expect("an answer");
            std::fs::read_to_string(server.path("logs/access.log")).expect("a log")
        });
    }
}
