//! What to do about a failure. The library states the fact; this says the way out.

mod doctor;
mod keys;
#[cfg(feature = "aws-kms")]
mod kms;

use std::error::Error;

use blue_encrypted_store::{
    AdoptError, ChangeError, LocalFileError, OpenError, ReadError, ResetError, WriteError,
    checkpoints::TrustedCheckpointsError,
    keys::UmkId,
    table::{StoreError, TableError},
};

pub(crate) use self::doctor::of_finding;
use crate::{
    config::{Config, Keys, Set},
    failure::{Failure, KeyLost, Remedy},
};

/// What to do about a table that was restored.
pub(crate) const ADOPT: &str = "if this is to be the store from now on: bes adopt";

/// The advice, one line each. `config` is what could be loaded of it.
pub(crate) fn of(failure: &Failure, config: Option<&Config>) -> Vec<String> {
    if let Failure::Config(error) = failure {
        return error.advice().into_iter().collect();
    }
    let Some(config) = config else { return Vec::new() };
    match failure {
        Failure::Stopped(stopped) => stopped.go_on.clone(),
        Failure::KeyLost(lost) => of_lost_key(lost, config),
        Failure::ResetInstead => vec!["run the command again; the database is empty now".to_owned()],
        Failure::Open(OpenError::LocalFile(error)) => of_key_file(error),
        Failure::Open(OpenError::NoRegion) | Failure::Reset(ResetError::Open(OpenError::NoRegion)) => {
            vec!["name it with --region or AWS_REGION; DynamoDB Local takes any".to_owned()]
        }
        Failure::Open(OpenError::Table(error)) => of_table(error, config),
        #[cfg(feature = "aws-kms")]
        Failure::Open(OpenError::Kms(error)) => kms::of_lookup(error, config),
        Failure::Open(OpenError::OtherUmk { recorded, .. } | OpenError::OtherProvider { recorded, .. }) => {
            vec![of_other_umk(recorded, config)]
        }
        Failure::Reset(ResetError::NotLocalTable { .. }) => {
            vec![
                "only tables of DynamoDB Local can be reset; check table and endpoint with: bes config"
                    .to_owned(),
            ]
        }
        Failure::Reset(ResetError::Open(OpenError::Table(error))) => of_table(error, config),
        Failure::Reset(ResetError::KeyFile { wiped: false, .. }) => {
            vec!["nothing was changed; move that file away, and reset again".to_owned()]
        }
        Failure::Reset(ResetError::KeyFile { wiped: true, .. }) => {
            vec!["`bes init` makes the table again and goes on with that key".to_owned()]
        }
        Failure::Reset(ResetError::Unfinished { source, .. }) => {
            let mut advice = match &**source {
                OpenError::Table(error) => of_table(error, config),
                OpenError::LocalFile(error) => of_key_file(error),
                _ => Vec::new(),
            };
            advice.push(
                "`bes init` makes what is missing; if the old table is still there, reset again".to_owned(),
            );
            advice
        }
        Failure::Write(WriteError::Conflict { address, .. }) => {
            vec![format!("nothing was changed; look and decide: bes get {}", quoted(address))]
        }
        Failure::Write(WriteError::TooLarge { .. }) => {
            vec![
                "split the content over several records, or keep it elsewhere and store a reference"
                    .to_owned(),
            ]
        }
        Failure::Write(WriteError::OutcomeUnknown { address, .. }) => {
            vec![format!("read it again to know: bes get {}", quoted(address))]
        }
        Failure::Write(WriteError::Tampered(tampered)) | Failure::Read(ReadError::Tampered(tampered)) => {
            vec![
                "find out who can write to this table; restore the record from a backup".to_owned(),
                format!("or delete what is there now: bes rm {}", quoted(&tampered.address)),
            ]
        }
        Failure::Write(WriteError::Shredded(_)) | Failure::Read(ReadError::Shredded(_)) => {
            vec!["its records cannot be read again; a tenant that comes back needs another name".to_owned()]
        }
        Failure::Write(WriteError::Restored(_)) => vec![ADOPT.to_owned()],
        Failure::Adopt(error) => match &**error {
            AdoptError::Open(OpenError::Table(error)) => of_table(error, config),
            AdoptError::Findings(_) => vec![
                "nothing was done; a backup that is not of one moment can lack what was written as it was made".to_owned(),
                "if that is all, adopt it with --despite-findings".to_owned(),
            ],
            AdoptError::NoCheckpoint => vec![
                "name the checkpoints of the table that was backed up: --checkpoint FILE".to_owned(),
                "if there never were any: --no-checkpoint".to_owned(),
            ],
            AdoptError::OtherTable { .. } => vec![
                "name the checkpoints of the table that was backed up: --checkpoint FILE".to_owned(),
                "of several tables that were the store one after the other, the newest checkpoint names all who were \
                 shredded: take it with --any-table"
                    .to_owned(),
            ],
            AdoptError::OtherNamespace { .. } => {
                vec!["name the checkpoints of this store: --checkpoint FILE".to_owned()]
            }
            AdoptError::Keys { source: ChangeError::Unknown(_), .. } | AdoptError::Meta(ChangeError::Unknown(_)) => {
                vec!["adopt it again: that goes on from there".to_owned()]
            }
            AdoptError::Raced { .. } => vec!["look at the table, then adopt it again".to_owned()],
            error => of_store(error, config),
        },
        Failure::OpenAudit(error) => of_audit_log(error, config),
        Failure::Verdict(_) | Failure::Findings(_) => {
            vec![
                "keep the table as it is, and find out who could write to it".to_owned(),
                "docs/audit.md, \"Verification\", says what each finding means".to_owned(),
            ]
        }
        Failure::NoVerifier { .. } => {
            vec!["give the public key with --verifier, or set checkpoint_verifiers".to_owned()]
        }
        Failure::NoCheckpoint { .. } | Failure::Checkpoints(TrustedCheckpointsError::NotFound { .. }) => {
            vec![
                "if there has been one, find out who took it away, and put it back".to_owned(),
                "if this is where checkpoints begin: bes audit checkpoint --begin".to_owned(),
            ]
        }
        Failure::OtherSigner { .. } => {
            vec!["set checkpoint_key to a key that is believed, or add its public key there".to_owned()]
        }
        Failure::Unsigned(_) => {
            vec!["the log or the checkpoint went back, or a clock is wrong: compare both".to_owned()]
        }
        Failure::TooSlow(_) => {
            vec!["give it more time with --every, or see what slows the database down".to_owned()]
        }
        Failure::NotJson { .. } => {
            vec!["a text is JSON only in double quotes; to store a file as it is, use --bytes".to_owned()]
        }
        other => keys::of(other).unwrap_or_else(|| of_store(other, config)),
    }
}

fn of_lost_key(lost: &KeyLost, config: &Config) -> Vec<String> {
    let path = config.key_file.value.display();
    let key = match &lost.error {
        OpenError::LocalKeyMissing { recorded, .. } | OpenError::LocalKeyChanged { recorded, .. } => {
            format!("the key file of {recorded}")
        }
        _ => "the right key file".to_owned(),
    };
    let mut advice = vec![format!(
        "put {key} back at {path}, from a backup if need be, or name its place with --key-file"
    )];
    advice.push(match &lost.remedy {
        Remedy::Reset => "or give its data up: `bes reset` wipes the local table and makes a fresh key".to_owned(),
        Remedy::None { arn } => {
            format!("the table is not one of DynamoDB Local ({arn}), so bes never wipes it; its data need that key")
        }
        Remedy::NotKnown => "nothing was generated or changed".to_owned(),
    });
    advice
}

/// The keys that the table needs, as settings.
fn of_other_umk(recorded: &UmkId, config: &Config) -> String {
    match (recorded.is_local(), config.keys.value) {
        (true, Keys::Local) => "name the right key file with --key-file".to_owned(),
        #[cfg(feature = "aws-kms")]
        (true, Keys::Kms) => format!(
            "its master key is in a file: set keys to local (now from {}), and key_file to that file",
            config.keys.source
        ),
        (false, Keys::Local) => format!(
            "its master key is in AWS KMS: set keys to kms (BES_KEYS, now from {}) and kms_key to {recorded}",
            config.keys.source
        ),
        #[cfg(feature = "aws-kms")]
        (false, Keys::Kms) => format!(
            "name it with kms_key (BES_KMS_KEY, --kms-key); or, if the store is to be moved to another key, with \
             kms_previous_keys: {recorded}"
        ),
    }
}

fn of_key_file(error: &LocalFileError) -> Vec<String> {
    match error {
        LocalFileError::Io { path, .. } => {
            vec![format!(
                "see that {} can be read and its directory be written; no key was made",
                path.display()
            )]
        }
        _ => Vec::new(),
    }
}

fn of_audit_log(error: &OpenError, config: &Config) -> Vec<String> {
    match error {
        OpenError::Table(error) => of_table(error, config),
        #[cfg(feature = "aws-kms")]
        OpenError::Kms(error) => kms::of_lookup(error, config),
        OpenError::OtherUmk { recorded, .. } | OpenError::OtherProvider { recorded, .. } => {
            vec![of_other_umk(recorded, config)]
        }
        OpenError::NoRegion => {
            vec!["name it with --region or AWS_REGION; DynamoDB Local takes any".to_owned()]
        }
        OpenError::LocalFile(_)
        | OpenError::LocalKeyMissing { .. }
        | OpenError::LocalKeyChanged { .. }
        | OpenError::WrappedAuditKey(_)
        | OpenError::AuditKeyMissing => {
            let mut advice = match config.keys.value {
                Keys::Local => vec!["name the right key file with --key-file".to_owned()],
                #[cfg(feature = "aws-kms")]
                Keys::Kms => kms::of(error, config),
            };
            advice.push(
                "without the key, hashes and links can be verified, not MACs: bes audit verify --without-key"
                    .to_owned(),
            );
            advice
        }
        other => of_store(other, config),
    }
}

fn of_table(error: &TableError, config: &Config) -> Vec<String> {
    let another = "name another table with --table or BES_TABLE; `bes init` creates it";
    let line = match error {
        TableError::Store(error) => return of_store(error, config),
        TableError::Schema { .. } | TableError::NotOurs { .. } => another.to_owned(),
        TableError::Namespace { found, .. } => {
            format!(
                "use --namespace {} (configured now from {}), or {another}",
                quoted(found),
                config.namespace.source
            )
        }
        TableError::TimeToLive { table, .. } => {
            format!("switch time to live off for {table}: it deletes records that no audit log sees go")
        }
        TableError::Replicated { .. } => {
            "name the one Region that writes as writer_region (BES_WRITER_REGION), and run there".to_owned()
        }
        TableError::Layout { .. } => "use the version of bes that made this table, or a newer one".to_owned(),
        TableError::NotActive { .. } => "try again when it is active".to_owned(),
        _ => return Vec::new(),
    };
    vec![line]
}

/// Advice for whatever the database said, however deep it lies.
fn of_store(error: &(dyn Error + 'static), config: &Config) -> Vec<String> {
    let chain: Vec<_> = std::iter::successors(Some(error), |&error| error.source()).collect();
    let says = |text: &str| chain.iter().any(|error| error.to_string().to_lowercase().contains(text));
    let store = chain.iter().find_map(|error| error.downcast_ref::<StoreError>());
    match store {
        Some(StoreError::TableMissing { .. }) => {
            vec![format!(
                "create it with `bes init`, or name another with --table (configured now from {})",
                config.table.source
            )]
        }
        Some(StoreError::Denied { .. }) => vec![
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, and see what they may do"
                .to_owned(),
            "DynamoDB Local takes any letters and digits for both".to_owned(),
        ],
        Some(StoreError::Refused { .. }) if says("unhandled error") => {
            vec!["what answers there may be no DynamoDB; see the endpoint with: bes config".to_owned()]
        }
        Some(StoreError::Unavailable { .. }) => vec![unreachable(config)],
        #[cfg(feature = "aws-kms")]
        None => kms::of(error, config),
        _ => Vec::new(),
    }
}

fn unreachable(config: &Config) -> String {
    match (&config.endpoint_url, &config.region) {
        (Some(Set { value, source }), _) => format!(
            "the endpoint is {value} (from {source}): start a DynamoDB Local there (`cargo xtask up` in the \
             project's sources), or leave it unset to reach AWS"
        ),
        (None, Some(Set { value, source })) => format!(
            "the endpoint is that of AWS in the Region {value} (from {source}); for DynamoDB Local, set \
             AWS_ENDPOINT_URL_DYNAMODB"
        ),
        (None, None) => "see which endpoint and Region are used: bes config".to_owned(),
    }
}

/// An argument that is no flag, for a shell.
pub(crate) fn quoted(address: &str) -> String {
    let quoted = word(address);
    if address.starts_with('-') { format!("-- {quoted}") } else { quoted }
}

/// One word, for a shell.
pub(crate) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | ':' | '@');
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
