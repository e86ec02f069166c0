//! What a child gives up before it serves: ChrootDir, Group, User (manual: mod/mod_unixd.html).

use super::Line;
use crate::config::Process;
use crate::log::Level;
use crate::sys::account::{group_id, user_id};
use bstr::{BStr, ByteSlice};
use nix::unistd::{Gid, Uid, User};
use std::io;

fn alert(error: io::Error, text: String) -> Line {
    Line { level: Level::Alert, module: "unixd", errno: error.raw_os_error().unwrap_or(0), text: text.into() }
}

/// Drops them. Without root privileges there is nothing to drop. An error means that the child must not serve.
pub fn drop_all(process: &Process) -> Result<(), Line> {
    if !Uid::effective().is_root() {
        return Ok(());
    }
    let user = process.user.as_ref().map_or(BStr::new("#-1"), |word| word.as_bstr());
    let group = process.group.as_ref().map_or(BStr::new("#-1"), |word| word.as_bstr());
    let uid = user_id(user).unwrap_or(Uid::from_raw(u32::MAX));
    let gid = group_id(group).unwrap_or(Gid::from_raw(u32::MAX));
    // Looked up before the root changes: the new one need not have a passwd file.
    let name = User::from_uid(uid).ok().flatten().map(|user| user.name).ok_or_else(|| {
        let text = format!(
            "AH02155: getpwuid: couldn't determine user name from uid {uid}, you probably need to modify the User directive"
        );
        Line { level: Level::Alert, module: "unixd", errno: 0, text: text.into() }
    })?;
    let name = std::ffi::CString::new(name).unwrap_or_default();
    if let Some(root) = &process.chroot_dir {
        nix::unistd::chdir(root)
            .map_err(|error| alert(error.into(), format!("AH02159: Can't chdir to {}", root.display())))?;
        nix::unistd::chroot(root)
            .map_err(|error| alert(error.into(), format!("AH02160: Can't chroot to {}", root.display())))?;
        nix::unistd::chdir("/").map_err(|error| alert(error.into(), "AH02161: Can't chdir to new root".to_owned()))?;
    }
    nix::unistd::setgid(gid)
        .map_err(|error| alert(error.into(), format!("AH02156: setgid: unable to set group id to Group {gid}")))?;
    nix::unistd::initgroups(&name, gid).map_err(|error| {
        let text =
            format!("AH02157: initgroups: unable to set groups for User {} and Group {gid}", name.to_string_lossy());
        alert(error.into(), text)
    })?;
    nix::unistd::setuid(uid)
        .map_err(|error| alert(error.into(), format!("AH02162: setuid: unable to change to uid: {uid}")))?;
    if process.core_dump_directory.is_some() {
        // Changing the user id switched core dumps off; the administrator asked for them.
        nix::sys::prctl::set_dumpable(true).map_err(|error| {
            alert(
                error.into(),
                "AH02163: set dumpable failed - this child will not coredump after software errors".to_owned(),
            )
        })?;
    }
    Ok(())
}
