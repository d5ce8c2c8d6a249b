//! Changes of single key items: a newer version added, an old one taken away, one wrapped anew.

use aws_sdk_dynamodb::{
    primitives::Blob,
    types::{AttributeValue, TransactWriteItem},
};
use blue_address::Tenant;

use crate::{
    KeyItem, KeyPartition, Table,
    item::{Condition, Item},
    keys::{self, KEK_ID, PROVIDER, UMK_ID, WRAPPED},
    size::{item_size, key_size},
};

/// The UMK that a key is wrapped under, and the key so wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrapping {
    /// The name of the provider that wrapped it.
    pub provider: String,
    /// The id of the user master key.
    pub umk_id: String,
    /// The wrapped key.
    pub wrapped: Vec<u8>,
}

/// A change of one key item.
#[derive(Debug, Clone)]
pub(crate) enum KeyChange {
    /// A newer version, behind the newest.
    Add { partition: KeyPartition, item: Item, newest: KeyName },
    /// A version taken away, of which a newer one stays.
    Remove { partition: KeyPartition, version: KeyName, newest: KeyName },
    /// A version wrapped anew, which must still be as it was read.
    Wrap { item: Item, condition: Condition, size: usize },
}

/// Which version, and which key it must be.
type KeyName = (u32, [u8; 16]);

impl KeyChange {
    pub(crate) fn add(tenant: &Tenant, item: &KeyItem, newest: &KeyItem) -> Self {
        let partition = KeyPartition::Tenant(tenant.clone());
        let item = keys::encode(&partition, item);
        Self::Add { partition, item, newest: name(newest) }
    }

    pub(crate) fn remove(tenant: &Tenant, item: &KeyItem, newest: &KeyItem) -> Self {
        let partition = KeyPartition::Tenant(tenant.clone());
        Self::Remove { partition, version: name(item), newest: name(newest) }
    }

    pub(crate) fn wrap(partition: &KeyPartition, item: &KeyItem, wrapping: Wrapping) -> Self {
        let mut condition = is_key(&item.kek_id);
        condition.expression.push_str(" AND #umk = :was AND #wrapped = :wrapped");
        let texts = [("#provider", PROVIDER), ("#umk", UMK_ID), ("#wrapped", WRAPPED)];
        condition.names.extend(texts.map(|(alias, name)| (alias.to_owned(), name.to_owned())));
        let Wrapping { provider, umk_id, wrapped } = wrapping.clone();
        condition.values.extend(
            [
                (":was", AttributeValue::S(item.umk_id.clone())),
                (":wrapped", AttributeValue::B(Blob::new(item.wrapped.clone()))),
                (":provider", AttributeValue::S(provider)),
                (":umk", AttributeValue::S(umk_id)),
                (":new", AttributeValue::B(Blob::new(wrapped))),
            ]
            .map(|(alias, value)| (alias.to_owned(), value)),
        );
        let Wrapping { provider, umk_id, wrapped } = wrapping;
        let after = KeyItem { provider, umk_id, wrapped, ..item.clone() };
        let size = item_size(&keys::encode(partition, &after));
        Self::Wrap { item: partition.key(item.version), condition, size }
    }

    pub(crate) fn parts(&self) -> usize {
        match self {
            Self::Add { .. } => 3,
            Self::Remove { .. } => 2,
            Self::Wrap { .. } => 1,
        }
    }

    pub(crate) fn size(&self) -> usize {
        let key = |partition: &KeyPartition| key_size(&partition.pk(), "0000000000");
        match self {
            Self::Add { partition, item, .. } => item_size(item) + 2 * key(partition),
            Self::Remove { partition, .. } => 2 * key(partition),
            Self::Wrap { size, .. } => *size,
        }
    }

    pub(crate) fn in_transaction(&self, table: &Table, parts: &mut Vec<TransactWriteItem>) {
        match self {
            Self::Add { partition, item, newest: (version, kek_id) } => {
                parts.push(table.transact_put(item.clone(), Condition::absent()));
                parts.push(table.transact_check(partition.key(*version), is_key(kek_id)));
                parts.push(table.transact_absent(partition.key(0)));
            }
            Self::Remove { partition, version: (version, kek_id), newest: (newest, newest_id) } => {
                parts.push(table.transact_delete(partition.key(*version), is_key(kek_id)));
                parts.push(table.transact_check(partition.key(*newest), is_key(newest_id)));
            }
            Self::Wrap { item, condition, .. } => {
                let expression = "SET #provider = :provider, #umk = :umk, #wrapped = :new";
                parts.push(table.transact_update(item.clone(), expression, condition.clone()));
            }
        }
    }
}

fn name(item: &KeyItem) -> KeyName {
    (item.version, item.kek_id)
}

/// The condition that a key item holds this key.
pub(crate) fn is_key(kek_id: &[u8; 16]) -> Condition {
    let mut condition = Condition { expression: "#id = :id".to_owned(), ..Condition::default() };
    condition.names.insert("#id".to_owned(), KEK_ID.to_owned());
    condition.values.insert(":id".to_owned(), AttributeValue::B(Blob::new(kek_id)));
    condition
}
