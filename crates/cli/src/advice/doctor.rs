//! What to do about what `bes doctor` found.

use blue_encrypted_store::{
    LocalFileError, OpenError,
    doctor::{Check, Examination, Finding, Origin, Status, Subject},
    keys::UmkId,
    table::{StoreError, TableError},
};

use super::{ADOPT, of_other_umk, of_store, of_table, unreachable};
use crate::config::Config;

const CREDENTIALS: &str = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE";
const LOCAL_CREDENTIALS: &str = "DynamoDB Local takes any letters and digits for both";
const VERIFY: &str = "bes audit verify";

/// The advice, one line each: none on what is as it should be, or was not looked at.
pub(crate) fn of_finding(check: &Check, all: &Examination, config: &Config) -> Vec<String> {
    if check.status() < Status::Warning {
        return Vec::new();
    }
    match &check.finding {
        Finding::Misconfigured(_) => vec!["see the settings with: bes config".to_owned()],
        Finding::NoRegion => vec!["name it with --region or AWS_REGION; DynamoDB Local takes any".to_owned()],
        Finding::NoSdkConfiguration { .. } => vec![
            "name the Region with --region or AWS_REGION, so that no metadata service is asked for it".to_owned(),
        ],
        Finding::NoCredentials { .. } => vec![CREDENTIALS.to_owned(), LOCAL_CREDENTIALS.to_owned()],
        Finding::CredentialsRefused { error, .. } => of_refusal(error.service_code(), all),
        Finding::Unreachable { url: Some((url, Origin::Profile)), .. } => vec![format!(
            "start what should listen at {url}, or take endpoint_url out of the profile to reach AWS"
        )],
        Finding::Unreachable { .. } => vec![unreachable(config)],
        Finding::NotDynamoDb { .. } => {
            vec!["name the endpoint of a DynamoDB with --endpoint-url or AWS_ENDPOINT_URL_DYNAMODB".to_owned()]
        }
        Finding::Clock { .. } => vec![
            "set the clock of this machine by NTP: above 5 minutes AWS refuses what is signed here, and versions of records and \
             times in the audit log come from it"
                .to_owned(),
        ],
        Finding::ClockUnknown => {
            vec!["compare the clock of this machine with another; a proxy may have taken the Date away".to_owned()]
        }
        Finding::TableUnfit(error) | Finding::TimeToLive(error) | Finding::Replicated(error) => {
            of_unfit(error, config)
        }
        Finding::NotThisStore(error) => of_unfit(error, config),
        Finding::NoRecovery => vec![format!(
            "switch it on: aws dynamodb update-continuous-backups --table-name {} --point-in-time-recovery-specification \
             PointInTimeRecoveryEnabled=true",
            config.table.value
        )],
        Finding::RecoveryUnknown(error) | Finding::AuditUnread(error) => of_denial(error, config),
        Finding::NotDeletionProtected => vec![format!(
            "switch it on: aws dynamodb update-table --table-name {} --deletion-protection-enabled",
            config.table.value
        )],
        Finding::NotYetAStore => vec!["make it a store: bes init".to_owned()],
        Finding::UnderPreviousKey { configured, .. } => {
            vec![format!("complete the change of the key: bes keys rewrap-root --to {configured}")]
        }
        Finding::OtherKey(error) | Finding::NoProvider(error) => of_key(error, all, config),
        Finding::Restored(_) => {
            vec![ADOPT.to_owned(), "else name the store's own table with --table or BES_TABLE".to_owned()]
        }
        Finding::NoKeyFile { is_new: true, .. } => vec!["bes init makes it, with the store".to_owned()],
        Finding::NoKeyFile { is_new: false, .. } => {
            vec!["see to the failures above first; if the key file is elsewhere, name it with --key-file".to_owned()]
        }
        Finding::NotGenerated(error) | Finding::NotUnwrapped(error) => of_provider(error, config),
        Finding::OtherKeyUnwrapped { .. } => {
            vec!["write nothing with this key provider: what it wraps cannot be read again".to_owned()]
        }
        Finding::NoCheckpointFile => {
            vec!["name a file, outside of who writes the table, with checkpoint_file (BES_CHECKPOINT_FILE)".to_owned()]
        }
        Finding::NoCheckpointYet { .. } => vec![format!("verify, and sign the first: {VERIFY}")],
        Finding::NoCheckpoint { .. } | Finding::Checkpoints(_) => vec![
            "if there has been one, find out who took it away or changed it, and put it back".to_owned(),
            "if this is where checkpoints begin: bes audit checkpoint --begin".to_owned(),
        ],
        Finding::NoVerifier { .. } => {
            vec!["set checkpoint_verifiers to the public key of whoever signs them, or checkpoint_key".to_owned()]
        }
        Finding::SigningKey(_) => {
            vec![format!("put the key that signs checkpoints back at {}", config.checkpoint_key.value.display())]
        }
        Finding::AuditShorter { .. } | Finding::AuditForked { .. } => vec![
            "keep the table as it is, and find out who could write to it".to_owned(),
            format!("see all that differs: {VERIFY}"),
            "a table that was restored from a backup has the log of that time: docs/operations.md, \"After a restore\""
                .to_owned(),
        ],
        Finding::Verified { age: Some(_), .. } => {
            vec![format!("verify now: {VERIFY}; and every day: bes audit watch")]
        }
        Finding::Verified { age: None, .. } => {
            vec!["set the clock of this machine, or of the one that verifies".to_owned()]
        }
        _ => Vec::new(),
    }
}

/// A clock that is wrong makes every signature wrong.
fn of_refusal(code: Option<&str>, all: &Examination) -> Vec<String> {
    let clock = all.checks().iter().find(|check| check.subject == Subject::Clock);
    if clock.is_some_and(|clock| clock.status() == Status::Failure) {
        return vec!["set the clock of this machine first: what it signs is refused for its time".to_owned()];
    }
    let what = match code {
        Some("ExpiredTokenException") => "get new ones, for they have expired".to_owned(),
        _ => format!("see that both are right: {CREDENTIALS}"),
    };
    vec![what, LOCAL_CREDENTIALS.to_owned()]
}

fn of_unfit(error: &TableError, config: &Config) -> Vec<String> {
    match error {
        TableError::Store(StoreError::Malformed(_)) => vec![
            "find out who wrote it; restore it from a backup, or name another table with --table or BES_TABLE".to_owned(),
        ],
        TableError::Store(error) => of_denial(error, config),
        other => of_table(other, config),
    }
}

/// A denial is of one right, whose name is the operation's.
fn of_denial(error: &StoreError, config: &Config) -> Vec<String> {
    match error {
        StoreError::Denied { operation, .. } if error.service_code().is_some() => vec![format!(
            "allow dynamodb:{operation} on the table {}, in a policy of whoever calls (docs/aws.md)",
            config.table.value
        )],
        StoreError::Refused { operation, .. } => {
            vec![format!("what answers there does not know {operation}, or not this table name")]
        }
        other => of_store(other, config),
    }
}

/// Of the key that is needed, and is not there.
fn of_key(error: &OpenError, all: &Examination, config: &Config) -> Vec<String> {
    match error {
        OpenError::LocalKeyMissing { recorded, .. } | OpenError::LocalKeyChanged { recorded, .. } => {
            of_lost_key(Some(recorded), all, config)
        }
        OpenError::LocalFile(LocalFileError::Malformed { .. }) => of_lost_key(None, all, config),
        OpenError::LocalFile(LocalFileError::Permissions { path, .. }) => {
            vec![format!("chmod 600 {}; and see who could read it until now", path.display())]
        }
        OpenError::LocalFile(LocalFileError::Io { path, .. }) => {
            vec![format!("see that {} can be read by who runs bes", path.display())]
        }
        OpenError::OtherUmk { recorded, .. } | OpenError::OtherProvider { recorded, .. } => {
            vec![of_other_umk(recorded, config)]
        }
        #[cfg(feature = "aws-kms")]
        OpenError::Kms(error) => super::kms::of_lookup(error, config),
        _ => vec!["see the settings with: bes config".to_owned()],
    }
}

fn of_lost_key(recorded: Option<&UmkId>, all: &Examination, config: &Config) -> Vec<String> {
    let key = recorded.map_or("the right key file".to_owned(), |id| format!("the key file of {id}"));
    let mut advice = vec![format!(
        "put {key} back at {}, from a backup if need be, or name its place with --key-file",
        config.key_file.value.display()
    )];
    if matches!(all.of(Subject::Table), Some(Finding::Table { is_local: true, .. })) {
        advice
            .push("or give its data up: `bes reset` wipes the local table and makes a fresh key".to_owned());
    }
    advice
}

#[cfg(feature = "aws-kms")]
fn of_provider(error: &blue_encrypted_store::keys::KeyError, config: &Config) -> Vec<String> {
    use blue_encrypted_store::keys::KeyError;
    let mut advice = super::kms::of(error, config);
    if matches!(error, KeyError::Denied { .. }) {
        advice.push(
            "it was asked for the purpose doctor alone: a policy with conditions on it has to allow bes:purpose = doctor".to_owned(),
        );
    }
    if advice.is_empty() {
        advice.push("see the settings with: bes config".to_owned());
    }
    advice
}

#[cfg(not(feature = "aws-kms"))]
fn of_provider(_: &blue_encrypted_store::keys::KeyError, _: &Config) -> Vec<String> {
    vec!["see the settings with: bes config".to_owned()]
}
