//! Prints how many bytes each peer adds to 1,024 bytes of data, one JSON object a line.

const DATA: usize = 1024;

fn main() {
    #[cfg(feature = "esdk")]
    esdk();
    #[cfg(feature = "tink")]
    tink();
}

#[cfg(feature = "esdk")]
fn esdk() {
    use blue_peers::esdk::{PEER, Suite, added_bytes};

    let runtime =
        tokio::runtime::Builder::new_current_thread().build().expect("a runtime without drivers starts");
    for suite in Suite::ALL {
        print(PEER, suite.name(), runtime.block_on(added_bytes(suite, DATA)));
    }
}

#[cfg(feature = "tink")]
fn tink() {
    use blue_peers::tink::{ADDRESS, PEER, envelope_aead};
    use tink_core::Aead;

    let ciphertext = envelope_aead().encrypt(&[0x5a; DATA], ADDRESS);
    print(PEER, "AES-256-GCM", ciphertext.expect("the plaintext is short enough").len() - DATA);
}

fn print(peer: &str, suite: &str, added: usize) {
    println!(r#"{{"peer": "{peer}", "suite": "{suite}", "added_bytes": {added}}}"#);
}
