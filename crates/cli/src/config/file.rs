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
        let table = DeTable::parse(text).map_err(|error| ConfigError::NotToml {
            path: path.clone(),
            line: line(error.span().map_or(0, |span| span.start)),
            reason: error.message().to_owned(),
        })?;
        let mut values = Vec::new();
        for (key, value) in table.into_inner() {
            let line = line(key.span().start);
            let name = key.into_inner();
            let Some(setting) = Setting::named(&name) else {
                return Err(ConfigError::Unknown { path, line, name: name.into_owned() });
            };
            let DeValue::String(text) = value.into_inner() else {
                return Err(ConfigError::NotText { path, line, setting });
            };
            let source = Source::File { path: path.clone(), line };
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
