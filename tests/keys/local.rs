//! LocalFile.

use std::sync::Arc;

use blue_encrypted_store::{KeyProvider, LocalFile, keys::KeyError};

use crate::{conformance::Pair, context};

#[tokio::test]
async fn a_local_file_is_a_key_provider() {
    let directory = tempfile::tempdir().unwrap();
    let provider = |name: &str| Arc::new(LocalFile::create(directory.path().join(name)).unwrap());
    Pair { ours: provider("ours.key"), strangers: provider("strangers.key") }.holds().await;
}

#[tokio::test]
async fn a_local_file_moves_no_key_to_another() {
    let directory = tempfile::tempdir().unwrap();
    let provider = LocalFile::create(directory.path().join("umk.key")).unwrap();
    let (_, wrapped) = provider.generate_kek(&context()).await.unwrap();
    let error = provider.rewrap_kek(&wrapped, &context()).await.unwrap_err();
    assert!(matches!(error, KeyError::NotMoved { umk_id } if umk_id == *provider.umk_id()));
}
