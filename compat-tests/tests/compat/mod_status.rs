//! mod_status: the page, ?auto, ?refresh, ExtendedStatus, SeeRequestTail.

use compat_tests::normal::{BODY_LENGTH, STATUS_VALUES};
use compat_tests::{group, under_each_mpm};

under_each_mpm! {
    fn auto(mpm) {
        for extended in ["On", "Off"] {
            group("server-status?auto")
                .mpm(mpm)
                .log_format("%U %>s")
                .conf(&format!("ExtendedStatus {extended}\n<Location /server-status>\nSetHandler server-status\n</Location>\n"))
                .get("/server-status?auto")
                .masking(STATUS_VALUES)
                .masking(BODY_LENGTH)
                .ask("POST", "/server-status?auto", "Content-Length: 0")
                .masking(BODY_LENGTH)
                .masking(STATUS_VALUES)
                .ask("OPTIONS", "/server-status", "")
                .ask("PUT", "/server-status", "")
                .get("/server-status/extra?auto")
                .masking(STATUS_VALUES)
                .masking(BODY_LENGTH)
                .check();
        }
    }
}

under_each_mpm! {
    fn heads(mpm) {
        group("server-status heads").mpm(mpm).conf("<Location /server-status>\nSetHandler server-status\n</Location>\n").facts_only(|server| {
            let mut facts = String::new();
            for path in ["/server-status", "/server-status?refresh=5", "/server-status?refresh", "/server-status?auto&refresh=2", "/server-status?notable", "/server-status?refresh=x"] {
                let answer = server.get(path).expect("an answer");
                for line in String::from_utf8_lossy(&answer.head).lines().filter(|l| !l.starts_with("Date:") && !l.starts_with("Content-Length:")) {
                    facts.push_str(line);
                    facts.push('\n');
                }
                // The fixed skeleton of the page: headings and table heads.
                for line in String::from_utf8_lossy(&answer.body).lines().filter(|l| l.starts_with("<h") || l.starts_with("<title") || l.starts_with("<!DOC") || (l.contains("<th>") && !l.starts_with("</td"))) {
                    facts.push_str(line);
                    facts.push('\n');
                }
            }
            facts
        });
    }
}

under_each_mpm! {
    fn numbers(mpm) {
        group("server-status numbers").mpm(mpm).conf("<Location /server-status>\nSetHandler server-status\n</Location>\n").facts_only(|server| {
            let mut first = server.status();
            // Slots of a child that still starts count as busy.
            server.wait(|s| {
                first = s.status();
                first.get("BusyWorkers").is_some_and(|n| n == "1")
            });
            let number = |status: &std::collections::BTreeMap<String, String>, key: &str| status.get(key).and_then(|v| v.parse::<u64>().ok());
            let keep = |key: &str, status: &std::collections::BTreeMap<String, String>| format!("{key}={:?}\n", status.get(key));
            let mut facts = String::new();
            for key in ["ServerMPM", "ParentServerConfigGeneration", "ParentServerMPMGeneration", "BusyWorkers", "Processes", "Stopping"] {
                facts.push_str(&keep(key, &first));
            }
            facts.push_str(&format!("slots {:?}\n", first.get("Scoreboard").map(String::len)));
            facts.push_str(&format!("writing {:?}\n", first.get("Scoreboard").map(|s| s.matches('W').count())));
            for _ in 0..20 {
                server.get("/");
            }
            let counted = server.wait(|s| number(&s.status(), "Total Accesses") >= Some(20));
            facts.push_str(&format!("counted {counted}\n"));
            facts
        });
    }
}

under_each_mpm! {
    fn request_tail(mpm) {
        for tail in ["On", "Off"] {
            group("SeeRequestTail")
                .mpm(mpm)
                .conf(&format!("SeeRequestTail {tail}\n<Location /server-status>\nSetHandler server-status\n</Location>\n"))
                .facts_only(|server| {
                    let long = format!("/server-status?{}", "0123456789".repeat(8));
                    let mut seen = Vec::new();
                    for path in ["/server-status", long.as_str()] {
                        let body = server.get(path).map(|a| String::from_utf8_lossy(&a.body).into_owned()).unwrap_or_default();
                        // The cell of the request that shows the page: it alone is at work.
                        let own = |cell: &&str| cell.contains("HTTP/1.1<") || cell.contains("GET /server-status");
                        let cells = body.split("<td ").filter_map(|cell| cell.split_inclusive("</td>").next());
                        seen.extend(cells.filter(own).map(str::to_owned));
                    }
                    // Which child answers, and so whose last request is still shown, is chance.
                    seen.sort_unstable();
                    seen.dedup();
                    format!("{seen:?}\n")
                });
        }
    }
}

#[test]
fn errors() {
    group("status errors").syntax(&[
        "ExtendedStatus",
        "ExtendedStatus maybe",
        "ExtendedStatus On",
        "SeeRequestTail maybe",
        "SeeRequestTail On",
        "<Directory /x>\nSeeRequestTail On\n</Directory>",
    ]);
}
