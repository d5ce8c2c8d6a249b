//! `bes keys rewrap-root`.

use blue_encrypted_store::KeyMoved;
use serde_json::json;

use super::counted;
use crate::{
    advice::word,
    cli::KeysRewrapRoot,
    config::{Config, Format},
    failure::{self, Failure},
    output::{Output, printable},
    session,
    stop::{Signal, Stop},
};

pub(super) async fn run(
    arguments: &KeysRewrapRoot,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    session::with_store_under(config, stop, &arguments.to, async |store| {
        say!("Every process that has this store open must have this kms_key already, and the old one in kms_previous_keys.");
        let stopped = async {
            stop.told().await;
        };
        let moved = stop.announced(store.rewrap_root_until(stopped, note), Signal::announce).await;
        let moved = moved.map_err(|error| Failure::Root(Box::new(error)))?;
        if output.format == Format::Json {
            let mut done = json!({
                "umk_id": moved.umk_id.as_str(),
                "moved": moved.moved,
                "already": moved.already,
            });
            if moved.stopped {
                done["stopped"] = true.into();
            }
            output.json(&done)?;
        }
        if moved.stopped {
            let came_to = format!(
                "{} moved to {}, {} already were; the master key of the store is not changed yet",
                counted(moved.moved, "key was", "keys were"),
                moved.umk_id,
                moved.already
            );
            let again = format!("to go on, repeat the command: bes keys rewrap-root --to {}", word(&arguments.to));
            return Err(Failure::stopped(stop.told().await, Some(came_to), vec![again]));
        }
        say!(
            "All keys are wrapped under {} now: {} moved, {} already were.",
            moved.umk_id,
            counted(moved.moved, "was", "were"),
            moved.already
        );
        say!("Once no process and no backup needs the old one, take that out of kms_previous_keys.");
        Ok(())
    })
    .await
}

fn note(key: &str, moved: &KeyMoved) {
    match moved {
        KeyMoved::Failed(error) => {
            say!("{}: {}", printable(key), printable(&error.to_string()));
            failure::causes(error);
        }
        KeyMoved::Shredded => {
            say!(
                "{}: the tenant was shredded, and this key was put back; bes keys shred deletes it",
                printable(key)
            );
        }
        KeyMoved::Malformed(error) => say!("{}: {}", printable(key), printable(&error.to_string())),
        _ => {}
    }
}
