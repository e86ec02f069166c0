//! mod_reflector: the handler and ReflectorHeader.

use compat_tests::group;

fn post(path: &str, headers: &str, body: &str) -> String {
    let headers: String = headers.split('\n').filter(|h| !h.is_empty()).map(|h| format!("{h}\r\n")).collect();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn reflections() {
    group("reflector")
        .and_modules("reflector deflate substitute mime")
        .conf(
            "<Location /r>\nSetHandler reflector\nReflectorHeader X-A\nReflectorHeader X-B X-New\nReflectorHeader Last-Modified\n</Location>\n\
             <Location /r/more>\nReflectorHeader X-C\nReflectorHeader x-a Other\n</Location>\n\
             <Location /r/changed>\nSetOutputFilter SUBSTITUTE\nSubstitute s/body/text/\n</Location>\n\
             <Location /r/small>\nLimitRequestBody 3\n</Location>",
        )
        .request(post("/r", "X-A: 1\nX-B: 2\nContent-Type: a/b\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT", "the body\n"))
        .request(post("/r/more", "X-A: 1\nX-B: 2\nX-C: 3\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT", "the body\n"))
        .request(post("/r/changed", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT\nContent-Type: text/plain", "the body\n"))
        .request(post("/r/small", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT", "the body\n"))
        .request(post("/r", "Last-Modified: Thu, 01 Jan 2015 00:00:00 GMT", ""))
        .request(
            "POST /r HTTP/1.1\r\nHost: x\r\nLast-Modified: Thu, 01 Jan 2015 00:00:00 GMT\r\nTransfer-Encoding: chunked\r\n\
             Connection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n",
        )
        .get("/r")
        .ask("OPTIONS", "/r", "")
        .ask("HEAD", "/r", "")
        .ask("PUT", "/r", "Content-Length: 0")
        .check();
}

#[test]
fn errors() {
    group("ReflectorHeader errors").and_modules("reflector").syntax(&[
        "ReflectorHeader",
        "ReflectorHeader a b c",
        "ReflectorHeader a",
    ]);
    group("ReflectorHeader in .htaccess")
        .and_modules("reflector")
        .htaccess(&["ReflectorHeader", "ReflectorHeader X-A"]);
}
