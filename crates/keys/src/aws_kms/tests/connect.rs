//! From the names that are configured to the keys.

use super::{server::config, *};

fn described(arn: &str, spec: &str, usage: &str, manager: &str) -> Answer {
    let id = arn.rsplit('/').next().unwrap();
    let body = format!(
        r#"{{"KeyMetadata":{{"AWSAccountId":"111122223333","Arn":"{arn}","CreationDate":1.5E9,"CustomerMasterKeySpec":"{spec}",
            "Description":"","Enabled":true,"EncryptionAlgorithms":["SYMMETRIC_DEFAULT"],"KeyId":"{id}","KeyManager":"{manager}",
            "KeySpec":"{spec}","KeyState":"Enabled","KeyUsage":"{usage}","MultiRegion":false,"Origin":"AWS_KMS"}}}}"#
    );
    Answer::Json(200, body)
}

fn suitable(arn: &str) -> Answer {
    described(arn, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "CUSTOMER")
}

async fn connect(server: &Server, key: &str, previous: &[&str]) -> Result<AwsKms, AwsKmsError> {
    let previous = previous.iter().map(ToString::to_string).collect();
    let config = AwsKmsConfig { previous, attempts: 1, ..AwsKmsConfig::new(key) };
    AwsKms::connect(&server.client("eu-central-1"), config).await
}

#[tokio::test]
async fn an_arn_is_taken_as_it_is_and_nothing_is_asked() {
    let server = Server::start([]).await;
    let kms = connect(&server, KEY, &[OTHER, OTHER, KEY]).await.unwrap();
    assert_eq!(kms.umk_id().as_str(), KEY);
    assert_eq!(kms.previous().map(UmkId::as_str).collect::<Vec<_>>(), [OTHER]);
    assert!(kms.accepts(&UmkId::new(KEY)) && kms.accepts(&UmkId::new(OTHER)));
    assert!(!kms.accepts(&UmkId::new(FAR)) && !kms.accepts(&UmkId::new("local:00")));
    assert!(server.asked().is_empty());
    assert!(!format!("{kms:?}").contains("test"), "no credentials");
}

#[tokio::test]
async fn any_other_name_is_looked_up_once_in_its_own_region() {
    let server = Server::start([suitable(KEY)]).await;
    for (name, region) in [
        ("alias/notes", "eu-central-1"),
        ("1234abcd-12ab-34cd-56ef-1234567890ab", "eu-central-1"),
        ("arn:aws:kms:ap-south-1:111122223333:alias/notes", "ap-south-1"),
    ] {
        let before = server.asked().len();
        assert_eq!(connect(&server, name, &[]).await.unwrap().umk_id().as_str(), KEY);
        let [asked] = &server.asked()[before..] else { panic!("asked {:?}", server.asked()) };
        assert_eq!((asked.operation.as_str(), asked.region.as_str()), ("DescribeKey", region));
        assert!(asked.has(&format!(r#""KeyId":"{name}""#)), "{asked:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_asked() {
    let server = Server::start([suitable(KEY)]).await;
    let table = "arn:aws:dynamodb:eu-central-1:111122223333:table/notes";
    for (key, previous) in [("", KEY), (table, KEY), ("alias/notes", table), ("alias/notes", "")] {
        let bad = if previous == KEY { key } else { previous };
        let error = connect(&server, key, &[previous]).await.unwrap_err();
        assert!(matches!(&error, AwsKmsError::Name { name, .. } if name == bad), "{error:?}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_key_that_cannot_wrap_is_refused_with_what_it_is() {
    for (spec, usage, manager, says) in [
        ("ECC_NIST_P256", "SIGN_VERIFY", "CUSTOMER", "ECC_NIST_P256 for SIGN_VERIFY"),
        ("RSA_2048", "ENCRYPT_DECRYPT", "CUSTOMER", "RSA_2048 for ENCRYPT_DECRYPT"),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "CUSTOMER", "HMAC_256 for GENERATE_VERIFY_MAC"),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS", "managed by AWS, SYMMETRIC_DEFAULT"),
    ] {
        let server = Server::start([described(KEY, spec, usage, manager)]).await;
        let error = connect(&server, "alias/notes", &[]).await.unwrap_err();
        let AwsKmsError::Unsuitable { arn, found } = &error else { panic!("{error:?}") };
        assert!(arn == KEY && found.starts_with(says), "{error}");
    }
}

#[tokio::test]
async fn an_answer_about_another_key_is_not_believed() {
    let id = "1234abcd-12ab-34cd-56ef-1234567890ab";
    for (answer, name) in [
        (suitable(OTHER), id),
        (suitable("arn:aws:kms:eu-central-1:111122223333:alias/notes"), "alias/notes"),
        (Answer::Json(200, "{}".to_owned()), "alias/notes"),
    ] {
        let server = Server::start([answer]).await;
        let error = connect(&server, name, &[]).await.unwrap_err();
        assert!(
            matches!(&error, AwsKmsError::Unresolved { source: KeyError::Refused { .. }, .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_key_id_needs_a_region_and_an_arn_does_not() {
    let client = || Client::from_conf(config("http://127.0.0.1:1").build());
    let error = AwsKms::connect(&client(), AwsKmsConfig::new("alias/notes")).await.unwrap_err();
    assert!(matches!(&error, AwsKmsError::NoRegion { name } if name == "alias/notes"), "{error:?}");
    AwsKms::connect(&client(), AwsKmsConfig::new(KEY)).await.unwrap();
}

#[tokio::test]
async fn of_a_multi_region_key_every_replica_is_accepted_and_the_configured_one_is_asked() {
    let here = "arn:aws:kms:eu-central-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
    let there = &here.replace("eu-central-1", "us-east-1");
    let server = Server::start([decrypted(here, PLAINTEXT), decrypted(there, PLAINTEXT)]).await;
    let kms = connect(&server, here, &[]).await.unwrap();
    assert!(kms.accepts(&UmkId::new(there)));
    assert!(!kms.accepts(&UmkId::new(there.replace("1111", "1112"))));
    for _ in 0..2 {
        kms.unwrap_kek(&wrapped_under(there), &context()).await.unwrap();
    }
    for asked in server.asked() {
        assert!(asked.has(&format!(r#""KeyId":"{here}""#)) && asked.region == "eu-central-1", "{asked:?}");
    }
}
