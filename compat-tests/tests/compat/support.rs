//! The programs beside the server: the same commands in two empty directories, compared by what they print, how they
//! end and what the directory holds then.

use compat_tests::binaries;
use compat_tests::report::{self, Seen};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// A command line, split at spaces (`~` stands for one), and what it reads.
type Step<'a> = (&'a str, &'a str);

/// Salts and hashes differ from run to run, and so do times in names.
fn masked(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text).into_owned();
    let rules = [
        (r"\$apr1\$[./0-9A-Za-z]{8}\$[./0-9A-Za-z]{22}", "{APR1}"),
        (r"\$2y\$(\d\d)\$[./0-9A-Za-z]{53}", "{BCRYPT $1}"),
        (r"\$([56])\$(rounds=\d+\$)?[./0-9A-Za-z]{16}\$[./0-9A-Za-z]{43,86}", "{SHA$1 $2}"),
        (r"(?m)^(des):[./0-9A-Za-z]{13}$", "$1:{DES}"),
        (r"\.1\d{9}\b", ".{SECOND}"),
    ];
    rules.iter().fold(text, |text, (pattern, with)| {
        regex::Regex::new(pattern).expect("a pattern").replace_all(&text, *with).into_owned()
    })
}

fn run(program: &Path, dir: &Path, env: &[(&str, String)], steps: &[Step<'_>]) -> String {
    let mut seen = String::new();
    for (line, input) in steps {
        let words = line.split(' ').filter(|word| !word.is_empty()).map(|word| word.replace('~', " "));
        // Without a terminal of its own, a program that asks reads standard input.
        let mut command = Command::new("setsid");
        // Both are started under the same name.
        let path = [program.parent().expect("a directory"), Path::new("/usr/bin"), Path::new("/bin")];
        let path = std::env::join_paths(path).expect("a search path");
        let name = if program.starts_with(dir) { program.as_os_str() } else { program.file_name().expect("a name") };
        command.arg("-w").arg(name).args(words).current_dir(dir);
        command.env_clear().env("PATH", path).envs(env.iter().cloned());
        command.env("TZ", "UTC").env("LANG", "C");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may end without reading.
        let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("its output");
        let (out, err) = (masked(&output.stdout), masked(&output.stderr));
        seen += &format!("$ {line}\n{out}--- stderr\n{err}--- {:?}\n", output.status.code());
    }
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    for name in names {
        let path = dir.join(&name);
        let text = if path.is_file() { masked(&fs::read(&path).unwrap()) } else { "[directory]\n".to_owned() };
        seen += &format!("=== {}\n{text}", masked(name.as_encoded_bytes()));
    }
    seen
}

fn compare(name: &str, files: &[(&str, &str)], steps: &[Step<'_>]) {
    let Some(programs) = binaries::tool(name) else { return };
    let [apache, pinion] = programs.map(|program| {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in files {
            fs::write(dir.path().join(file), text).unwrap();
        }
        run(&program, dir.path(), &[], steps)
    });
    same(name, apache, pinion);
}

fn same(name: &str, apache: String, pinion: String) {
    let seen = |text: String| [Seen { what: name.to_owned(), result: text.into_bytes() }];
    let differences = report::differences(&seen(apache), &seen(pinion), &[], false);
    assert!(differences.is_empty(), "(- Apache only, + Pinion only){differences}");
}

/// Debian's script against our program, each over its own server.
#[test]
fn apachectl() {
    let Some([script, program]) = binaries::tool("apachectl") else { return };
    let Some(servers) = binaries::both() else { return };
    let steps = [
        ("", ""),
        ("help", ""),
        ("startssl", ""),
        ("configtest", ""),
        ("configtest extra", ""),
        ("bogus", ""),
        ("stop", ""),
        ("graceful-stop", ""),
        ("status", ""),
        ("fullstatus", ""),
        ("-t -c Bogus", ""),
        ("start", ""),
        ("start", ""),
        ("graceful", ""),
        ("restart", ""),
        ("stop", ""),
    ];
    let [apache, pinion] = [(script, &servers.apache), (program, &servers.pinion)].map(|(control, httpd)| {
        let dir = tempfile::tempdir().unwrap();
        let ports = compat_tests::ports::Ports::take();
        let port = ports.numbers[0];
        let root = dir.path().display().to_string();
        let variables = format!(
            "export APACHE_HTTPD={} APACHE_RUN_USER=root APACHE_RUN_DIR={root}/run APACHE_LOCK_DIR={root}/lock\n\
             export APACHE_ULIMIT_MAX_FILES=true APACHE_LYNX='echo page' APACHE_STATUSURL=http://there/ SAID=$APACHE_CONFDIR\n",
            dir.path().join("apache2").display()
        );
        std::os::unix::fs::symlink(httpd, dir.path().join("apache2")).unwrap();
        std::os::unix::fs::symlink(control, dir.path().join("apachectl")).unwrap();
        let modules = binaries::MODULES;
        let load = ["mpm_event", "authz_core"]
            .map(|module| format!("LoadModule {module}_module {modules}/mod_{module}.so\n"))
            .concat();
        let text = format!(
            "{load}ServerName x\nServerRoot {root}\nDefaultRuntimeDir {root}\nListen 127.0.0.1:{port}\nPidFile {root}/run/pid\n\
             ErrorLog {root}/error.log\nDefine Said ${{SAID}}\nUser www-data\nGroup www-data\n"
        );
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(dir.path().join("etc/envvars"), variables).unwrap();
        fs::write(dir.path().join("etc/apache2.conf"), text).unwrap();
        let env = [("APACHE_CONFDIR", format!("{root}/etc"))];
        // Each step waits for the one before to be done: a signal to a server that only begins to run would be lost.
        let mut seen = String::new();
        for step in steps {
            seen += &run(&dir.path().join("apachectl"), dir.path(), &env, &[step]);
            let pid = dir.path().join("run/pid");
            let reached = |so: bool| (0..2000).any(|_| {
                std::thread::sleep(std::time::Duration::from_millis(5));
                so == pid.exists()
            });
            let log = || fs::read_to_string(dir.path().join("error.log")).unwrap_or_default();
            match step.0 {
                "start" => assert!(reached(true), "{}", log()),
                "stop" => assert!(reached(false), "{}", log()),
                _ => {}
            }
        }
        let pid = fs::read_to_string(dir.path().join("run/pid"));
        assert!(pid.is_err(), "it still runs: {pid:?}");
        let seen = seen.split("=== ").filter(|part| !part.starts_with("error.log") && !part.starts_with("apache")).collect::<Vec<_>>().join("=== ");
        seen.replace(&root, "{ROOT}").replace(&port.to_string(), "{PORT}")
            .lines().map(|line| regex::Regex::new(r"pid \d+|child pid.*").expect("a pattern").replace(line, "pid {PID}").into_owned() + "\n").collect()
    });
    same("apachectl", apache, pinion);
}

#[test]
fn htpasswd_flags() {
    let lines = [
        "",
        "-h",
        "-x",
        "-nb u p extra",
        "-b",
        "-C",
        "-D f",
        "-bc f u:x p",
        "-cn f u",
        "-b nofile u p",
        "-bD nofile u",
        "-bc /nonexistent/x u p",
        "-v -n f u",
        "-bcD f u p",
        "-bi f u p",
        "-nbB -C 17x u p",
        "-nbB -C 18 u p",
        "-nbB -C 3 u p",
        "-nb5 -r x u p",
        "-nb5 -r 0 u p",
        "-nb5 -r 99999999999 u p",
        "-nb5 -r 18446744073709552616 u p",
        "-nbBC 99999999999 u p",
        "-nbBC 5x u p",
        "-bC 20 -n u p",
        "-b . u p",
        "-bc . u p",
    ];
    let steps: Vec<Step<'_>> = lines.iter().map(|line| (*line, "")).collect();
    compare("htpasswd", &[], &steps);
}

#[test]
fn htpasswd_hashes() {
    let lines = [
        "-nb u p",
        "-nbm u p",
        "-nb2 u p",
        "-nb5 u p",
        "-nb5 -r 6000 u p",
        "-nb2 -r6000 u p",
        "-nbB u p",
        "-nbB -C 6 u p",
        "-nbd des 12345678",
        "-nbd des 123456789",
        "-nbs u p",
        "-nbp u p",
        "-nb u ~",
        "-nbs -B -C4 u p",
    ];
    let steps: Vec<Step<'_>> = lines.iter().map(|line| (*line, "")).collect();
    compare("htpasswd", &[], &steps);
    let long = "x".repeat(300);
    compare("htpasswd", &[], &[(&format!("-nb u {long}"), ""), (&format!("-nb {long} p"), "")]);
}

#[test]
fn htpasswd_files() {
    let files =
        [("torn", "a:b"), ("odd", "# c\n\n  \na:b\nu:old\nu:old2\n x:y\n#u:no\nu\n"), ("kept", "u:{SHA}x:more\n")];
    compare(
        "htpasswd",
        &files,
        &[
            ("-bc new u p", ""),
            ("-b new v p", ""),
            ("-bv new v p", ""),
            ("-bv new v q", ""),
            ("-bv new w q", ""),
            ("-D new v", ""),
            ("-D new v", ""),
            ("-b torn u p", ""),
            ("-b odd u p", ""),
            ("-D odd a", ""),
            ("-D odd #u", ""),
            ("-bs kept u p", ""),
            ("-n u", "p1\np1\n"),
            ("-n u", "p1\np2\n"),
            ("-ci again u", "p1\np2\n"),
            ("-v again u", "p1\n"),
            ("-iv again u", "p2\n"),
            ("-bc new x p", ""),
        ],
    );
}

#[test]
fn htdigest() {
    compare(
        "htdigest",
        &[("odd", "realm\n#c\nu:realm:x\nu:other:y\nu:realm:z\n")],
        &[
            ("", ""),
            ("-c", ""),
            ("-c f realm", ""),
            ("-x f realm u", ""),
            ("a b c d e", ""),
            ("nofile realm u", ""),
            ("-c /nonexistent/x realm u", ""),
            ("-c f a~realm u", "p\np\n"),
            ("f realm v", "p\np\n"),
            ("f a~realm u", "q\nq\n"),
            ("odd realm u", "q\nq\n"),
            ("odd realm u", "q\np\n"),
        ],
    );
}

#[test]
fn logresolve() {
    let log = "127.0.0.1 - - a\n127.0.0.1 b\n127.1 c\n300.1.1.1 d\n999 e\n1a f\nnot g\n\n127.0.0.1\n127.0.0.1\tx\n  127.0.0.1 x\n1.1.1.1.1 x";
    compare(
        "logresolve",
        &[],
        &[
            ("-h", ""),
            ("-s", ""),
            ("-s /nonexistent/x", ""),
            ("-s plain", log),
            ("-c -s twice", log),
            ("extra", log),
            ("", "x"),
        ],
    );
}

#[test]
fn split_logfile() {
    let log =
        "a.com 1 2\nB.com x\n../etc y\n-foo z\n\nw/x q\nw\\x q\na.com  3\nb.com:80 t\n0 zero\n lead\na.com\nlast end";
    compare("split-logfile", &[("a.com.log", "before\n")], &[("", log)]);
}

#[test]
fn rotatelogs_flags() {
    let lines = [
        "",
        "log",
        "log 0",
        "log abc",
        "-l log",
        "-n x log 10",
        "-x",
        "-n",
        "log 10 20 30",
        "log M",
        "log 5M 5M",
        "log 10 20 30 40",
        "-l log 5M 30",
        "-n 2 log%Y 10",
        "-v log 5Q",
        "-v log 10 5M 30",
        "-v log 5M -10",
        "-v -l log%Y 2K",
        "-vDceftT log 10 x",
    ];
    let steps: Vec<Step<'_>> = lines.iter().map(|line| (*line, "")).collect();
    compare("rotatelogs", &[], &steps);
}

#[test]
fn rotatelogs_files() {
    compare(
        "rotatelogs",
        &[("t", "old\n"), ("n", "old\n")],
        &[("-v log 1G", "a\nb\n"), ("-v -t t 1M", "a\n"), ("-v -n 3 n 1M", "a\n")],
    );
    compare(
        "rotatelogs",
        &[],
        &[("-v -D -e dir/%%x 2000000000", "a\n"), ("-f log 1M", ""), ("-c -v %%c 2000000000", "")],
    );
    compare("rotatelogs", &[], &[("-v -L link -p /bin/echo %%p 2000000000", "a\n"), ("-v /nonexistent/x 10", "a\n")]);
    compare("rotatelogs", &[("t", "0123456789\n")], &[("-v -n 2 t 5B", "a\n"), ("-v -T %%t 5B", "a\n")]);
}

/// More keys than a page holds, so that pages are split.
fn many_pairs() -> String {
    (0..700).map(|number| format!("key{number} value-{}\n", "x".repeat(number % 50))).collect()
}

#[test]
fn httxt2dbm() {
    let text = "# comment\na b\n  k2   indented\n\nnoval\nk1\tv1 # more\na again\n\u{e9} umlaut\n";
    compare(
        "httxt2dbm",
        &[("x.txt", text), ("many.txt", &many_pairs())],
        &[
            ("", ""),
            ("-z", ""),
            ("-i", ""),
            ("-i x.txt", ""),
            ("-o x", ""),
            ("-f FOO -i x.txt -o y", ""),
            ("-f SDBM -v -i x.txt -o y", ""),
            ("-f sdbm -i /nope -o y", ""),
            ("-f SDBM -i x.txt -o /nope/y", ""),
            ("-f SDBM -i x.txt -o y extra", ""),
            ("-f SDBM -v -i - -o in", "one two\n"),
            ("-f SDBM -i many.txt -o many", ""),
            ("-f SDBM -i x.txt -o many", ""),
            ("-i x.txt -i many.txt -o twice", ""),
            ("-vv -i x.txt -o twice", ""),
            ("--help", ""),
            ("-f SDBM -i . -o directory", ""),
        ],
    );
}

#[test]
fn htdbm() {
    compare(
        "htdbm",
        &[("text", "no database\n")],
        &[
            ("", ""),
            ("-h", ""),
            ("-T", ""),
            ("-cbTSDBM w", ""),
            ("-cbs -TSDBM w u p", ""),
            ("-bs -TSDBM w sha p2", ""),
            ("-bs -TSDBM w u p3", ""),
            ("-bst -TSDBM w u4 p4 the~comment", ""),
            ("-l -TSDBM w", ""),
            ("-vb -TSDBM w u p3", ""),
            ("-vb -TSDBM w u bad", ""),
            ("-vb -TSDBM w nobody bad", ""),
            ("-is -TSDBM w u6", "secret\n"),
            ("-vi -TSDBM w u6", "secret\n"),
            ("-sTSDBM w asked", "once\nonce\n"),
            ("-sTSDBM w asked", "once\ntwice\n"),
            ("-v -TSDBM w asked", "once\nonce\n"),
            ("-x -TSDBM w sha", ""),
            ("-x -TSDBM w sha", ""),
            ("-x -TSDBM nofile sha", ""),
            ("-TSDBM -b /nope/x u p", ""),
            ("-TSDBM -b newone u p", ""),
            ("-TFOO -cb w3 u p", ""),
            ("-nb u p", ""),
            ("-nbp u p", ""),
            ("-nbs u p", ""),
            ("-nbB u p", ""),
            ("-nbBC 3 u p", ""),
            ("-nbBC x u p", ""),
            ("-nbC 5 u p", ""),
            ("-nbt u p comment", ""),
            ("-nb u:x p", ""),
            ("-cn w u", ""),
            ("-bt -TSDBM w u5 p5", ""),
            ("-lb -TSDBM w", ""),
            ("-l -TSDBM w x", ""),
            ("-l -TSDBM w", ""),
            ("-cbp -TSDBM plain u p", ""),
            ("-cb -TSDBM noname u:x p", ""),
            ("-bp -TSDBM plain 1234567890123456789012345678901234567890123456789012345678901234 p", ""),
            ("-b -TSDBM plain 12345678901234567890123456789012345678901234567890123456789012345 p", ""),
            ("-nbd des longer-than-eight", ""),
            ("-nbBC 99999999999 u p", ""),
            ("-ncb u p", ""),
        ],
    );
}

/// Files that one program made and the other reads and changes; their octets have times and numbers in them.
#[test]
fn dbm_files_of_one_another() {
    let (Some(users), Some(maps)) = (binaries::tool("htdbm"), binaries::tool("httxt2dbm")) else { return };
    for format in ["DB", "default", "GDBM", "SDBM"] {
        let [ours, theirs] = [[1, 0], [0, 1]].map(|[first, second]| {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("many.txt"), many_pairs()).unwrap();
            let made = run(
                &users[first],
                dir.path(),
                &[],
                &[
                    (&format!("-cbs -T{format} w u p"), ""),
                    (&format!("-bst -T{format} w v p the~comment"), ""),
                    (&format!("-bs -T{format} w gone p"), ""),
                ],
            );
            let filled = run(&maps[first], dir.path(), &[], &[(&format!("-f {format} -i many.txt -o many"), "")]);
            let changed = run(
                &users[second],
                dir.path(),
                &[],
                &[
                    (&format!("-l -T{format} w"), ""),
                    (&format!("-x -T{format} w gone"), ""),
                    (&format!("-x -T{format} w gone"), ""),
                    (&format!("-vb -T{format} w v p"), ""),
                    (&format!("-vb -T{format} w v bad"), ""),
                    (&format!("-vb -T{format} w nobody p"), ""),
                    (&format!("-bs -T{format} w u other"), ""),
                    (&format!("-l -T{format} many"), ""),
                    (&format!("-l -T{format} nofile"), ""),
                    (&format!("-bs -T{format} nofile u p"), ""),
                    (&format!("-bs -T{format} /nonexistent/x u p"), ""),
                ],
            );
            let back = run(
                &users[first],
                dir.path(),
                &[],
                &[(&format!("-l -T{format} w"), ""), (&format!("-vb -T{format} w u other"), "")],
            );
            let said = |text: String| text.split("=== ").next().unwrap_or_default().to_owned();
            [said(made), said(filled), said(changed), said(back)].join("\n")
        });
        same(&format!("files of format {format}"), theirs, ours);
    }
}
