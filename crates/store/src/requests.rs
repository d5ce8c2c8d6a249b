//! Conditional writes as requests: alone, or as parts of a transaction. Each gives back the item that fails its
//! condition.

use aws_sdk_dynamodb::{
    operation::put_item::builders::PutItemFluentBuilder,
    types::{
        ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure::AllOld, TransactWriteItem, Update,
    },
};

use crate::{
    Table,
    item::{Condition, Item},
};

impl Table {
    pub(crate) fn put_item(&self, item: Item, condition: Condition) -> PutItemFluentBuilder {
        self.client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld)
    }

    pub(crate) fn transact_put(&self, item: Item, condition: Condition) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    pub(crate) fn transact_delete(&self, key: Item, condition: Condition) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }

    /// Changes an existing item by `expression`, whose names and values the condition brings along.
    pub(crate) fn transact_update(
        &self,
        key: Item,
        expression: &str,
        condition: Condition,
    ) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression(expression)
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .return_values_on_condition_check_failure(AllOld)
            .build()
            .expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    /// Writes nothing: the transaction fails unless there is no such item.
    pub(crate) fn transact_absent(&self, key: Item) -> TransactWriteItem {
        self.transact_check(key, Condition::absent())
    }

    /// Writes nothing: the transaction fails unless the condition holds.
    pub(crate) fn transact_check(&self, key: Item, condition: Condition) -> TransactWriteItem {
        let check = ConditionCheck::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .build()
            .expect("table, key and condition are set");
        TransactWriteItem::builder().condition_check(check).build()
    }
}
