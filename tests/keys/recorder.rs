//! Keeps the operations that a client of KMS is asked for, and the keys that they name.

use std::sync::{Arc, Mutex};

use aws_sdk_kms::{
    Client,
    config::{ConfigBag, Intercept, interceptors::BeforeSerializationInterceptorContextRef},
    error::BoxError,
    operation::{decrypt::DecryptInput, re_encrypt::ReEncryptInput},
};

/// Each key that was to decrypt something, in the order of the calls. Nothing else decrypts.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Option<String>>>>);

impl Recorder {
    /// The same client, whose calls are kept here.
    pub(crate) fn before(&self, client: &Client) -> Client {
        Client::from_conf(client.config().to_builder().interceptor(self.clone()).build())
    }

    pub(crate) fn decrypted_by(&self) -> Vec<Option<String>> {
        self.0.lock().unwrap().clone()
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "recorder"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(decrypt) = context.input().downcast_ref::<DecryptInput>() {
            self.0.lock().unwrap().push(decrypt.key_id.clone());
        }
        if let Some(re_encrypt) = context.input().downcast_ref::<ReEncryptInput>() {
            self.0.lock().unwrap().push(re_encrypt.source_key_id.clone());
        }
        Ok(())
    }
}
