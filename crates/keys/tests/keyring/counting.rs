//! A provider and a store in memory that count what is asked of them.

use std::{
    collections::HashMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use blue_keys::{
    Inserted, KekStore, KekStoreError, KeyContext, KeyError, KeyOwner, KeyProvider, Keyring, KeyringConfig,
    StoredKek, StoredKeks, Tombstone, UmkId, WrappedKek,
    envelope::{
        Kek, KekId, SecretKey,
        address::{Namespace, Tenant},
    },
};
use tokio::time::Instant;

pub(crate) const TTL: Duration = Duration::from_secs(3_600);

/// What a provider answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Key,
    Denied,
    Disabled,
    NotFound,
    NotAuthentic,
    Unavailable,
}

/// "Wraps" keys as they are.
pub(crate) struct Provider {
    umk_id: UmkId,
    delay: Duration,
    answer: Mutex<Answer>,
    generated: AtomicUsize,
    unwrapped: AtomicUsize,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

impl Provider {
    fn now_answers(&self) -> Result<(), KeyError> {
        let (umk_id, source) = (self.umk_id.clone(), "it was told to".into());
        match *self.answer.lock().unwrap() {
            Answer::Key => Ok(()),
            Answer::Denied => Err(KeyError::Denied { umk_id, source }),
            Answer::Disabled => Err(KeyError::Disabled { umk_id, source }),
            Answer::NotFound => Err(KeyError::NotFound { umk_id, source }),
            Answer::NotAuthentic => Err(KeyError::Authentication),
            Answer::Unavailable => Err(KeyError::Unavailable { source }),
        }
    }

    async fn work(&self) -> Result<(), KeyError> {
        self.most_at_once.fetch_max(self.at_once.fetch_add(1, SeqCst) + 1, SeqCst);
        wait(self.delay).await;
        self.at_once.fetch_sub(1, SeqCst);
        self.now_answers()
    }
}

#[async_trait]
impl KeyProvider for Provider {
    fn umk_id(&self) -> &UmkId {
        &self.umk_id
    }

    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        self.generated.fetch_add(1, SeqCst);
        self.work().await?;
        Ok((kek(context.kek_id), wrapped(context.kek_id)))
    }

    async fn unwrap_kek(&self, _: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        self.unwrapped.fetch_add(1, SeqCst);
        self.work().await?;
        Ok(kek(context.kek_id))
    }
}

pub(crate) fn kek(id: KekId) -> Kek {
    let mut key = [7; 32];
    key[..16].copy_from_slice(id.as_bytes());
    Kek::new(id, SecretKey::from_slice(&key).unwrap())
}

pub(crate) fn wrapped(id: KekId) -> WrappedKek {
    WrappedKek::new(UmkId::new("local:counting"), id.as_bytes().to_vec())
}

/// A map.
#[derive(Default)]
pub(crate) struct Store {
    delay: Duration,
    fails: Mutex<bool>,
    keks: Mutex<HashMap<KeyOwner, StoredKeks>>,
    loads: AtomicUsize,
}

impl Store {
    pub(crate) fn is_to_fail(&self, fails: bool) {
        *self.fails.lock().unwrap() = fails;
    }

    /// Adds the next version, as another process would.
    pub(crate) fn rotate(&self, owner: &KeyOwner) -> KekId {
        let mut keks = self.keks.lock().unwrap();
        let versions = &mut keks.entry(owner.clone()).or_default().versions;
        let kek_id = KekId::generate().unwrap();
        let version = u32::try_from(versions.len()).unwrap() + 1;
        versions.push(StoredKek { version, kek_id, wrapped: wrapped(kek_id) });
        kek_id
    }

    /// Takes the newest version away.
    pub(crate) fn cut(&self, owner: &KeyOwner) {
        self.keks.lock().unwrap().get_mut(owner).unwrap().versions.pop().unwrap();
    }

    pub(crate) fn shred(&self, owner: &KeyOwner) {
        let tombstone = Some(Tombstone { time: "2026-11-23T12:00:00.000000Z".to_owned() });
        let shredded = StoredKeks { versions: Vec::new(), tombstone };
        self.keks.lock().unwrap().insert(owner.clone(), shredded);
    }

    pub(crate) fn loads(&self) -> usize {
        self.loads.load(SeqCst)
    }

    fn works(&self) -> Result<(), KekStoreError> {
        if *self.fails.lock().unwrap() { Err(Arc::new(io::Error::other("it was told to"))) } else { Ok(()) }
    }
}

#[async_trait]
impl KekStore for Store {
    async fn load(&self, owner: &KeyOwner) -> Result<StoredKeks, KekStoreError> {
        self.loads.fetch_add(1, SeqCst);
        // As of the beginning: the answer takes its time to arrive.
        let keks = self.keks.lock().unwrap().get(owner).cloned().unwrap_or_default();
        wait(self.delay).await;
        self.works().map(|()| keks)
    }

    async fn insert(&self, owner: &KeyOwner, kek: &StoredKek) -> Result<Inserted, KekStoreError> {
        wait(self.delay).await;
        self.works()?;
        let mut keks = self.keks.lock().unwrap();
        let keks = keks.entry(owner.clone()).or_default();
        if keks.tombstone.is_some() || !keks.versions.is_empty() {
            return Ok(Inserted::Lost);
        }
        keks.versions.push(kek.clone());
        Ok(Inserted::Done)
    }
}

/// A keyring, and what stands behind it.
pub(crate) struct Counted {
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) provider: Arc<Provider>,
    pub(crate) store: Arc<Store>,
}

impl Counted {
    /// With a service that takes `delay` for each call.
    pub(crate) fn new(delay: Duration) -> Self {
        Self::over(
            Arc::new(Store { delay, ..Store::default() }),
            KeyringConfig { ttl: TTL, ..KeyringConfig::default() },
        )
    }

    /// Another process's keyring over a store.
    pub(crate) fn over(store: Arc<Store>, config: KeyringConfig) -> Self {
        let provider = Arc::new(Provider {
            umk_id: UmkId::new("local:counting"),
            delay: store.delay,
            answer: Mutex::new(Answer::Key),
            generated: AtomicUsize::new(0),
            unwrapped: AtomicUsize::new(0),
            at_once: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
        });
        let namespace = Namespace::new("test").unwrap();
        let keyring = Arc::new(Keyring::new(namespace, provider.clone(), store.clone(), config));
        Self { keyring, provider, store }
    }

    /// One whose owner has a key that is in use.
    pub(crate) async fn in_use(delay: Duration) -> (Self, KeyOwner) {
        let (counted, owner) = (Self::new(delay), owner("alice"));
        counted.store.rotate(&owner);
        counted.keyring.sealing_kek(&owner).await.unwrap();
        (counted, owner)
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.provider.answer.lock().unwrap() = answer;
    }

    /// How often keys were loaded, generated and unwrapped.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let Provider { generated, unwrapped, .. } = &*self.provider;
        (self.store.loads(), generated.load(SeqCst), unwrapped.load(SeqCst))
    }

    /// How many calls of the provider were under way at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.provider.most_at_once.load(SeqCst)
    }

    pub(crate) fn forget_most_at_once(&self) {
        self.provider.most_at_once.store(0, SeqCst);
    }

    pub(crate) async fn open(
        &self,
        owner: &KeyOwner,
        kek_id: KekId,
    ) -> Result<Arc<Kek>, blue_keys::KeyringError> {
        self.keyring.opening_kek(owner, kek_id, Instant::now().into_std()).await
    }
}

pub(crate) fn owner(name: &str) -> KeyOwner {
    KeyOwner::Tenant(Tenant::new(name).unwrap())
}

/// Time passes; what becomes due meanwhile is done.
pub(crate) async fn wait(time: Duration) {
    // A sleep of no time takes a millisecond.
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}
