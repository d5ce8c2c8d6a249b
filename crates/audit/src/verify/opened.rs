//! Which chain an event of the registry opens, and which tenant one was shredded.

use blue_address::{Chain, Namespace, Tenant};

use crate::{CryptoOp, Details, Outcome, chain_resource, resource_parts, tenant_resource};

/// The chain `registry`, whose events name the chains that were opened.
pub(super) const REGISTRY: &str = "registry";

/// An event of the registry says that a chain was opened, and names none of this store's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NamesNoChain;

/// The chain that an event opens; `None` if it opens none.
pub(super) fn opened_chain(
    namespace: &Namespace,
    details: &Details<&str>,
) -> Result<Option<Chain>, NamesNoChain> {
    if (details.operation, details.outcome) != (CryptoOp::OpenChain, Outcome::Success) {
        return Ok(None);
    }
    parse_chain_resource(namespace, details.resource).map(Some).ok_or(NamesNoChain)
}

/// Reads back what [`chain_resource`] writes, and nothing else.
fn parse_chain_resource(namespace: &Namespace, resource: &str) -> Option<Chain> {
    let chain = Chain::new(resource_parts(resource)?.last()?).ok()?;
    // Written again it has to be the same: that judges the namespace, and that there is one spelling only.
    (chain_resource(namespace, &chain) == resource).then_some(chain)
}

/// The tenant that was shredded by what an event tells of.
pub(super) fn shredded_tenant(namespace: &Namespace, details: &Details<&str>) -> Option<Tenant> {
    if (details.operation, details.outcome) != (CryptoOp::Shred, Outcome::Success) {
        return None;
    }
    let tenant = Tenant::new(resource_parts(details.resource)?.last()?).ok()?;
    (tenant_resource(namespace, &tenant) == details.resource).then_some(tenant)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn prod() -> Namespace {
        Namespace::new("prod").unwrap()
    }

    proptest! {
        #[test]
        fn what_was_written_reads_back(name in "[!-~&&[^#/]]{1,255}") {
            let chain = Chain::new(name).unwrap();
            let resource = chain_resource(&prod(), &chain);
            prop_assert_eq!(parse_chain_resource(&prod(), &resource), Some(chain));
        }

        #[test]
        fn what_is_read_is_its_own_spelling(resource in "bes:prod/%23audit/([a-c~@]|%[0-9A-Fa-f]{2}){0,3}") {
            if let Some(chain) = parse_chain_resource(&prod(), &resource) {
                prop_assert_eq!(chain_resource(&prod(), &chain), resource);
            }
        }
    }

    #[test]
    fn another_store_another_thing_and_another_spelling_are_refused() {
        let good = "bes:prod/%23audit/main";
        assert_eq!(parse_chain_resource(&prod(), good).unwrap().as_str(), "main");
        for bad in [
            "",
            "main",
            "bes:prod",
            "bes:prod/%23audit",
            "bes:prod/%23audit/",
            "bes:test/%23audit/main",
            "bes:prod/#audit/main",
            "bes:prod/%23audit/main/",
            "bes:prod/%23audit/x/main",
            "bes:prod/alice/main",
            "bes:prod/%23audit/m%61in",
            "bes:prod/%23audit/a%2Fb",
            "bes:prod/%23audit/a%2fb",
            "bes:prod/%23audit/a@b",
            "bes:prod/%23audit/a%4",
            "bes:prod/%23audit/%C3%A9",
            "bes:prod/%23audit/%FF",
        ] {
            assert_eq!(parse_chain_resource(&prod(), bad), None, "{bad}");
        }
    }

    #[test]
    fn only_a_chain_that_was_opened_is_named() {
        let opened = |operation, outcome, resource: &str| {
            let details = Details { operation, outcome, resource: resource.into(), ..Details::now() };
            opened_chain(&prod(), &details.with_texts(String::as_str))
        };
        let resource = "bes:prod/%23audit/w1";
        assert_eq!(opened(CryptoOp::OpenChain, Outcome::Success, resource), Ok(Chain::new("w1").ok()));
        assert_eq!(opened(CryptoOp::OpenChain, Outcome::Failure, resource), Ok(None));
        assert_eq!(opened(CryptoOp::Adopt, Outcome::Success, resource), Ok(None));
        assert_eq!(opened(CryptoOp::OpenChain, Outcome::Success, "bes:prod/alice"), Err(NamesNoChain));
    }
    #[test]
    fn only_a_tenant_that_was_shredded_is_named() {
        let shredded = |operation, outcome, resource: &str| {
            let details = Details { operation, outcome, resource: resource.into(), ..Details::now() };
            shredded_tenant(&prod(), &details.with_texts(String::as_str))
        };
        let alice = Tenant::new("a/lice".replace('/', ",")).unwrap();
        assert_eq!(shredded(CryptoOp::Shred, Outcome::Success, "bes:prod/a%2Clice"), Some(alice));
        assert_eq!(shredded(CryptoOp::Shred, Outcome::Denied, "bes:prod/a%2Clice"), None);
        assert_eq!(shredded(CryptoOp::Delete, Outcome::Success, "bes:prod/a%2Clice"), None);
        for bad in
            ["bes:prod", "bes:test/alice", "bes:prod/alice/inbox", "bes:prod/%23audit", "bes:prod/a,lice"]
        {
            assert_eq!(shredded(CryptoOp::Shred, Outcome::Success, bad), None, "{bad}");
        }
    }
}
