//! See `pinion::cli::support::htdigest`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::htdigest::main()
}
