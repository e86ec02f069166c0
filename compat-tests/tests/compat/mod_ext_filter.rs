//! mod_ext_filter: ExtFilterDefine, ExtFilterOptions.

use compat_tests::{group, under_each_mpm};

const SHELL: &str = "#!/bin/sh\n";

fn post(path: &str, kind: &str, body: &str) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\n");
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A location for each filter, in which its name is the first segment.
fn locations(filters: &[&str], more: &str) -> String {
    let one = |name: &&str| {
        format!("<Location /{name}/>\nSetOutputFilter {name}\n{more}\n</Location>\nAlias /{name}/ @ROOT@/htdocs/\n")
    };
    filters.iter().map(one).collect()
}

#[test]
fn responses() {
    let names = [
        "cat", "keeps", "upper", "args", "first", "false", "pid", "en", "dis", "both", "typed", "short", "low", "MiXed",
    ];
    let mut g = group("ext_filter responses")
        .and_modules("ext_filter deflate setenvif headers")
        .conf(&format!(
            "LogLevel ext_filter:trace1\nSetEnvIf Query_String yes yes=1\n\
             ExtFilterDefine cat cmd=/bin/cat\nExtFilterDefine keeps PreservesContentLength cmd=/bin/cat\n\
             ExtFilterDefine upper mode=OUTPUT cmd=\"/usr/bin/tr a-z A-Z\" intype=text/plain outtype=text/x-upper\n\
             ExtFilterDefine args cmd=\"@ROOT@/args a\\ b 'c d'e \\\"f g\\\" h\\\\\\\\i\"\n\
             ExtFilterDefine first cmd=\"/usr/bin/head -c 5\"\nExtFilterDefine false cmd=/bin/false\n\
             ExtFilterDefine pid cmd=\"@ROOT@/args\"\n\
             ExtFilterDefine en enableenv=yes cmd=\"/usr/bin/tr a-z A-Z\"\nExtFilterDefine dis disableenv=yes cmd=\"/usr/bin/tr a-z A-Z\"\n\
             ExtFilterDefine both disableenv=yes enableenv=yes cmd=\"/usr/bin/tr a-z A-Z\"\n\
             ExtFilterDefine typed intype=text/html cmd=\"/usr/bin/tr a-z A-Z\"\nExtFilterDefine short intype=text/plainer outtype=a/b cmd=/bin/cat\n\
             ExtFilterDefine low ftype=5 cmd=/bin/cat\n<VirtualHost *:@PORT@>\nLogLevel ext_filter:trace1\nExtFilterDefine mixed cmd=/bin/cat\n</VirtualHost>\n\
             ExtFilterDefine gz ftype=21 cmd=\"/usr/bin/head -c 2\"\n<Location /chain/>\nSetOutputFilter gz;DEFLATE;upper;cat\n</Location>\nAlias /chain/ @ROOT@/htdocs/\n{}",
            locations(&names, "")
        ))
        .file("args", format!("{SHELL}for word; do printf '[%s]' \"$word\"; done\ncat >/dev/null\n"))
        .mode("args", 0o755)
        .file("htdocs/a.txt", "hello world\n")
        .file("htdocs/a.html", "<p>x\n")
        .file("htdocs/long.txt", "hello world\n".repeat(20))
        .file("htdocs/empty.txt", "")
        .file("htdocs/thing", "no type\n");
    for name in names {
        g = g.get(&format!("/{}/a.txt", name.to_lowercase().replace("mixed", "MiXed")));
    }
    g.get("/upper/a.html")
        .get("/upper/thing")
        .get("/typed/thing")
        .get("/cat/empty.txt")
        .get("/args/empty.txt")
        .get("/cat/none.txt")
        .get("/en/a.txt?yes")
        .get("/dis/a.txt?yes")
        .get("/both/a.txt?yes")
        .ask("HEAD", "/cat/a.txt", "")
        .ask("HEAD", "/keeps/a.txt", "")
        .get_with("/cat/a.txt", "Range: bytes=1-3")
        .get_with("/cat/a.txt", "If-None-Match: *")
        .get_with("/chain/long.txt", "Accept-Encoding: gzip")
        .check();
}

#[test]
fn environment() {
    group("ext_filter environment")
        .and_modules("ext_filter actions")
        .conf(&format!(
            "ExtFilterDefine vars cmd=\"@ROOT@/vars\"\nSetEnv Mine yours\n{}<Location /vars/>\nAcceptPathInfo On\n</Location>\n",
            locations(&["vars"], "")
        ))
        .file("vars", format!("{SHELL}cat >/dev/null\nenv | grep -v '^PWD=\\|^_=\\|^SHLVL=\\|^OLDPWD=\\|_PORT=' | sort\n"))
        .mode("vars", 0o755)
        .file("htdocs/a.txt", "hello world\n")
        .get("/vars/a.txt")
        .get_with("/vars/a.txt?x=%20y&z=`a;b`", "X-Some: thing")
        .get("/vars/a.txt/behind/it?q")
        .check();
}

/// A program that cannot be started, in each of the ways to go on.
#[test]
fn not_started() {
    group("ext_filter not started")
        .and_modules("ext_filter reflector")
        .conf(&format!(
            "ExtFilterDefine none cmd=/does/not/exist outtype=x/y\nExtFilterDefine plain cmd=\"@ROOT@/plain\"\nExtFilterDefine empty cmd=\nExtFilterDefine bare cmd=cat\n\
             ExtFilterDefine inone mode=input cmd=/does/not/exist outtype=x/y\n{}\
             <Location /remove/>\nSetOutputFilter none\nExtFilterOptions Onfail=remove\n</Location>\nAlias /remove/ @ROOT@/htdocs/\n\
             <Location /remove/again/>\nExtFilterOptions onfail=Abort\n</Location>\n\
             <Location /in>\nSetInputFilter inone\nSetHandler reflector\n</Location>\n<Location /in/remove>\nExtFilterOptions OnFail=Remove LogStderr\n</Location>\n",
            locations(&["none", "plain", "empty", "bare"], "")
        ))
        .file("plain", "no program\n")
        .file("htdocs/a.txt", "hello world\n")
        .file("htdocs/again/a.txt", "hello again\n")
        .get("/none/a.txt")
        .ask("HEAD", "/none/a.txt", "")
        .get("/plain/a.txt")
        .get("/empty/a.txt")
        .get("/bare/a.txt")
        .get("/remove/a.txt")
        .get("/remove/again/a.txt")
        .exchange(&["GET /none/a.txt HTTP/1.1\r\nHost: x\r\n\r\n", "GET /remove/a.txt HTTP/1.1\r\nHost: x\r\n\r\n"])
        .request(post("/in", "text/plain", "hello"))
        .request(post("/in/remove", "text/plain", "hello"))
        .check();
}

#[test]
fn request_bodies() {
    group("ext_filter request bodies")
        .and_modules("ext_filter reflector")
        .conf(
            "LogLevel ext_filter:trace1\nExtFilterDefine upper mode=input cmd=\"/usr/bin/tr a-z A-Z\"\nExtFilterDefine keeps mode=input PreservesContentLength cmd=/bin/cat outtype=x/y\n\
             ExtFilterDefine typed mode=input intype=text/plain cmd=\"/usr/bin/tr a-z A-Z\"\nExtFilterDefine ends mode=input cmd=\"@ROOT@/ends\"\n\
             <Location /upper>\nSetInputFilter upper\n</Location>\n<Location /keeps>\nSetInputFilter keeps\n</Location>\n<Location /typed>\nSetInputFilter typed\n</Location>\n\
             <Location /ends>\nSetInputFilter ends\n</Location>\n<Location /wrong>\nSetOutputFilter upper\n</Location>\nSetHandler reflector\n",
        )
        .file("ends", format!("{SHELL}head -c 3\n"))
        .mode("ends", 0o755)
        .request(post("/upper", "text/plain", "hello"))
        .request(post("/upper", "text/plain", ""))
        .request("POST /upper HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        .request(post("/keeps", "text/plain", "hello"))
        .request(post("/typed", "text/plain", "hello"))
        .request(post("/typed", "text/html", "hello"))
        .request(post("/ends", "text/plain", "hello"))
        .request(post("/wrong", "text/plain", "hello"))
        .request(post("/upper", "text/plain", &"x".repeat(30_000)))
        .check();
}

/// What goes through is more than pipes hold; a program that stops early or hangs holds nobody up and leaves nothing behind.
#[test]
fn large_and_broken() {
    group("ext_filter large and broken")
        .and_modules("ext_filter reflector")
        .conf(&format!(
            "Timeout 1\nExtFilterDefine cat cmd=/bin/cat\nExtFilterDefine twice cmd=\"@ROOT@/twice\"\nExtFilterDefine icat mode=input cmd=/bin/cat\n\
             ExtFilterDefine hangs mode=input cmd=\"/bin/sleep 1000\"\nExtFilterDefine die mode=input cmd=\"@ROOT@/die\"\n\
             <Location /icat>\nSetInputFilter icat\nSetHandler reflector\n</Location>\n<Location /hangs>\nSetInputFilter hangs\nSetHandler reflector\n</Location>\n\
             <Location /die>\nSetInputFilter die\nSetHandler reflector\n</Location>\n{}",
            locations(&["cat", "twice"], "")
        ))
        .file("twice", format!("{SHELL}cat >@ROOT@/copy; cat @ROOT@/copy @ROOT@/copy\n"))
        .mode("twice", 0o755)
        .file("die", format!("{SHELL}exec 0<&-; echo gone\n"))
        .mode("die", 0o755)
        .file("htdocs/big.txt", "0123456789abcde\n".repeat(60_000))
        .facts_only(|server| {
            let mut out = String::new();
            let big = "x".repeat(600_000);
            for (what, request) in [
                ("cat", "GET /cat/big.txt HTTP/1.0\r\n\r\n".to_owned()),
                ("icat", post("/icat", "text/plain", &big)),
                ("hangs", post("/hangs", "text/plain", "hello")),
                ("hangs, big", post("/hangs", "text/plain", &big)),
                ("die, big", post("/die", "text/plain", &big)),
            ] {
                let answer = server.ask(request.as_bytes());
                let text = String::from_utf8_lossy(&answer);
                let first = text.lines().next().unwrap_or_default();
                // Of what is large one of the two tells the length beforehand, so bodies are counted without chunk heads.
                let (xs, es) = (text.matches('x').count() / 1000, text.matches("abcde\n").count());
                out.push_str(&format!("{what}: {first} {xs} {es}\n"));
            }
            out
        });
}

#[test]
fn complaints() {
    group("ext_filter complaints")
        .and_modules("ext_filter")
        .conf(
            "ExtFilterDefine says cmd=\"@ROOT@/says\"\n<Location /loud/>\nSetOutputFilter says\nExtFilterOptions LogStderr\n</Location>\nAlias /loud/ @ROOT@/htdocs/\n\
             <Location /quiet/>\nSetOutputFilter says\n</Location>\nAlias /quiet/ @ROOT@/htdocs/\n<Location /loud/off/>\nExtFilterOptions NoLogStderr\n</Location>\n",
        )
        .file("says", format!("{SHELL}echo one >&2\ncat\necho two >&2\n"))
        .mode("says", 0o755)
        .file("htdocs/a.txt", "hello world\n")
        .file("htdocs/off/a.txt", "hello world\n")
        .get("/loud/a.txt")
        .get("/quiet/a.txt")
        .get("/loud/off/a.txt")
        .check();
}

#[test]
fn errors() {
    group("ext_filter errors").and_modules("ext_filter filter deflate").syntax(&[
        "ExtFilterDefine",
        "ExtFilterDefine x",
        "ExtFilterDefine x mode=output",
        "ExtFilterDefine x cmd=\"/bin/cat",
        "ExtFilterDefine x cmd=\"a\\\" b",
        "ExtFilterDefine x cmd=\"a\\\\\"",
        "ExtFilterDefine x cmd=\"/bin/cat\"z",
        "ExtFilterDefine x cmd=/bin/cat z",
        "ExtFilterDefine x cmd='/bin/cat -n'",
        "ExtFilterDefine x cmd=\"\"",
        "ExtFilterDefine x cmd=\" \"",
        "ExtFilterDefine x cmd=",
        "ExtFilterDefine x cmd= mode=bad",
        "ExtFilterDefine x mode=foo cmd=/bin/cat",
        "ExtFilterDefine x mode= input",
        "ExtFilterDefine x MODE=Input cmd=/bin/cat",
        "ExtFilterDefine x ftype=abc cmd=/bin/cat",
        "ExtFilterDefine x intype= cmd=/bin/cat",
        "ExtFilterDefine x cmd=/bin/cat intype",
        "ExtFilterDefine \"x y\" cmd=/bin/cat",
        "ExtFilterDefine x cmd=\"/bin/cat\"PreservesContentLength",
        "ExtFilterDefine x preservescontentlengthfoo cmd=/bin/cat",
        "ExtFilterDefine x preservescontentlength=1",
        "ExtFilterDefine x cmd=/bin/cat\nExtFilterDefine X cmd=/bin/cat",
        "ExtFilterDefine x cmd=/bin/cat\nExtFilterDefine X mode=input cmd=/bin/cat",
        "ExtFilterDefine x cmd=/bin/cat\n<VirtualHost *:80>\nExtFilterDefine x cmd=/bin/cat\n</VirtualHost>",
        "<VirtualHost *:80>\nExtFilterDefine x cmd=/bin/cat\n</VirtualHost>\n<VirtualHost *:81>\nExtFilterDefine x cmd=/bin/cat\n</VirtualHost>",
        "ExtFilterDefine deflate cmd=/bin/cat",
        "<Location />\nExtFilterDefine x cmd=/bin/cat\n</Location>",
        "ExtFilterOptions LogStderr",
        "<Location />\nExtFilterOptions\n</Location>",
        "<Location />\nExtFilterOptions logstderr NOLOGSTDERR onfail=Remove onfail=abort\n</Location>",
        "<Location />\nExtFilterOptions DebugLevel=1\n</Location>",
        "<Location />\nExtFilterOptions onfail=x\n</Location>",
        "ExtFilterDefine x cmd=/bin/cat\nFilterProvider y x true",
        "ExtFilterDefine x mode=input cmd=/bin/cat\nFilterProvider y x true",
        "FilterProvider y x true\nExtFilterDefine x cmd=/bin/cat",
        "ExtFilterDefine x cmd=/bin/cat\nAddOutputFilterByType X text/plain",
    ]);
    group("ext_filter .htaccess")
        .and_modules("ext_filter")
        .htaccess(&["ExtFilterOptions LogStderr", "ExtFilterDefine x cmd=/bin/cat"]);
}

under_each_mpm! {
    fn both_ways(mpm) {
        group("ext_filter both ways")
            .mpm(mpm)
            .and_modules("ext_filter reflector")
            .conf("ExtFilterDefine in mode=input cmd=\"/usr/bin/tr a-z A-Z\"\nExtFilterDefine out cmd=\"/usr/bin/tr A-C 1-3\"\nSetInputFilter in\nSetOutputFilter out\n<Location /post>\nSetHandler reflector\n</Location>\n")
            .file("htdocs/a.txt", "ABC abc\n".repeat(2000))
            .get("/a.txt")
            .request(post("/post", "text/plain", &"abc ABC\n".repeat(2000)))
            .exchange(&["GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n"])
            .check();
    }
}
