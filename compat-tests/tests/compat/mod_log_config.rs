//! mod_log_config: LogFormat, CustomLog, TransferLog, conditions, escapes, every format letter.

use compat_tests::{Running, group, under_each_mpm};

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
        let both = |name: &str, s: &Running| std::fs::read_to_string(s.path(name)).unwrap_or_default();
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

/// Every letter of both requests, where an error document or a handler led to another.
#[test]
fn original_and_final_request() {
    let letters = "b B f H k m p q r R s u U v V X a A h l";
    let named = "{X-In}i {REDIRECT_STATUS}e {REDIRECT_URL}e {REDIRECT_mark}e {mark}e {Content-Type}o {X-Out}o {X-Always}o {error-notes}n {c}a {c}h {local}p";
    let mut lines = String::new();
    for (number, item) in letters.split(' ').chain(named.split(' ')).enumerate() {
        lines += &format!("{}%{item}|%<{item}|%>{item}|%404<{item}|%!404>{item}", if number > 0 { " " } else { "" });
    }
    group("original and final")
        .and_modules("headers")
        .conf(&format!(
            r#"
LogFormat "{lines}" all
CustomLog logs/all.log all
ErrorDocument 404 /found.html
ErrorDocument 403 /loop
ErrorDocument 401 /open.html
ErrorDocument 500 "text"
SetEnvIf Request_URI "^/nope" mark=first
SetEnvIf Request_URI "^/found" mark=second
CustomLog logs/first.log "%U %>U" env=mark
CustomLog logs/redirected.log "%U %>U" env=REDIRECT_STATUS
CustomLog logs/not.log "%U %>U" env=!REDIRECT_STATUS
CustomLog logs/uri.log "%U %>U" "expr=%{{REQUEST_URI}} == '/found.html'"
CustomLog logs/status.log "%U %>U" "expr=%{{REQUEST_STATUS}} == 404"
CustomLog logs/handler.log "%U %>U" "expr=%{{HANDLER}} == 'redirect-handler' || -n resp('X-Out')"
Header set X-Out out
Header always set X-Always always
<Location /loop>
  Require all denied
</Location>
<Location /secret>
  AuthType Basic
  AuthName x
  AuthUserFile conf/users
  Require valid-user
</Location>
Redirect /away http://o.test/
"#
        ))
        .file("conf/users", "joe:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n\"odd\\:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
        .file("htdocs/found.html", "found\n")
        .file("htdocs/open.html", "please\n")
        .file("htdocs/sub/index.html", "index\n")
        .file("htdocs/secret/a.txt", "a\n")
        .also("logs/all.log")
        .also("logs/first.log")
        .also("logs/redirected.log")
        .also("logs/not.log")
        .also("logs/uri.log")
        .also("logs/status.log")
        .also("logs/handler.log")
        .get_with("/nope?a=b", "X-In: in")
        .ask("HEAD", "/nope", "")
        .request("POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .get("/loop")
        .get("/secret/a.txt")
        .get_with("/secret/a.txt", "Authorization: Basic am9lOnBhc3N3b3Jk")
        .get_with("/secret/a.txt", "Authorization: Basic am9lOndyb25n")
        .get_with("/secret/nope", "Authorization: Basic am9lOnBhc3N3b3Jk")
        .get_with("/secret/a.txt", "Authorization: Basic Im9kZFw6cGFzc3dvcmQ=")
        .get_with("/secret/a.txt", "Authorization: Basic Og==")
        .get("/sub/")
        .get("/sub")
        .get("/away")
        .get("/found.html")
        .request("GET /nope HTTP/1.1\r\nHost: x\r\n\r\nGET /found.html HTTP/1.1\r\nHost: x\r\n\r\nGET /nope HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n")
        .check();
}

/// Times in other zones: what is written is what date(1) makes of the same second.
#[test]
fn strftime_formats() {
    let formats = [
        "%a %A %b %B %h %C %d %e %D %F %g %G %H %I %j %k %l %m %M %p %P %r %R %S %s %T %u %U %V %w %W %y %Y %z %Z %% %c %x %X %n%t|",
        "%-d|%_d|%05d|%e|%-e|%0e|%-m|%_H|%-I|%-j|%_j|%3S|%10Y|%-y|%_3m|%-l|%-k|%0l",
        "%^a|%^B|%#p|%#Z|%^b|%#a|%10a|%-10a|%010a|%_5p|%^10B",
        "%Ey|%EY|%Od|%Oe|%OH|%Ec|%Ex|%EC",
        "%:z|%+4Y|%_z|%-z|%6z",
        "%E|%q|%Q|%!|é|%1|%^|%-",
        "plain words",
        "%Y%",
    ];
    for zone in ["UTC", "Asia/Kolkata", "America/St_Johns", "EST5EDT"] {
        let mut conf = String::from("LogFormat \"");
        for format in formats {
            conf += &format!("%{{sec}}t~%{{{format}}}t~%{{begin:{format}}}t\\n");
        }
        conf += "\" times\nCustomLog logs/times.log times\nLogFormat \"%{sec}t~%t~%{begin:}t\" stamp\nCustomLog logs/stamp.log stamp\n";
        group(&format!("strftime in {zone}")).env("TZ", zone).conf(&conf).facts_only(|server| {
            server.get("/");
            server.wait(|s| std::fs::read_to_string(s.path("logs/stamp.log")).is_ok_and(|text| text.ends_with('\n')));
            let text = std::fs::read(server.path("logs/times.log")).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let stamp = std::fs::read_to_string(server.path("logs/stamp.log")).unwrap_or_default();
            let mut said = String::new();
            let by_date = |second: &str, format: &str| {
                let out = std::process::Command::new("date")
                    .env("TZ", zone)
                    .env("LC_ALL", "C")
                    .args(["-d", &format!("@{second}"), &format!("+{format}")])
                    .output()
                    .expect("date");
                String::from_utf8_lossy(&out.stdout).trim_end_matches('\n').to_owned()
            };
            let mut rest = text.as_str();
            for format in formats {
                let Some((second, after)) = rest.split_once('~') else { break };
                let Some((shown, after)) = after.split_once('~') else { break };
                let again = shown.len();
                let same = after.get(..again) == Some(shown);
                rest = after.get(again + 1..).unwrap_or_default();
                let expected = by_date(second, format);
                let shown =
                    if shown == expected { "as date".to_owned() } else { format!("{shown:?}, date {expected:?}") };
                said += &format!("{format}: begin alike {same}, {shown}\n");
            }
            let mut parts = stamp.trim_end().split('~');
            let second = parts.next().unwrap_or_default().to_owned();
            let expected = by_date(&second, "[%d/%b/%Y:%H:%M:%S %z]");
            for part in parts {
                said += &format!("stamp: {}\n", part == expected);
            }
            said
        });
    }
}

/// Parts of a second, the end of a request, durations in every unit: how they belong together.
#[test]
fn fractions_and_durations() {
    group("fractions").conf("LogFormat \"%{sec}t %{msec}t %{usec}t %{msec_frac}t %{usec_frac}t %{begin:usec}t %{end:usec}t %{end:sec}t %{end:msec_frac}t %D %{us}T %{US}T %{ms}T %T %{s}T %{end:%Y}t %{%s}t\" x\nCustomLog logs/x.log x\n").facts_only(|server| {
        server.get("/");
        server.wait(|s| std::fs::read_to_string(s.path("logs/x.log")).is_ok_and(|text| text.ends_with('\n')));
        let text = std::fs::read_to_string(server.path("logs/x.log")).unwrap_or_default();
        let words: Vec<i64> = text.split_whitespace().map(|word| word.parse().unwrap_or(-1)).collect();
        let widths: Vec<usize> = text.split_whitespace().map(str::len).collect();
        let [sec, msec, usec, msec_frac, usec_frac, begin, end, end_sec, end_frac, d, us, big, ms, t, s, year, plain] = words[..] else { return text };
        format!(
            "{} {} {} {} {} {} {} {} {} {} {} {} {} {}\n{:?}",
            msec / 1000 == sec,
            usec / 1000 == msec,
            usec % 1_000_000 == usec_frac,
            msec % 1000 == msec_frac,
            begin == usec,
            end >= begin,
            end / 1_000_000 == end_sec,
            (end / 1000) % 1000 == end_frac,
            (end - begin - d).abs() < 50_000,
            us == d && big == d,
            ms == d / 1000,
            t == d / 1_000_000 && s == t,
            year > 2000,
            plain == sec,
            &widths[3..5]
        )
    });
}

#[test]
fn cookies_and_missing_arguments() {
    group("cookies")
        .conf("LogFormat \"%{a}C|%{A}C|%{b}C|%{c}C|%{d}C|%{a b}C|%{}C|%C\" c\nCustomLog logs/c.log c\nLogFormat \"%i|%o|%e|%n|%{}i|%{}o|%{}e|%{}n|%^ti|%{}^to|%{x}u|%{x}r|%{x}s|%{x}b\" none\nCustomLog logs/none.log none\n")
        .also("logs/c.log")
        .also("logs/none.log")
        .get_with("/", "Cookie: a=1; b=\"2; x\"; c; d = e ;a=9")
        .get_with("/", "Cookie: a=1,b=2")
        .get_with("/", "Cookie: $Version=1; a=1; $Path=/; b=2")
        .get_with("/", "Cookie: a=1\r\nCookie: b=2; a=3")
        .get_with("/", "Cookie: A=up; a=low")
        .get_with("/", "Cookie: =x; a=; b= ; c==; d=\"")
        .get_with("/", "Cookie:  ;;; a=1;;b=2;\t c=\t3\t;d=\\\"q\\\"")
        .get_with("/", "Cookie: xa=1; ab=2; a b=3")
        .get_with("/", "Cookie: a")
        .get_with("/", "Cookie;: a=1")
        .check();
}

#[test]
fn trailers() {
    let body = "POST /a.txt?NAME HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-In: head\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\nX-In: one\r\nX-In: two\r\nX-Only: t\tr \"q\"\r\n\r\n";
    for merge in ["Off", "On"] {
        group(&format!("trailers, MergeTrailers {merge}"))
            .conf(&format!("MergeTrailers {merge}\nLogFormat \"%{{X-In}}i|%{{X-Only}}i|%{{X-In}}^ti|%{{X-Only}}^ti|%{{x-only}}^ti|%{{No}}^ti|%{{X-In}}^to|%!200{{X-In}}^ti|%<{{X-In}}^ti\" t\nCustomLog logs/t.log t\n"))
            .file("htdocs/a.txt", "a\n")
            .also("logs/t.log")
            .request(body)
            .request(body.replace("/a.txt", "/nope"))
            .check();
    }
}

/// What the error log is told by is a number of its own; who it is about can be seen.
#[test]
fn error_log_ids() {
    group("log ids").conf("ErrorLogFormat \"[%L] [%{c}L] %M\"\nLogFormat \"%L %{c}L %>s %404L %!404L %{x}L\" ids\nCustomLog logs/ids.log ids\nErrorDocument 403 /nope\n<Location /closed>\nRequire all denied\n</Location>\n").facts_only(|server| {
        for path in ["/", "/closed/x", "/nope"] {
            server.get(path);
        }
        let read = |s: &Running| std::fs::read_to_string(s.path("logs/ids.log")).unwrap_or_default();
        server.wait(|s| read(s).lines().count() == 3);
        let errors = server.error_log();
        let mut lines: Vec<String> = read(server).lines().map(|line| {
            let word = |word: &str| match word {
                "-" => "-".to_owned(),
                id if id.chars().all(|c| c.is_ascii_digit()) && id.len() == 3 => id.to_owned(),
                id => format!("id of {} letters, in the error log: {}", id.len(), errors.contains(id)),
            };
            line.split(' ').map(word).collect::<Vec<_>>().join(" | ")
        }).collect();
        lines.sort();
        lines.join("\n")
    });
}

#[test]
fn host_names() {
    for lookups in ["Off", "On", "Double"] {
        group(&format!("%h, HostnameLookups {lookups}"))
            .conf(&format!("HostnameLookups {lookups}\nLogFormat \"%h %{{c}}h %a %{{c}}a %{{x}}h %<h\" h\nCustomLog logs/h.log h\n<Location /off>\nHostnameLookups Off\n</Location>\n<Location /require>\nRequire host localhost\n</Location>\n"))
            .also("logs/h.log")
            .get("/")
            .get("/off")
            .get("/require")
            .request("GET /off HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET /off HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .check();
    }
}

#[test]
fn names_of_servers_and_ports() {
    for (number, conf) in [
        "UseCanonicalName On\n",
        "UseCanonicalName Off\n",
        "UseCanonicalName On\nUseCanonicalPhysicalPort On\n",
        "UseCanonicalName Off\nUseCanonicalPhysicalPort On\n",
    ]
    .iter()
    .enumerate()
    {
        group(&format!("%v %V %p, {number}"))
            .conf(&format!("{conf}LogFormat \"%v %V %p %{{canonical}}p %{{local}}p %{{LOCAL}}p %{{bad}}p\" names\nCustomLog logs/names.log names\n<VirtualHost *:@PORT@>\nServerName one.test:81\n</VirtualHost>\n<VirtualHost *:@PORT@>\nServerName two.test\nServerAlias *.two.test\n</VirtualHost>\n"))
            .also("logs/names.log")
            .request("GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
            .request("GET / HTTP/1.1\r\nHost: one.test:8080\r\nConnection: close\r\n\r\n")
            .request("GET / HTTP/1.1\r\nHost: A.Two.Test.:99\r\nConnection: close\r\n\r\n")
            .request("GET http://b.two.test:77/ HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n")
            .request("GET / HTTP/1.0\r\n\r\n")
            .request("GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n")
            .request("GET / HTTP/1.1\r\nHost: a\"b\r\nConnection: close\r\n\r\n")
            .check();
    }
}

#[test]
fn formats_and_virtual_hosts() {
    group("formats merged")
        .conf(
            r#"
CustomLog logs/main.log nick
LogFormat "main %U %v" nick
LogFormat "default %U"
LogFormat "late one" nick2
LogFormat "late %U" nick2
LogFormat nick2
TransferLog logs/transfer.log
GlobalLog logs/global.log nick
GlobalLog logs/globalenv.log "%v %U" env=special
GlobalLog logs/main2.log nick3
SetEnvIf Request_URI special special
<VirtualHost *:@PORT@>
  ServerName inherits.test
  LogFormat "inherits %U" nick
  LogFormat "inherits3 %U" nick3
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName own.test
  LogFormat "own default %U"
  TransferLog logs/own.log
  LogFormat "own nick %U" nick
  CustomLog logs/own2.log nick
  CustomLog logs/own2.log nick2
  CustomLog logs/own3.log nick env=!special
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName plain.test
  TransferLog logs/plain.log
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName shared.test
  CustomLog logs/main.log nick
</VirtualHost>
"#,
        )
        .also("logs/main.log")
        .also("logs/main2.log")
        .also("logs/transfer.log")
        .also("logs/global.log")
        .also("logs/globalenv.log")
        .also("logs/own.log")
        .also("logs/own2.log")
        .also("logs/own3.log")
        .also("logs/plain.log")
        .request("GET /1 HTTP/1.1\r\nHost: inherits.test\r\nConnection: close\r\n\r\n")
        .request("GET /2special HTTP/1.1\r\nHost: own.test\r\nConnection: close\r\n\r\n")
        .request("GET /3 HTTP/1.1\r\nHost: own.test\r\nConnection: close\r\n\r\n")
        .request("GET /4special HTTP/1.1\r\nHost: plain.test\r\nConnection: close\r\n\r\n")
        .request("GET /5 HTTP/1.1\r\nHost: shared.test\r\nConnection: close\r\n\r\n")
        .request("GET /6 HTTP/1.0\r\n\r\n")
        .check();
}

/// `LogFormat nickname` behind its TransferLog, the common format where there is none, names that look like formats.
#[test]
fn transfer_log_formats() {
    for (number, conf) in [
        "TransferLog logs/t.log\n",
        "TransferLog logs/t.log\nLogFormat \"behind %U\"\n",
        "LogFormat \"one %U\"\nTransferLog logs/t.log\nLogFormat \"two %U\"\n",
        "LogFormat %U %%U\nCustomLog logs/t.log %%U\n",
        "LogFormat \"a\\nb\\tc\\rd\\\\e\\qf\\\"g%%h'\" x\nCustomLog logs/t.log x\n",
        "LogFormat 'single \"%U\"' x\nCustomLog logs/t.log x\nCustomLog logs/t.log X\n",
        "CustomLog /dev/null common\nCustomLog @ROOT@/logs/t.log \"abs %U\"\nCustomLog ./logs/../logs/t.log \"rel %U\"\n",
    ]
    .iter()
    .enumerate()
    {
        let normal = |text: String| text.split(" [").map(|part| part.split_once("] ").map_or(part, |(_, rest)| rest)).collect::<Vec<_>>().join(" TIME ");
        group(&format!("transfer log {number}")).conf(conf).facts_only(move |server| {
            server.get("/a");
            server.get("/b");
            let read = |s: &Running, name: &str| std::fs::read_to_string(s.path(name)).unwrap_or_default();
            let lines = |s: &Running, name: &str| read(s, name).lines().count();
            server.wait(|s| lines(s, "logs/access.log") == 2 && lines(s, "logs/t.log") >= 2);
            normal(read(server, "logs/t.log"))
        });
    }
}

#[test]
fn escapes_of_what_clients_send() {
    group("escapes of values")
        .and_modules("headers setenvif")
        .conf("LogFormat \"%r|%U|%q|%m|%H|%f|%{X}i|%{X}e|%{X}n|%{X}o|%V|%u\" esc\nCustomLog logs/esc.log esc\nSetEnvIf X (.*) X=$1\nHeader set X expr=%{req:X}\n")
        .also("logs/esc.log")
        .get_with("/a?\"\\b", "X: a\tb\"c\\d\u{e9}\x7f\u{80}'<>&%41")
        .get_with("/%09%0b%08%0d%1b%7f%ff%22%5c%25?%0a", "X: \\x41 \\\" é")
        .get("/%e4%bd%a0?é")
        .request(b"GET /\xff?\xfe HTTP/1.1\r\nHost: x\r\nX: \xff\xfe\x80\r\nConnection: close\r\n\r\n".as_slice())
        .request(b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n".as_slice())
        .request(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".as_slice())
        .request(b"GET / HTTP/1.1\r\nHost: x\r\nX: a\x0bb\r\n\r\n".as_slice())
        .request(b"A\"B / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice())
        .request(b"GET / HTTP/3.5\r\nHost: x\r\n\r\n".as_slice())
        .request(b"GET / HTPP\r\nHost: x\r\n\r\n".as_slice())
        .request(b"FOO-BAR_9 / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".as_slice())
        .check();
}

#[test]
fn letters_and_contexts_refused() {
    let mut snippets: Vec<Vec<u8>> = Vec::new();
    for letter in (b'!'..=b'~').chain([0xc3]) {
        if letter == b'"' || letter == b'\\' {
            continue;
        }
        snippets.push([b"LogFormat \"%", &[letter][..], b"\" x"].concat());
    }
    for item in [
        "^",
        "^t",
        "^tx",
        "^ti",
        "^to",
        "^TI",
        "^FB",
        "{x}^ti",
        "{x}^zz",
        "{a\\}b}i",
        "{a\\\\}i",
        "200,{x}i",
        "!!200s",
        "200 s",
        "<>s",
        "><U",
        "{a}{b}i",
        "-s",
        "*s",
        ".s",
        "{x}",
        "{x} i",
        "99999999999s",
        "200,!404s",
        "  s",
    ] {
        snippets.push(format!("LogFormat \"%{item}\" x").into());
        snippets.push(format!("CustomLog logs/x \"before %{item} after\"").into());
    }
    for directive in [
        "LogFormat %h x",
        "CustomLog logs/x %h",
        "TransferLog logs/x",
        "BufferedLogs On",
        "GlobalLog logs/x %h",
        "CookieLog logs/c",
    ] {
        for section in ["Directory /x", "Location /x", "Files x", "If true", "Limit GET", "VirtualHost *:80"] {
            let name = section.split(' ').next().unwrap_or_default();
            snippets.push(format!("<{section}>\n{directive}\n</{name}>").into());
        }
    }
    for line in [
        "CustomLog logs/x %h ENV=a",
        "CustomLog logs/x %h Expr=true",
        "CustomLog logs/x %h expr=",
        "CustomLog logs/x %h \"expr=-T foo\"",
        "CustomLog logs/x %h \"expr=%{nope} == 1\"",
        "CustomLog logs/x %h env = a",
        "CustomLog logs/x %h env=a env=b",
        "CustomLog logs/x %h env=!!a",
        "CustomLog logs/x %h \"env=a b\"",
        "CustomLog logs/x %h env",
        "CustomLog logs/x %Q env=",
        "CustomLog \"\" %h",
        "CustomLog \"\"",
        "CustomLog logs %h",
        "CustomLog logs/nodir/x %h",
        "CustomLog conf/httpd.conf/x %h",
        "TransferLog logs/nodir/x",
        "TransferLog a b",
        "GlobalLog logs/nodir/x %h",
        "GlobalLog logs/x %h nope",
        "GlobalLog logs/x %h env=",
        "GlobalLog",
        "<VirtualHost *:80>\nGlobalLog logs/x %Q env=\n</VirtualHost>",
        "<VirtualHost *:80>\nCustomLog logs/nodir/x %h\n</VirtualHost>",
        "<VirtualHost *:80>\nCustomLog logs/nodir/x %h\nTransferLog logs/nodir/y\n</VirtualHost>\nCustomLog logs/nodir/z %h",
        "CustomLog | %h",
        "CustomLog || %h",
        "CustomLog |$ %h",
        "CustomLog \"|  \" %h",
        "CustomLog |/nonexistent %h",
        "CustomLog |nonexistent %h",
        "LogFormat \"\" \"\"",
        "LogFormat",
        "LogFormat %h",
        "LogFormat %h x y",
        "LogFormat %Q",
        "BufferedLogs",
        "BufferedLogs on off",
        "BufferedLogs 1",
    ] {
        snippets.push(line.into());
    }
    group("log_config letters and contexts").syntax(&snippets);
    group("log_config in .htaccess").conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n").htaccess(&[
        "LogFormat %h",
        "CustomLog logs/x %h",
        "TransferLog logs/x",
        "BufferedLogs On",
        "GlobalLog logs/x %h",
    ]);
}

#[test]
fn logs_that_cannot_be_opened() {
    for conf in [
        "CustomLog logs %h\n",
        "TransferLog conf\n",
        "CustomLog \"|\" %h\n",
        "CustomLog \"|/nonexistent/program with args\" %h\n",
        "CustomLog \"||nonexistent\" %h\n",
        "<VirtualHost *:@PORT@>\nServerName x\nTransferLog htdocs\n</VirtualHost>\n",
        "GlobalLog run %h\n",
    ] {
        group(&format!("log that cannot be opened: {conf}")).conf(conf).start_fails(&[]);
    }
}

/// The program behind a pipe is started again when it dies; what was sent goes to the new one.
#[test]
fn a_logger_that_dies_is_started_again() {
    group("a logger that dies")
        .conf("CustomLog \"|@ROOT@/conf/logger one two\" \"%U\"\nCustomLog \"||@ROOT@/conf/logger 'a b' c\" \"2 %U\"\n")
        .file("conf/logger", "#!/bin/sh\necho \"start $# $1\" >> @ROOT@/logs/starts\necho $$ >> @ROOT@/logs/pids\nwhile read line; do\n  [ \"$line\" = /die ] && exit 3\n  echo \"$1: $line\" >> @ROOT@/logs/lines\ndone\necho \"end $1\" >> @ROOT@/logs/ends\n")
        .mode("conf/logger", 0o755)
        .facts_only(|server| {
            let read = |name: &str, s: &Running| {
                let text = std::fs::read_to_string(s.path(name)).unwrap_or_default();
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                lines.join("\n")
            };
            server.get("/one");
            server.wait(|s| read("logs/lines", s).lines().count() == 2);
            // httpd starts the programs of a configuration twice, for it reads it twice.
            let starts = read("logs/starts", server).lines().count();
            server.get("/die");
            server.wait(|s| read("logs/starts", s).lines().count() == starts + 1);
            server.get("/two");
            server.wait(|s| read("logs/lines", s).lines().count() == 5);
            let noted: Vec<String> = server.error_log().lines().filter(|line| line.contains("piped")).map(|line| line.split_once("AH").map_or(String::new(), |(_, text)| text.to_owned())).collect();
            format!("{}\n{}", read("logs/lines", server), noted.join("\n"))
        });
}

/// With a connection kept: %k counts, %X tells what becomes of it.
#[test]
fn connections() {
    group("%k and %X")
        .conf("LogFormat \"%k %X %>s %H %m %I %O %S\" k\nCustomLog logs/k.log k\nMaxKeepAliveRequests 4\n<Location /closing>\nSetEnv nokeepalive 1\n</Location>\nSetEnvIf Request_URI closing nokeepalive\n")
        .also("logs/k.log")
        .file("htdocs/a.txt", "a\n")
        .file("htdocs/b.txt", "b\n")
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /b.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGET /closing HTTP/1.1\r\nHost: x\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("GET /a.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /a.txt HTTP/1.0\r\n\r\nGET /a.txt HTTP/1.0\r\n\r\n")
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n")
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\nGET /a.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .request("POST /a.txt HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nshort")
        .request("GET /a.txt HTTP/1.1\r\nHost: x\r\nUser-Ag")
        .check();
}
