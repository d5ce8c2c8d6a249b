//! The same code as in the package above, with an older AWS Database Encryption SDK and without Tink.

#[path = "../../src/esdk.rs"]
pub mod esdk;
#[path = "../../src/item.rs"]
mod item;

pub use item::{Item, item, stored_size};

const ESDK: &str = "aws-db-esdk-1.2.1";
const KEY: [u8; 32] = [0; 32];
