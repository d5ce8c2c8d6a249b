//! RFC 5869, appendix A: the three test cases with SHA-256, through the function that every key is derived with.
//!
//! The format has no HKDF-Extract. Here ring's HMAC does it (§2.2), so that the whole of each case is held.

use blue_envelope::primitive::expand;
use ring::hmac;

use crate::tally::{Passed, Tally, equal};

struct Case {
    name: &'static str,
    ikm: &'static str,
    salt: &'static str,
    info: &'static str,
    prk: &'static str,
    okm: &'static str,
}

const CASES: [Case; 3] = [
    Case {
        name: "A.1",
        ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        salt: "000102030405060708090a0b0c",
        info: "f0f1f2f3f4f5f6f7f8f9",
        prk: "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
        okm: "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    },
    Case {
        name: "A.2",
        ikm: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f\
              303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
        salt: "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f\
               909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
        info: "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf\
               e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
        prk: "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
        okm: "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
              da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    },
    Case {
        name: "A.3",
        ikm: "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
        salt: "",
        info: "",
        prk: "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
        okm: "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    },
];

/// `HKDF-Extract(salt, IKM) = HMAC-SHA-256(salt, IKM)`; a salt of no bytes and one of 32 zeros are the same HMAC key.
pub(crate) fn extract(salt: &[u8], ikm: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), ikm);
    tag.as_ref().try_into().unwrap()
}

#[test]
fn kat_rfc5869_gives_the_known_prk_and_okm() {
    let mut tally = Tally::of("RFC 5869 appendix A, SHA-256");
    for case in &CASES {
        tally.ran(case.name, check(case));
    }
    tally.must_be(3, 0, &[]);
}

fn check(case: &Case) -> Result<Passed, String> {
    let [ikm, salt, info, prk, okm] =
        [case.ikm, case.salt, case.info, case.prk, case.okm].map(|text| hex::decode(text).unwrap());
    let extracted = extract(&salt, &ikm);
    equal("the PRK", &extracted, &prk)?;
    let mut out = vec![0; okm.len()];
    expand(&extracted, &[&info], &mut out);
    equal("the OKM", &out, &okm)?;
    Ok(Passed::Answered)
}

#[test]
fn info_is_the_concatenation_of_its_parts() {
    let [prk, info, okm] = [CASES[1].prk, CASES[1].info, CASES[1].okm].map(|text| hex::decode(text).unwrap());
    for cut in [0, 1, 40, info.len()] {
        let (first, second) = info.split_at(cut);
        let mut out = vec![0; okm.len()];
        expand(prk.as_slice().try_into().unwrap(), &[first, &[], second], &mut out);
        assert_eq!(out, okm);
    }
}
