//! From a line of JSON to a record.

use std::{error::Error, fmt, str};

use blue_encrypted_store::{AttributeError, Attributes, NameError, Payload, RecordId, Value};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{attr::check_name, failure::Failure};

/// Which fields of a line mean something.
pub(super) struct Schema {
    /// The id's field, then those of the attributes.
    fields: Vec<String>,
    seen: Vec<bool>,
}

/// A record as a line gives it. Its content is the whole line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) id: RecordId,
    pub(super) payload: Payload,
    pub(super) attributes: Attributes,
}

/// Why a line is not imported.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it has more than {limit} bytes")]
    TooLong { limit: usize },
    #[error("it is no UTF-8")]
    NotUtf8,
    #[error("it is no JSON object: {0}")]
    NotObject(String),
    #[error("it has no field {field:?}, which is to be the id")]
    NoId { field: String },
    #[error("the field {field:?} is {found}; an id is a string or an integer")]
    IdType { field: String, found: &'static str },
    #[error("the field {field:?} is no id")]
    Id { field: String, source: NameError },
    #[error("the field {field:?} is {found}; an attribute is a string, an integer of 64 bits, true or false")]
    AttributeType { field: String, found: &'static str },
    #[error(transparent)]
    Attribute(#[from] AttributeError),
}

/// An error and its causes on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl Schema {
    pub(super) fn new(id_field: &str, attributes: &[String]) -> Result<Self, Failure> {
        let mut names = Attributes::new();
        for name in attributes {
            check_name(name)?;
            names.insert(name, 0)?;
        }
        let fields: Vec<_> = std::iter::once(id_field.to_owned()).chain(attributes.iter().cloned()).collect();
        Ok(Self { seen: vec![false; fields.len()], fields })
    }

    /// The attributes that no line had so far.
    pub(super) fn never_seen(&self) -> Vec<String> {
        let attributes = self.fields.iter().zip(&self.seen).skip(1);
        attributes.filter(|(_, seen)| !**seen).map(|(field, _)| field.clone()).collect()
    }

    /// `None` for a line of white space.
    pub(super) fn parse(&mut self, line: &[u8]) -> Result<Option<Line>, LineError> {
        let text = str::from_utf8(line).map_err(|_| LineError::NotUtf8)?.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let found = Wanted(&self.fields).deserialize(&mut json).and_then(|found| json.end().map(|()| found));
        let found = found.map_err(not_object)?;

        let id_field = &self.fields[0];
        let id = found[0].ok_or_else(|| LineError::NoId { field: id_field.clone() })?;
        let id = Scalar::of(id.get());
        let id = match &id {
            Scalar::String(text) => text.as_str(),
            Scalar::Integer(text) => text,
            Scalar::Bool(_) | Scalar::Other(_) => {
                return Err(LineError::IdType { field: id_field.clone(), found: id.name() });
            }
        };
        let id = RecordId::new(id).map_err(|source| LineError::Id { field: id_field.clone(), source })?;

        let mut attributes = Attributes::new();
        for ((field, value), seen) in self.fields.iter().zip(&found).zip(&mut self.seen).skip(1) {
            let Some(value) = value else { continue };
            *seen = true;
            let scalar = Scalar::of(value.get());
            let refused = || LineError::AttributeType { field: field.clone(), found: scalar.name() };
            let value: Value = match &scalar {
                Scalar::String(text) => text.as_str().into(),
                Scalar::Integer(text) => text.parse::<i64>().map_err(|_| refused())?.into(),
                Scalar::Bool(bit) => (*bit).into(),
                Scalar::Other(_) => return Err(refused()),
            };
            attributes.insert(field, value)?;
        }
        let payload = RawValue::from_string(text.to_owned()).map_err(not_object)?;
        Ok(Some(Line { id, payload: Payload::Json(payload), attributes }))
    }
}

/// The line that serde counts is always the first.
fn not_object(error: serde_json::Error) -> LineError {
    LineError::NotObject(error.to_string().replace(" at line 1 column ", " at column "))
}

/// A JSON value, as far as it can be an id or an attribute.
enum Scalar<'a> {
    String(String),
    /// Its digits, canonical.
    Integer(&'a str),
    Bool(bool),
    Other(&'static str),
}

impl<'a> Scalar<'a> {
    /// `json` is one valid JSON value.
    fn of(json: &'a str) -> Self {
        match json.as_bytes().first() {
            Some(b'"') => serde_json::from_str(json).map_or(Self::Other("no valid string"), Self::String),
            Some(b't') => Self::Bool(true),
            Some(b'f') => Self::Bool(false),
            Some(b'n') => Self::Other("null"),
            Some(b'{') => Self::Other("an object"),
            Some(b'[') => Self::Other("an array"),
            _ if json.contains(['.', 'e', 'E']) || json == "-0" => Self::Other("a number that is no integer"),
            _ => Self::Integer(json),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::String(_) => "a string",
            Self::Integer(_) => "a larger integer",
            Self::Bool(_) => "a boolean",
            Self::Other(name) => name,
        }
    }
}

/// Picks the wanted fields of an object and passes over the others.
struct Wanted<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Wanted<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.0.len()];
        while let Some(name) = map.next_key::<String>()? {
            // The id may be an attribute as well.
            let mut places = (0..self.0.len()).filter(|&place| self.0[place] == name).peekable();
            if places.peek().is_none() {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &'de RawValue = map.next_value()?;
            for place in places {
                if found[place].replace(value).is_some() {
                    return Err(serde::de::Error::custom(format_args!("the field {name:?} is given twice")));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Option<Line>, LineError> {
        Schema::new("id", &["a".to_owned(), "b".to_owned()]).unwrap().parse(text.as_bytes())
    }

    fn id(text: &str) -> String {
        parse(text).unwrap().unwrap().id.to_string()
    }

    #[test]
    fn an_id_is_a_string_or_an_integer() {
        assert_eq!(id(r#"{"id":"x/1"}"#), "x/1");
        assert_eq!(id(r#" {"id":"\u00e9"} "#), "é");
        assert_eq!(id(r#"{"id":-5}"#), "-5");
        assert_eq!(id(r#"{"id":18446744073709551616}"#), "18446744073709551616");
        for (bad, message) in [
            (r#"{"x":1}"#, r#"it has no field "id", which is to be the id"#),
            (
                r#"{"id":1.0}"#,
                r#"the field "id" is a number that is no integer; an id is a string or an integer"#,
            ),
            (
                r#"{"id":-0}"#,
                r#"the field "id" is a number that is no integer; an id is a string or an integer"#,
            ),
            (r#"{"id":null}"#, r#"the field "id" is null; an id is a string or an integer"#),
            (r#"{"id":true}"#, r#"the field "id" is a boolean; an id is a string or an integer"#),
            (r#"{"id":""}"#, r#"the field "id" is no id: the record id is empty"#),
        ] {
            assert_eq!(chain(&parse(bad).unwrap_err()), message);
        }
    }

    #[test]
    fn the_json_type_of_a_field_decides_its_attribute() {
        let line = parse(r#"{"id":"1","a":"x","b":-7,"c":{}}"#).unwrap().unwrap();
        let expected = Attributes::new().with("a", "x").and_then(|all| all.with("b", -7)).unwrap();
        assert_eq!(line.attributes, expected);
        assert_eq!(parse(r#"{"id":"1","b":true}"#).unwrap().unwrap().attributes.len(), 1);
        for (bad, found) in [
            ("1.5", "a number that is no integer"),
            ("9223372036854775808", "a larger integer"),
            ("null", "null"),
            ("[1]", "an array"),
            ("{}", "an object"),
        ] {
            let error = chain(&parse(&format!(r#"{{"id":"1","a":{bad}}}"#)).unwrap_err());
            assert!(error.starts_with(&format!("the field \"a\" is {found}; ")), "{error}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused_and_white_space_passed_over() {
        assert!(parse(" \t\r").unwrap().is_none());
        assert_eq!(chain(&parse("nope").unwrap_err()), "it is no JSON object: expected ident at column 2");
        for bad in ["x", "[]", "1", "{", r#"{"id":"1"} x"#, r#"{"id":"1","id":"2"}"#, r#"{"id":"1","x":tru}"#]
        {
            assert!(matches!(parse(bad), Err(LineError::NotObject(_))), "{bad}");
        }
        let mut schema = Schema::new("id", &[]).unwrap();
        assert!(matches!(schema.parse(b"{\"id\":\"\xff\"}"), Err(LineError::NotUtf8)));
    }

    #[test]
    fn the_content_is_the_line_as_it_was() {
        let line = parse(" {\"id\" : 1,  \"n\":1.0}\r").unwrap().unwrap();
        let Payload::Json(text) = line.payload else { panic!("JSON was given") };
        assert_eq!(text.get(), "{\"id\" : 1,  \"n\":1.0}");
    }

    #[test]
    fn fields_that_no_line_has_are_known_at_the_end() {
        let mut schema = Schema::new("id", &["a".to_owned(), "typo".to_owned()]).unwrap();
        schema.parse(br#"{"id":1,"a":"x"}"#).unwrap();
        assert_eq!(schema.never_seen(), ["typo"]);
    }
}
