//! Keys that are not as they should be, and keys that are denied.

use std::{fs, os::unix::fs::PermissionsExt};

use blue_testkit::Kms;
use serde_json::json;

use super::{KEY, examine, not_authorized};
use crate::{
    bench::{Bench, aside, text, write_private},
    server::Server,
};

#[test]
fn a_key_file_that_is_another_missing_open_or_damaged_is_told_apart() {
    let bench = Bench::with_key_file();
    bench.run(&["init"]).succeeded();
    let umk_id = text(&bench.meta(), "umk_id");
    let key = fs::read_to_string(bench.key_file()).unwrap();

    bench.replace_key_file();
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["meta"]);
    let back = format!("put the key file of {umk_id} back at {}", bench.key_file().display());
    examined
        .has(
            "meta",
            "failure",
            &[&format!("was encrypted under {umk_id}, but the key file"), &back, "bes reset"],
        )
        .has("keys", "ok", &[]);

    fs::remove_file(bench.key_file()).unwrap();
    let examined = examine(&bench, &[]);
    assert_eq!(examined.that_are("failure"), ["keys"]);
    examined.has("keys", "failure", &["and there is no key file", &back]).has(
        "meta",
        "ok",
        &[&umk_id, "not at hand"],
    );

    write_private(&bench.key_file(), &key);
    fs::set_permissions(bench.key_file(), fs::Permissions::from_mode(0o640)).unwrap();
    examine(&bench, &[]).has("keys", "failure", &["is open to other users (mode 0640)", "chmod 600"]);

    write_private(&bench.key_file(), "BES-UMK-1:1234\n");
    let examined =
        examine(&bench, &[]).has("keys", "failure", &["is no key file", "put the right key file back"]);
    assert!(!json!(examined.0).to_string().contains("1234\\n"));

    write_private(&bench.key_file(), &key);
    assert_eq!(examine(&bench, &[]).that_are("failure"), [""; 0]);
}

#[test]
fn a_kms_key_that_is_denied_is_named_with_the_right_and_the_purpose() {
    let bench = Bench::initialised();
    let server = Server::start(|request| {
        assert!(request.body.contains(r#""bes:purpose":"doctor""#), "{}", request.body);
        not_authorized(&format!("kms:{}", request.operation), KEY)
    });
    let in_kms = [("BES_KEYS", "kms"), ("BES_KMS_KEY", KEY), ("AWS_ENDPOINT_URL_KMS", server.url.as_str())];
    let examined = examine(&bench, &in_kms);
    examined
        .has(
            "keys",
            "failure",
            &["no key could be generated", "AccessDeniedException", "not authorized to perform"],
        )
        .has("keys", "failure", &[&format!("allow kms:GenerateDataKey on {KEY}"), "bes:purpose = doctor"]);
    assert_eq!(server.operations(), ["GenerateDataKey"]);
}

#[test]
fn a_kms_key_is_tried_in_a_purpose_of_its_own_and_the_log_tells_nothing_of_it() {
    let bench = Bench::initialised();
    let key = aside(async || Kms::shared().create_key().await.unwrap());
    let mut in_kms = vec![("BES_KEYS", "kms"), ("BES_KMS_KEY", key.as_str())];
    let variables = Kms::shared().variables();
    in_kms.extend(variables.iter().map(|(name, value)| (*name, value.as_str())));
    // Of another provider or key than the table's, it is the table that does not fit.
    examine(&bench, &in_kms).has("keys", "ok", &[&key]).has(
        "meta",
        "failure",
        &["was encrypted under", "help"],
    );
}
