//! The keys of one store's audit log.

use std::sync::Arc;

use crate::AuditKey;

/// All audit keys of a store: the newest makes MACs, each verifies its own. Audit keys are never deleted.
#[derive(Debug, Clone)]
pub struct AuditKeys {
    newest: Arc<AuditKey>,
    older: Arc<[AuditKey]>,
}

impl AuditKeys {
    /// The newest key and those before it, in any order.
    #[must_use]
    pub fn new(newest: AuditKey, older: impl IntoIterator<Item = AuditKey>) -> Self {
        Self { newest: Arc::new(newest), older: older.into_iter().collect() }
    }

    /// The key that new segments are made under.
    #[must_use]
    pub fn newest(&self) -> &AuditKey {
        &self.newest
    }

    /// The key with this id, if the store has it.
    #[must_use]
    pub fn find(&self, id: &[u8; 16]) -> Option<&AuditKey> {
        [&*self.newest].into_iter().chain(&*self.older).find(|key| key.id() == id)
    }
}
