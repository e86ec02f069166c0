//! See `pinion::cli::support::htpasswd`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::htpasswd::main()
}
