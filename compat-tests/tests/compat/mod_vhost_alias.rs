//! mod_vhost_alias: VirtualDocumentRoot, VirtualScriptAlias and their IP forms.

use compat_tests::group;

#[test]
fn roots_by_name() {
    for format in
        ["%0", "%3+/%2.1/%2.2/%2.3/%2", "%2.-1/%2.4+", "%-1/%-2+", "%-2.0.%-1.0", "%9/%1.9", "x%%y", "%1.-2+", "plain/"]
    {
        group(&format!("VirtualDocumentRoot {format}"))
            .and_modules("vhost_alias headers")
            .conf(&format!(
                "UseCanonicalName Off\nVirtualDocumentRoot @ROOT@/v/{format}\nHeader always set Root \"expr=%{{DOCUMENT_ROOT}}\"\n\
                 Header always set Context \"expr=%{{CONTEXT_DOCUMENT_ROOT}} %{{CONTEXT_PREFIX}}\"\n\
                 Header always set File \"expr=%{{REQUEST_FILENAME}}\"\n<Directory @ROOT@/v>\nRequire all granted\n</Directory>\n"
            ))
            .file("v/www.domain.example.com/a.txt", "whole\n")
            .file("v/plain/a.txt", "plain\n")
            .file("v/example.com/a.txt", "two parts\n")
            .request("GET /a.txt HTTP/1.0\r\nHost: www.DOMAIN.example.com\r\n\r\n")
            .request("GET /d/b.txt HTTP/1.0\r\nHost: example.com\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\nHost: x\r\n\r\n")
            .request("GET /a.txt HTTP/1.0\r\n\r\n")
            .check();
    }
}

#[test]
fn merging_and_scripts() {
    group("VirtualScriptAlias")
        .and_modules("vhost_alias headers")
        .conf(
            "VirtualDocumentRootIP @ROOT@/ip/%1/%4\nVirtualScriptAlias @ROOT@/cgi/%1\nHeader always set File \"expr=%{REQUEST_FILENAME}\"\n<Directory @ROOT@>\nRequire all granted\n</Directory>\n\
             <VirtualHost *:@PORT@>\nServerName one.test\nAlias /alias @ROOT@/htdocs\n</VirtualHost>\n\
             <VirtualHost *:@PORT@>\nServerName two.test\nVirtualDocumentRoot NONE\nVirtualScriptAliasIP @ROOT@/cgi/%0\n</VirtualHost>\n",
        )
        .file("ip/127/1/a.txt", "by address\n")
        .file("htdocs/a.txt", "root\n")
        .file("cgi/one/script", "a script without a module\n")
        .request("GET /a.txt HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /alias/a.txt HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /cgi-bin/none HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /cgi-bin/script HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /cgi-bin HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /x/cgi-bin/none HTTP/1.0\r\nHost: one.test\r\n\r\n")
        .request("GET /a.txt HTTP/1.0\r\nHost: two.test\r\n\r\n")
        .request("GET /cgi-bin/none HTTP/1.0\r\nHost: two.test\r\n\r\n")
        .check();
}

#[test]
fn errors() {
    group("vhost_alias errors").and_modules("vhost_alias").syntax(&[
        "VirtualDocumentRoot",
        "VirtualDocumentRoot a b",
        "VirtualDocumentRoot x",
        "VirtualDocumentRoot None",
        "VirtualDocumentRoot /%x",
        "VirtualDocumentRoot /%1.",
        "VirtualDocumentRoot /%-",
        "VirtualScriptAlias /%",
        "VirtualScriptAliasIP /%+",
        "VirtualDocumentRootIP /%1+.2+%p%%",
        "<Directory />\nVirtualDocumentRoot /x\n</Directory>",
    ]);
}
