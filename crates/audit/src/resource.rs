//! How an event names what it is about.

use std::fmt::Write;

use blue_address::{Address, Chain, Collection, Namespace, Tenant};
use uuid::Uuid;

/// The part that stands for the audit log itself, where a tenant would: no tenant's name contains a `#`.
const AUDIT: &str = "#audit";

/// The part that stands for a KEK, where a collection would.
const KEK: &str = "#kek";

/// `bes:namespace/tenant/collection/kind/id`, each part with all but RFC 3986's unreserved characters
/// percent-encoded (§2.1, §2.3; uppercase hexadecimal), so that a `/` within an id is not a separator.
#[must_use]
pub fn resource(address: &Address) -> String {
    let Address { namespace, tenant, collection, kind, id } = address;
    joined(&[namespace.as_str(), tenant.as_str(), collection.as_str(), kind.as_str(), id.as_str()])
}

/// `bes:namespace`: the whole store.
#[must_use]
pub fn store_resource(namespace: &Namespace) -> String {
    joined(&[namespace.as_str()])
}

/// `bes:namespace/tenant`: a tenant and its keys.
#[must_use]
pub fn tenant_resource(namespace: &Namespace, tenant: &Tenant) -> String {
    joined(&[namespace.as_str(), tenant.as_str()])
}

/// `bes:namespace/tenant/collection`: all records of a collection.
#[must_use]
pub fn collection_resource(namespace: &Namespace, tenant: &Tenant, collection: &Collection) -> String {
    joined(&[namespace.as_str(), tenant.as_str(), collection.as_str()])
}

/// `bes:namespace/%23audit`: the audit key.
#[must_use]
pub fn audit_resource(namespace: &Namespace) -> String {
    joined(&[namespace.as_str(), AUDIT])
}

/// `bes:namespace/%23audit/chain`: a chain of the audit log.
#[must_use]
pub fn chain_resource(namespace: &Namespace, chain: &Chain) -> String {
    joined(&[namespace.as_str(), AUDIT, chain.as_str()])
}

/// `bes:namespace/tenant/%23kek/id`: one KEK of a tenant, `id` being the KEK's 16 bytes in hyphenated lowercase
/// hexadecimal; `bes:namespace/%23audit/%23kek/id` for one of the audit log.
#[must_use]
pub fn kek_resource(namespace: &Namespace, tenant: Option<&Tenant>, id: &[u8; 16]) -> String {
    let owner = tenant.map_or(AUDIT, Tenant::as_str);
    joined(&[namespace.as_str(), owner, KEK, &Uuid::from_bytes(*id).hyphenated().to_string()])
}

/// The parts of a resource, decoded: the namespace first. `None` if it is not written as one.
#[must_use]
pub fn resource_parts(resource: &str) -> Option<Vec<String>> {
    resource.strip_prefix("bes:")?.split('/').map(percent_decode).collect()
}

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digit =
            |byte: Option<u8>| char::from(byte?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        bytes.push(match byte {
            b'%' => (digit(rest.next())? << 4) | digit(rest.next())?,
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

fn joined(parts: &[&str]) -> String {
    let mut out = String::from("bes:");
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            out.push('/');
        }
        percent_encode(part, &mut out);
    }
    out
}

fn percent_encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use blue_address::{Namespace, RecordPath};

    use super::*;

    #[test]
    fn all_but_unreserved_characters_are_encoded() {
        let path: RecordPath = "a:b/c@d/e~f/g/h é%".parse().unwrap();
        let address = path.within(Namespace::new("x-y_z.0").unwrap());
        assert_eq!(resource(&address), "bes:x-y_z.0/a%3Ab/c%40d/e~f/g%2Fh%20%C3%A9%25");
    }

    #[test]
    fn a_resource_gives_its_parts_back() {
        let path: RecordPath = "a:b/c@d/e~f/g/h é%".parse().unwrap();
        let name = resource(&path.within(Namespace::new("x-y_z.0").unwrap()));
        assert_eq!(resource_parts(&name).unwrap(), ["x-y_z.0", "a:b", "c@d", "e~f", "g/h é%"]);
        for bad in ["", "x:prod", "bes:a/%", "bes:a/%4", "bes:a/%zz", "bes:%ff"] {
            assert_eq!(resource_parts(bad), None, "{bad}");
        }
    }

    #[test]
    fn trailing_parts_are_left_out_and_the_audit_log_is_no_tenant() {
        let (namespace, tenant) = (Namespace::new("prod").unwrap(), Tenant::new("a:b").unwrap());
        assert_eq!(store_resource(&namespace), "bes:prod");
        assert_eq!(tenant_resource(&namespace, &tenant), "bes:prod/a%3Ab");
        let inbox = Collection::new("inbox").unwrap();
        assert_eq!(collection_resource(&namespace, &tenant, &inbox), "bes:prod/a%3Ab/inbox");
        assert_eq!(audit_resource(&namespace), "bes:prod/%23audit");
        let id = "00112233-4455-4677-8899-aabbccddeeff";
        let bytes = Uuid::parse_str(id).unwrap().into_bytes();
        assert_eq!(kek_resource(&namespace, Some(&tenant), &bytes), format!("bes:prod/a%3Ab/%23kek/{id}"));
        assert_eq!(kek_resource(&namespace, None, &bytes), format!("bes:prod/%23audit/%23kek/{id}"));
        assert_eq!(chain_resource(&namespace, &Chain::new("main").unwrap()), "bes:prod/%23audit/main");
    }
}
