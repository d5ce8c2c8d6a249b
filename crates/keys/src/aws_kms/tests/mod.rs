//! What is asked of KMS, and what is made of its answers: the real bodies, sent by a server on loopback.

mod answers;
mod connect;
mod failures;
mod server;

use blue_envelope::{
    KekId,
    address::{Namespace, Tenant},
};

use self::server::{Answer, Server};
use super::*;
use crate::KeyOwner;

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const OTHER: &str = "arn:aws:kms:eu-central-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";
const FAR: &str = "arn:aws:kms:us-east-1:111122223333:key/0987dcba-09fe-87dc-65ba-ab0987654321";

/// 32 bytes 0x11, and what they are as text of a body.
const PLAINTEXT: &str = "ERERERERERERERERERERERERERERERERERERERERERE=";
/// The ciphertext `AQIDAHh`, decoded.
const CIPHERTEXT: &[u8] = &[1, 2, 3, 0, 0x78];
const CIPHERTEXT_TEXT: &str = "AQIDAHg=";

fn context() -> KeyContext {
    KeyContext {
        namespace: Namespace::new("prod").unwrap(),
        purpose: KeyOwner::Tenant(Tenant::new("alice").unwrap()).into(),
        version: 7,
        kek_id: KekId::from_bytes([0xab; 16]),
    }
}

fn data_key(key_id: &str, plaintext: &str) -> Answer {
    let body =
        format!(r#"{{"CiphertextBlob":"{CIPHERTEXT_TEXT}","KeyId":"{key_id}","Plaintext":"{plaintext}"}}"#);
    Answer::Json(200, body)
}

fn decrypted(key_id: &str, plaintext: &str) -> Answer {
    let body = format!(
        r#"{{"EncryptionAlgorithm":"SYMMETRIC_DEFAULT","KeyId":"{key_id}","Plaintext":"{plaintext}"}}"#
    );
    Answer::Json(200, body)
}

fn refusal(status: u16, code: &str, message: &str) -> Answer {
    Answer::Json(status, format!(r#"{{"__type":"{code}","message":"{message}"}}"#))
}

fn wrapped_under(umk_id: &str) -> WrappedKek {
    WrappedKek::new(UmkId::new(umk_id), [&[FORMAT], CIPHERTEXT].concat())
}

/// A provider of [`KEY`] whose calls this server answers. It sends once, unless it is told otherwise.
async fn provider(server: &Server, previous: &[&str]) -> AwsKms {
    let config = AwsKmsConfig {
        previous: previous.iter().map(ToString::to_string).collect(),
        attempts: 1,
        ..AwsKmsConfig::new(KEY)
    };
    AwsKms::connect(&server.client("eu-central-1"), config).await.unwrap()
}

/// The texts of an error and its causes, and its `Debug`.
fn all_of(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(|error| format!("{error}; {error:?}; ")).collect()
}
