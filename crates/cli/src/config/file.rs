//! The configuration file: TOML, one `setting = "text"` a line.

use std::{
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use toml::de::{DeTable, DeValue};

use super::{ConfigError, Set, Setting, Source, variable};
use crate::cli::Global;

/// A configuration file that was read. Every key in it is a setting.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    named_by: Source,
    values: Vec<(Setting, Set<String>)>,
}

impl File {
    /// The file that a flag or the environment names, which must exist, or else the one in its usual place, which
    /// need not.
    pub(super) fn find(
        flags: &Global,
        environment: impl Fn(&str) -> Option<OsString>,
        home: Option<&Path>,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<Option<Self>, ConfigError> {
        let (path, named_by) = if let Some(path) = &flags.config {
            (path.clone(), Source::Flag("config"))
        } else if let Some(path) = variable(environment, "BES_CONFIG")? {
            (path.into(), Source::Environment("BES_CONFIG"))
        } else if let Some(home) = home {
            (home.join(".blue/config.toml"), Source::Default)
        } else {
            return Ok(None);
        };
        match read(&path) {
            Ok(text) => Self::parse(path, named_by, &text).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound && named_by == Source::Default => Ok(None),
            Err(source) => Err(ConfigError::Unreadable { path, named_by, source }),
        }
    }

    fn parse(path: PathBuf, named_by: Source, text: &str) -> Result<Self, ConfigError> {
        let line = |offset: usize| text.as_bytes()[..offset].iter().filter(|&&b| b == b'\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| {
            let (path, line_of_error) = (path.clone(), line(error.span().map_or(0, |span| span.start)));
            if let Some((name, first)) = first_of_two(text, &error) {
                return ConfigError::Twice { path, line: line_of_error, name, first: line(first) };
            }
            let setting = text.lines().nth(line_of_error - 1).and_then(set_without_quotes);
            if let Some(setting) = setting {
                return ConfigError::NotText { path, line: line_of_error, setting };
            }
            ConfigError::NotToml { path, line: line_of_error, reason: error.message().to_owned() }
        })?;
        // The table is sorted by names, and the first line that is wrong comes first.
        let mut entries: Vec<_> = table.into_inner().into_iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut values = Vec::new();
        for (key, value) in entries {
            let (offset, name) = (key.span().start, key.into_inner());
            let line_of_key = line(offset);
            if let DeValue::Table(table) = value.get_ref() {
                let (section, name, offset) = first_below(&name, offset, table);
                return Err(ConfigError::InSection { path, line: line(offset), section, name });
            }
            let Some(setting) = Setting::named(&name) else {
                return Err(ConfigError::Unknown { path, line: line_of_key, name: name.into_owned() });
            };
            let DeValue::String(text) = value.into_inner() else {
                return Err(ConfigError::NotText { path, line: line_of_key, setting });
            };
            let source = Source::File { path: path.clone(), line: line_of_key };
            values.push((setting, Set { value: text.into_owned(), source }));
        }
        Ok(Self { path, named_by, values })
    }

    pub(super) fn get(&self, setting: Setting) -> Option<Set<String>> {
        self.values.iter().find(|(other, _)| *other == setting).map(|(_, value)| value.clone())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What named this file.
    pub(super) fn source(&self) -> &Source {
        &self.named_by
    }
}

/// The key that is there twice, if that is what the parser dislikes, and where it stands first.
fn first_of_two(text: &str, error: &toml::de::Error) -> Option<(String, usize)> {
    let second = error.span().filter(|_| error.message() == "duplicate key")?;
    let before = text.get(..second.start)?;
    // As it is written: in quotes, or as a header.
    let name = text.get(second)?.trim_matches(['"', '\'', '[', ']']);
    let lines_before = &before[..before.rfind('\n').map_or(0, |at| at + 1)];
    let (table, _) = DeTable::parse_recoverable(lines_before);
    let first = table.get_ref().keys().find(|key| *key.get_ref() == name)?.span().start;
    Some((name.to_owned(), first))
}

/// The setting of a line that wants nothing but quotes. What the parser says of `table = notes` helps nobody: it expects a
/// number.
fn set_without_quotes(line: &str) -> Option<Setting> {
    let (name, value) = line.split_once('=')?;
    Setting::named(name.trim()).filter(|_| !value.trim_start().starts_with(['"', '\'']))
}

/// The first key in a section, with the names of all sections around it, and where it stands. Of an empty section, where
/// that begins.
fn first_below(name: &str, offset: usize, table: &DeTable<'_>) -> (String, Option<String>, usize) {
    let (mut section, mut offset, mut table) = (name.to_owned(), offset, table);
    while let Some((key, value)) = table.iter().min_by_key(|(key, _)| key.span().start) {
        offset = key.span().start;
        let DeValue::Table(inner) = value.get_ref() else {
            return (section, Some(key.get_ref().to_string()), offset);
        };
        section = format!("{section}.{}", key.get_ref());
        table = inner;
    }
    (section, None, offset)
}
