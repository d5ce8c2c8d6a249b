//! All keys of a store moved to another master key.

use std::{
    future,
    pin::{Pin, pin},
    sync::atomic::{AtomicBool, Ordering},
};

use blue_audit::{CryptoOp, Details};
use blue_keys::{KeyContext, KeyError, KeyOwner, KeyProvider, KeyringError, StoredKek, UmkId, WrappedKek};
use blue_store::{KeyItem, ScanCursor, ScannedItem, StoreError};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use super::RootError;
use crate::{
    ChangeError, EncryptedStore, KeyUnavailable,
    audit::{failure_of_provider, kek_name},
    keks::{partition, stored, wrapping},
    store::Inner,
    telemetry::{Operation, Subject},
};

/// In how many parts the table is read at once.
const PARTS: u32 = 4;

/// How many keys are wrapped anew at once.
const KEYS: usize = 16;

/// How often the table is looked through for keys that were made meanwhile.
const ROUNDS: u32 = 10;

/// What became of one key.
#[derive(Debug)]
#[non_exhaustive]
pub enum KeyMoved {
    /// It is wrapped under the new master key now.
    Done,
    /// It could not be, since it is not as it was made, or its item is none; it is as it was.
    Failed(KeyUnavailable),
    /// What lies there is no key item.
    Malformed(blue_store::MalformedItem),
    /// Its tenant was shredded: the key was put back, and is not carried along. To shred the tenant again deletes it.
    Shredded,
}

/// What became of a store's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootMoved {
    /// The master key that all of them are wrapped under now; or, if it was stopped, that they are moved to.
    pub umk_id: UmkId,
    /// How many were moved now.
    pub moved: u64,
    /// How many were already, of those that were looked at.
    pub already: u64,
    /// Whether it was told to stop before it was complete: the store's master key is what it was then, and both are needed.
    pub stopped: bool,
}

/// What one look through the table came to.
#[derive(Default)]
struct Round {
    moved: u64,
    already: u64,
    /// Changed by somebody else at the same moment.
    raced: u64,
    failed: u64,
}

impl EncryptedStore {
    /// Wraps every key of the store (all versions of all tenants' keys, and the audit keys) under the provider's current
    /// master key, and then records it as the store's. Records are not touched. The provider must accept the old master key
    /// besides ([`KeyProvider::accepts`]); so must those of all other processes, before it begins, accept both, and make new
    /// keys under the new one.
    ///
    /// The whole table is read to find the key items, since a key can be there before its tenant is anywhere else. Each
    /// item is written on condition that it is still what was read, together with an event `rewrap_root`. Of an item that says
    /// it is under the new master key already, that is tried. `seen` is told of each key that was moved or could not be, by the
    /// name that the audit log has for it.
    ///
    /// It can be stopped at any moment. To do it again goes on from there. To stop it and know what became of every key that
    /// was begun: [`Self::rewrap_root_until`].
    ///
    /// # Errors
    /// [`RootError`]; [`RootError::Left`] if a key could not be moved, for a reason of its own: the store's master key stays
    /// what it is then, and both are needed.
    pub async fn rewrap_root(
        &self,
        seen: impl Fn(&str, &KeyMoved) + Send + Sync,
    ) -> Result<RootMoved, RootError> {
        self.rewrap_root_until(future::pending(), seen).await
    }

    /// As [`Self::rewrap_root`], until `stop` is ready. Then no further key is begun, those that were are finished, each within
    /// the deadline of one operation, and the report says how far it came and that it was [stopped](RootMoved::stopped).
    ///
    /// # Errors
    /// [`RootError`].
    pub async fn rewrap_root_until(
        &self,
        stop: impl Future<Output = ()> + Send,
        seen: impl Fn(&str, &KeyMoved) + Send + Sync,
    ) -> Result<RootMoved, RootError> {
        let watched = self.inner.telemetry.begin(Operation::RewrapRoot, Subject::Store, &self.caller);
        let this = Self { inner: self.inner.clone(), caller: watched.caller.clone() };
        watched.watch(this.move_root(stop, seen)).await
    }

    async fn move_root(
        &self,
        stop: impl Future<Output = ()> + Send,
        seen: impl Fn(&str, &KeyMoved) + Send + Sync,
    ) -> Result<RootMoved, RootError> {
        let inner = &self.inner;
        inner.check_writable()?;
        let umk_id = inner.provider.umk_id().clone();
        if umk_id.is_local() {
            return Err(RootError::Local);
        }
        let stopped = AtomicBool::new(false);
        let mut stop = pin!(stop.map(|()| stopped.store(true, Ordering::Relaxed)).fuse());
        let mut moved = 0;
        for _ in 0..ROUNDS {
            let round = self.move_keys(&umk_id, stop.as_mut(), &seen).await?;
            let already = round.already.saturating_sub(moved);
            moved += round.moved;
            if stopped.load(Ordering::Relaxed) {
                return Ok(RootMoved { umk_id, moved, already, stopped: true });
            }
            if round.failed > 0 {
                return Err(RootError::Left { left: round.failed });
            }
            // Keys that were made behind the scan's back are found by the next one.
            if round.moved + round.raced > 0 {
                continue;
            }
            if self.record_root(&umk_id).await? {
                return Ok(RootMoved { umk_id, moved, already, stopped: false });
            }
        }
        Err(RootError::Raced)
    }

    /// Looks through the table once, or until `stop` is ready.
    async fn move_keys(
        &self,
        umk_id: &UmkId,
        stop: Pin<&mut (impl Future<Output = ()> + Send)>,
        seen: &(impl Fn(&str, &KeyMoved) + Send + Sync),
    ) -> Result<Round, RootError> {
        let keys = stream::iter((0..PARTS).map(|part| self.inner.key_items_of(part).boxed()));
        let moving = keys
            .flatten_unordered(None)
            .take_until(stop)
            .map_ok(|item| self.move_item(umk_id, item, seen))
            .try_buffer_unordered(KEYS);
        let add = async |sum: Round, one: Round| {
            Ok(Round {
                moved: sum.moved + one.moved,
                already: sum.already + one.already,
                raced: sum.raced + one.raced,
                failed: sum.failed + one.failed,
            })
        };
        moving.try_fold(Round::default(), add).await
    }

    async fn move_item(
        &self,
        umk_id: &UmkId,
        item: ScannedItem,
        seen: &(impl Fn(&str, &KeyMoved) + Send + Sync),
    ) -> Result<Round, RootError> {
        let (owner, item) = match item {
            ScannedItem::TenantKey { tenant, key } => (KeyOwner::Tenant(tenant), key),
            ScannedItem::AuditKey(key) => (KeyOwner::Audit, key),
            ScannedItem::Malformed(error) => {
                seen(&error.key.clone(), &KeyMoved::Malformed(error));
                return Ok(Round { failed: 1, ..Round::default() });
            }
            _ => return Ok(Round::default()),
        };
        let inner = &self.inner;
        let name = kek_name(&inner.namespace, &owner, &item.kek_id);
        if matches!(owner, KeyOwner::Tenant(_)) && inner.is_shredded(&owner).await? {
            seen(&name, &KeyMoved::Shredded);
            return Ok(Round { failed: 1, ..Round::default() });
        }
        let origin = inner.trail.begin(&self.caller);
        let wrapped = match inner.wrapped_anew(&owner, &item).await {
            // It is what it says; nobody vouches for that but the master key itself.
            Ok(_) if item.umk_id == umk_id.as_str() => return Ok(Round { already: 1, ..Round::default() }),
            Ok(wrapped) => wrapped,
            Err(source) => {
                let event = Details {
                    key_id: umk_id.to_string(),
                    ..origin.event(CryptoOp::RewrapRoot, name.clone())
                };
                let event = failure_of_provider(&source).of(event);
                inner.trail.failed(vec![event], inner.deadlines.start()).await;
                let concerns_this_key = matches!(
                    &source,
                    KeyError::Authentication | KeyError::Malformed | KeyError::NotConfigured { .. }
                );
                let source = KeyringError::Provider { owner, source: source.into() }.into();
                if concerns_this_key {
                    seen(&name, &KeyMoved::Failed(source));
                    return Ok(Round { failed: 1, ..Round::default() });
                }
                return Err(RootError::Key { key: name, umk_id: umk_id.clone(), source });
            }
        };
        let deadline = inner.deadlines.start();
        let written = inner.trail.wrap_key(&origin, &owner, &item, wrapping(&wrapped), deadline).await;
        match written
            .map_err(|error| RootError::Change { key: name.clone(), source: ChangeError::from(error) })?
        {
            true => {
                seen(&name, &KeyMoved::Done);
                Ok(Round { moved: 1, ..Round::default() })
            }
            false => Ok(Round { raced: 1, ..Round::default() }),
        }
    }

    /// Says `false` if META changed meanwhile.
    async fn record_root(&self, umk_id: &UmkId) -> Result<bool, RootError> {
        let inner = &self.inner;
        let deadline = inner.deadlines.start();
        let meta = inner.store.meta(deadline).await.map_err(RootError::Read)?;
        if meta.umk_id == umk_id.as_str() {
            return Ok(true);
        }
        let origin = inner.trail.begin(&self.caller);
        let changed = inner.trail.change_root(&origin, &meta, umk_id, deadline).await;
        changed.map_err(|error| RootError::Meta(error.into()))
    }
}

impl Inner {
    async fn is_shredded(&self, owner: &KeyOwner) -> Result<bool, RootError> {
        match self.store.key_items(&partition(owner), self.deadlines.start()).await {
            Ok(items) => Ok(items.tombstone.is_some()),
            // The scan meets the item itself.
            Err(StoreError::Malformed(_)) => Ok(false),
            Err(error) => Err(RootError::Read(error)),
        }
    }

    fn key_items_of(
        &self,
        part: u32,
    ) -> impl futures::Stream<Item = Result<ScannedItem, RootError>> + Send + '_ {
        stream::try_unfold(Some(None), move |from| async move {
            let from: Option<ScanCursor> = match from {
                Some(from) => from,
                None => return Ok::<_, RootError>(None),
            };
            let page = self.store.scan_keys(part, PARTS, from.as_ref(), self.deadlines.start()).await;
            let page = page.map_err(RootError::Read)?;
            Ok(Some((stream::iter(page.items.into_iter().map(Ok)), page.next.map(Some))))
        })
        .try_flatten()
    }

    async fn wrapped_anew(&self, owner: &KeyOwner, item: &KeyItem) -> Result<WrappedKek, KeyError> {
        let StoredKek { version, kek_id, wrapped } = stored(item.clone());
        let context =
            KeyContext { namespace: self.namespace.clone(), purpose: owner.clone().into(), version, kek_id };
        self.provider.rewrap_kek(&wrapped, &context).await
    }
}
