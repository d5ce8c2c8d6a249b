//! What proves that whoever erased a tenant's keys had the audit key.

use blue_address::{Namespace, Tenant, push_length_prefixed};
use ring::hmac;

use crate::AuditKey;

/// What the MAC of a tombstone is over, before the key's id.
const LABEL: &[u8] = b"bes1/tombstone";

impl AuditKey {
    /// The MAC of the tombstone that stands in the place of a tenant's keys: HMAC-SHA-256 under
    /// `HKDF-Expand(audit KEK, "bes1/tombstone-mac", 32)` over
    /// `"bes1/tombstone" ‖ audit_kek_id ‖ lp(namespace) ‖ lp(tenant) ‖ lp(time) ‖ kek_ids`.
    #[must_use]
    pub fn tombstone_mac(
        &self,
        namespace: &Namespace,
        tenant: &Tenant,
        time: &str,
        kek_ids: &[[u8; 16]],
    ) -> [u8; 32] {
        let mac = hmac::sign(self.tombstone_key(), &self.tombstone(namespace, tenant, time, kek_ids));
        mac.as_ref().try_into().expect("HMAC-SHA-256 has 32 bytes")
    }

    /// Whether that is the MAC of a tombstone, compared in constant time.
    #[must_use]
    pub fn made_tombstone(
        &self,
        namespace: &Namespace,
        tenant: &Tenant,
        time: &str,
        kek_ids: &[[u8; 16]],
        mac: &[u8; 32],
    ) -> bool {
        hmac::verify(self.tombstone_key(), &self.tombstone(namespace, tenant, time, kek_ids), mac).is_ok()
    }

    fn tombstone(&self, namespace: &Namespace, tenant: &Tenant, time: &str, kek_ids: &[[u8; 16]]) -> Vec<u8> {
        let mut bytes = LABEL.to_vec();
        bytes.extend_from_slice(self.id());
        for text in [namespace.as_str(), tenant.as_str(), time] {
            push_length_prefixed(&mut bytes, text.as_bytes());
        }
        bytes.extend(kek_ids.as_flattened());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_that_of_one_tombstone_under_one_key() {
        let key = |id, kek| AuditKey::new([id; 16], &[kek; 32]);
        let (prod, test) = (Namespace::new("prod").unwrap(), Namespace::new("prodalice").unwrap());
        let (alice, bob) = (Tenant::new("alice").unwrap(), Tenant::new("a").unwrap());
        let good = key(1, 2);
        let mac = good.tombstone_mac(&prod, &alice, "now", &[[3; 16], [4; 16]]);
        assert!(good.made_tombstone(&prod, &alice, "now", &[[3; 16], [4; 16]], &mac));
        let mut other = mac;
        other[31] ^= 1;
        for wrong in [
            key(0, 2).made_tombstone(&prod, &alice, "now", &[[3; 16], [4; 16]], &mac),
            key(1, 0).made_tombstone(&prod, &alice, "now", &[[3; 16], [4; 16]], &mac),
            good.made_tombstone(&test, &alice, "now", &[[3; 16], [4; 16]], &mac),
            good.made_tombstone(&prod, &bob, "now", &[[3; 16], [4; 16]], &mac),
            good.made_tombstone(&prod, &alice, "now1", &[[3; 16], [4; 16]], &mac),
            good.made_tombstone(&prod, &alice, "now", &[[4; 16], [3; 16]], &mac),
            good.made_tombstone(&prod, &alice, "now", &[[3; 16]], &mac),
            good.made_tombstone(&prod, &alice, "now", &[[3; 16], [4; 16]], &other),
        ] {
            assert!(!wrong);
        }
    }
}
