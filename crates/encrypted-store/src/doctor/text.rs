//! What was found, in words.

use std::{fmt, time::Duration};

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Finding, Origin};

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Builder { by } => by,
            Self::Client => "the client",
            Self::Environment(name) => name,
            Self::Profile => "a profile of the AWS configuration",
            Self::Metadata => "the metadata service",
            Self::Aws => "AWS itself",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped { because } => write!(f, "not looked at, because of {because}"),
            Self::Configured { table, namespace } => {
                write!(f, "the table {table}, the namespace {namespace}")
            }
            Self::Region { region, origin } => write!(f, "{region}, from {origin}"),
            Self::NoRegion => f.write_str("no AWS Region is configured"),
            Self::NoSdkConfiguration { waited } => {
                write!(f, "the AWS SDK did not find its configuration within {waited:?}")
            }
            Self::Credentials { ends_in, source, expires } => {
                write!(f, "an access key that ends in {ends_in}{}", from(source))?;
                match expires {
                    Some(time) => write!(f, ", until {}", moment((*time).into())),
                    None => Ok(()),
                }
            }
            Self::CredentialsOfClient => f.write_str("those of the client, which does not show them"),
            Self::NoCredentials { .. } => f.write_str("there are no AWS credentials"),
            Self::CredentialsRefused { ends_in, source, .. } if ends_in.is_empty() => {
                write!(f, "the service does not take the credentials{}", from(source))
            }
            Self::CredentialsRefused { ends_in, source, .. } => {
                write!(f, "the service does not take the access key that ends in {ends_in}{}", from(source))
            }
            Self::Endpoint { url, origin, round_trip } => {
                write!(f, "{url}, from {origin}, answered in {} ms", round_trip.as_millis())
            }
            Self::Unreachable { url: Some((url, origin)), .. } => {
                write!(f, "{url}, from {origin}, does not answer")
            }
            Self::Unreachable { url: None, .. } => f.write_str("no request could be sent"),
            Self::NotDynamoDb { url, origin, .. } => {
                write!(f, "what answers at {url}, from {origin}, is no DynamoDB")
            }
            Self::Clock { skew, .. } if skew.as_secs() == 0 => f.write_str("as the service's"),
            Self::Clock { skew, ahead } => {
                let side = if *ahead { "ahead of" } else { "behind" };
                write!(f, "{} {side} the service's", span(*skew))
            }
            Self::ClockUnknown => f.write_str("the service does not say what time it is"),
            Self::Table { arn, is_local: true } => write!(f, "{arn}, of DynamoDB Local"),
            Self::Table { arn, is_local: false } => f.write_str(arn),
            Self::NotInDynamoDbLocal => f.write_str("DynamoDB Local has none"),
            Self::NoTimeToLive | Self::NoReplicas => f.write_str("none"),
            Self::Recovery { from, to } => write!(f, "from {from} to {to}"),
            Self::NoRecovery => f.write_str("off: what is overwritten or deleted is gone"),
            Self::RecoveryUnknown(_) => f.write_str("not known"),
            Self::DeletionProtected => f.write_str("on"),
            Self::NotDeletionProtected => f.write_str("off: one call deletes the table"),
            Self::Replicas { replicas } => {
                write!(f, "in {}, and this is the Region that writes", replicas.join(", "))
            }
            Self::Meta { umk_id, compared: true } => {
                write!(f, "as configured, and encrypted under {umk_id}")
            }
            Self::Meta { umk_id, compared: false } => {
                write!(f, "encrypted under {umk_id}; the configured key is not at hand to compare it with")
            }
            Self::NotYetAStore => f.write_str("the table is empty, and not a store yet"),
            Self::UnderPreviousKey { recorded, configured } => write!(
                f,
                "encrypted under the previous key {recorded}, and keys are made under {configured} now"
            ),
            Self::KeyWorks { umk_id, took } => {
                write!(f, "{umk_id} generated a key and unwrapped it again, in {} ms", took.as_millis())
            }
            Self::NoKeyFile { path, is_new: true } => {
                write!(f, "there is no key file {} yet, and nothing that needs it", path.display())
            }
            Self::NoKeyFile { path, is_new: false } => {
                write!(f, "there is no key file {}; whether the store needs one is not known", path.display())
            }
            Self::NotGenerated(_) => f.write_str("no key could be generated"),
            Self::NotUnwrapped(_) => f.write_str("a key that was just generated does not unwrap"),
            Self::OtherKeyUnwrapped { umk_id } => {
                write!(f, "under {umk_id}, another key was unwrapped than was generated")
            }
            Self::AuditHead { chains, events } => {
                write!(f, "goes on from the last checkpoint: {events} events in {chains} chains")
            }
            Self::NoCheckpointFile => {
                f.write_str("no file of checkpoints is configured: that the log was cut short is not seen")
            }
            Self::NoCheckpointYet { path } => write!(f, "there is no checkpoint yet in {}", path.display()),
            Self::NoCheckpoint { path } => {
                write!(f, "the file of checkpoints {} holds none", path.display())
            }
            Self::NoVerifier { path } => {
                write!(
                    f,
                    "no public key is known by which the checkpoints of {} could be believed",
                    path.display()
                )
            }
            Self::AuditShorter { chain, events, known } => write!(
                f,
                "the chain {chain} has {events} events, and had {known} at the last checkpoint: it was cut short, or the \
                 table is another one"
            ),
            Self::AuditForked { chain, known } => write!(
                f,
                "of the chain {chain}, the first {known} events are not those of the last checkpoint: it was written anew"
            ),
            Self::AuditUnread(_) => f.write_str("the audit log cannot be read"),
            Self::Verified { time, age: Some(age) } => {
                write!(f, "{} ago, at {}", span(*age), moment(*time))
            }
            Self::Verified { time, age: None } => {
                write!(f, "at {}, which is yet to come by the clock here", moment(*time))
            }
            Self::Misconfigured(_)
            | Self::TableUnfit(_)
            | Self::TimeToLive(_)
            | Self::Replicated(_)
            | Self::NotThisStore(_)
            | Self::OtherKey(_)
            | Self::Restored(_)
            | Self::NoProvider(_)
            | Self::Checkpoints(_)
            | Self::SigningKey(_) => match self.error() {
                Some(error) => write!(f, "{error}"),
                None => Ok(()),
            },
        }
    }
}

fn from(source: &str) -> String {
    if source.is_empty() { String::new() } else { format!(", from {source}") }
}

fn moment(time: OffsetDateTime) -> String {
    let whole = time.replace_nanosecond(0).unwrap_or(time);
    whole.format(&Rfc3339).unwrap_or_else(|_| whole.to_string())
}

/// In the largest unit of which there are two.
fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
