//! What can be examined without a service. The rest is in the tests of the command line.

use std::net::TcpListener;

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
};

use super::*;
use crate::EncryptedStore;

fn subjects(found: &Examination) -> Vec<Subject> {
    found.checks().iter().map(|check| check.subject).collect()
}

#[tokio::test]
async fn without_a_table_or_with_a_bad_name_nothing_is_looked_at() {
    let nameless = EncryptedStore::builder().doctor();
    let misnamed = EncryptedStore::builder().table("notes").namespace("a#b").doctor();
    for doctor in [nameless, misnamed] {
        let found = doctor.examine().await;
        assert_eq!(subjects(&found), Subject::ALL);
        assert_eq!((found.count(Status::Failure), found.count(Status::Skipped)), (1, 13));
        assert!(matches!(found.of(Subject::Configuration), Some(Finding::Misconfigured(_))));
    }
}

#[tokio::test]
async fn a_client_is_taken_at_its_word_and_its_endpoint_named() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&url)
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    let client = Client::from_conf(config.build());
    let directory = tempfile::tempdir().unwrap();
    let doctor = EncryptedStore::builder().table("notes").client(client).doctor();
    let found = doctor.key_file(directory.path().join("umk.key")).examine().await;

    assert_eq!(subjects(&found), Subject::ALL);
    let region = found.of(Subject::Region);
    assert!(
        matches!(region, Some(Finding::Region { region, origin: Origin::Client }) if region == "eu-west-1")
    );
    assert!(matches!(found.of(Subject::Credentials), Some(Finding::CredentialsOfClient)));
    let endpoint = found.of(Subject::Endpoint);
    assert!(
        matches!(endpoint, Some(Finding::Unreachable { url: Some((found, Origin::Client)), .. }) if *found == url),
        "{endpoint:?}"
    );
    assert!(matches!(found.of(Subject::Keys), Some(Finding::NoKeyFile { is_new: false, .. })));
    assert_eq!((found.worst(), found.count(Status::Failure)), (Status::Failure, 1));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "no key was made");
}

#[test]
fn whoever_examines_may_do_so_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    is_send(EncryptedStore::builder().doctor().examine());
    is_send(Examination { checks: Vec::new() });
}
