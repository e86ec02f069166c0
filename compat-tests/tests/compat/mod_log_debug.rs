//! mod_log_debug: LogMessage.

use compat_tests::group;

#[test]
fn messages() {
    let mut conf =
        String::from("LogLevel log_debug:info\nLogMessage \"all %{REQUEST_URI} %{REQUEST_STATUS}\" hook=all\n");
    for hook in [
        "log_transaction",
        "quick_handler",
        "handler",
        "pre_translate_name",
        "translate_name",
        "map_to_storage",
        "fixups",
        "type_checker",
        "check_access",
        "check_access_ex",
        "check_authn",
        "check_authz",
        "insert_filter",
    ] {
        conf.push_str(&format!("<Location /one>\nLogMessage \"one {hook}\" hook={hook}\n</Location>\n"));
    }
    conf.push_str(
        "<Location /cond>\nLogMessage yes \"expr=-n %{QUERY_STRING}\"\nLogMessage \"no %{QUERY_STRING}\" expr=false HOOK=Fixups\n\
         LogMessage ref \"expr=%{HTTP:X-A} =~ /(.)/\"\n</Location>\n\
         <Directory @ROOT@/htdocs/dir>\nLogMessage \"directory %{HANDLER} %{REQUEST_FILENAME}\" hook=handler\n</Directory>\n\
         <Location /user>\nAuthType Basic\nAuthName x\nAuthUserFile conf/users\nRequire valid-user\nLogMessage \"user %{REMOTE_USER}\"\n</Location>\n",
    );
    group("LogMessage")
        .and_modules("log_debug mime dir auth_basic authn_file authz_user negotiation")
        .conf(&conf)
        .file("conf/users", "u:p\n")
        .file("htdocs/one/a.txt", "a\n")
        .file("htdocs/dir/index.html", "index\n")
        .file("htdocs/dir/a.txt", "a\n")
        .get("/one/a.txt")
        .get("/one/none")
        .get("/cond?x")
        .get("/cond")
        .get_with("/cond", "X-A: b")
        .get("/dir/a.txt")
        .get("/user")
        .get_with("/user", "Authorization: Basic dTpw")
        .get("/%2e%2e/x")
        .check();
}

#[test]
fn places() {
    group("LogMessage at debug")
        .and_modules("log_debug")
        .conf("LogLevel log_debug:debug\nLogMessage \"here: %{REQUEST_URI}\" hook=all\n")
        .file("htdocs/dir/index.html", "index\n")
        .get("/dir/index.html")
        .get("/none")
        .check();
}

#[test]
fn errors() {
    group("LogMessage errors").and_modules("log_debug").syntax(&[
        "LogMessage",
        "LogMessage a hook=nope",
        "LogMessage a other=x",
        "LogMessage a expr=(",
        "LogMessage \"%{nope\"",
        "LogMessage %{NOPE}",
        "LogMessage a hook=all expr=true x",
        "LogMessage a hook=",
    ]);
    group("LogMessage in .htaccess").and_modules("log_debug").htaccess(&["LogMessage a"]);
}
