//! mod_info: server-info, AddModuleInfo, -D DUMP_CONFIG.

use compat_tests::normal::{BODY_LENGTH, INFO_LIBRARIES};
use compat_tests::{Group, group};

const CONF: &str = "<Location /server-info>\nSetHandler server-info\n</Location>\nAddModuleInfo mod_info.c 'See <b>this</b>'\n\
    AddModuleInfo mod_info.c more\n<Directory @ROOT@/htdocs>\n  Options None\n  <IfModule mod_alias.c>\n    Redirect /x \"/y z\"\n  </IfModule>\n\
    <Limit GET>\n    Require all granted\n  </Limit>\n  AllowOverride None\n  Options Indexes \\\n    FollowSymLinks\n</Directory>\n\
    <If \"true\">\nDirectoryIndex a & b<c.html\n</If>\n<Else>\n</Else>\nInclude conf/more.conf\n\
    <VirtualHost *:@PORT@>\nServerName www.example.test\nAlias /a /b<c\nServerAdmin \"a & b\"\nAddModuleInfo mod_dir.c here\n\
    AddModuleInfo nope.c nothing\n</VirtualHost>\n";

fn site(name: &str) -> Group {
    group(name)
        .and_modules("info alias dir")
        .conf(CONF)
        .file("conf/more.conf", "DirectoryIndex more.html\n<Location /m>\nDirectoryIndex m.html\n</Location>\n")
}

#[test]
fn pages() {
    site("server-info")
        .get("/server-info?config")
        .get("/server-info?CONFIG")
        .get("/server-info?list")
        .get("/server-info?mod_info.c")
        .get("/server-info?Mod_Info.C")
        .get("/server-info?nope")
        .get("/server-info?")
        .get("/server-info?server")
        .masking(INFO_LIBRARIES)
        .masking(BODY_LENGTH)
        .ask("HEAD", "/server-info?config", "")
        .ask("POST", "/server-info?config", "Content-Length: 0")
        .ask("OPTIONS", "/server-info", "")
        .log_sizes_vary()
        .check();
}

#[test]
fn dump() {
    site("DUMP_CONFIG").commands(&[
        &["-t", "-D", "DUMP_CONFIG"],
        &["-D", "DUMP_CONFIG", "-t"],
        &["-S", "-D", "DUMP_CONFIG"],
    ]);
}

#[test]
fn errors() {
    group("AddModuleInfo errors").and_modules("info").syntax(&[
        "AddModuleInfo",
        "AddModuleInfo a",
        "AddModuleInfo a b c",
        "<Location />\nAddModuleInfo a b\n</Location>",
    ]);
    group("AddModuleInfo in .htaccess").and_modules("info").htaccess(&["AddModuleInfo a b", "SetHandler server-info"]);
}
