//! The keyring's memory. It has a process of its own, so that nothing else grows in it.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may")]

use std::{fs, sync::Arc, time::Duration};

use async_trait::async_trait;
use blue_keys::{
    Inserted, KekStore, KekStoreError, KeyContext, KeyError, KeyOwner, KeyProvider, Keyring, KeyringConfig,
    StoredKek, StoredKeks, UmkId, WrappedKek,
    envelope::{
        Kek, KekId, SecretKey,
        address::{Namespace, Tenant},
    },
};

/// A million; fewer where the code is not optimised, which takes ten times as long.
const OWNERS: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const CAPACITY: u64 = 10_000;
/// Used at the beginning, to fill the cache and the allocator's pools.
const WARM_UP: u32 = 20_000;
/// What it may grow by in memory from there on. Were the keys of all further owners kept, they would take several times that.
const SLACK: u64 = 16 << 20;

/// A key for every owner, of their name's bytes, under one version.
struct Everybody(UmkId);

impl Everybody {
    fn kek_id(owner: &KeyOwner) -> KekId {
        let mut id = [0; 16];
        let name = owner.tenant().as_bytes();
        id[..name.len()].copy_from_slice(name);
        KekId::from_bytes(id)
    }
}

#[async_trait]
impl KeyProvider for Everybody {
    fn umk_id(&self) -> &UmkId {
        &self.0
    }

    async fn generate_kek(&self, _: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        unreachable!("every owner has a key")
    }

    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        Ok(Kek::new(context.kek_id, SecretKey::from_slice(wrapped.as_bytes()).unwrap()))
    }
}

#[async_trait]
impl KekStore for Everybody {
    async fn load(&self, owner: &KeyOwner) -> Result<StoredKeks, KekStoreError> {
        let wrapped = WrappedKek::new(self.0.clone(), vec![7; 32]);
        let kek = StoredKek { version: 1, kek_id: Self::kek_id(owner), wrapped };
        Ok(StoredKeks { versions: vec![kek], tombstone: None })
    }

    async fn insert(&self, _: &KeyOwner, _: &StoredKek) -> Result<Inserted, KekStoreError> {
        unreachable!("every owner has a key")
    }
}

/// Resident memory of this process, in bytes, by /proc/self/statm in pages of 4,096 bytes or more.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}

#[tokio::test]
async fn many_more_owners_than_the_cache_holds_leave_nothing_behind() {
    let everybody = Arc::new(Everybody(UmkId::new("local:everybody")));
    let namespace = Namespace::new("test").unwrap();
    let config =
        KeyringConfig { capacity: CAPACITY, ttl: Duration::from_secs(3_600), ..KeyringConfig::default() };
    let keyring = Keyring::new(namespace, everybody.clone(), everybody, config);
    let (mut warm, mut used) = (0, 0);
    for i in 0..OWNERS {
        let owner = KeyOwner::Tenant(Tenant::new(format!("tenant-{i}")).unwrap());
        assert_eq!(keyring.sealing_kek(&owner).await.unwrap().id(), Everybody::kek_id(&owner));
        used += 1;
        if i + 1 == WARM_UP {
            warm = resident();
            assert_eq!(keyring.usage().owners, CAPACITY, "it is full");
        }
        if i >= WARM_UP && i % 10_000 == 0 {
            assert!(keyring.usage().owners <= CAPACITY + 1_000, "{:?}", keyring.usage());
            let grown = resident().saturating_sub(warm);
            assert!(grown < SLACK, "grown by {grown} bytes after {i} owners");
        }
    }
    assert_eq!(used, OWNERS);
    assert_eq!(keyring.usage().fetches, 0, "nothing is left under way");
    assert_eq!(keyring.usage().rotated, 0);
}
