//! What the environment asks for, read once.

use std::env;
use std::path::PathBuf;

use crate::StartError;

/// The SDK's own variable for DynamoDB's address.
pub(crate) const ENDPOINT: &str = "AWS_ENDPOINT_URL_DYNAMODB";

/// The file that pins the image, whole: one source for compose and for testcontainers.
const COMPOSE: &str = include_str!("../../../docker-compose.yml");

/// Which services `BES_SERVICES` demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    Any,
    Docker,
    Process,
}

#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) endpoint: Option<String>,
    pub(crate) services: Services,
    pub(crate) image: String,
    pub(crate) home: Option<PathBuf>,
    cache: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, StartError> {
        let services = match variable("BES_SERVICES").as_deref() {
            None => Services::Any,
            Some("docker") => Services::Docker,
            Some("process") => Services::Process,
            Some(other) => return Err(StartError::UnknownServices(other.to_owned())),
        };
        let cache = directory("BES_CACHE").or_else(|| {
            let base = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")));
            Some(base?.join("blue-encrypted-store"))
        });
        Ok(Self {
            endpoint: variable(ENDPOINT),
            services,
            image: variable("BES_DYNAMODB_IMAGE").unwrap_or_else(|| pinned_image().to_owned()),
            home: directory("DYNAMODB_LOCAL_HOME"),
            cache,
        })
    }

    /// The directory that survives between runs, made if it is not there.
    pub(crate) fn cache(&self) -> Result<PathBuf, StartError> {
        let cache = self.cache.clone().ok_or(StartError::NoCache)?;
        std::fs::create_dir_all(&cache).map_err(StartError::file(&cache))?;
        cache.canonicalize().map_err(StartError::file(cache))
    }
}

/// A variable's value; one that is set to nothing counts as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn directory(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The default inside `image: ${BES_DYNAMODB_IMAGE:-…}` of docker-compose.yml; a test keeps that line in shape.
fn pinned_image() -> &'static str {
    COMPOSE
        .split_once("image: ${BES_DYNAMODB_IMAGE:-")
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("amazon/dynamodb-local", |(image, _)| image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compose_file_pins_the_image_to_a_release() {
        let version = pinned_image().strip_prefix("amazon/dynamodb-local:").expect("the pin's name and tag");
        let numbers: Vec<u32> = version.split('.').map(|n| n.parse().expect("a number")).collect();
        assert_eq!(numbers.len(), 3, "{version}");
    }
}
