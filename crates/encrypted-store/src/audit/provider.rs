//! A key provider whose every use is recorded.

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use async_trait::async_trait;
use blue_address::Namespace;
use blue_audit::{AppendError, CryptoOp, Details, kek_resource};
use blue_envelope::Kek;
use blue_keys::{KeyContext, KeyError, KeyOwner, KeyProvider, KeyPurpose, KeyringError, UmkId, WrappedKek};

use super::{Caller, Failure, Origin, Recorder, Trail};
use crate::KeyUnavailable;

/// Records that a KEK was generated or unwrapped, or that it was not, before the key is used.
pub(crate) struct AuditedProvider {
    provider: Arc<dyn KeyProvider>,
    trail: OnceLock<Weak<Trail>>,
    /// What is done before there is a trail: the audit key itself.
    before: Mutex<Vec<Details>>,
    recorder: Recorder,
}

impl AuditedProvider {
    pub(crate) fn new(provider: Arc<dyn KeyProvider>, recorder: Recorder) -> Self {
        Self { provider, trail: OnceLock::new(), before: Mutex::default(), recorder }
    }

    /// From now on events go to `trail`. Gives back those before it.
    pub(super) fn record_to(&self, trail: &Arc<Trail>) -> Vec<Details> {
        let _ = self.trail.set(Arc::downgrade(trail));
        std::mem::take(&mut *self.before.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// `umk_id` is the one that was used, as it is configured.
    async fn record<T>(
        &self,
        operation: CryptoOp,
        umk_id: &UmkId,
        context: &KeyContext,
        result: Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        let (namespace, kek_id) = (&context.namespace, context.kek_id.as_bytes());
        let resource = match &context.purpose {
            KeyPurpose::Of(owner) => kek_name(namespace, owner, kek_id),
            KeyPurpose::Doctor => kek_resource(namespace, None, kek_id),
        };
        let trail = self.trail.get().and_then(Weak::upgrade);
        let caller = Caller::default();
        let origin = match &trail {
            Some(trail) => trail.begin(&caller),
            None => Origin::of(&caller, &self.recorder),
        };
        let event = Details { key_id: umk_id.as_str().to_owned(), ..origin.event(operation, resource) };
        let event = match &result {
            Ok(_) => event,
            Err(error) => failure_of_provider(error).of(event),
        };
        match trail {
            None => self.before.lock().unwrap_or_else(PoisonError::into_inner).push(event),
            // A key whose use is not recorded is not used.
            Some(trail) => match (trail.release_key(event).await, &result) {
                (Err(error), Ok(_)) => return Err(unrecorded(error)),
                (Err(error), Err(_)) => tracing::error!(%error, "an event was not recorded"),
                (Ok(()), _) => {}
            },
        }
        result
    }
}

#[async_trait]
impl KeyProvider for AuditedProvider {
    fn umk_id(&self) -> &UmkId {
        self.provider.umk_id()
    }

    fn accepts(&self, umk_id: &UmkId) -> bool {
        self.provider.accepts(umk_id)
    }

    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        let generated = self.provider.generate_kek(context).await;
        self.record(CryptoOp::GenerateKek, self.umk_id(), context, generated).await
    }

    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        let unwrapped = self.provider.unwrap_kek(wrapped, context).await;
        // What the table says is not repeated unless it is one of ours.
        let said = wrapped.umk_id();
        let umk_id = if self.accepts(said) { said } else { self.umk_id() };
        self.record(CryptoOp::UnwrapKek, umk_id, context, unwrapped).await
    }

    /// Not recorded here: the event of a success goes with the write of the key item, that of a failure is the caller's.
    async fn rewrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<WrappedKek, KeyError> {
        self.provider.rewrap_kek(wrapped, context).await
    }
}

/// How an event names a KEK.
pub(crate) fn kek_name(namespace: &Namespace, owner: &KeyOwner, kek_id: &[u8; 16]) -> String {
    let tenant = match owner {
        KeyOwner::Tenant(tenant) => Some(tenant),
        KeyOwner::Audit => None,
    };
    kek_resource(namespace, tenant, kek_id)
}

fn unrecorded(error: AppendError) -> KeyError {
    KeyError::Unavailable { source: Box::new(error) }
}

/// How an event says that a key was not to be had.
pub(crate) fn key_failure(error: &KeyUnavailable) -> Failure {
    match error {
        KeyUnavailable::Keyring(KeyringError::Provider { source, .. }) => failure_of_provider(source),
        _ => Failure::failed("key_unavailable"),
    }
}

pub(crate) fn failure_of_provider(error: &KeyError) -> Failure {
    match error {
        KeyError::Denied { .. } => Failure::denied("key_denied"),
        KeyError::Disabled { .. } => Failure::denied("key_disabled"),
        KeyError::NotFound { .. } => Failure::failed("key_not_found"),
        KeyError::NotConfigured { .. } => Failure::failed("key_not_configured"),
        KeyError::Unavailable { .. } => Failure::failed("key_unavailable"),
        KeyError::Authentication | KeyError::Malformed => Failure::failed("tampered"),
        _ => Failure::failed("key_failed"),
    }
}
