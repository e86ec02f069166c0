//! The command line: reports, flags, bad flags, -C and -c, -k, exit codes and which stream says what.

use compat_tests::group;

#[test]
fn reports() {
    group("reports").commands(&[
        &["-v"],
        &["-l"],
        &["-h"],
        &["-t"],
        &["-T", "-t"],
        &["-S"],
        &["-M"],
        &["-t", "-D", "DUMP_VHOSTS"],
        &["-t", "-D", "DUMP_RUN_CFG"],
        &["-t", "-D", "DUMP_MODULES"],
        &["-t", "-D", "DUMP_INCLUDES"],
        &["-t", "-D", "DUMP_CONFIG"],
        &["-D", "DUMP_VHOSTS"],
        &["-D", "DUMP_MODULES"],
        &["-D", "DUMP_INCLUDES"],
        &["-D", "DUMP_RUN_CFG"],
        &["-S", "-D", "FOO", "-DBAR=x"],
        &["-M", "-S"],
        &["-t", "-t"],
        &["-V"],
    ]);
}

#[test]
fn directive_list() {
    // Of the core alone: what a module adds is its own family's business.
    group("-L")
        .modules("authz_core")
        .main_conf("LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nServerName a\n")
        .commands(&[&["-L"]]);
}

#[test]
fn bare() {
    group("bare").bare_commands(&[
        &["-v"],
        &["-V"],
        &["-l"],
        &["-h"],
        &["-?"],
        &["-x"],
        &["--help"],
        &["--version"],
        &["-Z", "-v"],
        &["-Zv"],
        &["-vZ"],
        &["--version", "-v"],
        &["--", "-v"],
        &["--", "--", "-v"],
        &["--", "-k", "stop"],
        &["-d", "@ROOT@", "-f", "conf/httpd.conf", "-t", "--", "x"],
        &["-d", "@ROOT@", "-f", "conf/httpd.conf", "-t", "--"],
        &["-v", "-x"],
        &["-f"],
        &["-d"],
        &["-D"],
        &["-k"],
        &["-k", "foo", "-d", "@ROOT@", "-f", "conf/httpd.conf"],
        &["-e", "foo"],
        &["-d", "/nonexistent", "-t"],
        &["-d", "/nonexistent", "-f", "x.conf", "-t"],
        &["-f", "/nonexistent/x.conf", "-t"],
        &["-f", "@ROOT@/conf", "-t"],
        &["-d", "@ROOT@", "-f", "conf/nope.conf", "-t"],
        &["-d", "@ROOT@", "-fconf/httpd.conf", "-t"],
        &["-d@ROOT@", "-tf", "conf/httpd.conf"],
        &["-d", "@ROOT@/conf/..", "-f", "conf/httpd.conf", "-t"],
        &["-f", "conf/httpd.conf", "-d", ".", "-t"],
        &["-d", "@ROOT@", "-f", "conf/httpd.conf", "-t", "junk"],
        &["junk"],
        &["-d", "@ROOT@", "-f", "conf/mime.types", "-t"],
    ]);
}

#[test]
fn extra_directives() {
    group("-C and -c").commands(&[
        &["-t", "-C", "FooBar"],
        &["-t", "-c", "FooBar"],
        &["-t", "-C", "ServerAdmin a", "-C", "Foo"],
        &["-t", "-c", "ServerAdmin a b"],
        &["-t", "-c", "<Directory /x>"],
        &["-t", "-c", "<Directory /x>", "-c", "</Directory>"],
        &["-t", "-C", "Define X y", "-c", "Foo${X}"],
        &["-t", "-D", "X", "-c", "<IfDefine X>", "-c", "FooBar", "-c", "</IfDefine>"],
        &["-t", "-DX", "-c", "<IfDefine X>", "-c", "FooBar", "-c", "</IfDefine>"],
        &["-t", "-D", "X=1", "-c", "Foo${X}"],
        &["-t", "-c", "Include conf/nope.conf"],
        &["-t", "-C", ""],
        &["-t", "-c", "ErrorLog /nonexistent/x"],
        &["-t", "-c", "DocumentRoot /nonexistent"],
        &["-T", "-t", "-c", "DocumentRoot /nonexistent"],
        &["-S", "-c", "ErrorLog /nonexistent/x"],
        &["-M", "-c", "ErrorLog /nonexistent/x"],
        &["-t", "-D", "DUMP_INCLUDES", "-c", "ErrorLog /nonexistent/x"],
        &["-t", "-D", "DUMP_RUN_CFG", "-c", "ErrorLog /nonexistent/x"],
        &["-t", "-e", "debug"],
        &["-t", "-e", "emerg"],
        &["-t", "-E", "@ROOT@/logs/startup"],
        &["-t", "-E", "/nonexistent/startup"],
    ]);
}

#[test]
fn vhost_report() {
    group("-S")
        .conf(
            r#"
Listen @PORT2@
<VirtualHost *:@PORT@>
  ServerName one.test
  ServerAlias a.one.test *.one.test
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName two.test:81
</VirtualHost>
<VirtualHost *:@PORT@>
  ServerName one.test
</VirtualHost>
<VirtualHost 127.0.0.1:@PORT@>
  ServerName ip.test
</VirtualHost>
<VirtualHost 127.0.0.2:@PORT2@ 127.0.0.3:@PORT2@>
  ServerName many.test
</VirtualHost>
<VirtualHost _default_:@PORT2@>
  ServerName default.test
  ServerAlias d1 d2
</VirtualHost>
<VirtualHost *:*>
  ServerName anyport.test
</VirtualHost>
<VirtualHost [::1]:@PORT@>
  ServerName six.test
</VirtualHost>
Define ONE
Define TWO 2
Mutex file:@ROOT@/run default
"#,
        )
        .commands(&[
            &["-S"],
            &["-t", "-D", "DUMP_VHOSTS"],
            &["-t", "-D", "DUMP_RUN_CFG"],
            &["-t"],
            &["-t", "-D", "DUMP_INCLUDES"],
        ]);
}

#[test]
fn control_without_a_server() {
    group("-k").commands(&[
        &["-k", "stop"],
        &["-k", "graceful-stop"],
        &["-k", "foo"],
        &["-k", "stop", "-c", "FooBar"],
        &["-k", "restart", "-c", "FooBar"],
        &["-k", "start", "-c", "FooBar"],
    ]);
    group("-k with a stale pid file")
        .file("run/httpd.pid", "4000000\n")
        .commands(&[&["-k", "stop"], &["-k", "graceful-stop"]]);
    group("-k with a broken pid file")
        .file("run/httpd.pid", "garbage\n")
        .commands(&[&["-k", "stop"], &["-k", "graceful-stop"]]);
}

#[test]
fn control_of_a_server() {
    // start, restart, graceful and stop through the command line, each seen in pid file, answers and error log.
    group("-k start … stop").facts(|server| {
        use compat_tests::server::run;
        let command = |server: &compat_tests::Running, what: &str| {
            let names = server.names();
            let args =
                ["-d", &names.root.display().to_string(), "-f", "conf/httpd.conf", "-k", what].map(str::to_owned);
            let ended = run(names, &args, &[]);
            format!(
                "{what}: {} [{}] [{}]\n",
                ended.how,
                String::from_utf8_lossy(&ended.stdout),
                String::from_utf8_lossy(&ended.stderr)
            )
        };
        let mut facts = command(server, "start");
        facts.push_str(&command(server, "restart"));
        facts.push_str(&format!("restarted {}\n", server.wait(|s| s.logged("resuming normal operations") == 2)));
        facts.push_str(&format!("answers {}\n", server.get("/").is_some()));
        facts.push_str(&command(server, "graceful"));
        facts.push_str(&format!("again {}\n", server.wait(|s| s.logged("resuming normal operations") == 3)));
        facts.push_str(&format!("answers {}\n", server.get("/").is_some()));
        facts.push_str(&command(server, "stop"));
        facts.push_str(&format!("gone {}\n", server.wait_for_end()));
        facts.push_str(&format!("pid file {}\n", server.pid_file().is_some()));
        facts
    });
}

#[test]
fn starts_that_fail() {
    group("port in use").conf("Listen 127.0.0.1:@PORT@\n").start_fails(&["-DFOREGROUND"]);
    group("not our address").conf("Listen 192.0.2.1:@PORT2@\n").start_fails(&["-DFOREGROUND"]);
    group("config error").conf("FooBar\n").start_fails(&["-DFOREGROUND"]);
    group("unwritable log").conf("ErrorLog /nonexistent/x\n").start_fails(&["-DFOREGROUND"]);
    group("unwritable access log").conf("CustomLog /nonexistent/x common\n").start_fails(&["-DFOREGROUND"]);
    group("unwritable pid file").conf("PidFile /nonexistent/x\n").start_fails(&["-DFOREGROUND"]);
    group("missing document root").conf("DocumentRoot /nonexistent\n").start_fails(&["-DFOREGROUND"]);
    group("no Listen").main_conf("ServerRoot \"@ROOT@\"\nLoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\nServerName a\nErrorLog logs/error.log\nPidFile run/httpd.pid\n").start_fails(&["-DFOREGROUND"]);
    group("missing runtime dir").conf("DefaultRuntimeDir /nonexistent\n").start_fails(&["-DFOREGROUND"]);
    group("missing module").conf("LoadModule foo_module /nonexistent.so\n").start_fails(&["-DFOREGROUND"]);
    group("missing htpasswd is no error")
        .conf("<Location /x>\nAuthUserFile /nonexistent\n</Location>\n")
        .get("/")
        .check();
}
