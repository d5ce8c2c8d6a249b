//! `bes`: the command line of blue-encrypted-store. All of it is in the library target.

fn main() -> std::process::ExitCode {
    blue_encrypted_store_cli::main()
}
