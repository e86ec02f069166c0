//! See `pinion::cli::support::split_logfile`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::split_logfile::main()
}
