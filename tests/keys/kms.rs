//! AwsKms.

use std::{sync::Arc, time::Duration};

use aws_sdk_kms::{
    Client,
    config::Region,
    types::{KeySpec, KeyUsageType},
};
use blue_encrypted_store::{
    AwsKms, AwsKmsConfig, AwsKmsError, KeyProvider,
    keys::{KeyError, UmkId, WrappedKek},
};
use blue_testkit::Kms;

use crate::{
    conformance::{Pair, assert_refused},
    context,
    recorder::Recorder,
};

/// Limits that a busy machine can keep.
fn patient(key: &str) -> AwsKmsConfig {
    AwsKmsConfig {
        connect_timeout: Duration::from_secs(60),
        attempt_timeout: Duration::from_secs(60),
        operation_timeout: Duration::from_secs(120),
        ..AwsKmsConfig::new(key)
    }
}

async fn of(client: &Client, key: &str, previous: &[&str]) -> Arc<AwsKms> {
    let previous = previous.iter().map(ToString::to_string).collect();
    Arc::new(AwsKms::connect(client, AwsKmsConfig { previous, ..patient(key) }).await.unwrap())
}

async fn client() -> Client {
    Kms::shared().client().await
}

async fn new_key() -> String {
    Kms::shared().create_key().await.unwrap()
}

/// A client of another Region of the same server.
async fn client_in(region: &'static str) -> Client {
    let here = client().await;
    Client::from_conf(here.config().to_builder().region(Region::new(region)).build())
}

#[tokio::test]
async fn aws_kms_is_a_key_provider() {
    let (client, recorder) = (client().await, Recorder::default());
    let (ours, strangers) = (new_key().await, new_key().await);
    let pair = Pair {
        ours: of(&recorder.before(&client), &ours, &[]).await,
        strangers: of(&client, &strangers, &[]).await,
    };
    pair.holds().await;
    let decrypted_by = recorder.decrypted_by();
    assert!(!decrypted_by.is_empty());
    assert!(
        decrypted_by.iter().all(|key| key.as_deref() == Some(&*ours)),
        "whatever was planted, only our key is asked: {decrypted_by:?}"
    );
}

#[tokio::test]
async fn what_a_stranger_wrapped_is_refused_under_either_name_and_the_stranger_is_never_asked() {
    let (client, recorder) = (client().await, Recorder::default());
    let (key, strangers_key) = (new_key().await, new_key().await);
    let ours = of(&recorder.before(&client), &key, &[]).await;
    let stranger = of(&client, &strangers_key, &[]).await;
    let context = context();
    let (_, wrapped) = stranger.generate_kek(&context).await.unwrap();

    let error = ours.unwrap_kek(&wrapped, &context).await.unwrap_err();
    assert!(matches!(&error, KeyError::NotConfigured { umk_id } if umk_id == stranger.umk_id()), "{error:?}");
    assert!(recorder.decrypted_by().is_empty(), "that was not asked at all");

    let renamed = WrappedKek::new(UmkId::new(&key), wrapped.as_bytes().to_vec());
    // KMS says IncorrectKeyException, the emulator AccessDeniedException.
    assert_refused(ours.unwrap_kek(&renamed, &context).await.map(drop), "unwrapped");
    assert_refused(ours.rewrap_kek(&renamed, &context).await.map(drop), "rewrapped");
    assert_eq!(recorder.decrypted_by(), vec![Some(key); 2]);
}

#[tokio::test]
async fn a_key_is_found_by_each_form_of_its_name() {
    let client = client().await;
    let arn = new_key().await;
    let id = arn.rsplit('/').next().unwrap();
    let alias = format!("alias/{id}");
    client.create_alias().alias_name(&alias).target_key_id(id).send().await.unwrap();
    let alias_arn = arn.replace(&format!("key/{id}"), &alias);
    for name in [arn.as_str(), id, &alias, &alias_arn] {
        assert_eq!(of(&client, name, &[]).await.umk_id().as_str(), arn, "{name}");
    }
    for missing in ["alias/there-is-none", "00000000-0000-4000-8000-000000000000"] {
        let error = AwsKms::connect(&client, patient(missing)).await.unwrap_err();
        let is_missing = matches!(&error, AwsKmsError::Unresolved { source: KeyError::NotFound { .. }, .. });
        assert!(is_missing, "{missing}: {error:?}");
    }
}

#[tokio::test]
async fn a_key_that_signs_is_no_master_key() {
    let client = client().await;
    let signing = client.create_key().key_spec(KeySpec::EccNistP256).key_usage(KeyUsageType::SignVerify);
    let id = signing.send().await.unwrap().key_metadata.unwrap().key_id;
    let error = AwsKms::connect(&client, patient(&id)).await.unwrap_err();
    assert!(
        matches!(&error, AwsKmsError::Unsuitable { found, .. } if found.starts_with("ECC_NIST_P256")),
        "{error:?}"
    );
}

/// Moves a KEK from one key to another, and reads it with the other alone.
async fn moves(from: (&Client, &str), to: (&Client, &str)) {
    let (before, context) = (of(from.0, from.1, &[]).await, context());
    let (kek, wrapped) = before.generate_kek(&context).await.unwrap();
    let between = of(to.0, to.1, &[from.1]).await;
    assert!(between.accepts(&UmkId::new(from.1)));
    assert_eq!(between.unwrap_kek(&wrapped, &context).await.unwrap().expose(), kek.expose());

    let moved = between.rewrap_kek(&wrapped, &context).await.unwrap();
    assert_eq!(moved.umk_id().as_str(), to.1);
    let after = of(to.0, to.1, &[]).await;
    assert_eq!(after.unwrap_kek(&moved, &context).await.unwrap().expose(), kek.expose());
    let error = after.unwrap_kek(&wrapped, &context).await.unwrap_err();
    assert!(matches!(error, KeyError::NotConfigured { .. }), "{error:?}");
    assert!(before.unwrap_kek(&moved, &context).await.is_err(), "it is under the new key alone");

    let again = after.rewrap_kek(&moved, &context).await.unwrap();
    assert_eq!(after.unwrap_kek(&again, &context).await.unwrap().expose(), kek.expose());
    let elsewhere = blue_encrypted_store::keys::KeyContext { version: 9, ..context };
    let error = between.rewrap_kek(&wrapped, &elsewhere).await.unwrap_err();
    assert!(matches!(error, KeyError::Authentication), "{error:?}");
}

#[tokio::test]
async fn a_kek_moves_from_one_key_to_another_of_its_region() {
    let client = client().await;
    moves((&client, &new_key().await), (&client, &new_key().await)).await;
}

#[tokio::test]
async fn a_kek_moves_from_one_region_to_another() {
    let (here, there) = (client().await, client_in("ap-south-1").await);
    let made = there.create_key().send().await.unwrap();
    let far = made.key_metadata.unwrap().arn.unwrap();
    assert!(far.contains(":ap-south-1:"), "{far}");
    moves((&there, &far), (&here, &new_key().await)).await;
}
