//! mod_env: SetEnv, UnsetEnv, PassEnv, seen through the access log.

use compat_tests::group;

#[test]
fn values() {
    group("SetEnv")
        .env("FROM_OUTSIDE", "outside")
        .log_format("%U a=%{A}e b=%{B}e c=%{C}e out=%{FROM_OUTSIDE}e path=%{NOT_PASSED}e")
        .conf("SetEnv A one\nSetEnv B \"two words\"\nSetEnv C\nPassEnv FROM_OUTSIDE\n<Location /unset>\nUnsetEnv A B\n</Location>\n<Location /override>\nSetEnv A other\n</Location>\n<Location /un>\nSetEnvIf Request_URI . A=setenvif\n</Location>\n")
        .get("/")
        .get("/unset")
        .get("/override")
        .get("/un")
        .check();
}

#[test]
fn errors() {
    group("env errors").syntax(&[
        "SetEnv",
        "SetEnv a b c",
        "SetEnv a=b",
        "UnsetEnv",
        "PassEnv",
        "PassEnv NOT_THERE",
        "PassEnv PATH NOT_THERE",
        "SetEnv \"\" x",
        "SetEnv A ${NOPE}",
    ]);
}

/// SetEnv gives way to SetEnvIf until a program gets the variables: from there on it wins.
#[test]
fn what_programs_get() {
    group("SetEnv and SetEnvIf")
        .log_format("%U a=%{A}e b=%{B}e host=%{HTTP_HOST}e")
        .conf("SetEnvIf Request_URI . A=setenvif B=kept\nSetEnv A setenv\nSetEnv HTTP_HOST other\nScriptAlias /cgi/ \"@ROOT@/cgi/\"\n<Directory \"@ROOT@/cgi\">\nRequire all granted\n</Directory>\n")
        .file("cgi/show", "#!/bin/sh\necho Content-Type: text/plain\necho\necho $A $B $HTTP_HOST\n")
        .mode("cgi/show", 0o755)
        .get("/cgi/show")
        .get("/")
        .check();
}
