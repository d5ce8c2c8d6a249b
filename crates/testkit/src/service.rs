//! The two services, and in what they differ before anything of them runs.

use std::fmt;

/// A service that can be found or started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// DynamoDB, started as DynamoDB Local.
    DynamoDb,
    /// AWS KMS, started as moto's emulator of it.
    Kms,
}

impl Service {
    /// The SDK's own variable for the service's address.
    pub fn endpoint_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "AWS_ENDPOINT_URL_DYNAMODB",
            Self::Kms => "AWS_ENDPOINT_URL_KMS",
        }
    }

    /// The variable that names another image than the pinned one.
    pub fn image_variable(self) -> &'static str {
        match self {
            Self::DynamoDb => "BES_DYNAMODB_IMAGE",
            Self::Kms => "BES_KMS_IMAGE",
        }
    }

    /// What is started.
    pub fn emulator(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB Local",
            Self::Kms => "moto's KMS",
        }
    }

    /// The port of the emulator in a container, and its own default out of one.
    pub(crate) fn port(self) -> u16 {
        match self {
            Self::DynamoDb => 8000,
            Self::Kms => 5000,
        }
    }

    /// The program that runs the emulator where there is no engine.
    pub(crate) fn program(self) -> &'static str {
        match self {
            Self::DynamoDb => "java",
            Self::Kms => "python3",
        }
    }

    /// What the emulator writes when its port is taken. DynamoDB Local does not end then, but stays without listening.
    pub(crate) fn port_taken(self) -> &'static str {
        match self {
            Self::DynamoDb => "Failed to bind",
            Self::Kms => "Address already in use",
        }
    }

    /// The runtime of that program, as its name is written.
    pub(crate) fn runtime(self) -> &'static str {
        match self {
            Self::DynamoDb => "Java",
            Self::Kms => "Python",
        }
    }

    /// What to install for it.
    pub(crate) fn installation(self) -> &'static str {
        match self {
            Self::DynamoDb => {
                "a Java runtime, 17 or newer, and npm (Debian: apt-get install openjdk-17-jre-headless npm)"
            }
            Self::Kms => "Python, 3.11 or newer, with venv (Debian: apt-get install python3 python3-venv)",
        }
    }

    /// The command that builds an image where none can be pulled.
    pub(crate) fn image_command(self) -> &'static str {
        match self {
            Self::DynamoDb => "cargo xtask image",
            Self::Kms => "cargo xtask image --kms",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DynamoDb => "DynamoDB",
            Self::Kms => "KMS",
        })
    }
}
