//! The `katori` program. Everything is in the library, where tests reach it.
fn main() -> std::process::ExitCode {
    katori_cli::main()
}
