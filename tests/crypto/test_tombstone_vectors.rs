//! Of tests/vectors/keys, what is about the MACs of tombstones. (`test_key_vectors` walks the directory.)

use blue_audit::AuditKey;
use blue_envelope::address::{Namespace, Tenant, push_length_prefixed};
use blue_envelope::primitive::expand;
use ring::hmac;
use serde::Deserialize;

use crate::tally::{Passed, equal};
use crate::vector::{Fixed, Hex, Vector, all};

/// What of a vector does not hold; `None` for a kind that is not of these.
pub(crate) fn check(vector: &Vector) -> Option<Result<Passed, String>> {
    let checked = match vector.kind.as_str() {
        "tombstone" => vector.read().and_then(|vector| tombstone(&vector)),
        "tombstone-refused" => vector.read().and_then(|vector| tombstone_refused(&vector)),
        _ => return None,
    };
    Some(checked)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Made {
    audit_kek_id: Fixed<16>,
    audit_kek: Fixed<32>,
    namespace: String,
    tenant: String,
    time: String,
    kek_ids: Hex,
    expected: Mac,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mac {
    mac_key: Fixed<32>,
    mac: Fixed<32>,
}

fn tombstone(vector: &Made) -> Result<Passed, String> {
    let (namespace, tenant) = names(&vector.namespace, &vector.tenant)?;
    let (time, kek_ids, expected) = (&vector.time, ids(&vector.kek_ids)?, &vector.expected);
    let key = AuditKey::new(vector.audit_kek_id.0, &vector.audit_kek.0);
    equal("the mac", &key.tombstone_mac(&namespace, &tenant, time, &kek_ids), &expected.mac.0)?;
    check_mac(vector)?;
    if key.made_tombstone(&namespace, &tenant, time, &kek_ids, &expected.mac.0) {
        Ok(Passed::Answered)
    } else {
        Err("the mac does not fit".to_owned())
    }
}

/// The mac key of the vector is the one that its mac was made with.
fn check_mac(vector: &Made) -> Result<(), String> {
    let mut mac_key = [0; 32];
    expand(&vector.audit_kek.0, &[b"bes1/tombstone-mac"], &mut mac_key);
    equal("the mac key", &mac_key, &vector.expected.mac_key.0)?;
    let mut bytes = [b"bes1/tombstone", &vector.audit_kek_id.0[..]].concat();
    for text in [&vector.namespace, &vector.tenant, &vector.time] {
        push_length_prefixed(&mut bytes, text.as_bytes());
    }
    bytes.extend(&vector.kek_ids.0);
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key), &bytes);
    equal("the mac by its key", mac.as_ref(), &vector.expected.mac.0)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refused {
    audit_kek_id: Fixed<16>,
    audit_kek: Fixed<32>,
    namespace: String,
    tenant: String,
    time: String,
    kek_ids: Hex,
    mac: Fixed<32>,
}

fn tombstone_refused(vector: &Refused) -> Result<Passed, String> {
    let (namespace, tenant) = names(&vector.namespace, &vector.tenant)?;
    let key = AuditKey::new(vector.audit_kek_id.0, &vector.audit_kek.0);
    if key.made_tombstone(&namespace, &tenant, &vector.time, &ids(&vector.kek_ids)?, &vector.mac.0) {
        Err("the mac fits".to_owned())
    } else {
        Ok(Passed::Refused)
    }
}

fn names(namespace: &str, tenant: &str) -> Result<(Namespace, Tenant), String> {
    let namespace = Namespace::new(namespace).map_err(|error| error.to_string())?;
    Ok((namespace, Tenant::new(tenant).map_err(|error| error.to_string())?))
}

fn ids(Hex(bytes): &Hex) -> Result<Vec<[u8; 16]>, String> {
    match bytes.as_chunks() {
        (ids, []) => Ok(ids.to_vec()),
        (_, rest) => Err(format!("{} bytes are left over behind the ids", rest.len())),
    }
}

/// The test of the tests, for what has no class to change: each tombstone with its mac would be no refusal, and with
/// another mac it would.
#[test]
fn a_mac_that_fits_is_no_refusal() {
    let tombstones: Vec<Vector> = all("keys").into_iter().filter(|v| v.kind == "tombstone").collect();
    assert!(!tombstones.is_empty());
    for Vector { name, mut fields, .. } in tombstones {
        let kind = "tombstone-refused".to_owned();
        let expected = fields.as_object_mut().unwrap().remove("expected").unwrap();
        fields["mac"] = expected["mac"].clone();
        let mut vector = Vector { name, kind, fields };
        check(&vector).unwrap().unwrap_err();
        vector.fields["mac"] = expected["mac_key"].clone();
        assert_eq!(check(&vector), Some(Ok(Passed::Refused)), "{}", vector.name);
    }
}
