//! Which chains there are.

use blue_encrypted_store::{
    AuditLog, AuditLogError,
    blue_audit::{
        CryptoOp, Details, Finding, Outcome, Start, Step,
        address::{Chain, Namespace},
        chain_resource,
    },
};

use crate::failure::Failure;

/// The chain that all writers share unless told otherwise, and the registry.
const WELL_KNOWN: [&str; 2] = ["main", REGISTRY];

/// The chain that names all others but `main`.
pub(super) const REGISTRY: &str = "registry";

pub(super) fn well_known() -> Vec<Chain> {
    WELL_KNOWN.iter().filter_map(|name| Chain::new(name).ok()).collect()
}

/// `main`, `registry`, and all that `registry` names. What is found while it is read is passed on.
pub(super) async fn all(log: &AuditLog, mut find: impl FnMut(&Finding)) -> Result<Vec<Chain>, Failure> {
    let mut chains = well_known();
    for registry in chains.clone().into_iter().filter(|chain| chain.as_str() == REGISTRY) {
        let mut reader = log.read(registry, Start::Beginning);
        while let Some(step) = reader.next().await.map_err(AuditLogError::from)? {
            match step {
                Step::Segment(segment) => {
                    for chain in segment.events().filter_map(|event| opened(event.details(), log.namespace()))
                    {
                        if !chains.contains(&chain) {
                            chains.push(chain);
                        }
                    }
                }
                Step::Finding(finding) => find(&finding),
            }
        }
    }
    Ok(chains)
}

/// The chain that an event of the registry opens.
pub(super) fn opened(details: &Details<&str>, namespace: &Namespace) -> Option<Chain> {
    if (details.operation, details.outcome) != (CryptoOp::OpenChain, Outcome::Success) {
        return None;
    }
    let chain = Chain::new(percent_decoded(details.resource.rsplit('/').next()?)?).ok()?;
    (chain_resource(namespace, &chain) == details.resource).then_some(chain)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}
