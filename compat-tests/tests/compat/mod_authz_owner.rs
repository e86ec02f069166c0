//! mod_authz_owner: Require file-owner, Require file-group's look at the file.

use compat_tests::group;

#[test]
fn rules() {
    // The files belong to whoever runs the suite.
    let owner = std::process::Command::new("id")
        .arg("-un")
        .output()
        .map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned());
    let owner = owner.unwrap_or_default();
    let hash = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    group("Require file-owner")
        .and_modules("authz_groupfile authz_owner")
        .file("conf/users", format!("{owner}:{hash}\nother:{hash}\n"))
        .file("conf/groups", format!("{owner}: {owner}\nothers: other\n"))
        .file("htdocs/o/a.txt", "mine\n")
        .file("htdocs/g/a.txt", "mine\n")
        .conf(
            "LogLevel authz_owner:debug\n<Directory @ROOT@/htdocs>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\nAuthGroupFile conf/groups\n</Directory>\n\
             <Directory @ROOT@/htdocs/o>\nRequire file-owner\n</Directory>\n<Directory @ROOT@/htdocs/g>\nRequire file-group\n</Directory>\n\
             <Location /virtual>\nAuthType Basic\nAuthName p\nAuthUserFile conf/users\nAuthGroupFile conf/groups\nRequire file-owner\n</Location>\n",
        )
        .get("/o/a.txt")
        .get_with("/o/a.txt", &authorization(&owner))
        .get_with("/o/a.txt", &authorization("other"))
        .get_with("/o/missing.txt", &authorization(&owner))
        .get_with("/o/", &authorization("other"))
        .get_with("/g/a.txt", &authorization(&owner))
        .get_with("/g/a.txt", &authorization("other"))
        .get_with("/g/missing.txt", &authorization("other"))
        .get_with("/virtual", &authorization("other"))
        .check();
}

fn authorization(user: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let text = format!("{user}:secret");
    let mut out = String::from("Authorization: Basic ");
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for at in 0..=part.len() {
            out.push(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize] as char);
        }
    }
    out
}

#[test]
fn errors() {
    group("authz_owner errors").and_modules("authz_owner").syntax(&[
        "<Directory /x>\nRequire file-owner\n</Directory>",
        "<Directory /x>\nRequire file-owner junk\n</Directory>",
        "<Directory /x>\nRequire file-group\n</Directory>",
    ]);
}
