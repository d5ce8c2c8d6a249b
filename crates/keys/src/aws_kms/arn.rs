//! The names of KMS keys: what can be configured, and the ARN that it comes down to.

use std::fmt;

/// Why a text is no name of a KMS key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyNameError {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// An ARN with too few or too many parts.
    #[error("an ARN has 6 parts with colons between them, and this has {found}")]
    Parts {
        /// How many it has.
        found: usize,
    },
    /// The ARN of something else.
    #[error("it is an ARN of the service {found:?}, not of kms")]
    Service {
        /// What it is of.
        found: String,
    },
    /// A part of the ARN that cannot be.
    #[error("{found:?} is no {part}")]
    Part {
        /// Which.
        part: &'static str,
        /// What stands there.
        found: String,
    },
    /// The ARN is of neither a key nor an alias.
    #[error("{found:?} is neither key/ID nor alias/NAME")]
    Resource {
        /// What it is of.
        found: String,
    },
    /// No ARN, no alias, and no key id.
    #[error("it is no key id, which has letters, digits and '-' only; an alias begins with alias/")]
    Id,
}

/// The ARN of a key: `arn:PARTITION:kms:REGION:ACCOUNT:key/ID`. Every part has been looked at.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct KeyArn {
    partition: String,
    region: String,
    account: String,
    id: String,
}

/// A name of a key, as it can be configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyName {
    /// The key itself: nothing is to be asked.
    Arn(KeyArn),
    /// An alias of this Region, as an ARN.
    AliasArn { region: String },
    /// A key id or an alias, of the Region that is configured.
    Here,
}

impl KeyName {
    pub(super) fn parse(text: &str) -> Result<Self, KeyNameError> {
        if text.is_empty() {
            return Err(KeyNameError::Empty);
        }
        if text.starts_with("arn:") {
            let (arn, resource) = parts(text)?;
            return match resource.split_once('/') {
                Some(("key", id)) if is_id(id) => Ok(Self::Arn(KeyArn { id: id.to_owned(), ..arn })),
                Some(("alias", name)) if is_alias(name) => Ok(Self::AliasArn { region: arn.region }),
                _ => Err(KeyNameError::Resource { found: resource.to_owned() }),
            };
        }
        match text.strip_prefix("alias/") {
            Some(name) if is_alias(name) => Ok(Self::Here),
            Some(_) => Err(KeyNameError::Part { part: "alias", found: text.to_owned() }),
            None if is_id(text) => Ok(Self::Here),
            None => Err(KeyNameError::Id),
        }
    }
}

impl KeyArn {
    /// The ARN of a key, and of nothing else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match KeyName::parse(text) {
            Ok(KeyName::Arn(arn)) => Some(arn),
            _ => None,
        }
    }

    pub(super) fn region(&self) -> &str {
        &self.region
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Whether both name one key. Of a multi-Region key each Region has a replica with the same id and the same material.
    pub(super) fn is_same_key(&self, other: &Self) -> bool {
        let is_multi_region = self.id.starts_with("mrk-");
        (&self.partition, &self.account, &self.id) == (&other.partition, &other.account, &other.id)
            && (self.region == other.region || is_multi_region)
    }
}

impl fmt::Display for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, region, account, id } = self;
        write!(f, "arn:{partition}:kms:{region}:{account}:key/{id}")
    }
}

impl fmt::Debug for KeyArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An ARN of KMS, without and with what it is of.
fn parts(text: &str) -> Result<(KeyArn, &str), KeyNameError> {
    let parts: Vec<_> = text.split(':').collect();
    let [_, partition, service, region, account, resource] = parts[..] else {
        return Err(KeyNameError::Parts { found: parts.len() });
    };
    if service != "kms" {
        return Err(KeyNameError::Service { found: service.to_owned() });
    }
    let is_label = |text: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !text.is_empty() && text.bytes().all(allowed)
    };
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    for (part, found, is_right) in [
        ("partition", partition, is_label(partition)),
        ("Region", region, is_label(region)),
        ("account of 12 digits", account, is_account),
    ] {
        if !is_right {
            return Err(KeyNameError::Part { part, found: found.to_owned() });
        }
    }
    let arn = KeyArn {
        partition: partition.to_owned(),
        region: region.to_owned(),
        account: account.to_owned(),
        id: String::new(),
    };
    Ok((arn, resource))
}

/// Letters, digits and `-`: a UUID, or `mrk-` and 32 digits, but emulators have others.
fn is_id(text: &str) -> bool {
    (1..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// What comes after `alias/`.
fn is_alias(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-');
    (1..=250).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

    fn arn(region: &str, account: &str, id: &str) -> KeyArn {
        KeyArn::parse(&format!("arn:aws:kms:{region}:{account}:key/{id}")).unwrap()
    }

    #[test]
    fn a_key_has_four_forms_of_name() {
        let key = format!("arn:aws-cn:kms:cn-north-1:111122223333:key/{ID}");
        let KeyName::Arn(arn) = KeyName::parse(&key).unwrap() else { panic!("{key}") };
        assert_eq!((arn.to_string(), arn.region(), arn.id()), (key, "cn-north-1", ID));
        let alias = KeyName::parse("arn:aws:kms:eu-west-1:111122223333:alias/a/b_c-1");
        assert_eq!(alias, Ok(KeyName::AliasArn { region: "eu-west-1".to_owned() }));
        for here in [ID, "mrk-1234abcd12ab34cd56ef1234567890ab", "alias/notes"] {
            assert_eq!(KeyName::parse(here), Ok(KeyName::Here), "{here}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said() {
        for (name, says) in [
            ("", "it is empty"),
            ("arn:aws:kms:eu-west-1:key/x", "an ARN has 6 parts with colons between them, and this has 5"),
            ("arn:aws:kms:eu-west-1:111122223333:key/a:b", "and this has 7"),
            ("arn:aws:dynamodb:eu-west-1:111122223333:table/x", "of the service \"dynamodb\", not of kms"),
            ("arn:aws:kms::111122223333:key/x", "\"\" is no Region"),
            ("arn:aws:kms:EU WEST:111122223333:key/x", "\"EU WEST\" is no Region"),
            ("arn::kms:eu-west-1:111122223333:key/x", "\"\" is no partition"),
            ("arn:aws:kms:eu-west-1:1111:key/x", "\"1111\" is no account of 12 digits"),
            ("arn:aws:kms:eu-west-1:111122223333:key/", "\"key/\" is neither key/ID nor alias/NAME"),
            ("arn:aws:kms:eu-west-1:111122223333:key/a b", "is neither key/ID nor alias/NAME"),
            ("arn:aws:kms:eu-west-1:111122223333:grant/x", "is neither key/ID nor alias/NAME"),
            ("alias/", "\"alias/\" is no alias"),
            ("alias/a b", "\"alias/a b\" is no alias"),
            ("my_key", "an alias begins with alias/"),
            ("key/x", "it is no key id"),
        ] {
            let error = KeyName::parse(name).unwrap_err().to_string();
            assert!(error.contains(says), "{name}: {error}");
            assert_eq!(KeyArn::parse(name), None);
        }
        assert_eq!(KeyArn::parse("alias/notes"), None);
    }

    #[test]
    fn a_multi_region_key_is_the_same_in_every_region_and_no_other_is() {
        let mrk = arn("eu-west-1", "111122223333", "mrk-1");
        assert!(mrk.is_same_key(&mrk.clone()));
        assert!(mrk.is_same_key(&arn("us-east-1", "111122223333", "mrk-1")));
        assert!(!mrk.is_same_key(&arn("us-east-1", "111122223333", "mrk-2")));
        assert!(!mrk.is_same_key(&arn("us-east-1", "111122223334", "mrk-1")));
        assert!(!mrk.is_same_key(&KeyArn { partition: "aws-cn".to_owned(), ..mrk.clone() }));
        let single = arn("eu-west-1", "111122223333", ID);
        assert!(single.is_same_key(&single.clone()));
        assert!(!single.is_same_key(&arn("us-east-1", "111122223333", ID)));
        assert!(!single.is_same_key(&arn("eu-west-1", "111122223333", "1234abcd")));
    }
}
