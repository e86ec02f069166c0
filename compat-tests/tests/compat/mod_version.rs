//! mod_version: <IfVersion>.

use compat_tests::group;

#[test]
fn comparisons() {
    let mut snippets = Vec::new();
    for operator in ["", "=", "==", ">", ">=", "<", "<=", "!=", "!>", "!<", "=>", "=<", "~", "!~", "<>"] {
        for version in ["2.4.71", "2.4", "2", "2.4.70", "2.4.72", "2.5", "3", "2.4.71.0", "/^2\\.4/", "^2\\.4", "x", ""]
        {
            snippets.push(format!("<IfVersion {operator} {version}>\nFooBar\n</IfVersion>"));
        }
    }
    group("IfVersion").syntax(&snippets);
}
