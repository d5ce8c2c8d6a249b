//! `bes config`.

use serde_json::{Map, Value, json};

use crate::{
    config::{Config, Format},
    failure::Failure,
    output::{Output, Rows},
};

pub(super) fn run(config: &Config, output: &mut Output) -> Result<(), Failure> {
    if output.format == Format::Json {
        let all: Map<String, Value> = config
            .shown
            .iter()
            .map(|shown| (shown.name.to_owned(), json!({ "value": shown.value, "source": shown.source })))
            .collect();
        return output.json(&all);
    }
    let mut rows = Rows::new(output, &["setting", "value", "source"]);
    for shown in &config.shown {
        rows.row(output, &[shown.name, shown.value.as_deref().unwrap_or("-"), &shown.source])?;
    }
    rows.finish(output)
}
