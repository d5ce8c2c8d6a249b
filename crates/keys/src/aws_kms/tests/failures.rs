//! Calls that KMS refused, and those that it did not answer: each is of its class, in each operation.

use std::error::Error;

use aws_credential_types::provider::{ProvideCredentials, error::CredentialsError, future};

use super::{server::config, *};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Denied,
    Disabled,
    NotFound,
    Refused,
    Unavailable,
    Authentication,
}

fn class(error: &KeyError) -> Class {
    match error {
        KeyError::Denied { .. } => Class::Denied,
        KeyError::Disabled { .. } => Class::Disabled,
        KeyError::NotFound { .. } => Class::NotFound,
        KeyError::Refused { .. } => Class::Refused,
        KeyError::Unavailable { .. } => Class::Unavailable,
        KeyError::Authentication => Class::Authentication,
        other => panic!("{other:?}"),
    }
}

/// Status, code, message and class, as KMS's API reference and its answers have them. Those of Authentication are of
/// operations that take a ciphertext.
const REFUSALS: [(u16, &str, &str, Class); 26] = [
    (
        400,
        "AccessDeniedException",
        "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: kms:Decrypt on this resource because no \
         identity-based policy allows the kms:Decrypt action",
        Class::Denied,
    ),
    (400, "NotAuthorized", "You do not have permission to perform this action.", Class::Denied),
    (
        400,
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
        Class::Denied,
    ),
    (400, "ExpiredTokenException", "The security token included in the request is expired", Class::Denied),
    (403, "InvalidClientTokenId", "The security token included in the request is invalid.", Class::Denied),
    (403, "OptInRequired", "The AWS access key ID needs a subscription for the service.", Class::Denied),
    (
        400,
        "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided.",
        Class::Denied,
    ),
    (
        400,
        "IncompleteSignatureException",
        "Authorization header requires 'Signature' parameter.",
        Class::Denied,
    ),
    (403, "MissingAuthenticationTokenException", "Missing Authentication Token", Class::Denied),
    (400, "DisabledException", "arn:aws:kms:eu-central-1:111122223333:key/1 is disabled.", Class::Disabled),
    (
        400,
        "KMSInvalidStateException",
        "arn:aws:kms:eu-central-1:111122223333:key/1 is pending deletion.",
        Class::Disabled,
    ),
    (
        400,
        "com.amazonaws.trent#NotFoundException",
        "Key 'arn:aws:kms:eu-central-1:111122223333:key/1' does not exist",
        Class::NotFound,
    ),
    (400, "ThrottlingException", "Rate exceeded", Class::Unavailable),
    (
        400,
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        Class::Unavailable,
    ),
    (400, "LimitExceededException", "", Class::Unavailable),
    (500, "KMSInternalException", "", Class::Unavailable),
    (
        500,
        "DependencyTimeoutException",
        "The system timed out while trying to fulfill the request.",
        Class::Unavailable,
    ),
    (500, "KeyUnavailableException", "", Class::Unavailable),
    (500, "InternalFailure", "", Class::Unavailable),
    (503, "ServiceUnavailable", "Service Unavailable", Class::Unavailable),
    (
        400,
        "InvalidKeyUsageException",
        "arn:aws:kms:eu-central-1:111122223333:key/1 key usage is SIGN_VERIFY which is not valid for this operation.",
        Class::Refused,
    ),
    (400, "InvalidGrantTokenException", "", Class::Refused),
    (
        400,
        "ValidationException",
        "1 validation error detected: Value 'x' at 'keyId' failed to satisfy constraint",
        Class::Refused,
    ),
    (400, "SomethingNewException", "It is new.", Class::Refused),
    (403, "SomethingNewException", "It is new.", Class::Denied),
    (500, "SomethingNewException", "It is new.", Class::Unavailable),
];

const OF_CIPHERTEXTS: [(u16, &str, &str, Class); 2] = [
    (400, "InvalidCiphertextException", "", Class::Authentication),
    (
        400,
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
        Class::Authentication,
    ),
];

#[tokio::test]
async fn what_kms_says_is_of_its_class_in_every_operation() {
    for (status, code, message, expected) in REFUSALS {
        for operation in ["GenerateDataKey", "Decrypt", "ReEncrypt", "DescribeKey"] {
            is_of_class(operation, (status, code, message), expected).await;
        }
    }
    for (status, code, message, expected) in OF_CIPHERTEXTS {
        for operation in ["Decrypt", "ReEncrypt"] {
            is_of_class(operation, (status, code, message), expected).await;
        }
    }
}

async fn is_of_class(operation: &str, (status, code, message): (u16, &str, &str), expected: Class) {
    let server = Server::start([refusal(status, code, message)]).await;
    let error = ask(&server, operation).await;
    let said = format!("{operation}, {status} {code}: {error:?}");
    assert_eq!(class(&error), expected, "{said}");
    let asked = server.asked();
    assert_eq!(asked.len(), 1, "{said}");
    assert_eq!(asked[0].operation, operation);
    let Some(source) = error.source() else {
        assert_eq!(expected, Class::Authentication, "only that has no reason: {said}");
        return;
    };
    let cause: &KmsCallError = source.downcast_ref().expect(&said);
    let short = code.rsplit('#').next();
    assert_eq!((cause.operation(), cause.code()), (operation, short), "{said}");
    assert!(cause.to_string().contains(message), "{said}");
    assert!(!error.to_string().contains(code), "the cause is said once: {said}");
}

/// Has the provider make one call of this operation, which fails.
async fn ask(server: &Server, operation: &str) -> KeyError {
    if operation == "DescribeKey" {
        let config = AwsKmsConfig { attempts: 1, ..AwsKmsConfig::new("alias/notes") };
        let error = AwsKms::connect(&server.client("eu-central-1"), config).await.unwrap_err();
        let AwsKmsError::Unresolved { name, source } = error else { panic!("{error:?}") };
        assert_eq!(name, "alias/notes");
        return source;
    }
    let kms = provider(server, &[OTHER]).await;
    match operation {
        "GenerateDataKey" => kms.generate_kek(&context()).await.map(drop).unwrap_err(),
        "Decrypt" => kms.unwrap_kek(&wrapped_under(KEY), &context()).await.map(drop).unwrap_err(),
        "ReEncrypt" => kms.rewrap_kek(&wrapped_under(OTHER), &context()).await.map(drop).unwrap_err(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn of_two_keys_the_one_that_kms_names_is_the_one_that_failed() {
    for (named, expected) in [(KEY, KEY), (OTHER, OTHER), ("nobody", OTHER)] {
        let message = format!("Key '{named}' does not exist");
        let server = Server::start([refusal(400, "NotFoundException", &message)]).await;
        let error = ask(&server, "ReEncrypt").await;
        assert!(
            matches!(&error, KeyError::NotFound { umk_id, .. } if umk_id.as_str() == expected),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_without_a_code_is_classed_by_its_status() {
    for (status, expected) in [
        (400, Class::Refused),
        (401, Class::Denied),
        (403, Class::Denied),
        (404, Class::Refused),
        (429, Class::Unavailable),
        (502, Class::Unavailable),
    ] {
        for body in ["", "<html>a proxy</html>", "{}"] {
            let server = Server::start([Answer::Json(status, body.to_owned())]).await;
            let error = ask(&server, "Decrypt").await;
            assert_eq!(class(&error), expected, "{status} {body}: {error:?}");
        }
    }
    for body in ["", "<html>a proxy</html>", "{\"Plaintext\":"] {
        let server = Server::start([Answer::Json(200, body.to_owned())]).await;
        let error = ask(&server, "Decrypt").await;
        // An empty answer is one without a key in it.
        let expected = if body.is_empty() { Class::Authentication } else { Class::Unavailable };
        assert_eq!(class(&error), expected, "{body}: {error:?}");
    }
}

#[tokio::test]
async fn throttled_twice_is_asked_a_third_time() {
    let throttled = || refusal(400, "ThrottlingException", "Rate exceeded");
    let server = Server::start([throttled(), throttled(), decrypted(KEY, PLAINTEXT)]).await;
    let kms = AwsKms::connect(&server.client("eu-central-1"), AwsKmsConfig::new(KEY)).await.unwrap();
    kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap();
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn attempts_are_bounded_and_only_what_may_pass_is_tried_again() {
    for (answer, attempts) in [
        (refusal(400, "ThrottlingException", "Rate exceeded"), 4),
        (refusal(500, "KMSInternalException", ""), 4),
        (refusal(500, "KeyUnavailableException", ""), 4),
        (refusal(400, "AccessDeniedException", ""), 1),
        (refusal(400, "DisabledException", ""), 1),
        (refusal(400, "InvalidCiphertextException", ""), 1),
    ] {
        let server = Server::start([answer.clone()]).await;
        let kms = AwsKms::connect(&server.client("eu-central-1"), AwsKmsConfig::new(KEY)).await.unwrap();
        kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap_err();
        assert_eq!(server.asked().len(), attempts, "{answer:?}");
    }
}

/// The limits are far below the hour of the server's silence; how far beyond them a busy machine comes does not matter.
#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let short = Duration::from_millis(50);
    let far = Duration::from_secs(3000);
    for (attempt_timeout, operation_timeout) in [(short, far), (far, short)] {
        let limits =
            AwsKmsConfig { attempt_timeout, operation_timeout, attempts: 2, ..AwsKmsConfig::new(KEY) };
        let server = Server::start([Answer::Silence]).await;
        let client = server.client("eu-central-1");
        let kms = AwsKms::connect(&client, limits.clone()).await.unwrap();
        for error in [
            kms.generate_kek(&context()).await.map(drop).unwrap_err(),
            kms.unwrap_kek(&wrapped_under(KEY), &context()).await.map(drop).unwrap_err(),
            kms.rewrap_kek(&wrapped_under(KEY), &context()).await.map(drop).unwrap_err(),
        ] {
            assert_eq!(class(&error), Class::Unavailable, "{error:?}");
        }
        let looked_up = AwsKmsConfig { key: "alias/notes".to_owned(), ..limits };
        let error = AwsKms::connect(&client, looked_up).await.unwrap_err();
        let is_unavailable =
            matches!(&error, AwsKmsError::Unresolved { source: KeyError::Unavailable { .. }, .. });
        assert!(is_unavailable, "{error:?}");
    }
}

#[tokio::test]
async fn no_more_is_asked_at_once_than_may_be() {
    let server = Server::start([Answer::Silence]).await;
    let long = Duration::from_secs(120);
    let config = AwsKmsConfig { attempt_timeout: long, operation_timeout: long, ..AwsKmsConfig::new(KEY) };
    let provider = AwsKms::connect(&server.client("eu-central-1"), config).await.unwrap();
    let all = (0..2 * AT_ONCE).map(|_| {
        let provider = provider.clone();
        async move { provider.unwrap_kek(&wrapped_under(KEY), &context()).await }
    });
    let asking = tokio::spawn(futures::future::join_all(all));
    while server.asked().len() < AT_ONCE {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Those that ought not to come have time to.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(server.asked().len(), AT_ONCE);
    asking.abort();
}

#[tokio::test]
async fn where_nobody_listens_the_service_is_unavailable() {
    let vacant = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::from_conf(config(&format!("http://{vacant}")).build());
    let config = AwsKmsConfig { attempts: 2, ..AwsKmsConfig::new(KEY) };
    let kms = AwsKms::connect(&client, config).await.unwrap();
    let error = kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap_err();
    assert_eq!(class(&error), Class::Unavailable, "{error:?}");
    assert!(all_of(&error).to_lowercase().contains("refused"), "{error:?}");
}

/// A provider that has none, by a file that is not there or by settings that make no sense.
#[derive(Debug)]
struct NoCredentials(fn() -> CredentialsError);

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err((self.0)()))
    }
}

#[tokio::test]
async fn without_credentials_it_is_denied_and_where_they_do_not_come_unavailable() {
    let server = Server::start([decrypted(KEY, PLAINTEXT)]).await;
    let causes: [(fn() -> CredentialsError, Class); 4] = [
        (|| CredentialsError::not_loaded("no profile"), Class::Denied),
        (|| CredentialsError::invalid_configuration("no such profile"), Class::Denied),
        (|| CredentialsError::provider_timed_out(Duration::from_secs(1)), Class::Unavailable),
        (|| CredentialsError::provider_error("the metadata service said no"), Class::Unavailable),
    ];
    for (cause, expected) in causes {
        let base = server.client("eu-central-1").config().to_builder();
        let client = Client::from_conf(base.credentials_provider(NoCredentials(cause)).build());
        let config = AwsKmsConfig { attempts: 1, ..AwsKmsConfig::new(KEY) };
        let kms = AwsKms::connect(&client, config).await.unwrap();
        let error = kms.unwrap_kek(&wrapped_under(KEY), &context()).await.unwrap_err();
        assert_eq!(class(&error), expected, "{error:?}");
    }
    assert!(server.asked().is_empty());
}
