//! Hashes by another library than the one that the project computes its own with.

use sha2::{Digest, Sha256};

const BLOCK: usize = 64;

pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

/// HMAC-SHA-256 (RFC 2104) under a key no longer than a block.
pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner_key = padded(0x36);
    let inner = sha256(&[&[&inner_key[..]], parts].concat());
    sha256(&[&padded(0x5c), &inner])
}

/// The first and only block of HKDF-Expand with SHA-256 (RFC 5869 §2.3), for up to 32 bytes of output.
pub(crate) fn expand(prk: &[u8; 32], info: &[u8]) -> [u8; 32] {
    hmac(prk, &[info, &[1]])
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 4231 §4.3, test case 2.
    #[test]
    fn hmac_is_that_of_the_rfc() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        let tag = hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(HEXLOWER.encode(&tag), expected);
    }

    /// RFC 5869 §A.1, whose PRK has 32 bytes: the first 32 bytes of its output.
    #[test]
    fn expand_is_that_of_the_rfc() {
        let prk =
            HEXLOWER.decode(b"077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5").unwrap();
        let info = HEXLOWER.decode(b"f0f1f2f3f4f5f6f7f8f9").unwrap();
        let expected = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf";
        assert_eq!(HEXLOWER.encode(&expand(&prk.try_into().unwrap(), &info)), expected);
    }
}
