//! See `pinion::cli::support::rotatelogs`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::rotatelogs::main()
}
