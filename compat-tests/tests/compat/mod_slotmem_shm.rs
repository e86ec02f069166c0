//! mod_slotmem_shm: loads, and adds nothing that a configuration could see.

use compat_tests::group;

#[test]
fn loads() {
    let group = group("slotmem_shm").and_modules("slotmem_shm");
    group.clone().commands(&[&["-t"], &["-M"]]);
    group.conf("<IfModule slotmem_shm_module>\nRedirect /x /there\n</IfModule>\n").get("/").get("/x").check();
}
