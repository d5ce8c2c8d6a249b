//! What the environment asks for, read once.

use std::env;
use std::path::PathBuf;

use crate::{Service, StartError};

/// The file that pins the images, whole: one source for compose and for testcontainers.
const COMPOSE: &str = include_str!("../../../docker-compose.yml");

/// Which services `BES_SERVICES` demands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Services {
    Any,
    Docker,
    Process,
}

/// Where a service is to come from.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) service: Service,
    pub(crate) endpoint: Option<String>,
    pub(crate) services: Services,
    pub(crate) image: String,
}

impl Settings {
    pub(crate) fn from_env(service: Service) -> Result<Self, StartError> {
        let services = match variable("BES_SERVICES").as_deref() {
            None => Services::Any,
            Some("docker") => Services::Docker,
            Some("process") => Services::Process,
            Some(other) => return Err(StartError::UnknownServices(other.to_owned())),
        };
        let endpoint = variable(service.endpoint_variable());
        let image = variable(service.image_variable()).unwrap_or_else(|| pinned_image(service).to_owned());
        Ok(Self { service, endpoint, services, image })
    }
}

/// The directory that survives between runs, made if it is not there.
pub(crate) fn cache() -> Result<PathBuf, StartError> {
    let cache = directory("BES_CACHE").or_else(|| {
        let base = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")));
        Some(base?.join("blue-encrypted-store"))
    });
    let cache = cache.ok_or(StartError::NoCache)?;
    std::fs::create_dir_all(&cache).map_err(StartError::file(&cache))?;
    cache.canonicalize().map_err(StartError::file(cache))
}

/// A variable's value; one that is set to nothing counts as unset.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that names a directory.
pub(crate) fn directory(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The default inside `image: ${BES_…_IMAGE:-…}` of docker-compose.yml; a test keeps those lines in shape.
fn pinned_image(service: Service) -> &'static str {
    COMPOSE
        .split_once(&format!("image: ${{{}:-", service.image_variable()))
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or("", |(image, _)| image)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compose_file_pins_each_image_to_a_release() {
        for (service, name) in
            [(Service::DynamoDb, "amazon/dynamodb-local:"), (Service::Kms, "motoserver/moto:")]
        {
            let version = pinned_image(service).strip_prefix(name).expect("the pin's name and tag");
            let numbers: Vec<u32> = version.split('.').map(|n| n.parse().expect("a number")).collect();
            assert_eq!(numbers.len(), 3, "{version}");
        }
    }

    #[test]
    fn image_and_requirements_pin_the_same_moto() {
        let requirements = include_str!("../moto-requirements.txt");
        let pinned = requirements.lines().find_map(|line| line.strip_prefix("moto==")).expect("its pin");
        let version = pinned.split_whitespace().next().expect("a version");
        assert_eq!(pinned_image(Service::Kms), format!("motoserver/moto:{version}"));
    }
}
