//! mod_auth_digest: AuthDigest*. Nonces differ from server to server: each is asked for its own, and shapes are compared.

use compat_tests::{Running, group};
use md5::{Digest, Md5};
use regex::Regex;

fn md5(text: String) -> String {
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request's credentials, to be sent as they stand or changed.
#[derive(Clone)]
struct Signed {
    user: &'static str,
    password: &'static str,
    realm: &'static str,
    method: &'static str,
    uri: String,
    nonce: String,
    nc: &'static str,
    qop: Option<&'static str>,
    opaque: Option<String>,
    more: &'static str,
    without: &'static str,
}

impl Signed {
    fn new(uri: &str, nonce: &(String, Option<String>)) -> Signed {
        let (nonce, opaque) = nonce.clone();
        Signed {
            user: "u",
            password: "secret",
            realm: "r",
            method: "GET",
            uri: uri.into(),
            nonce,
            nc: "00000001",
            qop: Some("auth"),
            opaque,
            more: "",
            without: "",
        }
    }
    fn field(&self) -> String {
        let Signed { user, realm, uri, nonce, nc, .. } = self;
        let (one, two) = (md5(format!("{user}:{realm}:{}", self.password)), md5(format!("{}:{uri}", self.method)));
        let response = match self.qop {
            Some(qop) => md5(format!("{one}:{nonce}:{nc}:abc:{qop}:{two}")),
            None => md5(format!("{one}:{nonce}:{two}")),
        };
        let mut fields = vec![
            format!("username=\"{user}\""),
            format!("realm=\"{realm}\""),
            format!("nonce=\"{nonce}\""),
            format!("uri=\"{uri}\""),
            format!("response=\"{response}\""),
        ];
        if let Some(qop) = self.qop {
            fields.extend([format!("qop={qop}"), format!("nc={nc}"), "cnonce=\"abc\"".into()]);
        }
        fields.extend(self.opaque.iter().map(|opaque| format!("opaque=\"{opaque}\"")));
        fields.retain(|field| self.without.is_empty() || !field.starts_with(&format!("{}=", self.without)));
        format!("Digest {}{}", fields.join(", "), self.more)
    }
}

fn ask(server: &Running, method: &str, path: &str, field: Option<&str>) -> String {
    let credentials = field.map(|field| format!("Authorization: {field}\r\n")).unwrap_or_default();
    let answer = server.ask(format!("{method} {path} HTTP/1.0\r\nHost: x\r\n{credentials}\r\n").as_bytes());
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let heads = answer.split("\r\n\r\n").next().unwrap_or_default().lines();
    heads
        .filter(|line| line.starts_with("HTTP/") || line.to_ascii_lowercase().contains("authenticat"))
        .map(|line| format!("{line}\n"))
        .collect()
}

fn nonce(server: &Running, path: &str) -> (String, Option<String>) {
    let answer = ask(server, "GET", path, None);
    let find = |name: &str| {
        Regex::new(&format!("{name}=\"([^\"]*)\"")).unwrap().captures(&answer).map(|found| found[1].to_owned())
    };
    (find("nonce").unwrap_or_default(), find("opaque"))
}

/// What differs from server to server, as its shape.
fn shape(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, shown) in [
        (r"[A-Za-z0-9+/]{11}=[0-9a-f]{40}", "{NONCE}"),
        (r#"rspauth="[0-9a-f]{32}""#, "rspauth={RSP}"),
        (r"hash is not [0-9a-f]{40}", "hash is not {HASH}"),
        (r"\([0-9.]+ seconds old", "({AGE} seconds old"),
    ] {
        text = Regex::new(pattern).unwrap().replace_all(&text, shown).into_owned();
    }
    text
}

fn log(server: &Running) -> String {
    let lines = server.error_log();
    let own = lines.lines().filter(|line| line.contains("auth_digest") && !line.contains("AH01757"));
    own.filter_map(|line| line.find("AH").and_then(|at| line.get(at..))).map(|line| format!("{line}\n")).collect()
}

const CONF: &str = "LogLevel auth_digest:debug\n<Location />\nAuthType Digest\nAuthName r\nAuthUserFile conf/users\nRequire valid-user\n</Location>\n\
    <Location /dom>\nAuthDigestDomain / http://x/a\nAuthDigestDomain /c\n</Location>\n<Location /nc>\nAuthDigestNcCheck On\n</Location>\n\
    <Location /once>\nAuthDigestNonceLifetime 0\n</Location>\n<Location /ever>\nAuthDigestNonceLifetime -1\n</Location>\n\
    <Location /soon>\nAuthDigestNonceLifetime 20\n</Location>\n<Location /nofile>\nAuthUserFile conf/none\n</Location>\n\
    <Location /noname>\nAuthDigestQop auth\nAuthDigestAlgorithm MD5\nAuthDigestProvider file\n</Location>\n\
    ErrorDocument 401 /open.html\n<Location /open.html>\nAuthType None\nRequire all granted\n</Location>\n";

fn digest(name: &str) -> compat_tests::Group {
    let mut g = group(name)
        .and_modules("auth_digest")
        .file("conf/users", format!("u:r:{}\nv:q:00\n", md5("u:r:secret".into())))
        .file("htdocs/open.html", "please\n")
        .conf(CONF);
    for dir in ["a", "dom", "nc", "once", "ever", "soon", "nofile", "noname"] {
        g = g.file(&format!("htdocs/{dir}/a"), "in\n");
    }
    g
}

#[test]
fn credentials() {
    digest("AuthType Digest").facts_only(|server| {
        let mut out = String::new();
        let fresh = nonce(server, "/a/a");
        let good = Signed::new("/a/a", &fresh);
        let mut bent = fresh.0.clone();
        bent.replace_range(bent.len() - 1.., if bent.ends_with('0') { "1" } else { "0" });
        let sent: Vec<(&str, &str, &str, Signed)> = vec![
            ("good", "GET", "/a/a", good.clone()),
            ("again", "GET", "/a/a", good.clone()),
            ("HEAD", "HEAD", "/a/a", Signed { method: "HEAD", ..good.clone() }),
            ("another method", "HEAD", "/a/a", good.clone()),
            ("RFC 2069", "GET", "/a/a", Signed { qop: None, ..good.clone() }),
            ("password", "GET", "/a/a", Signed { password: "x", ..good.clone() }),
            ("user", "GET", "/a/a", Signed { user: "zz", ..good.clone() }),
            ("user of another realm", "GET", "/a/a", Signed { user: "v", ..good.clone() }),
            ("uri", "GET", "/a/a", Signed { uri: "/b".into(), ..good.clone() }),
            ("query", "GET", "/a/a?q=1", Signed { uri: "/a/a?q=1".into(), ..good.clone() }),
            ("no query", "GET", "/a/a?q=1", good.clone()),
            ("query only there", "GET", "/a/a", Signed { uri: "/a/a?q".into(), ..good.clone() }),
            ("escaped", "GET", "/a/%61", Signed { uri: "/a/a".into(), ..good.clone() }),
            ("absolute", "GET", "/a/a", Signed { uri: "http://x/a/a".into(), ..good.clone() }),
            ("another host", "GET", "/a/a", Signed { uri: "http://y/a/a".into(), ..good.clone() }),
            ("nonce", "GET", "/a/a", Signed { nonce: bent, ..good.clone() }),
            ("short nonce", "GET", "/a/a", Signed { nonce: "abc".into(), ..good.clone() }),
            ("realm", "GET", "/a/a", Signed { realm: "q", ..good.clone() }),
            ("MD5", "GET", "/a/a", Signed { more: ", algorithm=MD5", ..good.clone() }),
            ("md5", "GET", "/a/a", Signed { more: ", algorithm=\"md5\"", ..good.clone() }),
            ("SHA-256", "GET", "/a/a", Signed { more: ", algorithm=SHA-256", ..good.clone() }),
            ("auth-int", "GET", "/a/a", Signed { qop: Some("auth-int"), ..good.clone() }),
            ("no response", "GET", "/a/a", Signed { without: "response", ..good.clone() }),
            ("no uri", "GET", "/a/a", Signed { without: "uri", ..good.clone() }),
            ("no cnonce", "GET", "/a/a", Signed { without: "cnonce", ..good.clone() }),
            ("no nc", "GET", "/a/a", Signed { without: "nc", ..good.clone() }),
            ("no username", "GET", "/a/a", Signed { without: "username", ..good.clone() }),
            ("more", "GET", "/a/a", Signed { more: ", foo=\"a\\\"b,\", bar=x", ..good.clone() }),
            ("no file", "GET", "/nofile/a", Signed { uri: "/nofile/a".into(), ..good.clone() }),
            ("not there", "GET", "/a/none", Signed { uri: "/a/none".into(), ..good.clone() }),
        ];
        for (what, method, path, signed) in sent {
            out.push_str(&format!("# {what}\n{}", ask(server, method, path, Some(&signed.field()))));
        }
        for field in
            ["Basic dTpzZWNyZXQ=", "Digest", "Digest foo", "Digest foo=\"", "Digest ,", "digest username=\"u\""]
        {
            out.push_str(&format!("# {field}\n{}", ask(server, "GET", "/a/a", Some(field))));
        }
        for path in ["/a/a", "/dom/a", "/nc/a", "/once/a", "/ever/a", "/open.html"] {
            out.push_str(&format!("# {path}\n{}", ask(server, "GET", path, None)));
        }
        out.push_str(&log(server));
        shape(&out)
    });
}

#[test]
fn counts_and_lifetimes() {
    digest("AuthDigestNcCheck and AuthDigestNonceLifetime").conf("LogLevel auth_digest:info\n").facts_only(|server| {
        let mut out = String::new();
        for path in ["/nc/a", "/once/a"] {
            let fresh = nonce(server, path);
            let good = Signed::new(path, &fresh);
            let sent: Vec<(&str, Signed)> = vec![
                ("good", good.clone()),
                ("repeated", good.clone()),
                ("next", Signed { nc: "00000002", ..good.clone() }),
                ("a gap", Signed { nc: "0000000a", ..good.clone() }),
                ("no number", Signed { nc: "zz", ..good.clone() }),
                ("no opaque", Signed { nc: "0000000b", opaque: None, ..good.clone() }),
                ("another opaque", Signed { nc: "0000000c", opaque: Some("fff".into()), ..good.clone() }),
                ("no opaque of ours", Signed { nc: "0000000d", opaque: Some("zz".into()), ..good.clone() }),
            ];
            for (what, signed) in sent {
                out.push_str(&format!("# {path} {what}\n{}", ask(server, "GET", path, Some(&signed.field()))));
            }
        }
        for path in ["/ever/a", "/soon/a"] {
            let good = Signed::new(path, &nonce(server, path));
            out.push_str(&format!("# {path}\n{}", ask(server, "GET", path, Some(&good.field()))));
        }
        out.push_str(&log(server));
        shape(&out)
    });
}

#[test]
fn errors() {
    let place = |text: &str| format!("<Location /x>\n{text}\n</Location>");
    let mut snippets: Vec<String> = [
        "AuthDigestQop auth-int",
        "AuthDigestQop none",
        "AuthDigestQop AUTH",
        "AuthDigestQop auth auth-int",
        "AuthDigestQop",
        "AuthDigestAlgorithm md5",
        "AuthDigestAlgorithm MD5-sess",
        "AuthDigestAlgorithm foo",
        "AuthDigestNonceLifetime x",
        "AuthDigestNonceLifetime 1x",
        "AuthDigestNonceLifetime -1",
        "AuthDigestNcCheck maybe",
        "AuthDigestDomain",
        "AuthDigestProvider nope",
        "AuthDigestProvider FILE",
        "AuthDigestShmemSize 1K",
    ]
    .iter()
    .map(|text| place(text))
    .collect();
    snippets.extend(
        [
            "AuthDigestShmemSize x",
            "AuthDigestShmemSize 1K",
            "AuthDigestShmemSize 64",
            "AuthDigestShmemSize 88",
            "AuthDigestShmemSize 1M",
            "AuthDigestShmemSize 1G",
            "AuthDigestShmemSize 1x",
            "AuthDigestQop auth",
            "AuthDigestShmemSize",
        ]
        .map(String::from),
    );
    group("auth_digest errors").and_modules("auth_digest").syntax(&snippets);
    group("auth_digest .htaccess")
        .and_modules("auth_digest")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\n</Directory>")
        .htaccess(&["AuthDigestDomain /", "AuthDigestShmemSize 1K"]);
}
