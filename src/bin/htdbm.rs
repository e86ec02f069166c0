//! See `pinion::cli::support::htdbm`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::htdbm::main()
}
