//! mod_authn_file: every password format of an AuthUserFile.

use compat_tests::group;

const USERS: &str = "apr1:$apr1$1arsmMSf$ZEe5BJw3xrnj4boKDuN4l0
bcrypt:$2y$05$ukZ9YAbopZ92gz1EPNt6nuJX6pRXzgP.olbV956iPz2R/fr4vSJrm
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
des:9PdnKFz0uhR6I
sha256:$5$Dr9FiBH1czLfJ3ni$dKEpC3nnnumWM/fsgEV8YqDKIedryhZPlYGygYf.XFD
sha512:$6$9ic7VEH93Jypq7em$5kclY/PfRLaDXIUkjs7ONmVgk560ML5iY4xdDFk.E.k.D8NKM8sVvpAdxFIR8GSzw90aMtF3SN/sThEudGJTC.
md5crypt:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1
plain:secret
more:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=:Full Name:more
twice:{SHA}wrong
twice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
 spaced:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
#hash:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
crlf:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\r
badsalt:$2y$zz$x
badmethod:$9$x$y
last:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

fn base64(text: &str) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let word = chunk.iter().fold(0u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * position)) as usize & 63];
            out.push(if position > chunk.len() { '=' } else { char::from(letter) });
        }
    }
    out
}

#[test]
fn password_formats() {
    let mut g = group("AuthUserFile")
        .conf("<Directory @ROOT@/htdocs/p>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\nRequire valid-user\n</Directory>\n")
        .file("conf/users", USERS)
        .file("htdocs/p/index.html", "in\n");
    for user in [
        "apr1",
        "bcrypt",
        "sha",
        "des",
        "sha256",
        "sha512",
        "md5crypt",
        "plain",
        "more",
        "twice",
        "spaced",
        "hash",
        "#hash",
        "crlf",
        "badsalt",
        "badmethod",
        "last",
        "APR1",
        "nobody",
    ] {
        for password in ["secret", "Secret", ""] {
            g = g.get_with("/p/", &format!("Authorization: Basic {}", base64(&format!("{user}:{password}"))));
        }
    }
    g.check();
}

#[test]
fn errors() {
    group("authn_file errors").syntax(&[
        "<Directory /x>\nAuthUserFile\n</Directory>",
        "<Directory /x>\nAuthUserFile a b\n</Directory>",
        "<Directory /x>\nAuthUserFile /nonexistent\n</Directory>",
        "AuthUserFile x",
    ]);
}

/// Names of users that are not UTF-8, and of providers, which are told apart by case.
#[test]
fn names_to_the_letter() {
    let users = [&b"\xe4:secret\n"[..], b"case:secret\n"].concat();
    let mut g = group("names of users").file("conf/users", users).file("htdocs/x.txt", "x").conf(
        "LogLevel auth_basic:debug authz_core:debug\n<Location />\nAuthType Basic\nAuthName x\nAuthUserFile @ROOT@/conf/users\nRequire user case\n</Location>\n",
    );
    // \xe4:secret, \xe4:wrong, \xff:secret, Case:secret, case:secret
    for who in ["5DpzZWNyZXQ=", "5Dp3cm9uZw==", "/zpzZWNyZXQ=", "Q2FzZTpzZWNyZXQ=", "Y2FzZTpzZWNyZXQ="] {
        g = g.get_with("/x.txt", &format!("Authorization: Basic {who}"));
    }
    g.check();
    let alias = |base: &str, name: &str, used: &str| {
        format!(
            "<AuthnProviderAlias {base} {name}>\nAuthUserFile x\n</AuthnProviderAlias>\n<Directory /x>\nAuthBasicProvider {used}\n</Directory>"
        )
    };
    group("names of providers").syntax(&[
        "<Directory /x>\nAuthBasicProvider File\n</Directory>".to_owned(),
        alias("file", "Mine", "Mine"),
        alias("file", "Mine", "mine"),
        alias("file", "mine", "Mine"),
        alias("FILE", "mine", "mine"),
    ]);
}
