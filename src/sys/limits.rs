//! setrlimit(2) for programs that are started.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// What a program may use up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Resource {
    /// Seconds of processor time.
    Cpu,
    /// Octets of address space.
    Memory,
    /// Processes of its user.
    Processes,
}

/// Lets `command` start its program with a soft and a hard limit; `u64::MAX` is as much as is allowed, and without a hard
/// one that stays as it is. A limit that the system refuses changes nothing.
pub fn limit(command: &mut Command, resource: Resource, soft: u64, hard: Option<u64>) {
    let kind = match resource {
        Resource::Cpu => libc::RLIMIT_CPU,
        Resource::Memory => libc::RLIMIT_AS,
        Resource::Processes => libc::RLIMIT_NPROC,
    };
    let set = move || {
        let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: both calls look at nothing but the struct on this stack, and are async-signal-safe.
        unsafe {
            if libc::getrlimit(kind, &mut now) == 0 {
                now.rlim_max = hard.filter(|hard| *hard != u64::MAX).unwrap_or(now.rlim_max);
                now.rlim_cur = soft.min(now.rlim_max);
                libc::setrlimit(kind, &now);
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes two system calls: it takes no lock and allocates nothing.
    unsafe { command.pre_exec(set) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_starts_with_its_limits() {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "ulimit -S -t; ulimit -H -t"]);
        limit(&mut shell, Resource::Cpu, 7, Some(9));
        assert_eq!(shell.output().unwrap().stdout, b"7\n9\n");
    }
}
