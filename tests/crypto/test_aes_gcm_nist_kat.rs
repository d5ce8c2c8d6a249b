//! NIST's CAVP response files for AES-256-GCM, through the function that every envelope is sealed and opened with.

use blue_envelope::primitive::MessageKey;

use crate::rsp::{Case, Direction, parse};
use crate::tally::{Passed, Tally, equal};

const ENCRYPT: &str = include_str!("../vectors/nist/gcmEncryptExtIV256.rsp");
const DECRYPT: &str = include_str!("../vectors/nist/gcmDecrypt256.rsp");

/// Five lengths of text by five of additional data by fifteen cases, of three IV lengths and seven tag lengths.
const IN_PROFILE: u32 = 5 * 5 * 15;
const OTHER_IV: u32 = IN_PROFILE * 2 * 7;
const SHORT_TAG: u32 = IN_PROFILE * 6;

/// How many of the decryptions in the profile are marked `FAIL`.
const REFUSED: u32 = 191;

#[test]
fn kat_nist_encryption_gives_the_known_ciphertext_and_tag() {
    let mut tally = Tally::of("NIST CAVP gcmEncryptExtIV256.rsp");
    run(&mut tally, ENCRYPT, Direction::Encrypt);
    tally.must_be(IN_PROFILE, 0, &[("IV not of 96 bits", OTHER_IV), ("tag under 128 bits", SHORT_TAG)]);
}

#[test]
fn kat_nist_decryption_gives_the_known_plaintext_or_refuses() {
    let mut tally = Tally::of("NIST CAVP gcmDecrypt256.rsp");
    run(&mut tally, DECRYPT, Direction::Decrypt);
    let others = [("IV not of 96 bits", OTHER_IV), ("tag under 128 bits", SHORT_TAG)];
    tally.must_be(IN_PROFILE - REFUSED, REFUSED, &others);
}

fn run(tally: &mut Tally, file: &str, direction: Direction) {
    for case in parse(file, direction).unwrap() {
        assert_eq!(case.section.key, 256, "a file of AES-256");
        if case.section.iv != 96 {
            tally.out_of_profile("IV not of 96 bits");
        } else if case.section.tag != 128 {
            tally.out_of_profile("tag under 128 bits");
        } else {
            let outcome = match direction {
                Direction::Encrypt => encrypt(&case),
                Direction::Decrypt => decrypt(&case),
            };
            tally.ran(&format!("{:?}, count {}", case.section, case.count), outcome);
        }
    }
}

fn encrypt(case: &Case) -> Result<Passed, String> {
    let (key, nonce) = key_and_nonce(case);
    let mut bytes = case.plaintext.clone().ok_or("an encryption without a plaintext")?;
    let tag = key.encrypt_with_nonce(nonce, &case.aad, &mut bytes).map_err(|error| error.to_string())?;
    equal("the ciphertext", &bytes, &case.ciphertext)?;
    equal("the tag", &tag, &case.tag)?;
    Ok(Passed::Answered)
}

fn decrypt(case: &Case) -> Result<Passed, String> {
    let (key, nonce) = key_and_nonce(case);
    let mut bytes = [&case.ciphertext[..], &case.tag].concat();
    match (key.decrypt_with_nonce(nonce, &case.aad, &mut bytes), &case.plaintext) {
        (Ok(found), Some(expected)) => equal("the plaintext", found, expected).map(|()| Passed::Answered),
        (Err(_), None) => Ok(Passed::Refused),
        (Ok(_), None) => Err("decrypted, and FAIL was expected".to_owned()),
        (Err(error), Some(_)) => Err(error.to_string()),
    }
}

fn key_and_nonce(case: &Case) -> (MessageKey, [u8; 12]) {
    let key: &[u8; 32] = case.key.as_slice().try_into().unwrap();
    (MessageKey::new(key), case.iv.as_slice().try_into().unwrap())
}

/// The test of the tests: nothing in a case can change without the case failing.
#[test]
fn a_case_with_one_wrong_bit_fails() {
    let in_profile = |case: &Case| case.section.iv == 96 && case.section.tag == 128;
    for (file, direction, check) in [
        (ENCRYPT, Direction::Encrypt, encrypt as fn(&Case) -> Result<Passed, String>),
        (DECRYPT, Direction::Decrypt, decrypt),
    ] {
        let cases = parse(file, direction).unwrap();
        let full = |case: &&Case| in_profile(case) && case.aad.len() == 20 && case.ciphertext.len() == 51;
        let answered = cases.iter().filter(full).find(|case| case.plaintext.is_some()).unwrap();
        check(answered).unwrap();
        let fields: [fn(&mut Case) -> &mut Vec<u8>; 6] = [
            |case| &mut case.key,
            |case| &mut case.iv,
            |case| &mut case.aad,
            |case| &mut case.ciphertext,
            |case| &mut case.tag,
            |case| case.plaintext.as_mut().unwrap(),
        ];
        for field in fields {
            let mut changed = answered.clone();
            field(&mut changed)[0] ^= 1;
            check(&changed).unwrap_err();
        }
    }
    let cases = parse(DECRYPT, Direction::Decrypt).unwrap();
    let mut refused = cases.into_iter().find(|case| in_profile(case) && case.plaintext.is_none()).unwrap();
    assert_eq!(decrypt(&refused), Ok(Passed::Refused));
    // The same case, called good.
    refused.plaintext = Some(vec![0; refused.ciphertext.len()]);
    decrypt(&refused).unwrap_err();
}
