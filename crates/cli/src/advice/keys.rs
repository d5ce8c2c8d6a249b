//! What to do about a tenant's key that is not as it should be for what was asked.

use blue_encrypted_store::{ChangeError, RetireError, RewrapError, RootError, RotateError, ShredError};

use crate::failure::Failure;

/// The advice on a failure of `bes keys`, if it is about the key, not about what lies in its way.
pub(super) fn of(failure: &Failure) -> Option<Vec<String>> {
    let line = match failure {
        Failure::Rotate(error) => of_rotate(error)?,
        Failure::Rewrap(error) => of_rewrap(error)?,
        Failure::Retire(error) => of_retire(error)?,
        Failure::Root(error) => of_root(error)?,
        Failure::Shred(error) => of_shred(error)?,
        _ => return None,
    };
    Some(vec![line])
}

const NOT_AS_MADE: &str = "see with bes audit verify --deep whether it was planted: then delete that item, and find out who could \
     write it; if it was changed, restore it from a backup";

const LOOK_FIRST: &str = "see what is there now, and decide: bes keys ls --count";

fn of_rotate(error: &RotateError) -> Option<String> {
    Some(match error {
        RotateError::Local => {
            "production keys are those of AWS KMS: set keys to kms (BES_KEYS) for a store there".to_owned()
        }
        RotateError::TooMany { tenant, .. } => {
            format!(
                "retire old versions first: bes keys rewrap {tenant}, then bes keys retire {tenant} VERSION"
            )
        }
        RotateError::Exhausted { .. } => NOT_AS_MADE.to_owned(),
        RotateError::Raced { tenant } => format!("it may be rotated already; look: bes keys ls {tenant}"),
        RotateError::Change { source: ChangeError::Unknown(_), tenant } => {
            format!("look: bes keys ls {tenant}")
        }
        _ => return None,
    })
}

fn of_rewrap(error: &RewrapError) -> Option<String> {
    match error {
        RewrapError::Tampered { .. } => Some(NOT_AS_MADE.to_owned()),
        _ => None,
    }
}

fn of_retire(error: &RetireError) -> Option<String> {
    Some(match error {
        RetireError::InUse { tenant, .. } => format!("move the records first: bes keys rewrap {tenant}"),
        RetireError::Unusable { .. } => NOT_AS_MADE.to_owned(),
        RetireError::Newest { tenant, .. } => format!("rotate first: bes keys rotate {tenant}"),
        RetireError::Unreadable { .. } => {
            "find out who wrote it; delete it, or restore it from a backup".to_owned()
        }
        RetireError::NoVersion { tenant, .. } | RetireError::Raced { tenant } => {
            format!("look: bes keys ls {tenant}")
        }
        RetireError::Change { source: ChangeError::Unknown(_), tenant } => {
            format!("look: bes keys ls {tenant}")
        }
        _ => return None,
    })
}

fn of_root(error: &RootError) -> Option<String> {
    Some(match error {
        RootError::Local => {
            "a local key file is kept for good; a store under AWS KMS is another store".to_owned()
        }
        RootError::Left { .. } => {
            format!(
                "what could not be moved stays under the old master key, which is still needed; {LOOK_FIRST}"
            )
        }
        RootError::Raced => {
            "give every process the new key as kms_key and the old one in kms_previous_keys; then repeat it"
                .to_owned()
        }
        RootError::Change { source: ChangeError::Unknown(_), .. }
        | RootError::Meta(ChangeError::Unknown(_)) => "repeat it: that goes on from there".to_owned(),
        _ => return None,
    })
}

fn of_shred(error: &ShredError) -> Option<String> {
    match error {
        ShredError::Keys { source: ChangeError::Unknown(_), .. } => {
            Some("repeat it: that goes on from there".to_owned())
        }
        _ => None,
    }
}
