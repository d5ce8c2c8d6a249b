//! Every setting: found once, checked once, each with where it came from.
//!
//! Flags win over the environment, the environment over the configuration file, the file over the defaults.

mod error;
mod file;
mod setting;
mod value;

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use blue_encrypted_store::{DEFAULT_NAMESPACE, Deadlines, KeyringConfig, Namespace, Padding};

use self::file::File;
pub use self::{
    error::ConfigError,
    setting::{Setting, Source},
    value::{Format, Invalid},
};
pub use crate::cli::Global;

/// The settings of this run.
#[derive(Debug)]
pub struct Config {
    /// The DynamoDB table: a name, or an ARN.
    pub table: Set<String>,
    /// The namespace of the store.
    pub namespace: Set<Namespace>,
    /// The file that holds the master key.
    pub key_file: Set<PathBuf>,
    /// `None`: wherever the AWS SDK's own configuration leads.
    pub endpoint_url: Option<Set<String>>,
    /// `None`: whatever the AWS SDK's own configuration says.
    pub region: Option<Set<String>>,
    /// `None`: a table with replicas is not written to.
    pub writer_region: Option<Set<String>>,
    /// How the length of JSON payloads is hidden.
    pub padding: Set<Padding>,
    /// How long an unwrapped key is kept, from 1 ms to 24 h.
    pub kek_ttl: Set<Duration>,
    /// How long one attempt of a request may take, from 1 ms to 24 h.
    pub attempt_timeout: Set<Duration>,
    /// How long an operation may take with all its attempts, from 1 ms to 24 h.
    pub deadline: Set<Duration>,
    /// How data is printed.
    pub output: Set<Format>,
    /// `None`: nothing is logged.
    pub log: Option<Set<String>>,
    /// How many `-v` were given.
    pub verbose: u8,
    /// What to show of them all.
    pub shown: Vec<Shown>,
}

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set<T> {
    /// The value.
    pub value: T,
    /// Where it came from.
    pub source: Source,
}

/// A setting as `bes config` prints it.
#[derive(Debug)]
pub struct Shown {
    /// Its key in the configuration file; `config` for that file itself.
    pub name: &'static str,
    /// `None`: not set here.
    pub value: Option<String>,
    /// Where it came from, in words.
    pub source: String,
}

/// Where settings are looked for besides the flags: this process, or whatever stands for it.
#[derive(Debug)]
pub struct Surroundings<E, R> {
    /// A variable of the environment, by its name.
    pub environment: E,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The text of a file.
    pub read: R,
}

impl Config {
    /// The settings of this process.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn load(flags: &Global) -> Result<Self, ConfigError> {
        let read = |path: &Path| fs::read_to_string(path);
        Self::from_parts(
            flags,
            Surroundings { environment: |name: &str| env::var_os(name), home: env::home_dir(), read },
        )
    }

    /// The settings that these flags have in these surroundings. Nothing else is looked at.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn from_parts<E, R>(flags: &Global, surroundings: Surroundings<E, R>) -> Result<Self, ConfigError>
    where
        E: Fn(&str) -> Option<OsString>,
        R: Fn(&Path) -> io::Result<String>,
    {
        let Surroundings { environment, home, read } = surroundings;
        let home = home.filter(|home| home.is_absolute());
        let found =
            Found { file: File::find(flags, &environment, home.as_deref(), read)?, flags, environment };
        Loading { found, home, shown: Vec::new() }.load()
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        Deadlines { attempt: self.attempt_timeout.value, operation: self.deadline.value }
    }

    pub(crate) fn keyring(&self) -> KeyringConfig {
        KeyringConfig { ttl: self.kek_ttl.value, ..KeyringConfig::default() }
    }
}

/// The texts that were given, before any is understood.
struct Found<'a, E> {
    flags: &'a Global,
    environment: E,
    file: Option<File>,
}

impl<E: Fn(&str) -> Option<OsString>> Found<'_, E> {
    /// The text that wins, and where it stands.
    fn find(&self, setting: Setting) -> Result<Option<Set<String>>, ConfigError> {
        let flag = setting.flag().and_then(|flag| Some((flag, self.flags.flag(flag)?)));
        if let Some((flag, text)) = flag {
            return Ok(Some(Set { value: text.to_owned(), source: Source::Flag(flag) }));
        }
        for &name in setting.variables() {
            if let Some(value) = variable(&self.environment, name)? {
                return Ok(Some(Set { value, source: Source::Environment(name) }));
            }
        }
        Ok(self.file.as_ref().and_then(|file| file.get(setting)))
    }
}

/// A variable of the environment. An empty one counts as not set, as it does for the AWS SDK.
fn variable(
    environment: impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<String>, ConfigError> {
    match environment(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text).filter(|text| !text.is_empty())),
        Some(Err(_)) => Err(ConfigError::NotUnicode { name }),
    }
}

/// Understands the texts one by one and notes what to show of them.
struct Loading<'a, E> {
    found: Found<'a, E>,
    home: Option<PathBuf>,
    shown: Vec<Shown>,
}

impl<E: Fn(&str) -> Option<OsString>> Loading<'_, E> {
    fn load(mut self) -> Result<Config, ConfigError> {
        self.show_file();
        let table = self.required(Setting::Table, value::table, "blue-encrypted-store")?;
        let namespace = self.required(Setting::Namespace, value::namespace, DEFAULT_NAMESPACE)?;
        self.required(Setting::Keys, value::keys, "local")?;
        let key_file = self.key_file()?;
        let endpoint_url = self.optional(Setting::EndpointUrl, value::endpoint_url, "the AWS SDK decides")?;
        let region = self.optional(Setting::Region, value::region, "the AWS SDK decides")?;
        let writer_region = self.optional(Setting::WriterRegion, value::region, "not set")?;
        let padding = self.required(Setting::Padding, value::padding, "none")?;
        let kek_ttl = self.required(Setting::KekTtl, value::duration, "60s")?;
        let attempt_timeout = self.required(Setting::AttemptTimeout, value::duration, "5s")?;
        let deadline = self.required(Setting::Deadline, value::duration, "15s")?;
        let output = self.required(Setting::Output, value::format, "text")?;
        let verbose = self.found.flags.verbose;
        let log = self.optional(Setting::Log, |text| Ok(text.to_owned()), "nothing is logged")?;
        // The default only bounds what the deadline does not.
        if attempt_timeout.value > deadline.value && attempt_timeout.source != Source::Default {
            return Err(ConfigError::AttemptAfterDeadline { attempt_timeout, deadline });
        }
        Ok(Config {
            table,
            namespace,
            key_file,
            endpoint_url,
            region,
            writer_region,
            padding,
            kek_ttl,
            attempt_timeout,
            deadline,
            output,
            log,
            verbose,
            shown: self.shown,
        })
    }

    fn required<T>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
        default: &str,
    ) -> Result<Set<T>, ConfigError> {
        let text = self.found.find(setting)?;
        let text = text.unwrap_or_else(|| Set { value: default.to_owned(), source: Source::Default });
        self.parsed(setting, parse, text)
    }

    fn optional<T>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
        otherwise: &str,
    ) -> Result<Option<Set<T>>, ConfigError> {
        match self.found.find(setting)? {
            Some(text) => self.parsed(setting, parse, text).map(Some),
            None => {
                let name = setting.name();
                self.shown.push(Shown { name, value: None, source: otherwise.to_owned() });
                Ok(None)
            }
        }
    }

    fn parsed<T>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
        Set { value: text, source }: Set<String>,
    ) -> Result<Set<T>, ConfigError> {
        match parse(&text) {
            Ok(value) => {
                let name = setting.name();
                self.shown.push(Shown { name, value: Some(text), source: source.to_string() });
                Ok(Set { value, source })
            }
            Err(reason) => Err(ConfigError::Invalid { setting, text, place: source, reason }),
        }
    }

    /// `~/` is the home directory; in the configuration file, a relative path starts where that file is.
    fn key_file(&mut self) -> Result<Set<PathBuf>, ConfigError> {
        let found = self.found.find(Setting::KeyFile)?;
        let found = found
            .unwrap_or_else(|| Set { value: "~/.blue/keys/umk.key".to_owned(), source: Source::Default });
        let path = match (found.value.strip_prefix("~/"), &self.home, &found.source) {
            // Joined as it is, `/keys` after `~/` would lead out of the home directory.
            (Some(rest), Some(home), _) => home.join(rest.trim_start_matches('/')),
            (Some(_), None, _) => return Err(ConfigError::NoHome),
            (None, _, Source::File { path, .. }) => path.parent().unwrap_or(Path::new("")).join(&found.value),
            (None, ..) => PathBuf::from(&found.value),
        };
        let shown = Set { value: path.display().to_string(), source: found.source };
        self.parsed(Setting::KeyFile, |_| Ok(path.clone()), shown)
    }

    fn show_file(&mut self) {
        let (value, source) = match &self.found.file {
            Some(file) => (Some(file.path().display().to_string()), file.source().to_string()),
            None => (None, "there is no ~/.blue/config.toml".to_owned()),
        };
        self.shown.push(Shown { name: "config", value, source });
    }
}

#[cfg(test)]
mod tests;
