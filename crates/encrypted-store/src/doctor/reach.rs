//! The way to the service: Region, credentials, endpoint, and its clock.

use std::{
    env,
    time::{Duration, SystemTime},
};

use aws_config::{SdkConfig, meta::region::ProvideRegion, profile::ProfileFileRegionProvider};
use aws_credential_types::{
    Credentials, credential_feature::AwsCredentialFeature, provider::ProvideCredentials,
};
use blue_store::{Deadlines, Exchange, Inspected, StoreError, Table};

use super::{Examination, Finding, Origin, Subject, Told};
use crate::{Builder, aws::Aws};

/// The variables that name a Region, as the SDK reads them.
const REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// Those that name an endpoint of DynamoDB.
const ENDPOINT: [&str; 2] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"];

/// The service's codes for credentials that are none, or not valid: none of them is about rights.
const NOT_TAKEN: [&str; 6] = [
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
    "MissingAuthenticationTokenException",
    "IncompleteSignatureException",
    "InvalidClientTokenId",
];

/// What lies behind the endpoint.
pub(super) struct Reached {
    pub(super) table: Table,
    /// How the service describes it.
    pub(super) described: Result<Option<Inspected>, StoreError>,
}

/// Asks for the table's description, and learns by that of all that is before it. `None` if the service was not reached.
pub(super) async fn examine(
    found: &mut Examination,
    builder: &Builder,
    told: &Told,
    aws: &Aws,
) -> Option<Reached> {
    let deadlines = builder.deadlines;
    let Ok(config) = tokio::time::timeout(deadlines.operation, aws.config()).await else {
        found.note(Subject::Region, Finding::NoSdkConfiguration { waited: deadlines.operation });
        return skip(found, Subject::Credentials, Subject::Region);
    };
    let region = region(builder, told, config).await;
    let is_known = matches!(region, Finding::Region { .. });
    found.note(Subject::Region, region);
    let credentials = match &builder.client {
        Some(_) => Ok(Finding::CredentialsOfClient),
        None => credentials(config, deadlines).await,
    };
    let credentials = match credentials {
        Ok(credentials) => credentials,
        Err(finding) => {
            found.note(Subject::Credentials, finding);
            return skip(found, Subject::Endpoint, Subject::Credentials);
        }
    };
    if !is_known {
        found.note(Subject::Credentials, credentials);
        return skip(found, Subject::Endpoint, Subject::Region);
    }

    let client = match &builder.client {
        Some(client) => client.clone(),
        None => aws.dynamodb(builder.endpoint_url.as_deref()).await,
    };
    let name = builder.table.clone().unwrap_or_default();
    let (table, exchanges) = Table::new(&client, name, deadlines).observed();
    let described = table.inspect(builder.writer_region.as_deref()).await;
    let exchange = exchanges.last();
    let origin = |url: &str| origin(builder, told, url);
    let (credentials, endpoint) = judged(credentials, exchange.as_ref(), origin, &described);
    let answered = matches!(endpoint, Finding::Endpoint { .. });
    let in_vain = matches!(credentials, Finding::CredentialsRefused { .. } | Finding::NoCredentials { .. });
    found.note(Subject::Credentials, credentials);
    found.note(Subject::Endpoint, endpoint);
    if !answered {
        return skip(found, Subject::Clock, Subject::Endpoint);
    }
    found.note(Subject::Clock, exchange.as_ref().map_or(Finding::ClockUnknown, clock));
    if in_vain {
        return skip(found, Subject::Table, Subject::Credentials);
    }
    Some(Reached { table, described })
}

/// Passes over the subjects from this one up to the table.
fn skip(found: &mut Examination, from: Subject, because: Subject) -> Option<Reached> {
    let subjects = [Subject::Credentials, Subject::Endpoint, Subject::Clock, Subject::Table];
    for subject in subjects.into_iter().skip_while(|subject| *subject != from) {
        found.note(subject, Finding::Skipped { because });
    }
    None
}

async fn region(builder: &Builder, told: &Told, config: &SdkConfig) -> Finding {
    let (region, origin) = match &builder.client {
        Some(client) => (client.config().region(), Origin::Client),
        None => (config.region(), Origin::Builder { by: told.region.clone() }),
    };
    let Some(region) = region.map(ToString::to_string) else { return Finding::NoRegion };
    if builder.client.is_some() || builder.region.is_some() {
        return Finding::Region { region, origin };
    }
    let variable = REGION.into_iter().find(|name| set(name).is_some());
    let origin = match variable {
        Some(name) => Origin::Environment(name),
        None if ProfileFileRegionProvider::new().region().await.is_some() => Origin::Profile,
        None => Origin::Metadata,
    };
    Finding::Region { region, origin }
}

/// What the SDK signs with, or why there is nothing.
async fn credentials(config: &SdkConfig, deadlines: Deadlines) -> Result<Finding, Finding> {
    let none = |source| Finding::NoCredentials { source };
    let Some(provider) = config.credentials_provider() else {
        return Err(none("no provider of credentials is configured".into()));
    };
    let provided = tokio::time::timeout(deadlines.operation, provider.provide_credentials()).await;
    let credentials =
        provided.map_err(|elapsed| none(elapsed.into()))?.map_err(|error| none(error.into()))?;
    Ok(Finding::Credentials {
        ends_in: end(credentials.access_key_id()),
        source: sources(&credentials),
        expires: credentials.expiry(),
    })
}

/// The last four characters, and of a short text fewer: never most of it.
fn end(key_id: &str) -> String {
    let length = key_id.chars().count();
    let shown = 4.min(length / 2);
    format!("…{}", key_id.chars().skip(length - shown).collect::<String>())
}

/// What gave the credentials, in the SDK's own notes of it.
fn sources(credentials: &Credentials) -> String {
    let features = credentials.get_property::<Vec<AwsCredentialFeature>>();
    let mut words: Vec<&str> = features.into_iter().flatten().filter_map(in_words).collect();
    words.dedup();
    words.join(", ")
}

fn in_words(feature: &AwsCredentialFeature) -> Option<&'static str> {
    use AwsCredentialFeature as From;
    Some(match feature {
        From::CredentialsCode => "the program",
        From::CredentialsEnvVars => "AWS_ACCESS_KEY_ID",
        From::CredentialsEnvVarsStsWebIdToken => "AWS_WEB_IDENTITY_TOKEN_FILE",
        From::CredentialsStsAssumeRole => "an assumed role",
        From::CredentialsStsAssumeRoleSaml => "an assumed role (SAML)",
        From::CredentialsStsAssumeRoleWebId => "an assumed role (web identity)",
        From::CredentialsStsFederationToken => "a federation token",
        From::CredentialsStsSessionToken => "a session token",
        From::CredentialsProfile
        | From::CredentialsProfileSourceProfile
        | From::CredentialsProfileNamedProvider => "a profile of the AWS configuration",
        From::CredentialsProfileStsWebIdToken => "a profile with a web identity token",
        From::CredentialsProfileSso => "a profile with single sign-on",
        From::CredentialsSso => "single sign-on",
        From::CredentialsProfileProcess => "a profile with credential_process",
        From::CredentialsProcess => "a process",
        From::CredentialsHttp => "the endpoint of the container",
        From::CredentialsImds => "the metadata service",
        From::CredentialsProfileLogin => "a profile with a login session",
        From::CredentialsLogin => "a login session",
        _ => return None,
    })
}

/// What the answer says of the credentials and of the endpoint.
fn judged(
    credentials: Finding,
    exchange: Option<&Exchange>,
    origin: impl Fn(&str) -> Origin,
    described: &Result<Option<Inspected>, StoreError>,
) -> (Finding, Finding) {
    let url = exchange.map(|exchange| (exchange.url.clone(), origin(&exchange.url)));
    let error = described.as_ref().err();
    let answer = exchange.and_then(|exchange| exchange.answer.as_ref());
    let (Some((url, origin)), Some(answer)) = (url.clone(), answer) else {
        let error = error.cloned().unwrap_or_else(|| unanswered("nothing was sent"));
        if exchange.is_none() && matches!(error, StoreError::Denied { .. }) {
            let finding = Finding::NoCredentials { source: error.into() };
            return (finding, Finding::Skipped { because: Subject::Credentials });
        }
        return (credentials, Finding::Unreachable { url, error });
    };
    match error {
        Some(error) if error.service_code().is_some_and(|code| NOT_TAKEN.contains(&code)) => {
            let (ends_in, source) = match credentials {
                Finding::Credentials { ends_in, source, .. } => (ends_in, source),
                _ => (String::new(), String::new()),
            };
            let refused = Finding::CredentialsRefused { ends_in, source, error: error.clone() };
            (refused, Finding::Endpoint { url, origin, round_trip: answer.after })
        }
        Some(error @ StoreError::Unavailable { .. }) => {
            (credentials, Finding::Unreachable { url: Some((url, origin)), error: error.clone() })
        }
        Some(error @ StoreError::Refused { .. }) if error.service_code().is_none() => {
            (credentials, Finding::NotDynamoDb { url, origin, error: error.clone() })
        }
        _ => (credentials, Finding::Endpoint { url, origin, round_trip: answer.after }),
    }
}

fn unanswered(why: &'static str) -> StoreError {
    StoreError::Unavailable { operation: "DescribeTable", attempts: 0, source: why.into() }
}

/// What led to this URL: what the builder was told goes before the environment, and that before the profile.
fn origin(builder: &Builder, told: &Told, url: &str) -> Origin {
    if builder.client.is_some() {
        return Origin::Client;
    }
    if builder.endpoint_url.is_some() {
        return Origin::Builder { by: told.endpoint.clone() };
    }
    let leads_there = |name: &&str| set(name).is_some_and(|value| is_at(&value, url));
    if let Some(name) = ENDPOINT.into_iter().find(leads_there) {
        return Origin::Environment(name);
    }
    let host = url.rsplit_once("://").map_or(url, |(_, host)| host);
    let of_aws = [".amazonaws.com", ".amazonaws.com.cn", ".api.aws", ".api.amazonwebservices.com.cn"];
    if of_aws.iter().any(|domain| host.ends_with(domain)) { Origin::Aws } else { Origin::Profile }
}

/// Whether a configured URL begins with this scheme, host and port.
fn is_at(configured: &str, url: &str) -> bool {
    let (configured, url) = (configured.to_lowercase(), url.to_lowercase());
    configured.strip_prefix(&url).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}

/// A variable of the environment. An empty one counts as not set, as it does for the SDK.
fn set(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The clock here in the middle between sending and answer, held against that of the service. Its date has whole seconds.
fn clock(exchange: &Exchange) -> Finding {
    let Some((answer, date)) =
        exchange.answer.as_ref().and_then(|answer| answer.date.map(|date| (answer, date)))
    else {
        return Finding::ClockUnknown;
    };
    let (here, there) = (exchange.sent + answer.after / 2, date + Duration::from_millis(500));
    let difference = |later: SystemTime, earlier| later.duration_since(earlier).unwrap_or_default();
    let ahead = here > there;
    Finding::Clock { skew: if ahead { difference(here, there) } else { difference(there, here) }, ahead }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_access_key_id_at_most_four_characters_are_shown() {
        assert_eq!(end("AKIAIOSFODNN7EXAMPLE"), "…MPLE");
        assert_eq!([end("abcde"), end("a"), end("")], ["…de", "…", "…"].map(str::to_owned));
    }

    #[test]
    fn a_configured_url_is_found_again_by_its_scheme_host_and_port() {
        for (configured, url, is) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000", true),
            ("http://LOCALHOST:8000/", "http://localhost:8000", true),
            ("http://127.0.0.1:80001", "http://127.0.0.1:8000", false),
            ("https://127.0.0.1:8000", "http://127.0.0.1:8000", false),
        ] {
            assert_eq!(is_at(configured, url), is, "{configured}");
        }
    }
}
