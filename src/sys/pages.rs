//! Transparent huge pages, which would round every arena of the allocator up to megabytes: a server with thousands of
//! small states is better off without.

use nix::sys::prctl::{get_thp_disable, set_thp_disable};

/// Does without huge pages from now on, in this process and those forked from it. A kernel that has none says so; that
/// is as good.
pub fn small() {
    let _ = set_thp_disable(true);
}

/// Runs `start`, which starts a program: the program gets what the system gives by default.
pub fn as_usual<T>(start: impl FnOnce() -> T) -> T {
    let small = get_thp_disable().unwrap_or(false);
    if small {
        let _ = set_thp_disable(false);
    }
    let started = start();
    if small {
        let _ = set_thp_disable(true);
    }
    started
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn programs_get_what_is_usual() {
        let before = get_thp_disable().unwrap();
        small();
        assert!(get_thp_disable().unwrap());
        let mut grep = Command::new("grep");
        grep.args(["-c", "THP_enabled:\t1", "/proc/self/status"]).stdout(std::process::Stdio::piped());
        let output = as_usual(|| grep.spawn()).unwrap().wait_with_output().unwrap();
        assert_eq!(output.stdout, b"1\n");
        assert!(get_thp_disable().unwrap());
        set_thp_disable(before).unwrap();
    }
}
