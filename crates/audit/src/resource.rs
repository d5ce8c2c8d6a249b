//! How an event names a record.

use std::fmt::Write;

use blue_address::Address;

/// `bes:namespace/tenant/collection/kind/id`, each part with all but RFC 3986's unreserved characters
/// percent-encoded (§2.1, §2.3; uppercase hexadecimal), so that a `/` within an id is not a separator.
#[must_use]
pub fn resource(address: &Address) -> String {
    let Address { namespace, tenant, collection, kind, id } = address;
    let mut out = String::from("bes:");
    for (index, part) in
        [namespace.as_str(), tenant.as_str(), collection.as_str(), kind.as_str(), id.as_str()]
            .into_iter()
            .enumerate()
    {
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
}
