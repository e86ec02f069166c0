//! mod_mime_magic: MimeMagicFile, rules and words.

use compat_tests::{Group, group};

fn files(mut g: Group, pad: usize, starts: &[&[u8]]) -> Group {
    for (number, start) in starts.iter().enumerate() {
        let content = [start, &vec![b'z'; pad][..]].concat();
        g = g.file(&format!("htdocs/q{number}"), content).ask("HEAD", &format!("/q{number}"), "");
    }
    g
}

const RULES: &str = "# ours\n\n0 string ABC aa/abc\n0\tstring\tJKL\tnoslash\n0 string MNO a/b c d e\n0 string PQR \\bq/r\n0 string %S% f/%s\n\
    0 string DEF\n>4 byte 1 dd/one\n>4 byte 2 dd/two encx\n>4 byte >5 dd/big\n0 string XX x/y\n>3 string Y -more\n>3 string Z \\b-more\n\
    0 string EE\n0 string G\\ \\101\\x42\\t\\\\ a/escapes\n0 string A b/second\n0 beshort 0x7879 b/short\n0 leshort 0x7179 b/le\n\
    0 belong&0xffff0000 0x71710000 b/masked\n0 string >zzy b/greater\n4 lelong &0x10 b/and\n0 byte 077 b/octal\n0 string H\n>1 byte 1\n>>2 byte 2 h/two\n\
    >>2 byte 3 h/three\n>1 byte 4 h/four\n";

#[test]
fn rules() {
    let starts: &[&[u8]] = &[
        b"ABC",
        b"JKL",
        b"MNO",
        b"PQR",
        b"%S%",
        b"DEF \x01",
        b"DEF \x02",
        b"DEF \x09",
        b"DEF \x99",
        b"DEF \0",
        b"XX Y",
        b"XX Z",
        b"XX Q",
        b"EE",
        b"EE <html> ",
        b"G AB\t\\",
        b"AB",
        b"xy",
        b"yq",
        b"qqqq",
        b"....\x10\0\0\0",
        b"?",
        b"H\x01\x02",
        b"H\x01\x03",
        b"H\x01\x09",
        b"H\x04",
        b"hi <html> ",
        b"\x01\x02",
    ];
    for pad in [80, 61, 60, 59, 58] {
        let g = files(
            group("MimeMagicFile")
                .and_modules("mime_magic")
                .file("conf/magic", RULES)
                .conf("MimeMagicFile conf/magic\n"),
            pad,
            starts,
        );
        g.check();
    }
}

#[test]
fn words() {
    let starts: &[&[u8]] = &[
        b"",
        b"hello world\n",
        b"caf\xe9",
        b"ab\0cd",
        b"<html>\n",
        b"foo <HTML> bar",
        b"<!DOCTYPE HTML PUBLIC",
        b"<!doctype html>",
        b"x <title> y",
        b"x <TITLE>y",
        b"hello \x1b[1m",
        b"<html> \x1b[1m",
        b".TH foo",
        b". x",
        b". xy z",
        b".\t",
        b"#include <x>",
        b"c  hello",
        b"C hello",
        b"chello",
        b"From me\n",
        b"Received: x",
        b"Newsgroups: x",
        b"Organization: x",
        b".globl x",
        b" .globl x",
        b"Path: x",
        b">From x",
        b"<h1>x",
        b"<h1> x",
        b"<!-- x",
        b"int main",
        b"char x",
        b"/* x",
        b"the x",
        b"The x",
        b"Cc: x",
        b"all: x",
        b"dcl x",
        b"clr x",
    ];
    files(
        group("mime_magic words")
            .and_modules("mime_magic")
            .file("conf/magic", "0 string nothing a/b\n")
            .conf("MimeMagicFile conf/magic\n"),
        0,
        starts,
    )
    .check();
}

#[test]
fn servers_and_debians_file() {
    group("MimeMagicFile of hosts")
        .and_modules("mime_magic")
        .file("conf/a", "0 string A a/a\n")
        .file("conf/b", "0 string A a/b\n")
        .file("htdocs/x", "A".repeat(100))
        .file("htdocs/x.txt", "A".repeat(100))
        .conf("MimeMagicFile conf/a\n<VirtualHost *:@PORT@>\nServerName one\nDocumentRoot @ROOT@/htdocs\nMimeMagicFile conf/b\n</VirtualHost>\n<VirtualHost *:@PORT@>\nServerName two\nDocumentRoot @ROOT@/htdocs\n</VirtualHost>\n")
        .request("GET /x HTTP/1.0\r\nHost: one\r\n\r\n")
        .request("GET /x HTTP/1.0\r\nHost: two\r\n\r\n")
        .request("GET /x.txt HTTP/1.0\r\nHost: two\r\n\r\n")
        .check();
    let starts: &[&[u8]] = &[
        b"GIF89a",
        b"%PDF-1.4\n",
        b"\x89PNG\r\n\x1a\n",
        b"<?xml version=\"1.0\"?><a/>",
        b"\xff\xd8\xff\xe0",
        b"#!/bin/sh\necho ",
        b"PK\x03\x04",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"OggS",
        b"ID3",
        b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0",
        b"BZh9",
        b"\0\0\x01\xba\x44",
        b"\0\0\0\x18ftypmp42",
        b"{\\rtf1 ",
        b"FWS\x09",
        b"!<arch>\ndebian-binary",
        b"8BPS",
        b"fLaC",
        b"\xca\xfe\xba\xbe",
    ];
    let magic = std::fs::read("/etc/apache2/magic").unwrap_or_default();
    files(
        group("Debian's magic file")
            .and_modules("mime_magic")
            .file("conf/magic", magic)
            .conf("MimeMagicFile conf/magic\n"),
        90,
        starts,
    )
    .check();
}

#[test]
fn errors() {
    group("mime_magic errors").and_modules("mime_magic").syntax(&[
        "MimeMagicFile",
        "MimeMagicFile a b",
        "MimeMagicFile none",
        "<Directory />\nMimeMagicFile x\n</Directory>",
    ]);
    group("mime_magic .htaccess").and_modules("mime_magic").htaccess(&["MimeMagicFile x"]);
}

#[test]
fn compressed() {
    let starts: &[&[u8]] = &[
        // gzip of an HTML page, of what a rule knows, of nothing known.
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xb3\xc9\x28\xc9\xcd\xb1\x53\xa8\x00\x00\x7f\x3a\x57\x6a\x08\x00\x00\x00",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\x73\x74\xaa\xa2\x03\x00\x00\xa3\x09\x8e\x95\x66\x00\x00\x00",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff\xcb\x48\xcd\xc9\xc9\x07\x00\x86\xa6\x10\x36\x05\x00\x00\x00",
    ];
    let g = group("mime_magic and gzip")
        .and_modules("mime_magic")
        .file("conf/magic", "0 string AB a/b\n")
        .conf("MimeMagicFile conf/magic\n");
    files(g, 0, starts).check();
}
