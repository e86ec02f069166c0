//! See `pinion::cli::support::httxt2dbm`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::httxt2dbm::main()
}
