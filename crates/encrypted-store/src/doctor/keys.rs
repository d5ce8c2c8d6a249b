//! The key provider: whether there is one, and whether it gives back what it wraps.

use std::{path::PathBuf, time::Instant};

use blue_address::{ItemAttributes, Namespace, RecordPath};
use blue_envelope::{Context, Kek, KekId, open, seal};
use blue_keys::{KeyContext, KeyError, KeyProvider, KeyPurpose, UmkId, WrappedKek};
use blue_store::Deadlines;

#[cfg(feature = "aws-kms")]
use super::Subject;
use super::{Examination, Finding, table::Inside};
use crate::{
    KeyFile, KeySource, OpenError,
    aws::Aws,
    opening::{Key, Keys},
};

/// What there is to try.
pub(super) enum Provider {
    /// A provider.
    Key(Key),
    /// The place of a key file that nobody has made yet.
    Vacant(PathBuf),
}

/// A provider, or what was found instead.
pub(super) type Found = Result<Provider, Finding>;

/// Looks for the provider. Keys of KMS are looked up, unless the way to AWS was found to be closed.
pub(super) async fn find(
    source: Result<KeySource, OpenError>,
    aws: &Aws,
    #[cfg_attr(not(feature = "aws-kms"), expect(unused_variables, reason = "no other keys are of AWS"))]
    found: &Examination,
    deadlines: Deadlines,
) -> Found {
    let source = source.map_err(Finding::NoProvider)?;
    #[cfg(feature = "aws-kms")]
    if matches!(source, KeySource::Kms(_))
        && let Some(because) = found.obstacle(&[Subject::Region, Subject::Credentials])
    {
        return Err(Finding::Skipped { because });
    }
    let looked_up = tokio::time::timeout(deadlines.operation, Keys::of(source, aws)).await;
    let keys = looked_up.map_err(|elapsed| Finding::NotGenerated(too_late(elapsed)))?;
    Ok(match keys.map_err(Finding::NoProvider)? {
        Keys::File(KeyFile::Present(file)) => Provider::Key(Key::File(file)),
        Keys::File(KeyFile::Vacant(path)) => Provider::Vacant(path),
        Keys::Provider(provider) => Provider::Key(Key::Provider(provider)),
    })
}

/// Has a key generated and unwrapped. What is in the table says whether a key file is missing or yet to be made.
pub(super) async fn examine(
    found: Found,
    inside: &Inside,
    table: &str,
    namespace: &Namespace,
    deadlines: Deadlines,
) -> Finding {
    match found {
        Err(finding) => finding,
        Ok(Provider::Vacant(path)) => missing(path, inside, table),
        Ok(Provider::Key(key)) => {
            let trial = tokio::time::timeout(deadlines.operation, tried(key.provider(), namespace)).await;
            trial.unwrap_or_else(|elapsed| Finding::NotGenerated(too_late(elapsed)))
        }
    }
}

fn missing(path: PathBuf, inside: &Inside, table: &str) -> Finding {
    let table = table.to_owned();
    match inside.meta.as_ref().map(|meta| UmkId::new(&meta.umk_id)) {
        None => Finding::NoKeyFile { path, is_new: inside.is_new },
        Some(recorded) if recorded.is_local() => {
            Finding::NoProvider(OpenError::LocalKeyMissing { table, path, recorded })
        }
        Some(recorded) => Finding::NoProvider(OpenError::OtherProvider { table, recorded }),
    }
}

/// Generates a key that nobody keeps, and unwraps it. It goes to the provider itself: no event tells of it.
async fn tried(provider: &dyn KeyProvider, namespace: &Namespace) -> Finding {
    let began = Instant::now();
    let kek_id = match KekId::generate() {
        Ok(kek_id) => kek_id,
        Err(error) => return Finding::NotGenerated(error.into()),
    };
    let context =
        KeyContext { namespace: namespace.clone(), purpose: KeyPurpose::Doctor, version: 1, kek_id };
    let (generated, wrapped) = match provider.generate_kek(&context).await {
        Ok(generated) => generated,
        Err(error) => return Finding::NotGenerated(error),
    };
    // As it would be read from a table.
    let wrapped = WrappedKek::new(wrapped.umk_id().clone(), wrapped.as_bytes().to_vec());
    match provider.unwrap_kek(&wrapped, &context).await {
        Err(error) => Finding::NotUnwrapped(error),
        Ok(unwrapped) => match are_one(&generated, &unwrapped, namespace) {
            true => Finding::KeyWorks { umk_id: provider.umk_id().clone(), took: began.elapsed() },
            false => Finding::OtherKeyUnwrapped { umk_id: provider.umk_id().clone() },
        },
    }
}

/// Whether what the one seals the other opens. Neither shows its bytes.
fn are_one(one: &Kek, other: &Kek, namespace: &Namespace) -> bool {
    let address = "doctor/doctor/doctor/doctor".parse::<RecordPath>().expect("letters are names");
    let context = Context::new(&address.within(namespace.clone()), 0, &ItemAttributes::default());
    seal(one, &context, b"").is_ok_and(|envelope| open(other, &context, &envelope).is_ok())
}

fn too_late(elapsed: tokio::time::error::Elapsed) -> KeyError {
    KeyError::Unavailable { source: elapsed.into() }
}
