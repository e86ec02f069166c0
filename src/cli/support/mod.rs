//! The programs beside the server: password files, log rotation, log reading. Flags, texts, files and exit codes are
//! those of Apache's programs of the same names. Manual: programs/*.html.

mod getopt;
pub mod htdbm;
pub mod htdigest;
pub mod htpasswd;
pub mod httxt2dbm;
pub mod logresolve;
mod password;
pub mod rotatelogs;
pub mod split_logfile;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manual_pages_name_the_flags_of_the_programs() {
        let pages = [
            (htdbm::FLAGS, include_str!("../../../man/htdbm.1")),
            (htpasswd::FLAGS, include_str!("../../../man/htpasswd.1")),
            (httxt2dbm::FLAGS, include_str!("../../../man/httxt2dbm.1")),
            (logresolve::FLAGS, include_str!("../../../man/logresolve.1")),
            (rotatelogs::FLAGS, include_str!("../../../man/rotatelogs.8")),
            ("c", include_str!("../../../man/htdigest.1")),
            ("", include_str!("../../../man/split-logfile.1")),
        ];
        for (flags, page) in pages {
            let mut named: Vec<String> = page
                .split("\n.TP\n.B \\-")
                .skip(1)
                .filter_map(|text| text.lines().next())
                .map(|line| line.chars().take(1).chain(line.contains("\\fI").then_some(':')).collect())
                .collect();
            let mut known: Vec<String> = flags
                .char_indices()
                .filter(|(_, letter)| *letter != ':')
                .map(|(at, letter)| {
                    [letter].into_iter().chain(flags[at + 1..].starts_with(':').then_some(':')).collect()
                })
                .collect();
            named.sort();
            known.sort();
            assert_eq!(named, known, "{page}");
        }
    }
}
