//! Reports on larger trees, made here: hosting companies, macros, deep includes, many addresses, conditions, odd layouts.

use compat_tests::{Group, Mpm, group};
use std::fmt::Write;

const REPORTS: &[&[&str]] = &[
    &["-S"],
    &["-M"],
    &["-t"],
    &["-V"],
    &["-t", "-D", "DUMP_VHOSTS"],
    &["-t", "-D", "DUMP_MODULES"],
    &["-t", "-D", "DUMP_RUN_CFG"],
    &["-t", "-D", "DUMP_INCLUDES"],
    &["-t", "-D", "DUMP_CONFIG"],
    &["-S", "-M", "-D", "SSL"],
    &["-t", "-D", "DUMP_VHOSTS", "-D", "DUMP_RUN_CFG", "-D", "TEST"],
    &["-D", "DUMP_INCLUDES", "-D", "DUMP_MODULES"],
    &["-t", "-C", "Define EARLY", "-c", "ServerTokens Prod"],
    &["-M", "-S", "-T"],
    &["-l", "-S"],
];

fn tree(name: &str) -> Group {
    group(&format!("tree {name}")).and_modules("macro rewrite headers expires")
}

/// One site of a hosting company.
fn site(number: usize) -> String {
    format!(
        "<VirtualHost *:@PORT@>\n  ServerName site{number}.example.test\n  ServerAlias www.site{number}.example.test *.s{number}.test\n  \
         DocumentRoot @ROOT@/htdocs\n  ErrorLog logs/error.log\n  <Directory @ROOT@/htdocs/{number}>\n    Options -Indexes +FollowSymLinks\n    \
         AllowOverride All\n    Require all granted\n  </Directory>\n  <IfModule mod_rewrite.c>\n    RewriteEngine on\n    \
         RewriteCond %{{HTTP_HOST}} !^www [NC]\n    RewriteRule ^/old/(.*)$ /new/$1 [R=301,L]\n  </IfModule>\n</VirtualHost>\n"
    )
}

#[test]
fn hosting() {
    let mut group = tree("hosting");
    for number in 0..60 {
        group = group.file(&format!("conf/sites/{number:03}.conf"), site(number));
    }
    group.conf("IncludeOptional conf/sites/*.conf\n").commands(REPORTS);
}

#[test]
fn macros() {
    let text = "<Macro Site $name $port>\n<VirtualHost *:$port>\nServerName $name.test\nServerAlias ${prefix}.$name.test\nUse Access $name\n\
                </VirtualHost>\n</Macro>\n<Macro Access @dir>\n<Location /@dir>\nRequire all granted\n</Location>\n</Macro>\nDefine prefix w3\n";
    let uses: String = (0..25).map(|n| format!("Use Site host{n} {}\n", 8000 + n % 4)).collect();
    tree("macros").conf(&format!("{text}{uses}UndefMacro Site\n")).commands(REPORTS);
}

#[test]
fn deep_includes() {
    let mut group = tree("includes");
    for level in 0..12 {
        let text = format!("# level {level}\nDefine L{level} yes\nInclude conf/deep/{}.conf\n", level + 1);
        group = group.file(&format!("conf/deep/{level}.conf"), text);
    }
    group
        .file("conf/deep/12.conf", "ServerAdmin deep@example.test\nIncludeOptional conf/deep/more/*.inc\n")
        .file("conf/deep/more/b.inc", "ServerSignature On\n")
        .file("conf/deep/more/a.inc", "ServerTokens Full\n")
        .file("conf/deep/more/ignored.txt", "Bogus\n")
        .file("conf/parts/x/1.conf", "Timeout 20\n")
        .file("conf/parts/y/1.conf", "Timeout 30\n")
        .conf("Include conf/deep/0.conf\nInclude conf/parts/*/1.conf\nIncludeOptional conf/none/*/x.conf\n")
        .commands(REPORTS);
}

#[test]
fn addresses() {
    let mut text = String::new();
    let hosts = [
        "127.0.0.1:81",
        "127.0.0.2:81",
        "*:82",
        "[::1]:83",
        "_default_:84",
        "127.0.0.1:*",
        "127.0.0.1:85 127.0.0.2:85",
    ];
    for (number, address) in hosts.iter().cycle().take(28).enumerate() {
        let _ = write!(
            text,
            "<VirtualHost {address}>\nServerName h{number}.test\nServerAlias a{number} *.b{number}\n</VirtualHost>\n"
        );
    }
    tree("addresses").conf(&text).commands(REPORTS);
}

#[test]
fn names() {
    let text = "<VirtualHost *:81>\n</VirtualHost>\n<VirtualHost *:81>\nServerName https://secure.test:443\n</VirtualHost>\n\
                <VirtualHost *:81>\nServerName one.test\nServerAlias a b c d e f g h i j k l m n o p\n</VirtualHost>\n\
                <VirtualHost *:81>\nServerName one.test\n</VirtualHost>\n<VirtualHost *:81>\nServerName UPPER.Test:80\nServerPath /legacy\n</VirtualHost>\n\
                <VirtualHost *:*>\nServerName any.test\n</VirtualHost>\n<VirtualHost 127.0.0.1>\nServerName noport.test\n</VirtualHost>\n";
    tree("names").conf(text).commands(REPORTS);
}

#[test]
fn conditions() {
    let text = "<IfDefine SSL>\nListen 127.0.0.1:@PORT2@\n<VirtualHost *:443>\nServerName ssl.test\n</VirtualHost>\n</IfDefine>\n\
                <IfDefine !TEST>\nServerAdmin plain@example.test\n</IfDefine>\n<IfDefine EARLY>\nUseCanonicalName On\n</IfDefine>\n\
                <IfModule !mod_nope.c>\n<IfModule rewrite_module>\n<IfVersion >= 2.4>\n<IfFile conf/case.conf>\n<IfDirective Alias>\nAlias /x @ROOT@/htdocs\n\
                </IfDirective>\n</IfFile>\n</IfVersion>\n</IfModule>\n</IfModule>\n<IfVersion < 2.2>\nBogus\n</IfVersion>\n";
    tree("conditions").conf(text).commands(REPORTS);
}

#[test]
fn users_and_files() {
    let text = "DefaultRuntimeDir run/deeper\nMutex file:run/locks default\nMutex sem mpm-accept\nUser nobody\nGroup nogroup\nErrorLog logs/other.log\n\
                CustomLog logs/a.log combined\nLogFormat \"%h\" short\nCoreDumpDirectory logs\nMaxMemFree 2048\nGracefulShutdownTimeout 5\nListenBacklog 100\n";
    tree("users and files").dir("run/deeper").dir("run/locks").conf(text).commands(REPORTS);
}

#[test]
fn old_and_odd_layout() {
    let text = "  serverADMIN   x@y.test  \n\n\t# comment \\\n still comment\nAlias /a \\\n  @ROOT@/htdocs\r\n<directory \"@ROOT@/htdocs\">\n OPTIONS none\n\
                </DIRECTORY>\n<Files ~ \"\\.(bak|old)$\">\nRequire all denied\n</Files>\n<Location \"/a b\">\nRequire all granted\n</Location>\n\
                <LocationMatch ^/(?<x>[a-z]+)/>\nRequire all granted\n</LocationMatch>\n<If \"%{HTTP_HOST} == 'a'\">\nHeader set A b\n</If>\n<ElseIf \"true\">\n\
                Header set A c\n</ElseIf>\n<Else>\nHeader set A d\n</Else>";
    tree("layout").conf(text).commands(REPORTS);
}

#[test]
fn mpm_settings() {
    for (mpm, text) in [
        (
            Mpm::Prefork,
            "StartServers 3\nMinSpareServers 2\nMaxSpareServers 1\nServerLimit 10\nMaxRequestWorkers 20\nMaxConnectionsPerChild 10\n",
        ),
        (
            Mpm::Worker,
            "ServerLimit 2\nThreadLimit 10\nThreadsPerChild 20\nMaxRequestWorkers 100\nMinSpareThreads 75\nMaxSpareThreads 10\n",
        ),
        (
            Mpm::Event,
            "ThreadsPerChild 25\nMaxRequestWorkers 30\nAsyncRequestWorkerFactor 2\nServerLimit 100\nThreadLimit 64\n",
        ),
    ] {
        tree("mpm settings").mpm(mpm).conf(text).commands(REPORTS);
    }
}

#[test]
fn wrong_far_inside() {
    let mut group = tree("wrong");
    for number in 0..20 {
        let text = if number == 13 {
            site(number).replace("AllowOverride All", "AllowOverride Everything")
        } else {
            site(number)
        };
        group = group.file(&format!("conf/sites/{number:03}.conf"), text);
    }
    group.conf("Include conf/sites/*.conf\n").commands(REPORTS);
}
