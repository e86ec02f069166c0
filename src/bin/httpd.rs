//! The server. See `pinion::cli::httpd`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pinion::cli::httpd::main(pinion::modules::REGISTRY)
}
