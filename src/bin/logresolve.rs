//! See `pinion::cli::support::logresolve`.

fn main() -> std::process::ExitCode {
    pinion::cli::support::logresolve::main()
}
