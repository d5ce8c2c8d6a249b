//! Cleartext attributes as they are typed.

use std::str::FromStr;

use blue_encrypted_store::{AttributeError, Attributes, Value};
use data_encoding::BASE64;

/// `NAME=TEXT` or `NAME:TYPE=VALUE` with one of the types string, int, bool, bytes.
///
/// The name ends at the first `=`. A name that itself contains `:` needs its type: `dc:title:string=Emma`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attr {
    name: String,
    value: Value,
}

/// Why a text is no attribute.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttrError {
    /// No `=`.
    #[error("there is no '=': an attribute is NAME=TEXT, NAME:int=5, NAME:bool=true or NAME:bytes=BASE64")]
    NoValue,
    /// What follows the `:` in the name is no type.
    #[error(
        "there is no type {found:?}: write :string, :int, :bool or :bytes (a name with ':' in it needs its type: \
         {name}:string=...)"
    )]
    Type {
        /// What stands there.
        found: String,
        /// The name before it.
        name: String,
    },
    /// No `i64`.
    #[error("{text:?} is no whole number from -9223372036854775808 to 9223372036854775807")]
    Integer {
        /// What was given.
        text: String,
    },
    /// No bool.
    #[error("{text:?} is neither true nor false")]
    Bool {
        /// What was given.
        text: String,
    },
    /// No bytes.
    #[error("{text:?} is no Base64 (the standard alphabet, padded with '=')")]
    Bytes {
        /// What was given.
        text: String,
    },
    /// A record cannot have an attribute of this name.
    #[error(transparent)]
    Name(#[from] AttributeError),
}

impl Attr {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }
}

impl FromStr for Attr {
    type Err = AttrError;

    fn from_str(text: &str) -> Result<Self, AttrError> {
        let (name, value) = text.split_once('=').ok_or(AttrError::NoValue)?;
        let (name, value) = match name.rsplit_once(':') {
            None => (name, Value::from(value)),
            Some((name, "string")) => (name, Value::from(value)),
            Some((name, "int")) => {
                let number: i64 = value.parse().map_err(|_| AttrError::Integer { text: value.to_owned() })?;
                (name, number.into())
            }
            Some((name, "bool")) => {
                let bit: bool = value.parse().map_err(|_| AttrError::Bool { text: value.to_owned() })?;
                (name, bit.into())
            }
            Some((name, "bytes")) => {
                let bytes = decode(value).ok_or_else(|| AttrError::Bytes { text: value.to_owned() })?;
                (name, bytes.into())
            }
            Some((_, found)) => {
                return Err(AttrError::Type { found: found.to_owned(), name: name.to_owned() });
            }
        };
        check_name(name)?;
        Ok(Self { name: name.to_owned(), value })
    }
}

/// The bytes whose one padded Base64 text this is. (The decoder takes several, each with its padding, for one.)
fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok().filter(|bytes| BASE64.encode(bytes) == text)
}

/// Whether a record can have an attribute of this name.
pub(crate) fn check_name(name: &str) -> Result<(), AttributeError> {
    Attributes::new().insert(name, 0)
}

/// All of them together.
pub(crate) fn attributes(attrs: &[Attr]) -> Result<Attributes, AttributeError> {
    attrs.iter().try_fold(Attributes::new(), |all, Attr { name, value }| all.with(name, value.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attr(text: &str) -> (String, Value) {
        let Attr { name, value } = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        (name, value)
    }

    #[test]
    fn the_type_is_a_string_unless_it_is_named() {
        assert_eq!(attr("status=open"), ("status".into(), "open".into()));
        assert_eq!(attr("status="), ("status".into(), "".into()));
        assert_eq!(attr("n=5"), ("n".into(), "5".into()));
        assert_eq!(attr("n:int=5"), ("n".into(), 5.into()));
        assert_eq!(attr("n:int=-9223372036854775808"), ("n".into(), i64::MIN.into()));
        assert_eq!(attr("b:bool=true"), ("b".into(), true.into()));
        assert_eq!(attr("x:bytes=AP8="), ("x".into(), vec![0, 255].into()));
        assert_eq!(attr("s:string=a:int=5"), ("s".into(), "a:int=5".into()));
        assert_eq!(attr("dc:title:string=Emma"), ("dc:title".into(), "Emma".into()));
        assert_eq!(attr("e=a=b"), ("e".into(), "a=b".into()));
    }

    #[test]
    fn what_does_not_fit_its_type_is_refused() {
        let error = |text: &str| text.parse::<Attr>().unwrap_err();
        assert_eq!(error("status"), AttrError::NoValue);
        assert!(matches!(error("dc:title=Emma"), AttrError::Type { .. }));
        for bad in ["n:int=", "n:int=5.0", "n:int=9223372036854775808", "n:int= 5"] {
            assert!(matches!(error(bad), AttrError::Integer { .. }), "{bad}");
        }
        assert!(matches!(error("b:bool=yes"), AttrError::Bool { .. }));
        for bad in ["x:bytes=AP8", "x:bytes=AP9=", "x:bytes=AP8=AP8=", "x:bytes=lfo=alse", "x:bytes=-_8="] {
            assert!(matches!(error(bad), AttrError::Bytes { .. }), "{bad}");
        }
        for bad in ["=x", "pk=x", "_e:int=1", "gsi1pk=x"] {
            assert!(matches!(error(bad), AttrError::Name(_)), "{bad}");
        }
    }

    #[test]
    fn a_name_given_twice_is_refused() {
        let attrs = ["a=1", "a:int=2"].map(|text| text.parse().unwrap());
        assert!(matches!(attributes(&attrs), Err(AttributeError::Duplicate { .. })));
    }
}
