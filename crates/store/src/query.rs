//! Reading a partition in order.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::{
    StoreError, Table,
    calls::{Deadline, ask},
    item::{self, Item, PK, SK},
};

/// Which items of a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Range<'a> {
    All,
    StartingWith(&'a str),
    After(&'a str),
    Before(&'a str),
}

/// One request for the items of a partition, in the order of their sort keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Query<'a> {
    pub(crate) partition: &'a str,
    pub(crate) range: Range<'a>,
    /// From the greatest sort key down.
    pub(crate) descending: bool,
    /// The sort key that the page before this one ended with.
    pub(crate) from: Option<&'a str>,
    /// At most so many items, and never more than 1 MB.
    pub(crate) limit: Option<i32>,
}

impl<'a> Query<'a> {
    /// All items, ascending, as many as come.
    pub(crate) fn of(partition: &'a str) -> Self {
        Self { partition, range: Range::All, descending: false, from: None, limit: None }
    }
}

impl Table {
    /// Some items, strongly consistent, and the sort key to go on from; none at the end.
    pub(crate) async fn query(
        &self,
        query: Query<'_>,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let Query { partition, range, descending, from, limit } = query;
        let mut names = HashMap::from([("#pk".to_owned(), PK.to_owned())]);
        let mut values = HashMap::from([(":pk".to_owned(), AttributeValue::S(partition.to_owned()))]);
        let bound = match range {
            Range::All => None,
            Range::StartingWith(prefix) => Some(("begins_with(#sk, :sk)", prefix)),
            Range::After(bound) => Some(("#sk > :sk", bound)),
            Range::Before(bound) => Some(("#sk < :sk", bound)),
        };
        let mut condition = "#pk = :pk".to_owned();
        if let Some((part, bound)) = bound {
            names.insert("#sk".to_owned(), SK.to_owned());
            values.insert(":sk".to_owned(), AttributeValue::S(bound.to_owned()));
            condition.push_str(" AND ");
            condition.push_str(part);
        }
        let request = self
            .client
            .query()
            .table_name(&self.name)
            .key_condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .set_exclusive_start_key(from.map(|sk| item::key(partition, sk)))
            .scan_index_forward(!descending)
            .set_limit(limit)
            .consistent_read(true);
        let answer = ask("Query", self, deadline, || request.clone().send()).await?;
        let next = match answer.last_evaluated_key.and_then(|mut key| key.remove(SK)) {
            Some(AttributeValue::S(sk)) => Some(sk),
            _ => None,
        };
        Ok((answer.items.unwrap_or_default(), next))
    }

    /// All items of a partition, ascending.
    pub(crate) async fn query_all(
        &self,
        partition: &str,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        let mut all = Vec::new();
        let mut from: Option<String> = None;
        loop {
            let query = Query { from: from.as_deref(), ..Query::of(partition) };
            let (items, next) = self.query(query, deadline).await?;
            all.extend(items);
            match next {
                Some(next) => from = Some(next),
                None => return Ok(all),
            }
        }
    }
}
