//! mod_rewrite: rules in servers and directories.

use compat_tests::{Group, group};

/// Shows the query that a rewriting left.
fn rewriting(name: &str) -> Group {
    group(name)
        .and_modules("rewrite headers")
        .log_format("%U %q %>s foo=%{FOO}e bar=%{BAR}e url=%{SCRIPT_URL}e")
        .file("htdocs/a.txt", "hello\n")
        .file("htdocs/a.html", "html\n")
        .file("htdocs/d/new.txt", "new\n")
        .file("htdocs/d/sub/x.txt", "x\n")
        .file("conf/m.txt", "# comment\nk1 a.html\nk2 nowhere more\nK3 a.txt # comment\n")
        .file("conf/r.txt", "one a.txt|a.txt\n")
}

#[test]
fn server_rules() {
    rewriting("rewrite server")
        .conf(
            r#"Header set Q "%{REDIRECT_STATUS}e"
Header set Q2 "expr=%{QUERY_STRING}"
RewriteEngine on
RewriteMap tm txt:conf/m.txt
RewriteMap rm rnd:conf/r.txt
RewriteMap up int:toupper
RewriteMap low int:tolower
RewriteMap esc int:escape
RewriteMap un int:unescape
RewriteRule ^/r1$ /a.txt [R,L]
RewriteRule ^/r2$ http://other/x?q=%{QUERY_STRING} [R=301,NE,QSA,L]
RewriteRule ^/r3(.*)$ http://other/x$1 [L]
RewriteRule ^/r4(.*)$ /new\ place?a=$1 [R=303,L]
RewriteRule ^/r5$ - [R=404]
RewriteRule ^/r6$ https://other [R=permanent,L]
RewriteRule ^/r7$ /x#frag [R,NE,L]
RewriteRule ^/i1$ /a.txt [L]
RewriteCond %{QUERY_STRING} ^x=(.*)$ [NC]
RewriteCond %1 =5
RewriteCond %{DOCUMENT_ROOT}/a.txt -f
RewriteRule ^/c1$ /a.txt?y=%1&z=${up:$0} [E=FOO:%1,E=!BAR,L]
RewriteRule ^/p1$ http://127.0.0.1:1/ [P]
RewriteRule ^/f$ - [F]
RewriteRule ^/g$ - [G]
RewriteRule ^/m/(.*)$ /${tm:$1|a.txt} [L]
RewriteRule ^/rnd$ /${rm:one} [L]
RewriteRule ^/esc(.*)$ /a.txt?${esc:$1}&${un:%{QUERY_STRING}}&${low:ABC}&${none:x|dflt} [L]
RewriteRule ^/pt$ /a.txt [PT]
RewriteRule ^/t$ /a.txt [T=x/y,L]
RewriteRule ^/co$ /a.txt [CO=n:v:.d.com,CO=;m;w;.e.com;0;/p;secure;httponly;lax,CO=n:again:.d.com,L]
RewriteRule ^/chain$ /chain2 [C]
RewriteRule ^/chain2$ /a.txt [L]
RewriteRule ^/nochain$ /x [C]
RewriteRule ^/never /x [C]
RewriteRule ^/x$ /a.html [L]
RewriteRule ^/qb(.*)$ /a.txt?$1 [B,L]
RewriteRule ^/qp(.*)$ /a.txt?$1 [B,BNP,L]
RewriteRule ^/ql(.*)$ /a.txt?$1 [B=&?,L]
RewriteRule ^/qn(.*)$ /a.txt?$1 [BNE=/,L]
RewriteRule ^/qc(.*)$ /a.txt?$1 [BCTLS,L]
RewriteRule ^/q3(.*)$ /a.txt$1 [L]
RewriteRule ^/q4(.*)$ /a.txt$1 [UnsafeAllow3F,L]
RewriteRule ^/q5(.*)$ /a.txt?$1 [L]
RewriteRule ^/3fv(.*)$ /a.txt%{REQUEST_URI} [L]
RewriteRule ^/3fq(.*)$ /a.txt?x=%{QUERY_STRING} [L]
RewriteRule ^/3fl(.*)$ /a.txt${low:$1} [L]
RewriteRule ^/3fr(.*)$ http://other%{REQUEST_URI} [R,L]
RewriteRule ^/qsa$ /a.txt?own=1 [QSA,L]
RewriteRule ^/qsd$ /a.txt [QSD,L]
RewriteRule ^/qsl(.*)$ /a.txt?one?two [QSL,L]
RewriteRule ^/n(.*)n$ /n$1 [N=50]
RewriteRule ^/nx$ /a.txt [L]
RewriteRule ^/loop$ /loop [N=5]
RewriteRule ^/skip - [S=1]
RewriteRule ^/sk /a.html [L]
RewriteRule ^/sk /a.txt [L]
RewriteCond %{HTTP_HOST} ^never$ [OR]
RewriteCond %{HTTP:X-A} !^$
RewriteRule ^/or$ /a.txt [L]
RewriteCond %{HTTP_USER_AGENT} ^agent$ [NV]
RewriteRule ^/nv$ /a.txt [L]
RewriteCond expr "%{REQUEST_URI} =~ m#^/ex#"
RewriteRule ^/ex /a.txt [L]
RewriteCond 5 -lt10
RewriteCond abc >ab
RewriteCond abc <b [OR]
RewriteCond ABC =abc [NC]
RewriteRule ^/cmp$ /a.txt [L]
RewriteRule ^/env$ /a.txt?%{ENV:FOO}-%{ENV:NONE}-%{NOPE}-%{IS_SUBREQ}-%{REQUEST_METHOD} [E=FOO:x,L]
"#,
        )
        .get("/a.txt")
        .get("/r1?z=1")
        .get("/r2?k=%20v")
        .get("/r3/y%20z%3Fa")
        .get("/r4b%20c")
        .get("/r5")
        .get("/r6")
        .get("/r7")
        .get("/i1?x")
        .get("/c1?x=5")
        .get("/c1?x=6")
        .get("/p1")
        .get("/f")
        .get("/g")
        .get("/m/k1")
        .get("/m/k2")
        .get("/m/none")
        .get("/rnd")
        .get("/esc%20y?a%20b")
        .get("/pt")
        .get("/t")
        .get("/co")
        .get("/chain")
        .get("/nochain")
        .get("/qb%26b%20c/d%3fe")
        .get("/qp%26b%20c/d")
        .get("/ql%26b%20c/d")
        .get("/qn%26b%20c/d")
        .get("/qc%26b%20c/d")
        .get("/q3%3fb")
        .get("/q4%3fb")
        .get("/q5%3fb")
        .get("/q5%20b")
        .get("/3fv%3fb")
        .get("/3fq%3fb?c?d")
        .get("/3fl%3fb")
        .get("/3fr%3fb")
        .get("/qsa?x=1")
        .get("/qsa")
        .get("/qsd?x=1")
        .get("/qsl")
        .get("/nxnnn")
        .get("/loop")
        .get("/skip")
        .get_with("/or", "X-A: 1")
        .get("/or")
        .get_with("/nv", "User-Agent: agent")
        .get("/ex")
        .get("/cmp")
        .get("/env")
        .check();
}

#[test]
fn directory_rules() {
    rewriting("rewrite directory")
        .file(
            "htdocs/d/.htaccess",
            r#"RewriteEngine on
RewriteRule ^old$ new.txt
RewriteRule ^red$ new.txt [R]
RewriteRule ^redabs$ /d/new.txt [R=301,L]
RewriteRule ^end$ new.txt [END]
RewriteRule ^up/(.*)$ /a.txt?$1 [L]
RewriteRule ^pi x/$0
RewriteRule ^f$ - [F]
RewriteRule ^same$ same
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{REQUEST_FILENAME} !-d
RewriteRule ^app/(.*)$ new.txt?path=$1 [L,QSA]
RewriteRule ^loop(.*)$ loopx$1 [L]
RewriteRule ^remote$ http://other/y [L]
RewriteRule ^proxy$ http://other/y [P]
RewriteRule ^env$ new.txt [E=FOO:set,L]
RewriteRule ^t$ new.txt [T=a/b,L]
"#,
        )
        .file(
            "htdocs/b/.htaccess",
            "RewriteEngine on\nRewriteBase /alias\nRewriteRule ^x$ y [L]\nRewriteRule ^r$ y [R]\n",
        )
        .file("htdocs/alias/y", "aliased\n")
        .file("htdocs/d/sub/.htaccess", "RewriteEngine on\nRewriteOptions inherit\nRewriteRule ^own$ x.txt\n")
        .file("htdocs/no/.htaccess", "RewriteEngine on\nRewriteRule x y\n")
        .conf(
            r#"Header set Q2 "expr=%{QUERY_STRING}"
<Directory @ROOT@/htdocs>
AllowOverride FileInfo
Options FollowSymLinks
</Directory>
<Directory @ROOT@/htdocs/no>
Options None
</Directory>
"#,
        )
        .get("/d/old")
        .get("/d/red?x=1")
        .get("/d/redabs")
        .get("/d/end")
        .get("/d/up/x")
        .get("/d/pi/info")
        .get("/d/f")
        .get("/d/same")
        .get("/d/app/some/where?q=1")
        .get("/d/remote")
        .get("/d/proxy")
        .get("/d/env")
        .get("/d/t")
        .get("/d/loop")
        .get("/b/x")
        .get("/b/r")
        .get("/d/sub/own")
        .get("/d/sub/old")
        .get("/no/x")
        .check();
}

#[test]
fn dbm_maps() {
    let pairs: Vec<(String, String)> =
        (0..300).map(|number| (format!("k{number}"), format!("a.txt?{number}"))).collect();
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let group = crate::mod_authn_dbm::with_database(rewriting("rewrite dbm maps"), "conf/map", &pairs);
    let mut conf = String::from("LogLevel rewrite:trace8\nRewriteEngine on\n");
    let mut requests = Vec::new();
    for (number, source) in [
        "dbm=sdbm:conf/map",
        "dbm=SDBM:@ROOT@/conf/map",
        "dbm:conf/map.db",
        "dbm=default:conf/map.db",
        "dbm=DB:conf/map.db",
        "dbm=gdbm:conf/map.gdbm",
        "dbm=gdbm:conf/map.db",
    ]
    .iter()
    .enumerate()
    {
        conf += &format!(
            "RewriteMap m{number} {source}\nRewriteRule ^/d{number}/(.*)$ /${{m{number}:$1|a.html}} [UnsafeAllow3F,L]\n"
        );
        requests.extend(["k7", "k299", "k300"].map(|key| format!("/d{number}/{key}")));
    }
    let group = requests.iter().fold(group.conf(&conf), |group, path| group.get(path));
    group.check();
}

#[test]
fn beside_mod_dir() {
    let rules = |more: &str| format!("RewriteEngine on\n{more}RewriteRule ^ /a.txt\n");
    rewriting("rewrite and mod_dir")
        .and_modules("dir")
        .file("htdocs/plain/.htaccess", rules(""))
        .file("htdocs/plain/index.html", "index\n")
        .file("htdocs/bare/.htaccess", rules("RewriteOptions AllowNoSlash\n"))
        .file("htdocs/bare/index.html", "index\n")
        .file("htdocs/check/.htaccess", rules("DirectoryCheckHandler on\n"))
        .file("htdocs/check/index.html", "index\n")
        .file("htdocs/front/.htaccess", "RewriteEngine on\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^ front.txt\n")
        .file("htdocs/front/index.html", "index\n")
        .file("htdocs/front/front.txt", "front\n")
        .conf("LogLevel rewrite:trace3\n<Directory @ROOT@/htdocs>\nAllowOverride All\nOptions FollowSymLinks\n</Directory>\n")
        .get("/plain")
        .get("/plain/")
        .get("/bare")
        .get("/bare/")
        .get("/check")
        .get("/check/")
        .get("/front")
        .get("/front/")
        .get("/front/index.html")
        .check();
}

#[test]
fn traces() {
    rewriting("rewrite traces")
        .file(
            "htdocs/d/.htaccess",
            r#"RewriteEngine on
RewriteRule ^old(.*)$ new.txt?$1 [QSA,E=FOO:1,L]
RewriteRule ^discard$ new.txt [QSD,E=FOO:1,E=!BAR,CO=a:b:.c.com,T=x/y,L]
RewriteRule ^plain$ %{DOCUMENT_ROOT}/a.txt [L]
RewriteRule ^red$ new.txt [R]
RewriteCond %{REQUEST_FILENAME} !-f
RewriteCond %{HTTP_HOST} ^(www\.)?example [NC,OR]
RewriteCond %{HTTP_HOST} other
RewriteRule ^app/(.*)$ new.txt [END]
RewriteRule ^f$ - [F]
RewriteRule ^same$ same
RewriteRule ^remote$ http://other/y?z [L]
"#,
        )
        .conf(
            r#"ServerName www.example.test:80
LogLevel rewrite:trace8
RewriteEngine on
RewriteRule ^/docroot(.*)$ %{DOCUMENT_ROOT}$1 [L]
RewriteRule ^/whole(.*)$ $1 [L]
RewriteRule ^/alone$ /etc [L]
RewriteRule ^/relative$ a.txt [L]
RewriteRule ^/own2$ http://www.example.test:81/a.txt [L]
RewriteRule ^/own4$ http://www.example.test [L]
RewriteMap tm txt:conf/m.txt
RewriteMap up int:toupper
RewriteRule ^/i1$ /a.txt [L]
RewriteCond %{QUERY_STRING} ^x=(.*)$ [NC]
RewriteCond %1 =5
RewriteCond %1 -lt7
RewriteCond %{DOCUMENT_ROOT}/a.txt -f
RewriteRule ^/c1$ /a.txt?y=%1&z=${up:$0} [E=FOO:%1,E=!BAR,CO=n:v:.d.com,L]
RewriteRule ^/m/(.*)$ /${tm:$1|a.txt} [L]
RewriteRule ^/pt$ /a.txt [PT]
RewriteRule ^/t$ /a.txt [T=x/y,L]
RewriteRule ^/x$ /a.html [R=301,L]
RewriteRule ^/g$ - [G]
RewriteRule ^/own$ http://www.example.test/a.txt [L]
RewriteRule ^/n(.*)n$ /n$1 [N=50]
RewriteRule ^/qsd$ /a.txt?a?b [QSD,QSL,L]
<Directory @ROOT@/htdocs>
AllowOverride FileInfo
Options FollowSymLinks
</Directory>
"#,
        )
        .get("/i1")
        .get("/c1?x=5")
        .get("/c1?x=9")
        .get("/m/k1")
        .get("/pt")
        .get("/t")
        .get("/x?y")
        .get("/g")
        .get("/own")
        .get("/own2")
        .get("/own4")
        .get("/nxnn")
        .get("/qsd?x")
        .get("/d/old?x")
        .get("/d/discard?x")
        .get("/d/plain")
        .get("/docroot/a.txt")
        .get("/whole/etc/hostname")
        .get("/alone")
        .get("/relative")
        .get("/d/red")
        .get("/d/app/x/y")
        .get("/d/f")
        .get("/d/same")
        .get("/d/remote")
        .check();
}

#[test]
fn look_ahead_and_hosts() {
    rewriting("rewrite look-ahead")
        .conf(
            r#"RewriteEngine on
RewriteOptions InheritDown
RewriteRule ^/down$ /a.txt [L]
RewriteCond %{LA-U:REQUEST_FILENAME} txt$
RewriteRule ^/la(.*)$ /a.txt [L]
RewriteCond /a.txt -U
RewriteRule ^/u1$ /a.txt [L]
RewriteCond %{DOCUMENT_ROOT}/a.txt -F
RewriteRule ^/f1$ /a.txt [L]
RewriteRule ^/abs$ @ROOT@/htdocs/a.txt
RewriteRule ^/absvar(.*)$ $1
RewriteCond %{LA-F:REMOTE_USER}x =x
RewriteRule ^/lf$ /a.txt [L]
"#,
        )
        .get("/down")
        .get("/la.txt")
        .get("/lax")
        .get("/u1")
        .get("/f1")
        .get("/abs")
        .get("/absvar/etc/passwd")
        .get("/lf")
        .request("OPTIONS * HTTP/1.0\r\n\r\n")
        .check();
}

#[test]
fn errors() {
    group("rewrite errors").and_modules("rewrite").syntax(&[
        "RewriteRule",
        "RewriteRule a",
        "RewriteRule a b c d",
        "RewriteRule a b [",
        "RewriteRule a b []",
        "RewriteRule a b [X]",
        "RewriteRule a b [R=foo]",
        "RewriteRule a b [R=404]",
        "RewriteRule a b [R=1000]",
        "RewriteRule ( b",
        "RewriteRule !( b",
        "RewriteRule a b [L,]",
        "RewriteRule a b [L, R]",
        "RewriteRule a b [BNE]",
        "RewriteRule a b [UNC,B=xy,BNE=/,BCTLS,BNP,DPI,END,NS,PT,S=x,N=x,CO,E,T,H,UnsafeAllow3F,UnsafePrefixStat]",
        "RewriteRule a ${nomap:x}",
        "RewriteRule \"\" b",
        "RewriteRule a \"\"",
        "RewriteCond",
        "RewriteCond a",
        "RewriteCond a b c",
        "RewriteCond a b [foo]",
        "RewriteCond a (",
        "RewriteCond a =b [NC]",
        "RewriteCond a -q",
        "RewriteCond a -lt",
        "RewriteCond a -f [NC]",
        "RewriteCond expr bad",
        "RewriteCond expr \"true\" [NC]",
        "RewriteMap a",
        "RewriteMap a b",
        "RewriteMap a txt:/nope",
        "RewriteMap a rnd:nope",
        "RewriteMap a dbm=foo:/nope",
        "RewriteMap a dbm=sdbm:/nope",
        "RewriteMap a dbm=db:/nope",
        "RewriteMap a dbm=ndbm:conf/httpd.conf",
        "RewriteMap a dbm=:conf/httpd.conf",
        "RewriteMap a dbm=gdbm:conf/httpd.conf",
        "RewriteMap a dbm:conf",
        "RewriteMap a prg:/nope",
        "RewriteMap a prg:/bin/cat",
        "RewriteMap a int:foo",
        "RewriteMap a int:tolower",
        "RewriteMap a dbd:x",
        "RewriteMap a dbd:",
        "RewriteMap a dbd",
        "RewriteMap a dbd=x:y",
        "RewriteMap a fastdbd:select",
        "RewriteMap a b c d",
        "RewriteBase /x",
        "<Directory />\nRewriteBase x\n</Directory>",
        "<Directory />\nRewriteBase \"\"\n</Directory>",
        "RewriteOptions",
        "RewriteOptions foo",
        "RewriteOptions MaxRedirects=5",
        "RewriteOptions InheritBefore InheritDown InheritDownBefore IgnoreInherit AllowNoSlash AllowAnyURI MergeBase IgnoreContextInfo LegacyPrefixDocRoot",
        "RewriteOptions UnsafePrefixStat",
        "RewriteEngine foo",
        "<Directory />\nRewriteMap a int:tolower\n</Directory>",
    ]);
}

#[test]
fn htaccess() {
    group("rewrite htaccess")
        .and_modules("rewrite")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride FileInfo\nOptions FollowSymLinks\n</Directory>\n")
        .htaccess(&[
            "RewriteEngine on\nRewriteRule . - [F]",
            "RewriteMap a int:tolower",
            "RewriteRule a",
            "RewriteRule . - [F]",
        ]);
    group("rewrite htaccess forbidden")
        .and_modules("rewrite")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride Indexes\n</Directory>\n")
        .htaccess(&["RewriteEngine on"]);
}

#[test]
fn redirects_to_the_same_place() {
    group("R without a substitution")
        .and_modules("rewrite")
        .conf(
            "RewriteEngine On\nRewriteRule ^/a - [R]\nRewriteRule ^/b - [R=301,L]\nRewriteRule ^/c - [R=302,END]\n\
             RewriteRule ^/d - [R=301,NE]\nRewriteRule ^/e - [R,QSA,E=a:b]\nRewriteRule ^/f - [R=304]\n\
             <Directory @ROOT@/htdocs/x>\nRewriteEngine On\nRewriteRule ^a - [R]\nRewriteRule ^b - [R=301,L]\n</Directory>\n",
        )
        .file("htdocs/x/y", "y\n")
        .file("htdocs/c", "c\n")
        .get("/a")
        .get("/b")
        .get("/c?q")
        .get("/d")
        .get("/e")
        .get("/f")
        .get("/x/a")
        .get("/x/b")
        .check();
}

/// Numbers that are too large for an int, in conditions and elsewhere.
#[test]
fn large_numbers() {
    let mut conf = String::from("RewriteEngine On\n");
    for (number, test) in ["-gt5", "-lt0", "-eq-1", "-eq0", "-ge2147483647"].iter().enumerate() {
        conf.push_str(&format!("RewriteCond %{{QUERY_STRING}} {test}\nRewriteRule ^/x - [E=T{number}:yes]\n"));
    }
    conf.push_str(
        "Header set X \"%{T0}e %{T1}e %{T2}e %{T3}e %{T4}e\"\nExpiresActive On\nExpiresByType text/plain A4294967296\n\
         <If \"%{QUERY_STRING} -gt 4294967295\">\nHeader set X-If large\n</If>\n",
    );
    let mut g =
        group("large numbers").and_modules("rewrite headers expires mime").conf(&conf).file("htdocs/x.txt", "x\n");
    for number in ["5", "99999999999", "4294967296", "99999999999999999999", "-99999999999", "2147483648", "+6", "x"] {
        g = g.get(&format!("/x.txt?{number}"));
    }
    g.check();
}

#[test]
fn hosts_that_say_nothing_of_rewriting() {
    group("hosts that say nothing of rewriting")
        .and_modules("rewrite")
        .conf("RewriteEngine on\nRewriteRule ^/r/(.*) /index.html?x=$1 [PT]\n<VirtualHost *>\nServerName a.example.test\n</VirtualHost>\n<VirtualHost *>\nServerName b.example.test\nRewriteOptions Inherit\n</VirtualHost>\n")
        .request("GET /r/x HTTP/1.1\r\nHost: a.example.test\r\nConnection: close\r\n\r\n")
        .request("GET /r/x HTTP/1.1\r\nHost: b.example.test\r\nConnection: close\r\n\r\n")
        .check();
}

#[test]
fn every_flag() {
    let mut conf = String::from("RewriteEngine on\n");
    let mut paths = Vec::new();
    let mut add = |rule: &str, requests: &[&str]| {
        let place = format!("r{}", paths.len());
        conf.push_str(&format!("RewriteRule ^/{place}/(.*)$ {rule}\n"));
        paths.extend(requests.iter().map(|request| format!("/{place}/{request}")));
        // Places are told apart by how many paths came before.
        if requests.is_empty() {
            paths.push(format!("/{place}/"));
        }
    };
    for flags in [
        "B,R,L",
        "B=/,R,L",
        "BNP,R,L",
        "B,BNP,R,L",
        "BCTLS,R,L",
        "B,BCTLS,R,L",
        "B,BNE=/,R,L",
        "BNE=&,R,L",
        "NE,R,L",
        "B,NE,R,L",
        "R=301,L",
        "R=permanent,L",
        "R=seeother,L",
        "R=temp,L",
        "R=404,L",
        "R=410,L",
        "R=200,L",
        "R=307",
        "R=308,L",
        "F",
        "G",
        "QSA,R,L",
        "QSD,R,L",
        "QSL,R,L",
        "QSA,QSD,R,L",
        "UNC,R,L",
        "DPI,L",
        "PT,L",
        "END",
        "NC,R",
        "UnsafeAllow3F,L",
        "UnsafePrefixStat,L",
        "NS,L",
        "T=text/plain,L",
        "H=default-handler,L",
        "H=nope,L",
        "E=a:b,R,L",
        "E=!a,L",
        "E=a,L",
        "CO=n:v:d,L",
        "CO=n:$1:d:0:/:0:0:none,R,L",
        "CO=n:v:d:0:/:true:HttpOnly:strict,L",
        "CO=n:v:d:abc:/,L",
        "CO=;n:v:x;d,L",
        "CO=;n;v:x;d;0;/;1;1;foo,L",
        "CO=n,L",
        "CO=n:v,L",
        "S=1",
        "N=2",
        "next=1",
        "P",
    ] {
        add(&format!("/x.html?q=$1 \"[{flags}]\""), &["a%26b%3fc%20d%2fe%25", "a;b?k=v", ""]);
    }
    for output in [
        "/x.html?",
        "/x.html?a=b",
        "/x.html?%{QUERY_STRING}&z=1",
        "http://other.test/$1?x",
        "http://www.example.test/x.html",
        "%{REQUEST_URI}x",
        "/x.html#frag",
        "https:/x",
        "mailto:x",
        "/$1",
        "$1",
        "ldap://h/$1?$2",
        "/x.html??",
        "/x.html?$1?",
        "/x.html?a=b?c=d",
    ] {
        for flags in ["R,L", "L", "PT", "NE,R", "QSD,R"] {
            add(&format!("{output} \"[{flags}]\""), &["a.html?k=v", "%3fb"]);
        }
    }
    let group = rewriting("rewrite flags").and_modules("proxy proxy_http").file("htdocs/x.html", "x\n").conf(&conf);
    paths.iter().fold(group, |group, path| group.get(path)).check();
}

#[test]
fn responses_vary_by_what_conditions_saw() {
    let fields = "X-C: c\nUser-Agent: u\nCookie: a\nX-D: d\nX-E: e";
    let mut g = rewriting("rewrite and Vary")
        .and_modules("dir actions")
        .conf(
            "<Directory @ROOT@/htdocs>\nAllowOverride All\nOptions FollowSymLinks\n</Directory>\n<If \"%{HTTP:X-C} == 'c'\">\nSetEnv c 1\n</If>\n\
             RewriteEngine on\nRewriteCond %{HTTP:Host} www\nRewriteRule ^/h1 /y.txt\nRewriteCond %{HTTP_HOST} www\nRewriteRule ^/h2 /y.txt\n\
             RewriteCond %{HTTP_USER_AGENT} u\nRewriteRule ^/h3 /y.txt\nRewriteCond %{HTTP_USER_AGENT} u\nRewriteRule ^/h4 - [F]\n\
             RewriteRule ^/h5/(.*) /y.txt?%{HTTP_REFERER}%{HTTP:X-D}\nErrorDocument 404 /y.txt\n",
        )
        .file("htdocs/y.txt", "y\n")
        .file("htdocs/d/index.html", "index\n")
        .file("htdocs/d/.htaccess", "RewriteEngine on\nRewriteCond %{HTTP:X-E} e\nRewriteRule ^$ - [E=a:b]\n")
        .file("htdocs/e/.htaccess", "RewriteEngine on\nRewriteCond %{HTTP:X-E} e\nRewriteRule . - [E=a:b]\nRewriteRule z /y.txt\n");
    for path in ["/h1", "/h2", "/h3", "/h4", "/h5/a", "/d/", "/e/z", "/e/nope", "/y.txt"] {
        g = g.get(path).get_with(path, fields);
    }
    g.check();
}
