//! `bes keys rewrap` and `bes keys reseal`.

use std::time::{Duration, SystemTime};

use blue_encrypted_store::{EncryptedStore, Moved, RewrapError, Rewrapped, TenantKeys};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::counted;
use crate::{
    cli::{KeysReseal, KeysRewrap},
    config::{Config, Format},
    failure::{self, Failure},
    json::Time,
    output::{Output, printable, progress_target},
    session,
    stop::Stop,
};

/// How often the bar turns, though nothing happens.
const TICK: Duration = Duration::from_millis(200);

pub(super) async fn rewrap(
    arguments: &KeysRewrap,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let KeysRewrap { tenant, concurrency } = arguments;
    session::with_store_for_long(config, stop, async |store| {
        let bar = bar();
        let keys = keys(store, tenant)?;
        let seen = |address: &str, moved: &Moved| note(&bar, address, moved);
        let moved = keys.rewrap_until((*concurrency).into(), told(stop), seen);
        let moved = announced(moved, stop, &bar).await;
        bar.finish_and_clear();
        let again = format!("repeat the command: bes keys rewrap {tenant}");
        tell(tenant, moved, "moved to", &again, stop, output).await
    })
    .await
}

pub(super) async fn reseal(
    arguments: &KeysReseal,
    config: &Config,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let KeysReseal { tenant, before, concurrency } = arguments;
    let before = before.unwrap_or_else(now);
    session::with_store_for_long(config, stop, async |store| {
        say!("Resealing what was last written before {}.", Time(before));
        let bar = bar();
        let keys = keys(store, tenant)?;
        let seen = |address: &str, moved: &Moved| note(&bar, address, moved);
        let moved = keys.reseal_until(before, (*concurrency).into(), told(stop), seen);
        let moved = announced(moved, stop, &bar).await;
        bar.finish_and_clear();
        let again = format!("repeat it so: bes keys reseal {tenant} --before {}", Time(before));
        tell(tenant, moved, "resealed under", &again, stop, output).await
    })
    .await
}

fn keys(store: &EncryptedStore, tenant: &str) -> Result<TenantKeys, Failure> {
    Ok(store.tenant(tenant)?.keys())
}

fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// How many there are, nobody knows before all are read; so it only counts.
fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    bar.set_draw_target(progress_target());
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} records looked at, {per_sec}, {elapsed}")
    {
        bar.set_style(style);
    }
    if !bar.is_hidden() {
        bar.enable_steady_tick(TICK);
    }
    bar
}

/// Waits until the move is to stop.
async fn told(stop: &Stop) {
    stop.told().await;
}

/// Says so when it is.
async fn announced<T>(moved: impl Future<Output = T>, stop: &Stop, bar: &ProgressBar) -> T {
    stop.announced(moved, |signal| bar.suspend(|| signal.announce())).await
}

fn note(bar: &ProgressBar, address: &str, moved: &Moved) {
    bar.inc(1);
    if let Moved::Failed(error) = moved {
        bar.suspend(|| {
            say!("{}: {}", printable(address), printable(&error.to_string()));
            failure::causes(error);
        });
    }
}

async fn tell(
    tenant: &str,
    moved: Result<Rewrapped, RewrapError>,
    how: &str,
    again: &str,
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let report = match moved {
        Ok(report) => report,
        Err(error) => {
            say!("To go on, {again}");
            return Err(Failure::Rewrap(Box::new(error)));
        }
    };
    let Rewrapped { newest, moved, already, gone, failed, stopped, .. } = &report;
    if output.format == Format::Json {
        let mut done = json!({
            "tenant": tenant,
            "version": newest.version,
            "moved": moved,
            "already": already,
            "gone": gone,
            "failed": failed,
        });
        if *stopped {
            done["stopped"] = true.into();
        }
        output.json(&done)?;
    }
    say!(
        "{} {how} version {} of the key of {tenant}; {already} needed nothing, {gone} were deleted meanwhile.",
        counted(*moved, "record", "records"),
        newest.version
    );
    if *stopped {
        let came_to = match failed {
            0 => "not all records were looked at".to_owned(),
            failed => format!("not all records were looked at, and {failed} could not be moved"),
        };
        return Err(Failure::stopped(stop.told().await, Some(came_to), vec![format!("to go on, {again}")]));
    }
    match failed {
        0 => Ok(()),
        failed => Err(Failure::Partial(format!("{} could not be", counted(*failed, "record", "records")))),
    }
}
