//! mod_proxy_html: the directives ProxyHTML*, and what libxml2's parser makes of documents.

use compat_tests::{Group, group};

const LINKS: &str = "ProxyHTMLLinks a href\nProxyHTMLLinks img src longdesc usemap\nProxyHTMLLinks form action\nProxyHTMLLinks script src for\nProxyHTMLLinks link href\n\
                     ProxyHTMLLinks base href\nProxyHTMLEvents onclick onload\n";
const MAP: &str = "ProxyHTMLURLMap http://back/ /front/\n";

/// Documents that are no answers of a backend, which a variable makes up for.
fn forced(name: &str) -> Group {
    group(name).and_modules("proxy proxy_http proxy_html xml2enc env")
}

fn documents(name: &str, pages: &[&str]) {
    let mut g = forced(name).conf(&format!("SetEnv PROXY_HTML_FORCE 1\nProxyHTMLEnable On\n{LINKS}{MAP}"));
    for (number, page) in pages.iter().enumerate() {
        g = g.file(&format!("htdocs/{number}.html"), page).request(format!("GET /{number}.html HTTP/1.0\r\n\r\n"));
    }
    g.check();
}

#[test]
fn markup() {
    documents(
        "proxy_html markup",
        &[
            "",
            "text",
            "hello <b>x",
            "<a href=\"http://back/x\">y</a>",
            "<P CLASS=Foo ID='x y'>T</P>",
            "<p class>x",
            "<p class=>x",
            "<p class= a>x",
            "<p =x>y",
            "<p a=\"1\" a=\"2\">",
            "<a href=\">x",
            "<a href=x\"y>z",
            "<p/ a=b>x",
            "<p/>x",
            "<br/>x",
            "<a<b>x",
            "<p>a<b",
            "<1>x",
            "< p>x",
            "</>x",
            "</ p>x",
            "</1>x",
            "<input type=checkbox checked disabled=\"\">",
            "<base href=http://back/>",
            "<!DOCTYPE html><html><body>x</body></html>",
            "<!-- c --><p>x<!-- d -->",
            "<!-- unclosed",
            "<p>1<!---->2",
            "<p>1<!-->2",
            "<?xml version=\"1.0\"?><html>",
            "<p><?a b?>x",
            "<!foo><p>x",
            "<![CDATA[x]]>",
            "<![if IE]><p>x<![endif]>",
            "<p>a &amp; b &lt; &copy; &nbsp; &#233; &foo; &foo & \"x\"",
            "&amp &lt &copy x",
            "&#x41;&#65;&#;&#x;&#0;&#1114112;",
            "<a href=\"&copy;&copy=1&foo;&#65;&amp;\">",
            "<a href='\"<>&'>",
            "<script>var a=\"<b>\" && c < d;</script>",
            "<script>a</scr</script>",
            "<style>a > b {}</style>",
            "a<script>x</script>b",
            "<textarea>&amp;<p></textarea>",
            "<title>&amp;<p></title>",
            "<p>x\r\ny\n</p>\n",
            "\n\n<html>\n<head>\n</head>\n<body>\n<p>x</p>\n</body>\n</html>\n",
            "<p> <b> x </b> </p> ",
            "<body> x </body>",
            "<p xml:lang=\"en\" a:b=\"c\" data-x=\"1\">y",
            "<x:y>z</x:y>",
            "<svg><path d=\"x\"/></svg>",
            "<embed src=a></embed>",
            "caf\u{e9}",
        ],
    );
}

#[test]
fn structure() {
    documents(
        "proxy_html structure",
        &[
            "<html><head><title>T</title></head><body><p>one<p>two</body></html>",
            "<ul><li>a<li>b</ul>",
            "<table><tr><td>a<td>b<tr><td>c</table>",
            "<p>x</div>y</p>",
            "<b><i>x</b>y</i>",
            "<div><p>a<div>b</div>c</p></div>",
            "<form><p><input></form>x",
            "<a href=x>1<a href=y>2",
            "<select><option>1<optgroup>2<option>3</select>",
            "<dl><dt>a<dd>b<dt>c</dl>",
            "<h1>a<h2>b</h1>c",
            "<body><body class=x>y",
            "<html lang=en><html class=y>z",
            "<html>x<head><title>y",
            "<p>a</body>b",
            "<p>a</html>b",
            "</p>",
            "</div>x",
            "<b><p>x</b></p>",
            "<p><table><tr><td>x</table>",
            "<table><caption>x<tr><th>y<thead><tr><td>z</table>",
            "<em><div>1</em>2",
            "<i>1<table><tr><td>2</i>3</table>",
            "<frameset><frame src=a></frameset>",
            "<noscript><p>x</noscript>",
            "<link rel=x href=http://back/y>",
            "<head><link><p>x",
            "<p>1<hr>2",
            "<p>1<br>2</br>3",
            "<nav>1<p>2</nav>3",
            "<font color=red><center>x</center></font>",
            "<ul><li>1<ul><li>2</ul></li></ul>",
            "<select><br><head /><u>x",
            "<frameset><html/><pre>x",
            "<td>x",
            "<option>x",
            "<li>a<p>b<li>c",
        ],
    );
}

/// A long page, which comes and goes in pieces.
#[test]
fn long_pages() {
    let row = "<tr><td class=a><a href='http://back/page?a=1&b=2'>Caf&eacute; &amp; more</a><td>\n  text <b>bold <i>both</b></i>\n<!-- a comment -->\n";
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>Long</title>\n<script>if (a < b && c) {{ f('http://back/'); }}</script></head>\n<body>\n<table>\n{}</table>",
        row.repeat(1500)
    );
    forced("proxy_html long pages")
        .conf(&format!("SetEnv PROXY_HTML_FORCE 1\nProxyHTMLEnable On\n{LINKS}{MAP}"))
        .file("htdocs/long.html", page)
        .get("/long.html")
        .request("GET /long.html HTTP/1.0\r\n\r\n")
        .check();
}

#[test]
fn rules_and_options() {
    let page = "<p>\"q\" 'a'</p><script>var u=\"http://back/x\";</script><style>a{b:url(http://back/y)}</style><a href=\"http://back/Q\" onclick=\"f('http://back/1')\">x</a><a href=\"http:\\\\other\\X\">y</a>\
                <a href=\"x/http://back/\">z</a><br><a href=\"http://back/\">end</a>";
    let cases = [
        "MAP",
        "MAPProxyHTMLExtended On",
        "MAPProxyHTMLDocType HTML",
        "MAPProxyHTMLDocType HTML Legacy",
        "MAPProxyHTMLDocType XHTML",
        "MAPProxyHTMLDocType XHTML Legacy",
        "MAPProxyHTMLDocType html5",
        "MAPProxyHTMLDocType \"<!DOCTYPE x>\"",
        "MAPProxyHTMLDocType \"<!DOCTYPE x>\" XML",
        "MAPProxyHTMLFixups lowercase",
        "MAPProxyHTMLFixups dospath",
        "MAPProxyHTMLFixups lowercase dospath",
        "ProxyHTMLExtended On\nProxyHTMLURLMap http://back/ /f/ e",
        "ProxyHTMLExtended On\nProxyHTMLURLMap http://back/ http://new_/ h",
        "ProxyHTMLExtended On\nProxyHTMLURLMap http://back/ http://new_/ c",
        "ProxyHTMLExtended On\nProxyHTMLURLMap http://(ba..)/ /f/$1/ R",
        "ProxyHTMLURLMap HTTP://BACK/ /f/ Ri",
        "ProxyHTMLURLMap back /f/ R",
        "ProxyHTMLURLMap ^http://back/$ /f/ R",
        "ProxyHTMLExtended On\nProxyHTMLURLMap http://back/ /f/ ^",
        "ProxyHTMLURLMap http://back/ /f/\nProxyHTMLURLMap /f/ /g/",
        "ProxyHTMLURLMap http://back/ /f/ l\nProxyHTMLURLMap /f/ /g/",
        "ProxyHTMLURLMap x /x/",
        "ProxyHTMLURLMap",
        "MAPProxyHTMLCharsetOut iso-8859-1",
        "MAPProxyHTMLCharsetOut *",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://${name}/ /${to|dflt}/ vV",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://${name}/ /${name}/ V",
        "ProxyHTMLURLMap http://${name}/ /${name}/ vV",
        "MAP<Location />\nProxyHTMLURLMap http:// /inner/\n</Location>",
        "MAP<Location />\nProxyHTMLLinks img src\n</Location>",
        "ProxyHTMLFixups lowercase\nMAP<Location />\nProxyHTMLFixups reset dospath\n</Location>",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://back/ /f/ h \"%{REQUEST_METHOD} == 'GET'\"",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://back/ /f/ L \"%{REQUEST_METHOD} == 'GET'\"",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://back/ /f/ L \"%{REQUEST_METHOD} == 'PUT'\"",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://back/ /f/ L name=back",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://back/ /f/ L name=other",
        "ProxyHTMLInterp On\nProxyHTMLURLMap http://back/ /f/ L !name=back",
        "ProxyHTMLURLMap http://back/ /f/ L name=other",
        "MAP<Location />\nProxyHTMLEnable Off\n</Location>",
    ];
    for (number, case) in cases.iter().enumerate() {
        let conf = case.replace("MAP", MAP);
        forced(&format!("proxy_html options {number}"))
            .conf(&format!("SetEnv PROXY_HTML_FORCE 1\nSetEnv name back\nProxyHTMLEnable On\n{LINKS}{conf}\n"))
            .file("htdocs/a.html", page)
            .get("/a.html")
            .check();
    }
}

#[test]
fn meta_and_character_sets() {
    forced("proxy_html meta")
        .conf(&format!(
            "SetEnv PROXY_HTML_FORCE 1\nProxyHTMLEnable On\nProxyHTMLMeta On\n{LINKS}{MAP}AddType \"text/html; charset=iso-8859-1\" l1\nAddType \"text/html; charset=koi8-r\" k\nAddType \"text/html; charset=utf-8\" u\n\
             <Location /out/>\nProxyHTMLCharsetOut *\n</Location>\nAlias /out/ @ROOT@/htdocs/\n<Location /latin/>\nProxyHTMLCharsetOut iso-8859-1\n</Location>\nAlias /latin/ @ROOT@/htdocs/\n"
        ))
        .file("htdocs/a.html", "<html><head><meta http-equiv=\"X-Foo\" content=\"bar baz\"><meta http-equiv=content-language content=de></head><body>x")
        .file("htdocs/k.html", b"<html><head><meta http-equiv=Content-Type content=\"text/html; charset=koi8-r\"></head><body>\xc1")
        .file("htdocs/a.l1", b"<p>caf\xe9")
        .file("htdocs/a.k", b"<p>\xc1\xc2")
        .file("htdocs/a.u", "<p>caf\u{e9}")
        .get("/a.html")
        .get("/k.html")
        .get("/a.l1")
        .get("/a.k")
        .get("/a.u")
        .get("/out/a.l1")
        .get("/out/a.u")
        .get("/latin/a.l1")
        .get("/latin/a.u")
        .check();
}

/// Which responses are concerned.
#[test]
fn concerned() {
    forced("proxy_html concerned")
        .conf(&format!(
            "ProxyHTMLEnable On\n{MAP}ProxyPass /back/ http://127.0.0.1:@PORT@/plain/\nAlias /plain/ @ROOT@/htdocs/\n<Location /plain/>\nProxyHTMLEnable Off\n</Location>\n<Location /back/>\n{LINKS}</Location>\n\
             AddType application/xhtml+xml xh\nProxyPass /nolinks/ http://127.0.0.1:@PORT@/plain/\n<Location /chosen/>\nProxyHTMLEnable Off\nSetOutputFilter proxy-html\nSetEnv PROXY_HTML_FORCE 1\n{LINKS}</Location>\nAlias /chosen/ @ROOT@/htdocs/\n"
        ))
        .file("htdocs/a.html", "<a href=\"http://back/x\">y")
        .file("htdocs/a.xh", "<a href=\"http://back/x\">y")
        .file("htdocs/a.txt", "<a href=\"http://back/x\">y")
        .file("htdocs/none", "<a href=\"http://back/x\">y")
        .get("/a.html")
        .get("/back/a.html")
        .get("/back/a.xh")
        .get("/back/a.txt")
        .get("/back/none")
        .get("/back/gone.html")
        .get("/nolinks/a.html")
        .get("/chosen/a.html")
        .ask("HEAD", "/back/a.html", "")
        .check();
}

#[test]
fn errors() {
    group("proxy_html errors").and_modules("proxy proxy_html xml2enc").syntax(&[
        "ProxyHTMLURLMap a b x name",
        "ProxyHTMLURLMap a b x !name",
        "ProxyHTMLURLMap a b x \"\"",
        "ProxyHTMLURLMap a b x !name=other",
        "ProxyHTMLURLMap a b x \"-n reqenv('x')\"",
        "ProxyHTMLURLMap",
        "ProxyHTMLURLMap a",
        "ProxyHTMLURLMap a b zz",
        "ProxyHTMLDoctype",
        "ProxyHTMLDoctype x y",
        "ProxyHTMLDoctype x y z",
        "ProxyHTMLFixups",
        "ProxyHTMLFixups x",
        "ProxyHTMLBufSize",
        "ProxyHTMLBufSize x",
        "ProxyHTMLBufSize 10",
        "ProxyHTMLLinks a",
        "ProxyHTMLEvents",
        "ProxyHTMLMeta x",
        "ProxyHTMLInterp x",
        "ProxyHTMLEnable x",
        "ProxyHTMLCharsetOut",
        "ProxyHTMLStripComments x",
        "ProxyHTMLExtended x",
    ]);
    group("proxy_html .htaccess")
        .and_modules("proxy proxy_html xml2enc")
        .htaccess(&["ProxyHTMLEnable On", "ProxyHTMLURLMap a b"]);
}

/// Tags in any order, always the same ones.
#[test]
fn tags_by_chance() {
    const TAGS: [&str; 40] = [
        "a",
        "b",
        "p",
        "div",
        "span",
        "table",
        "tr",
        "td",
        "th",
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "h1",
        "h2",
        "form",
        "input",
        "br",
        "hr",
        "img",
        "script",
        "style",
        "title",
        "head",
        "body",
        "html",
        "select",
        "option",
        "font",
        "i",
        "u",
        "center",
        "pre",
        "blockquote",
        "section",
        "meta",
        "frameset",
        "object",
    ];
    const MORE: [&str; 12] = [
        "",
        "",
        "",
        "",
        " href=\"http://back/x\"",
        " src=http://back/y",
        " class='a b'",
        " checked",
        "/",
        " /",
        " onclick=\"f('http://back/')\"",
        " title=\"a&amp;b&lt;&eacute;\"",
    ];
    const TEXTS: [&str; 12] =
        ["text", " ", "\n", "x & y", "&amp;", "&eacute;", "&#233;", "a < b", "\"q\"", "  z  ", "<!-- c -->", "<?pi?>"];
    let mut state = 0x1234_5678_9abc_def1_u64;
    let mut below = |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % bound
    };
    let pages: Vec<String> = (0..120)
        .map(|_| {
            let mut page = String::from("text");
            for _ in 0..=below(14) {
                match below(10) {
                    0..=4 => page.push_str(&format!("<{}{}>", TAGS[below(TAGS.len())], MORE[below(MORE.len())])),
                    5 | 6 => page.push_str(&format!("</{}>", TAGS[below(TAGS.len())])),
                    _ => page.push_str(TEXTS[below(TEXTS.len())]),
                }
            }
            page + "<hr>"
        })
        .collect();
    documents("proxy_html tags by chance", &pages.iter().map(String::as_str).collect::<Vec<_>>());
}
