//! Calls that KMS answered: what was asked, and which answers are taken.

use std::{
    io,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt};

use super::*;

fn encrypted(key_id: &str) -> Answer {
    Answer::Json(200, format!(r#"{{"CiphertextBlob":"{CIPHERTEXT_TEXT}","KeyId":"{key_id}"}}"#))
}

fn re_encrypted(source: &str, key_id: &str) -> Answer {
    let body = format!(
        r#"{{"CiphertextBlob":"{CIPHERTEXT_TEXT}","KeyId":"{key_id}","SourceKeyId":"{source}",
            "SourceEncryptionAlgorithm":"SYMMETRIC_DEFAULT","DestinationEncryptionAlgorithm":"SYMMETRIC_DEFAULT"}}"#
    );
    Answer::Json(200, body)
}

/// Each name and value of the context, as a body has them.
fn context_pairs() -> Vec<String> {
    context().encryption_context().iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect()
}

#[tokio::test]
async fn a_kek_is_generated_under_the_configured_key_and_bound_to_its_context() {
    let server = Server::start([data_key(KEY, PLAINTEXT)]).await;
    let kms = provider(&server, &[]).await;
    let (kek, wrapped) = kms.generate_kek(&context()).await.unwrap();
    assert_eq!((kek.id(), kek.expose()), (context().kek_id, &[0x11; 32]));
    assert_eq!(wrapped, wrapped_under(KEY));
    let [asked] = &server.asked()[..] else { panic!("once") };
    assert_eq!(asked.operation, "GenerateDataKey");
    assert!(asked.has(r#""KeySpec":"AES_256""#) && asked.has(&format!(r#""KeyId":"{KEY}""#)), "{asked:?}");
    assert!(context_pairs().iter().all(|pair| asked.has(pair)), "{asked:?}");
}

#[tokio::test]
async fn decrypt_always_names_the_configured_key_and_the_context() {
    let server = Server::start([decrypted(OTHER, PLAINTEXT)]).await;
    let kms = provider(&server, &[OTHER]).await;
    let kek = kms.unwrap_kek(&wrapped_under(OTHER), &context()).await.unwrap();
    assert_eq!((kek.id(), kek.expose()), (context().kek_id, &[0x11; 32]));
    let [asked] = &server.asked()[..] else { panic!("once") };
    assert_eq!(asked.operation, "Decrypt");
    assert!(asked.has(&format!(r#""KeyId":"{OTHER}""#)), "{asked:?}");
    assert!(asked.has(&format!(r#""CiphertextBlob":"{CIPHERTEXT_TEXT}""#)), "{asked:?}");
    assert!(context_pairs().iter().all(|pair| asked.has(pair)), "{asked:?}");
}

#[tokio::test]
async fn what_is_under_no_configured_key_is_never_sent() {
    let server = Server::start([decrypted(KEY, PLAINTEXT)]).await;
    let kms = provider(&server, &[]).await;
    for umk_id in [OTHER, FAR, "local:97d53524a8ddc2dc58cbbb5f700ca50d", "", "alias/notes"] {
        let wrapped = wrapped_under(umk_id);
        for error in [
            kms.unwrap_kek(&wrapped, &context()).await.map(drop).unwrap_err(),
            kms.rewrap_kek(&wrapped, &context()).await.map(drop).unwrap_err(),
        ] {
            assert!(
                matches!(&error, KeyError::NotConfigured { umk_id: named } if named.as_str() == umk_id),
                "{error:?}"
            );
        }
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn what_is_no_wrapped_kek_is_never_sent() {
    let server = Server::start([decrypted(KEY, PLAINTEXT)]).await;
    let kms = provider(&server, &[]).await;
    let long = [&[FORMAT], &[7; MAX_CIPHERTEXT + 1][..]].concat();
    for bytes in [vec![], vec![FORMAT], vec![0x01, 1, 2, 3], vec![0x03, 1], CIPHERTEXT.to_vec(), long] {
        let wrapped = WrappedKek::new(UmkId::new(KEY), bytes);
        for error in [
            kms.unwrap_kek(&wrapped, &context()).await.map(drop).unwrap_err(),
            kms.rewrap_kek(&wrapped, &context()).await.map(drop).unwrap_err(),
        ] {
            assert!(matches!(error, KeyError::Malformed), "{wrapped:?}: {error:?}");
        }
    }
    assert!(server.asked().is_empty());
    let longest = [&[FORMAT], &[7; MAX_CIPHERTEXT][..]].concat();
    kms.unwrap_kek(&WrappedKek::new(UmkId::new(KEY), longest), &context()).await.unwrap();
}

#[tokio::test]
async fn a_generated_key_is_taken_from_the_configured_key_alone_and_whole() {
    let body = |text: &str| Answer::Json(200, text.to_owned());
    let sixteen = "EREREREREREREREREREREQ==";
    for answer in [
        data_key(OTHER, PLAINTEXT),
        data_key("", PLAINTEXT),
        data_key(KEY, sixteen),
        data_key(KEY, ""),
        body(&format!(r#"{{"CiphertextBlob":"","KeyId":"{KEY}","Plaintext":"{PLAINTEXT}"}}"#)),
        body(&format!(r#"{{"KeyId":"{KEY}","Plaintext":"{PLAINTEXT}"}}"#)),
        body(&format!(r#"{{"CiphertextBlob":"{CIPHERTEXT_TEXT}","Plaintext":"{PLAINTEXT}"}}"#)),
        body("{}"),
    ] {
        let server = Server::start([answer.clone()]).await;
        let error = provider(&server, &[]).await.generate_kek(&context()).await.map(drop).unwrap_err();
        assert!(matches!(error, KeyError::Refused { .. }), "{answer:?}: {error:?}");
        let text = all_of(&error);
        assert!(!text.contains("ERER") && !text.contains("1111111111") && !text.contains("17, 17"), "{text}");
    }
}

#[tokio::test]
async fn what_another_key_decrypted_or_has_another_length_is_not_authentic() {
    let sixteen = "EREREREREREREREREREREQ==";
    for answer in [
        decrypted(OTHER, PLAINTEXT),
        decrypted(FAR, PLAINTEXT),
        decrypted("", PLAINTEXT),
        decrypted(KEY, sixteen),
        decrypted(KEY, ""),
        Answer::Json(200, format!(r#"{{"Plaintext":"{PLAINTEXT}"}}"#)),
        Answer::Json(200, "{}".to_owned()),
    ] {
        let server = Server::start([answer.clone()]).await;
        let kms = provider(&server, &[OTHER]).await;
        let error = kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap_err();
        assert!(matches!(error, KeyError::Authentication), "{answer:?}: {error:?}");
    }
}

#[tokio::test]
async fn within_a_region_a_kek_is_rewrapped_without_leaving_kms() {
    for from in [KEY, OTHER] {
        let server = Server::start([re_encrypted(from, KEY)]).await;
        let kms = provider(&server, &[OTHER]).await;
        let wrapped = kms.rewrap_kek(&wrapped_under(from), &context()).await.unwrap();
        assert_eq!(wrapped, wrapped_under(KEY));
        let [asked] = &server.asked()[..] else { panic!("once") };
        assert_eq!(asked.operation, "ReEncrypt");
        assert!(asked.has(&format!(r#""SourceKeyId":"{from}""#)), "{asked:?}");
        assert!(asked.has(&format!(r#""DestinationKeyId":"{KEY}""#)), "{asked:?}");
        for pair in context_pairs() {
            assert_eq!(asked.body.matches(&pair).count(), 2, "{pair} in {asked:?}");
        }
        assert!(
            asked.has("\"SourceEncryptionContext\"") && asked.has("\"DestinationEncryptionContext\""),
            "{asked:?}"
        );
    }
}

#[tokio::test]
async fn a_rewrapped_kek_is_from_the_one_key_to_the_other_and_no_third() {
    for (source, destination, authentic) in [(KEY, KEY, false), (OTHER, OTHER, true), (OTHER, FAR, true)] {
        let server = Server::start([re_encrypted(source, destination)]).await;
        let kms = provider(&server, &[OTHER]).await;
        let error = kms.rewrap_kek(&wrapped_under(OTHER), &context()).await.unwrap_err();
        match error {
            KeyError::Authentication => assert!(!authentic),
            KeyError::Refused { .. } => assert!(authentic),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn between_regions_a_kek_is_decrypted_there_and_encrypted_here() {
    let server = Server::start([decrypted(FAR, PLAINTEXT), encrypted(KEY)]).await;
    let kms = provider(&server, &[FAR]).await;
    let wrapped = kms.rewrap_kek(&wrapped_under(FAR), &context()).await.unwrap();
    assert_eq!(wrapped, wrapped_under(KEY));
    let asked = server.asked();
    let of = |i: usize| (asked[i].operation.as_str(), asked[i].region.as_str());
    assert_eq!([of(0), of(1)], [("Decrypt", "us-east-1"), ("Encrypt", "eu-central-1")]);
    assert!(asked[1].has(&format!(r#""Plaintext":"{PLAINTEXT}""#)));
    assert!(asked.iter().all(|asked| context_pairs().iter().all(|pair| asked.has(pair))));

    let server = Server::start([decrypted(FAR, PLAINTEXT), encrypted(OTHER)]).await;
    let error =
        provider(&server, &[FAR]).await.rewrap_kek(&wrapped_under(FAR), &context()).await.unwrap_err();
    assert!(matches!(error, KeyError::Refused { .. }), "{error:?}");
}

/// Keeps everything that is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// On one thread, so that the subscriber of this thread hears of everything.
#[tokio::test(flavor = "current_thread")]
async fn no_key_is_logged_at_any_level() {
    let log = Log::default();
    let layer = tracing_subscriber::fmt::layer().with_writer(log.clone()).with_ansi(false);
    let heard = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
    // While there is one subscriber alone, tracing asks that of whichever thread comes to an event first whether anybody wants
    // it, for good; and the threads of other tests have none.
    let _another = tracing::Dispatch::new(tracing_subscriber::registry());
    let answers = [
        data_key(KEY, PLAINTEXT),
        decrypted(KEY, PLAINTEXT),
        decrypted(FAR, PLAINTEXT),
        encrypted(KEY),
        Answer::Json(200, format!(r#"{{"Plaintext":"{PLAINTEXT}","KeyId":7}}"#)),
    ];
    let server = Server::start(answers).await;
    let kms = provider(&server, &[FAR]).await;
    kms.generate_kek(&context()).await.unwrap();
    kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap();
    kms.rewrap_kek(&wrapped_under(FAR), &context()).await.unwrap();
    let error = kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap_err();
    assert!(matches!(error, KeyError::Unavailable { .. }), "{error:?}");
    drop(heard);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for operation in ["GenerateDataKey", "Decrypt", "Encrypt"] {
        let sent = |line: &str| line.contains("transmitting request") && line.contains(operation);
        assert!(log.lines().any(sent), "the log is of this: {log}");
    }
    for key in ["ERERERER", "1111111111", "\\x11\\x11", "17, 17"] {
        assert!(!log.contains(key), "{key} in {log}");
        assert!(!all_of(&error).contains(key), "{error:?}");
    }
}
