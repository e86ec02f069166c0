//! mod_setenvif: SetEnvIf, SetEnvIfNoCase, SetEnvIfExpr, BrowserMatch, BrowserMatchNoCase, seen through the access log.

use compat_tests::group;

#[test]
fn matches() {
    group("SetEnvIf")
        .log_format("%U a=%{A}e b=%{B}e c=%{C}e d=%{D}e e=%{E}e f=%{F}e g=%{G}e h=%{H}e i=%{I}e j=%{J}e")
        .conf(
            r#"
SetEnvIf Request_URI "\.gif$" A
SetEnvIf Request_URI "\.(png|jpg)$" A=image-$1 B=$0
SetEnvIfNoCase X-Test "^VAL" C=nocase
SetEnvIf X-Test "^val" D=case !C
SetEnvIf Remote_Addr "^127\." E=local
SetEnvIf Request_Method "^P" F=p
SetEnvIf Request_Protocol "1\.0$" G=old
SetEnvIf A "image" H=chained
SetEnvIfExpr "%{QUERY_STRING} =~ /x=(\d+)/" I=$1
BrowserMatch "^Mozilla/(\d)" J=moz$1
BrowserMatchNoCase "crawler" J=bot A
SetEnvIf ^X-Any.* "yes" B=anyheader
SetEnvIf Server_Addr "^127" !NOPE
SetEnvIf Remote_Host "localhost|127" E=host
SetEnvIf Referer "^$" D=noreferer
"#,
        )
        .get("/a.gif")
        .get("/a.png")
        .get_with("/a.jpg", "X-Test: val")
        .get_with("/", "X-Test: Value")
        .get_with("/", "X-Anything: yes\nReferer: x")
        .ask("PUT", "/", "")
        .request("GET / HTTP/1.0\r\n\r\n")
        .get("/?x=123")
        .get_with("/", "User-Agent: Mozilla/5.0")
        .get_with("/x.png", "User-Agent: a CRAWLER")
        .get_with("/", "X-Test: a\nX-Test: val")
        .check();
}

#[test]
fn effects_on_the_answer() {
    group("environment that changes HTTP")
        .conf("SetEnvIf X-E nokeepalive nokeepalive\nSetEnvIf X-E downgrade downgrade-1.0\nSetEnvIf X-E force force-response-1.0\nSetEnvIf X-E suppress suppress-error-charset\nSetEnvIf X-E nocontent no-gzip\nSetEnvIf X-E careful redirect-carefully\nRedirect /moved http://other.test/\n")
        .dir("htdocs/dir")
        .request("GET / HTTP/1.1\r\nHost: x\r\nX-E: nokeepalive\r\n\r\n")
        .request("GET / HTTP/1.1\r\nHost: x\r\nX-E: downgrade\r\n\r\n")
        .request("GET / HTTP/1.1\r\nHost: x\r\nX-E: force\r\n\r\n")
        .request("GET / HTTP/1.1\r\nHost: x\r\nX-E: downgrade, force\r\n\r\n")
        .request("GET / HTTP/1.0\r\nConnection: keep-alive\r\nX-E: force\r\n\r\n")
        .request("GET /moved HTTP/1.1\r\nHost: x\r\nX-E: suppress\r\n\r\n")
        .request("GET /nope HTTP/1.1\r\nHost: x\r\nX-E: suppress\r\n\r\n")
        .request("GET /dir HTTP/1.1\r\nHost: x\r\nX-E: careful\r\n\r\n")
        .check();
}

#[test]
fn errors() {
    group("setenvif errors").syntax(&[
        "SetEnvIf",
        "SetEnvIf a",
        "SetEnvIf a b",
        "SetEnvIf a ( c",
        "SetEnvIf ^( b c",
        "SetEnvIf a b \"c=d e\"",
        "SetEnvIf a b =",
        "SetEnvIf a b !",
        "SetEnvIf a b c=",
        "SetEnvIfNoCase a b",
        "SetEnvIfExpr (",
        "SetEnvIfExpr \"true\"",
        "SetEnvIfExpr \"true\" a=b",
        "SetEnvIfExpr \"tru\" a=b",
        "BrowserMatch",
        "BrowserMatch a",
        "BrowserMatch ( a",
        "BrowserMatchNoCase a b",
        "SetEnvIf \"\" b c",
    ]);
}
