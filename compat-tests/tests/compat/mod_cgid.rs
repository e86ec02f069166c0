//! mod_cgid: what it does is with mod_cgi's cases, which run under both; here is what is its own.

use compat_tests::group;

#[test]
fn both_modules_at_once() {
    group("both")
        .and_modules("cgi cgid")
        .conf("ScriptLog logs/scripts\nCGIScriptTimeout 3\nCGIDScriptTimeout 3")
        .get("/")
        .check();
}
