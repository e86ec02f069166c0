//! mod_so: LoadModule, LoadFile, and what a missing or second module means.

use compat_tests::group;

#[test]
fn modules() {
    group("LoadModule").modules("authz_core").syntax(&[
        "LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so",
        "LoadModule foo_module /nonexistent/mod_foo.so",
        "LoadModule dir_module /usr/lib/apache2/modules/mod_alias.so",
        "LoadModule dir_module",
        "LoadModule dir_module conf/httpd.conf",
        "LoadModule mpm_worker_module /usr/lib/apache2/modules/mod_mpm_worker.so",
        "LoadModule core_module x.so",
        "LoadModule so_module /usr/lib/apache2/modules/mod_so.so",
        "LoadFile /nonexistent.so",
        "DirectoryIndex x",
        "LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\nDirectoryIndex x",
        "DirectoryIndex x\nLoadModule dir_module /usr/lib/apache2/modules/mod_dir.so",
        "<IfModule !dir_module>\nLoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\n</IfModule>\nDirectoryIndex x",
        "<IfModule dir_module>\nFooBar\n</IfModule>",
        "LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\n<IfModule dir_module>\nFooBar\n</IfModule>",
        "LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\n<IfModule mod_dir.c>\nFooBar\n</IfModule>",
        "LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so\n<IfModule !mod_dir.c>\nFooBar\n</IfModule>",
        "<IfModule>\nFooBar\n</IfModule>",
        "<IfModule core.c\nFooBar\n</IfModule>",
        "<IfModule mpm_event_module>\nFooBar\n</IfModule>",
        "<IfModule event.c>\nFooBar\n</IfModule>",
        "<IfModule foo.c>\nFooBar\n<Anything>\n</IfModule>",
        "<IfModule foo.c>\n<IfModule core.c>\n</IfModule>\nFooBar\n</IfModule>",
    ]);
}

#[test]
fn no_mpm_or_two() {
    group("no mpm")
        .main_conf("ServerRoot \"@ROOT@\"\nListen 127.0.0.1:@PORT@\nServerName a\nInclude conf/case.conf\n")
        .syntax(&[
            "",
            "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so",
            "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nLoadModule mpm_worker_module /usr/lib/apache2/modules/mod_mpm_worker.so",
            "LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so\nStartServers 3",
            "StartServers 3",
        ]);
}
