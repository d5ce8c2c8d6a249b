//! One tenant's records.

use std::{sync::Arc, time::Instant};

use blue_address::{Attributes, Kind, NameError, RecordId, RecordPath};
use blue_audit::{CryptoOp, collection_resource};
use blue_store::{Cursor, Deadline, Page, StoreError};
use futures::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use serde::de::DeserializeOwned;

use crate::{
    AuditUnavailable, Entry, JsonMismatch, Key, Padding, Payload, ReadError, Record, Tampered, TraceContext,
    WriteError,
    audit::Caller,
    commit::Content,
    payload::SealingBuffer,
    read::NotOpened,
    store::Inner,
    telemetry::{Operation, Subject},
};

/// How many records a listing asks for at once.
const PAGE: i32 = 256;

/// What a write expects to find at its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// Anything: creates the record or replaces the one that is there, unless that was tampered with.
    Upsert,
    /// Nothing: creates the record.
    Create,
    /// The record with this version: replaces it.
    Replace(u64),
}

/// What a delete expects to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delete {
    /// Anything, even a record that no longer opens.
    Any,
    /// The record with this version.
    Version(u64),
}

/// One tenant's part of a store.
#[derive(Clone)]
pub struct Tenant {
    inner: Arc<Inner>,
    caller: Caller,
    name: blue_address::Tenant,
}

impl Tenant {
    pub(crate) fn new(inner: Arc<Inner>, caller: Caller, name: blue_address::Tenant) -> Self {
        Self { inner, caller, name }
    }

    pub(crate) fn inner_and_caller(&self) -> (Arc<Inner>, Caller) {
        (self.inner.clone(), self.caller.clone())
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &blue_address::Tenant {
        &self.name
    }

    /// One of its collections. It need not exist; it does once a record is written.
    ///
    /// # Errors
    /// [`NameError`] if the name breaks the rules.
    pub fn collection(&self, name: impl AsRef<str>) -> Result<Collection, NameError> {
        let name = blue_address::Collection::new(name)?;
        Ok(Collection {
            inner: self.inner.clone(),
            caller: self.caller.clone(),
            tenant: self.name.clone(),
            name,
        })
    }

    /// All its collections that ever had a record, ascending by name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn collections(&self) -> Result<Vec<blue_address::Collection>, StoreError> {
        let Inner { telemetry, store, deadlines, .. } = &*self.inner;
        let watched = telemetry.begin(Operation::Collections, Subject::Tenant(&self.name), &self.caller);
        watched.watch(store.collections(&self.name, deadlines.start())).await
    }
}

/// A collection of one tenant: records of any kinds, sealed under the tenant's key.
///
/// The methods that take a type use its [`Record::KIND`]; those with `payload` take any kind and content.
/// Every operation, and every page of a listing, ends within the store's deadline.
#[derive(Clone)]
pub struct Collection {
    inner: Arc<Inner>,
    caller: Caller,
    tenant: blue_address::Tenant,
    name: blue_address::Collection,
}

impl Collection {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &blue_address::Collection {
        &self.name
    }

    /// The same collection for another principal, as [`crate::EncryptedStore::with_principal`].
    ///
    /// # Errors
    /// [`NameError`] unless it is 1–1,024 bytes of UTF-8 without control characters.
    pub fn with_principal(&self, principal: impl AsRef<str>) -> Result<Self, NameError> {
        Ok(Self { caller: self.caller.with_principal(principal)?, ..self.clone() })
    }

    /// The same collection, within a trace of the caller's. A current OpenTelemetry span goes before it.
    #[must_use]
    pub fn in_trace(&self, trace: TraceContext) -> Self {
        Self { caller: self.caller.in_trace(trace), ..self.clone() }
    }

    /// Writes a record, whether or not one is there ([`Put::Upsert`]), and returns its version.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn put<T: Record>(&self, record: &T) -> Result<u64, WriteError> {
        self.put_if(record, Put::Upsert).await
    }

    /// Writes a record if what `put` expects is there, and returns its version.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn put_if<T: Record>(&self, record: &T, put: Put) -> Result<u64, WriteError> {
        let path = self.path(key::<T>(record.id())?);
        let content = || content(&path, record, self.inner.padding);
        Box::pin(self.inner.put(&self.caller, &path, content, put)).await
    }

    /// Reads a record; `None` if there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get<T: Record + DeserializeOwned>(
        &self,
        id: impl AsRef<str>,
    ) -> Result<Option<T>, ReadError> {
        Ok(self.get_entry(id).await?.map(|entry| entry.value))
    }

    /// Reads a record with its version, times and attributes; `None` if there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get_entry<T: Record + DeserializeOwned>(
        &self,
        id: impl AsRef<str>,
    ) -> Result<Option<Entry<T>>, ReadError> {
        match self.get_payload(&key::<T>(id)?).await? {
            None => Ok(None),
            Some(entry) => self.typed(entry).map(Some),
        }
    }

    /// All records of one type, ascending by the bytes of their ids. A record that does not open or does not
    /// fit the type is an `Err` of its own and hides no other; after [`ReadError::Store`] and [`ReadError::Audit`] the
    /// stream ends.
    pub fn list<T: Record + DeserializeOwned + Send + 'static>(
        &self,
    ) -> BoxStream<'static, Result<T, ReadError>> {
        self.list_entries().map_ok(|entry| entry.value).boxed()
    }

    /// As [`Self::list`], with versions, times and attributes.
    pub fn list_entries<T: Record + DeserializeOwned + Send + 'static>(
        &self,
    ) -> BoxStream<'static, Result<Entry<T>, ReadError>> {
        let this = self.clone();
        match Kind::new(T::KIND) {
            Ok(kind) => self
                .list_payloads(Some(kind))
                .map(move |entry| entry.and_then(|entry| this.typed(entry)))
                .boxed(),
            Err(error) => stream::once(async { Err(error.into()) }).boxed(),
        }
    }

    /// Reads a record, changes it by `edit`, and writes it, unless somebody else wrote it meanwhile; then again,
    /// until the deadline. `edit` may therefore run more than once. Updates of one record within a process take
    /// turns. Returns the record as written.
    ///
    /// # Errors
    /// [`WriteError::NotFound`] if there is no such record, [`WriteError::Conflict`] if others kept changing it,
    /// or any other [`WriteError`].
    pub async fn update<T: Record + DeserializeOwned>(
        &self,
        id: impl AsRef<str>,
        mut edit: impl FnMut(&mut T),
    ) -> Result<Entry<T>, WriteError> {
        let path = self.path(key::<T>(id)?);
        let (written, mut entry) = self
            .inner
            .update(&self.caller, &path, |entry| {
                let mut entry = entry.try_map(decode).map_err(|source: Option<JsonMismatch>| {
                    WriteError::Type { address: path.to_string(), source }
                })?;
                edit(&mut entry.value);
                if entry.value.id() != path.id.as_str() {
                    let id = entry.value.id().to_owned();
                    return Err(WriteError::Moved { address: path.to_string(), id });
                }
                let content = content(&path, &entry.value, self.inner.padding)?;
                entry.attributes = content.attributes.clone();
                Ok((content, entry))
            })
            .await?;
        entry.version = written.version;
        entry.updated = written.updated;
        Ok(entry)
    }

    /// Deletes a record; says whether there was one.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn delete<T: Record>(&self, id: impl AsRef<str>, delete: Delete) -> Result<bool, WriteError> {
        self.delete_payload(&key::<T>(id)?, delete).await
    }

    /// Writes bytes, as they are.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn put_bytes(
        &self,
        key: &Key,
        bytes: impl Into<Vec<u8>>,
        attributes: Attributes,
        put: Put,
    ) -> Result<u64, WriteError> {
        self.put_payload(key, Payload::Bytes(bytes.into()), attributes, put).await
    }

    /// Reads bytes; `None` if there is no such record.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Type`] if the record holds JSON.
    pub async fn get_bytes(&self, key: &Key) -> Result<Option<Vec<u8>>, ReadError> {
        match self.get_payload(key).await? {
            None => Ok(None),
            Some(Entry { value: Payload::Bytes(bytes), .. }) => Ok(Some(bytes)),
            Some(_) => Err(ReadError::Type { address: self.path(key.clone()).to_string(), source: None }),
        }
    }

    /// Writes any content under any kind.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn put_payload(
        &self,
        key: &Key,
        payload: Payload,
        attributes: Attributes,
        put: Put,
    ) -> Result<u64, WriteError> {
        let content = || Ok(Content::of_payload(&payload, attributes.clone(), self.inner.padding));
        Box::pin(self.inner.put(&self.caller, &self.path(key.clone()), content, put)).await
    }

    /// Reads a record of any kind and content.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn get_payload(&self, key: &Key) -> Result<Option<Entry<Payload>>, ReadError> {
        Box::pin(self.inner.read(&self.caller, &self.path(key.clone()))).await
    }

    /// All records of a kind, or of all kinds, whatever their content; otherwise as [`Self::list`].
    pub fn list_payloads(&self, kind: Option<Kind>) -> BoxStream<'static, Result<Entry<Payload>, ReadError>> {
        let this = self.clone();
        let pages = stream::unfold(Some(None), move |from| {
            let (this, kind) = (this.clone(), kind.clone());
            async move {
                let from = from?;
                Some(match Box::pin(this.page(kind.as_ref(), from.as_ref())).await {
                    Ok((entries, next)) => (entries, next.map(Some)),
                    Err(error) => (vec![Err(error)], None),
                })
            }
        });
        pages.map(stream::iter).flatten().boxed()
    }

    /// Deletes a record of any kind; says whether there was one.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn delete_payload(&self, key: &Key, delete: Delete) -> Result<bool, WriteError> {
        Box::pin(self.inner.delete(&self.caller, &self.path(key.clone()), delete)).await
    }

    /// One page of a listing, and where to go on.
    async fn page(
        &self,
        kind: Option<&Kind>,
        from: Option<&Cursor>,
    ) -> Result<(Vec<Result<Entry<Payload>, ReadError>>, Option<Cursor>), ReadError> {
        let Inner { telemetry, store, deadlines, .. } = &*self.inner;
        let subject = Subject::Collection(&self.tenant, &self.name);
        let watched = telemetry.begin(Operation::List, subject, &self.caller);
        let reading = async {
            let deadline = deadlines.start();
            let page = store.list(&self.tenant, &self.name, kind, from, PAGE, deadline).await;
            let Page { records, next } = page.map_err(ReadError::Store)?;
            Ok((self.open_all(&watched.caller, records, deadline).await?, next))
        };
        watched.watch(reading).await
    }

    /// Opens a page and records it as one. If that is not possible nothing of it is released.
    async fn open_all(
        &self,
        caller: &Caller,
        records: Vec<Result<blue_store::StoredRecord, blue_store::MalformedItem>>,
        deadline: Deadline,
    ) -> Result<Vec<Result<Entry<Payload>, ReadError>>, AuditUnavailable> {
        let read_at = Instant::now();
        let origin = self.inner.trail.begin(caller);
        let mut read = Vec::with_capacity(records.len());
        for record in records {
            read.push(match record {
                Ok(record) => self.inner.open_record(&origin, record, read_at, deadline).await,
                Err(error) => {
                    let namespace = &self.inner.namespace;
                    let here = collection_resource(namespace, &self.tenant, &self.name);
                    let failure =
                        NotOpened::Tampered(Tampered { address: error.key.clone(), source: error.into() });
                    Err(self.inner.unopened(failure, origin.event(CryptoOp::Decrypt, here)))
                }
            });
        }
        let entries = self.inner.release(&origin, read, deadline).await?;
        Ok(entries.into_iter().map(|entry| entry.map_err(ReadError::from)).collect())
    }

    fn typed<T: Record + DeserializeOwned>(&self, entry: Entry<Payload>) -> Result<Entry<T>, ReadError> {
        let address = self.path(entry.key.clone());
        entry.try_map(decode).map_err(|source| ReadError::Type { address: address.to_string(), source })
    }

    fn path(&self, key: Key) -> RecordPath {
        let Key { kind, id } = key;
        RecordPath { tenant: self.tenant.clone(), collection: self.name.clone(), kind, id }
    }
}

fn key<T: Record>(id: impl AsRef<str>) -> Result<Key, NameError> {
    Ok(Key { kind: Kind::new(T::KIND)?, id: RecordId::new(id)? })
}

fn content<T: Record>(path: &RecordPath, record: &T, padding: Padding) -> Result<Content, WriteError> {
    let plaintext = SealingBuffer::of_value(record, padding)
        .map_err(|source| WriteError::Serialise { address: path.to_string(), source })?;
    Ok(Content { plaintext, attributes: record.attributes()? })
}

fn decode<T: DeserializeOwned>(payload: Payload) -> Result<T, Option<JsonMismatch>> {
    match payload {
        Payload::Json(text) => serde_json::from_str(text.get()).map_err(|error| Some(error.into())),
        Payload::Bytes(_) => Err(None),
    }
}
