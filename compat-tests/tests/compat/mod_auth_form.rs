//! mod_auth_form: forms at the protected place and elsewhere, sessions, repeated requests, logging out.

use compat_tests::{Group, group, under_each_mpm};

const MODULES: &str = "session session_cookie auth_form request cgi include";

/// A place under `/in`, and whatever else is to be there.
fn place(name: &str, more: &str, elsewhere: &str) -> Group {
    group(name)
        .and_modules(MODULES)
        .conf(&format!(
            "LogLevel auth_form:debug\n<Directory @ROOT@/htdocs>\nOptions +ExecCGI +Includes\nAddHandler cgi-script .cgi\n\
             AddOutputFilter INCLUDES .shtml\nAddType text/html .shtml\n</Directory>\n<Location /in>\nAuthType form\n\
             AuthName \"a realm\"\nAuthUserFile conf/users\nRequire valid-user\nSession On\nSessionCookieName s path=/\n\
             CGIPassAuth On\n{more}\n</Location>\n{elsewhere}\n"
        ))
        .file("conf/users", "u:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nU x:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n")
        .file("htdocs/in/x.txt", "in\n")
        .file("htdocs/in/e.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nenv | grep -E '^(REQUEST|CONTENT|REMOTE_U|AUTH|HTTP_|QUERY)' | sort\ncat\n")
        .mode("htdocs/in/e.cgi", 0o755)
        .file("htdocs/in/both.shtml", "<!--#include virtual=\"/in/x.txt\" -->|<!--#include virtual=\"/in/e.cgi?a=b\" -->\n")
        .file("htdocs/out.shtml", "<!--#include virtual=\"/in/x.txt\" -->\n")
        .file("htdocs/login.html", "please log in\n")
        .file("htdocs/login.shtml", "please log in <!--#include virtual=\"/sent.cgi\" -->\n")
        .file("htdocs/sent.cgi", "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\ncat\n")
        .mode("htdocs/sent.cgi", 0o755)
}

fn post(group: Group, path: &str, form: &str) -> Group {
    post_with(group, path, "application/x-www-form-urlencoded", "", form)
}

fn post_with(group: Group, path: &str, kind: &str, headers: &str, body: &str) -> Group {
    let length = body.len();
    group.request(format!(
        "POST {path} HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\nContent-Type: {kind}\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    ))
}

const LOGIN: &str = "httpd_username=u&httpd_password=secret";

under_each_mpm! {
    fn inline(mpm) {
        let mut g = place("form", "ErrorDocument 401 /login.html", "")
            .mpm(mpm)
            .get("/in/x.txt")
            .get("/in/nope")
            .ask("HEAD", "/in/x.txt", "")
            .ask("DELETE", "/in/x.txt", "")
            .get("/out.shtml");
        for session in [
            "a+realm-user=u&a+realm-pw=secret", "a+realm-user=u&a+realm-pw=bad", "a+realm-user=nobody&a+realm-pw=x", "a+realm-user=u",
            "a+realm-pw=secret", "other-user=u&other-pw=secret", "a+realm-user=u&a+realm-pw=secret&a+realm-site=x", "",
        ] {
            g = g.get_with("/in/x.txt", &format!("Cookie: s={session}"));
        }
        for form in [
            LOGIN, "httpd_username=u&httpd_password=bad", "httpd_username=nobody&httpd_password=x", "httpd_username=u&httpd_password=",
            "httpd_username=&httpd_password=x", "httpd_username=u", "httpd_password=secret", "", "x",
        ] {
            g = post(g, "/in/x.txt", form);
        }
        let session = "Cookie: s=a+realm-user=u&a+realm-pw=secret\r\n";
        g = post_with(g, "/in/e.cgi", "application/x-www-form-urlencoded", session, "a=b");
        g = post_with(g, "/in/x.txt", "text/plain", "", LOGIN);
        g = post_with(g, "/in/x.txt", "APPLICATION/x-www-form-urlencoded; charset=utf-8", "", LOGIN);
        g = post_with(g, "/in/x.txt", "application/x-www-form-urlencodedx", "", LOGIN);
        g = post_with(g, "/in/e.cgi", "application/x-www-form-urlencoded", "Authorization: Basic x\r\nCookie: s=k=v\r\n", LOGIN);
        g = post(g, "/in/both.shtml", LOGIN);
        g = g.request("POST /in/e.cgi HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                       Transfer-Encoding: chunked\r\n\r\n26\r\nhttpd_username=u&httpd_password=secret\r\n0\r\n\r\n");
        g = g.request("POST /in/e.cgi HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                       Transfer-Encoding: chunked\r\n\r\nzz\r\n");
        g.check();
    }
}

#[test]
fn texts_of_forms() {
    let mut g = place("form texts", "", "");
    for form in [
        "httpd_username=u&httpd_password=secret&httpd_username=v",
        "httpd_username=v&httpd_username=u&httpd_password=secret",
        "httpd_username=%75&httpd_password=secre%74",
        "%68ttpd_username=u&httpd_password=secret",
        "httpd_username%3du&httpd_password=secret",
        "HTTPD_username=u&httpd_password=secret",
        "httpd_username=U+x&httpd_password=secret",
        "httpd_username=U%20x&httpd_password=secret",
        "httpd_username=%&httpd_password=secret",
        "httpd_username=u%7&httpd_password=secret",
        "httpd_username=u%zz%=x%+x%4=%4%31%g1&httpd_password=secret",
        "httpd_username=%e9%c3%a9\u{e9}%01%0a&httpd_password=secret",
        "httpd_username=u%00x&httpd_password=secret%00",
        "httpd_username=u;httpd_password=secret",
        "&&=&=x&httpd_username=u&a&httpd_password=secret&",
        "httpd_username=u&httpd_password=secret=x",
        "httpd_username=u&httpd_password=secret\r\n",
    ] {
        g = post(g, "/in/x.txt", form);
    }
    g.check();
}

#[test]
fn sizes() {
    for (size, form) in [
        ("35", LOGIN),
        ("34", LOGIN),
        ("35", "httpd_username=%75&httpd_password=secre%74"),
        ("0", LOGIN),
        ("0", "&=&="),
        ("1k", LOGIN),
        ("nonsense", "a=b"),
    ] {
        post(place("form size", &format!("AuthFormSize {size}"), ""), "/in/x.txt", form).check();
    }
    let long = |length: usize| format!("{LOGIN}&a={}", "x".repeat(length));
    let g = post(place("form size", "", ""), "/in/x.txt", &long(8000));
    post(g, "/in/x.txt", &long(9000)).check();
}

#[test]
fn repeated_requests() {
    // Apache logs no status for what was repeated.
    let mut g = place("form repeats", "", "").log_format("%h %l %u %t \\\"%r\\\" %B");
    for more in [
        "httpd_method=POST&httpd_mimetype=text/plain&httpd_body=hel%26lo+w",
        "httpd_method=PUT&httpd_mimetype=text/plain&httpd_body=",
        "httpd_method=GET&httpd_mimetype=text/plain&httpd_body=x",
        "httpd_method=HEAD&httpd_mimetype=text/plain&httpd_body=x",
        "httpd_method=foo&httpd_mimetype=text/plain&httpd_body=x",
        "httpd_method=POST&httpd_mimetype=text/plain",
        "httpd_method=GET&httpd_body=x",
        "httpd_method=GET",
        "httpd_method=post",
        "httpd_method=",
        "httpd_mimetype=a/b&httpd_body=x",
        "httpd_mimetype=&httpd_body=",
        "httpd_body=x",
    ] {
        for path in ["/in/e.cgi?q=1", "/in/x.txt", "/in/nope"] {
            g = post(g, path, &format!("{LOGIN}&{more}"));
        }
    }
    let conditions = "If-None-Match: *\r\nRange: bytes=0-0\r\n";
    let form = format!("{LOGIN}&httpd_method=GET&httpd_mimetype=a/b&httpd_body=x");
    g = post_with(g, "/in/x.txt", "application/x-www-form-urlencoded", conditions, &form);
    g.check();
}

#[test]
fn where_to_go() {
    for more in [
        "AuthFormLoginRequiredLocation \"http://x/login.html?%{REQUEST_URI}\"",
        "AuthFormLoginSuccessLocation \"http://x/ok.html?%{REQUEST_URI}\"",
        "AuthFormLoginRequiredLocation /a\nAuthFormLoginSuccessLocation /b\nAuthFormDisableNoStore On",
        "AuthFormLoginRequiredLocation \"%{req:X-A}/%{base64:%{req:X-B}}\"",
        "AuthFormDisableNoStore On",
        "AuthFormUsername name\nAuthFormPassword word\nAuthFormLocation a:b\nAuthFormMethod m\nAuthFormMimetype t\nAuthFormBody b",
        "AuthFormSitePassphrase pass",
        "AuthFormFakeBasicAuth On",
        "AuthFormAuthoritative Off",
        "Session Off",
        "Require user other",
        "AuthFormProvider file",
        "AuthUserFile conf/nope",
        "AuthName",
        "KeptBodySize 200\nErrorDocument 401 /login.shtml",
        "ErrorDocument 401 /in/x.txt",
        "ErrorDocument 401 text",
        "Satisfy any",
    ] {
        let more = if more == "AuthName" { "AuthName \"%{req:Nope}\"" } else { more };
        let mut g = place(more, more, "<Location /login.shtml>\nKeptBodySize 100\n</Location>")
            .get("/in/x.txt")
            .get_with("/in/x.txt", "X-A: a\nX-B: b\nCookie: s=a+realm-user=u&a+realm-pw=secret")
            .get_with("/in/e.cgi", "Cookie: s=a+realm-user=u&a+realm-pw=secret\nAuthorization: Basic x")
            .get_with("/in/x.txt", "X-A: a\nX-B: b")
            // The hash of `u:pass`.
            .get_with(
                "/in/x.txt",
                "Cookie: s=a+realm-user=u&a+realm-pw=bad&a+realm-site=efd552caa0af35c498608cb253078f88",
            )
            .get_with(
                "/in/x.txt",
                "Cookie: s=a+realm-user=v&a+realm-pw=bad&a+realm-site=efd552caa0af35c498608cb253078f88",
            );
        for form in [
            LOGIN,
            "httpd_username=u&httpd_password=bad",
            "httpd_username=v&httpd_password=bad",
            "httpd_username=u&httpd_password=secret&httpd_location=/there",
            "httpd_username=u&httpd_password=secret&httpd_location=",
            "httpd_username=v&httpd_password=secret&httpd_location=/there",
            "httpd_username=u&httpd_password=bad&httpd_location=/there",
            "name=u&word=secret",
            "name=u&word=secret&a:b=/there",
            "name=u&word=secret&t=a/b&b=x",
            "name=u&word=bad",
            "a=b&c=d",
        ] {
            g = post(g, "/in/x.txt", form);
        }
        post(g, "/in/e.cgi", LOGIN).check();
    }
}

const ELSEWHERE: &str = "<Location /login>\nSetHandler form-login-handler\nAuthType form\nAuthName \"a realm\"\nAuthUserFile conf/users\n\
                         Require all granted\nSession On\nSessionCookieName s path=/\n</Location>\n\
                         <Location /login/where>\nAuthFormLoginRequiredLocation \"http://x/login.html?%{REQUEST_URI}\"\n\
                         AuthFormLoginSuccessLocation \"http://x/ok.html?%{REQUEST_URI}\"\nAuthFormSitePassphrase pass\n</Location>\n\
                         <Location /login/off>\nAuthFormAuthoritative Off\n</Location>\n\
                         <Location /login/untyped>\nAuthType None\n</Location>\n\
                         <Location /login/lost>\nAuthUserFile conf/nope\n</Location>\n\
                         <Location /login.>\nSetHandler none\n</Location>\n\
                         <Location /logout>\nSetHandler form-logout-handler\nAuthName \"a realm\"\nSession On\nSessionCookieName s path=/\n</Location>\n\
                         <Location /logout/where>\nAuthFormLogoutLocation \"http://x/out.html?%{REQUEST_URI}\"\n</Location>\n\
                         <Location /logout/store>\nAuthFormDisableNoStore On\nAuthFormLogoutLocation /out\n</Location>\n\
                         <Location /logout/age>\nSessionMaxAge 1\n</Location>\n\
                         <Location /unnamed>\nSetHandler form-logout-handler\nSession On\nSessionCookieName s path=/\n</Location>\n\
                         <Location /again>\nSetHandler form-redirect-handler\n</Location>";

#[test]
fn handlers() {
    let mut g =
        place("form handlers", "", ELSEWHERE).get("/login").ask("HEAD", "/login", "").ask("OPTIONS", "/login", "");
    for path in ["/login", "/login/where/x", "/login/off", "/login/untyped", "/login/lost", "/again"] {
        for form in [
            LOGIN,
            "httpd_username=u&httpd_password=bad",
            "httpd_username=v&httpd_password=bad",
            "httpd_username=u",
            "httpd_password=u",
            "",
            "httpd_username=u&httpd_password=secret&httpd_location=/there",
            "httpd_username=u&httpd_password=secret&httpd_location=",
            "httpd_username=u&httpd_password=secret&httpd_method=GET&httpd_mimetype=a/b&httpd_body=x",
        ] {
            g = post(g, path, form);
        }
    }
    g = post_with(g, "/login", "text/plain", "", LOGIN);
    for path in ["/logout", "/logout/where", "/logout/store", "/unnamed"] {
        g = g
            .get(path)
            .ask("POST", path, "Content-Length: 0")
            .get_with(path, "Cookie: s=a+realm-user=u&a+realm-pw=secret&k=v")
            .get_with(path, "Cookie: s=a+realm-user=u&a+realm-pw=secret");
    }
    g.get_with("/logout/age", "Cookie: s=a+realm-user=u&a+realm-pw=secret&k=v").get("/again").check();
}

#[test]
fn errors() {
    let dir = |text: &str| format!("<Directory /x>\n{text}\n</Directory>");
    let mut snippets: Vec<String> = [
        "AuthFormProvider",
        "AuthFormProvider nope",
        "AuthFormProvider FILE",
        "AuthFormProvider file file",
        "AuthFormSize",
        "AuthFormSize x",
        "AuthFormSize -1",
        "AuthFormSize \" 5\"",
        "AuthFormSize 99999999999999999999",
        "AuthFormLoginRequiredLocation",
        "AuthFormLoginRequiredLocation \"%{foo\"",
        "AuthFormLoginRequiredLocation \"%{foo:bar}\"",
        "AuthFormLoginSuccessLocation \"%{foo\"",
        "AuthFormLogoutLocation \"%{foo\"",
        "AuthFormLogoutLocation a b",
        "AuthFormSitePassphrase",
        "AuthFormSitePassphrase a b",
        "AuthFormAuthoritative maybe",
        "AuthFormFakeBasicAuth maybe",
        "AuthFormDisableNoStore maybe",
    ]
    .iter()
    .map(|text| dir(text))
    .collect();
    for field in ["Username", "Password", "Location", "Method", "Mimetype", "Body"] {
        for value in ["", "a=b", "a&b", "\"\"", "a b", "a"] {
            snippets.push(dir(&format!("AuthForm{field} {value}")));
        }
        snippets.push(format!("AuthForm{field} a"));
    }
    for outside in ["AuthFormSize 1", "AuthFormProvider file", "AuthFormLogoutLocation /x", "AuthFormAuthoritative On"]
    {
        snippets.push(outside.into());
    }
    group("auth_form errors").and_modules("session request auth_form").syntax(&snippets);
    group("auth_form without session").and_modules("auth_form").start_fails(&["-DFOREGROUND"]);
    group("auth_form without request").and_modules("session auth_form").start_fails(&["-DFOREGROUND"]);
    let texts = &[
        "AuthFormProvider file",
        "AuthFormSize 1",
        "AuthFormUsername a",
        "AuthFormPassword a",
        "AuthFormLocation a",
        "AuthFormMethod a",
        "AuthFormMimetype a",
        "AuthFormBody a",
        "AuthFormLoginRequiredLocation /x",
        "AuthFormLoginRequiredLocation \"%{foo\"",
        "AuthFormLoginRequiredLocation \"%{file:/etc/passwd}\"",
        "AuthFormLoginSuccessLocation /x",
        "AuthFormLogoutLocation /x",
        "AuthFormSitePassphrase x",
        "AuthFormAuthoritative Off",
        "AuthFormFakeBasicAuth On",
        "AuthFormDisableNoStore On",
        "AuthType form\nAuthName x\nRequire valid-user\nAuthFormLoginRequiredLocation \"/%{REQUEST_URI}\"",
    ];
    for overrides in ["AuthConfig", "FileInfo"] {
        group(&format!("auth_form .htaccess {overrides}"))
            .and_modules("session session_cookie request auth_form")
            .conf(&format!("<Directory @ROOT@/htdocs>\nAllowOverride {overrides}\n</Directory>"))
            .htaccess(texts);
    }
}

#[test]
fn proxy_requests() {
    group("form and forward proxies")
        .and_modules(&format!("{MODULES} proxy proxy_http"))
        .conf("ProxyRequests On\n<Proxy *>\nAuthType form\nAuthName x\nRequire valid-user\n</Proxy>\n")
        .request("GET http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n")
        .check();
}
