//! mod_ratelimit: the filter RATE_LIMIT.

use compat_tests::group;
use std::time::Instant;

fn limited() -> compat_tests::Group {
    group("RATE_LIMIT").and_modules("ratelimit").file("htdocs/k.txt", "0123456789abcdef".repeat(64)).file("htdocs/big.txt", vec![b'x'; 50_000]).conf(
        "SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 400\nLogLevel ratelimit:info\n<Location /free>\nSetEnv rate-limit 0\n</Location>\n\
         <Location /odd>\nSetEnv rate-limit -5\n</Location>\n<Location /huge>\nSetEnv rate-limit 99999999999\n</Location>\n\
         <Location /burst>\nSetEnv rate-limit 1\nSetEnv rate-initial-burst 500\n</Location>\n<Location /hugeburst>\nSetEnv rate-initial-burst 99999999\n</Location>\n\
         <Location /slow>\nSetEnv rate-limit 100\n</Location>\nAliasMatch ^/(free|odd|huge|burst|hugeburst|slow)/(.*) @ROOT@/htdocs/$2\n",
    )
}

#[test]
fn answers() {
    limited()
        .get("/k.txt")
        .get("/free/k.txt")
        .get("/odd/k.txt")
        .get("/huge/k.txt")
        .get("/burst/big.txt")
        .get("/hugeburst/k.txt")
        .get_with("/k.txt", "Range: bytes=2-9")
        .ask("HEAD", "/k.txt", "")
        .get("/none")
        .get_with("/k.txt", "If-None-Match: *")
        .check();
}

#[test]
fn speed() {
    // 50,000 octets at 100 KiB a second are three portions of 20 KiB: two pauses at least. In a burst there is none.
    limited().facts_only(|server| {
        let mut out = String::new();
        for (path, least) in [("/slow/big.txt", 350), ("/burst/big.txt", 0)] {
            let begin = Instant::now();
            let answer = server.get(path);
            let spent = begin.elapsed().as_millis();
            out.push_str(&format!("{path} {} {}\n", answer.is_some(), spent >= least));
        }
        out
    });
}
