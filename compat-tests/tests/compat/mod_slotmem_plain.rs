//! mod_slotmem_plain: loads, and adds nothing that a configuration could see.

use compat_tests::group;

#[test]
fn loads() {
    let group = group("slotmem_plain").and_modules("slotmem_plain");
    group.clone().commands(&[&["-t"], &["-M"]]);
    group.conf("<IfModule slotmem_plain_module>\nRedirect /x /there\n</IfModule>\n").get("/").get("/x").check();
}
