//! Prints how many bytes this version adds to 1,024 bytes of data, one JSON object a line.

use blue_peers::esdk::{self, Suite};
use tokio::runtime::Builder;

fn main() {
    let runtime = Builder::new_current_thread().build().expect("a runtime without drivers starts");
    for suite in Suite::ALL {
        let (peer, suite_name) = (esdk::PEER, suite.name());
        let added = runtime.block_on(esdk::added_bytes(suite, 1024));
        println!(r#"{{"peer": "{peer}", "suite": "{suite_name}", "added_bytes": {added}}}"#);
    }
}
