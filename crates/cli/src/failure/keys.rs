//! The exit codes of what can go wrong with keys.

use blue_encrypted_store::{RetireError, RewrapError, RootError, RotateError, ShredError};

use super::{Exit, of_change, of_key, of_store, of_write};

pub(super) fn of_rotate(error: &RotateError) -> Exit {
    match error {
        RotateError::Local => Exit::Usage,
        RotateError::NoKey { .. } => Exit::NotFound,
        RotateError::Raced { .. } | RotateError::TooMany { .. } => Exit::Conflict,
        RotateError::Exhausted { .. } => Exit::Tampered,
        RotateError::Shredded(_) => Exit::Shredded,
        RotateError::Restored(_) => Exit::Table,
        RotateError::Key(error) => of_key(error),
        RotateError::Read { source, .. } => of_store(source),
        RotateError::Change { source, .. } => of_change(source),
        _ => Exit::Other,
    }
}

pub(super) fn of_rewrap(error: &RewrapError) -> Exit {
    match error {
        RewrapError::NoKey { .. } => Exit::NotFound,
        RewrapError::Shredded(_) => Exit::Shredded,
        RewrapError::Restored(_) => Exit::Table,
        RewrapError::Key(error) => of_key(error),
        RewrapError::Tampered { .. } => Exit::Tampered,
        RewrapError::Read { source, .. } => of_store(source),
        RewrapError::Stopped { source, .. } => of_write(source),
        _ => Exit::Other,
    }
}

pub(super) fn of_retire(error: &RetireError) -> Exit {
    match error {
        RetireError::NoVersion { .. } => Exit::NotFound,
        RetireError::Newest { .. } | RetireError::InUse { .. } | RetireError::Raced { .. } => Exit::Conflict,
        RetireError::Unreadable { .. } | RetireError::Unusable { .. } => Exit::Tampered,
        RetireError::Key(error) => of_key(error),
        RetireError::Shredded(_) => Exit::Shredded,
        RetireError::Restored(_) => Exit::Table,
        RetireError::Read { source, .. } => of_store(source),
        RetireError::Change { source, .. } => of_change(source),
        _ => Exit::Other,
    }
}

pub(super) fn of_root(error: &RootError) -> Exit {
    match error {
        RootError::Local => Exit::Usage,
        RootError::Restored(_) => Exit::Table,
        RootError::Read(error) => of_store(error),
        RootError::Key { source, .. } => of_key(source),
        RootError::Change { source, .. } | RootError::Meta(source) => of_change(source),
        RootError::Left { .. } => Exit::Partial,
        RootError::Raced => Exit::Conflict,
        _ => Exit::Other,
    }
}

pub(super) fn of_shred(error: &ShredError) -> Exit {
    match error {
        ShredError::Restored(_) => Exit::Table,
        ShredError::Keys { source, .. } => of_change(source),
        ShredError::NotShredded { .. } => Exit::Conflict,
        ShredError::Listing { source, .. } => of_store(source),
        ShredError::Record { source, .. } => of_write(source),
        _ => Exit::Other,
    }
}
