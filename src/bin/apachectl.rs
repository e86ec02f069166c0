//! See `pinion::cli::apachectl`.

fn main() -> std::process::ExitCode {
    pinion::cli::apachectl::main()
}
