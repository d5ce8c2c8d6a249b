//! Every setting: found once, checked once, each with where it came from.
//!
//! Flags win over the environment, the environment over the configuration file, the file over the defaults.

mod description;
mod document;
mod error;
mod file;
mod kms;
mod misspelt;
mod setting;
mod value;

use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use blue_encrypted_store::{
    AuditConfig, ChainPolicy, Deadlines, KeyringConfig, Namespace, Padding, ReadPolicy, TelemetryNames,
    WritePolicy, blue_audit::NoteVerifier,
};

use self::file::File;
pub(crate) use self::value::{duration, moment};
pub use self::{
    description::{Description, Form, Group, Unset},
    document::documents,
    error::ConfigError,
    misspelt::{Misspelt, misspelt},
    setting::{Setting, Source},
    value::{CommandLine, Format, Invalid, Keys},
};
pub use crate::cli::Global;

/// The settings of this run.
#[derive(Debug)]
pub struct Config {
    /// The DynamoDB table: a name, or an ARN.
    pub table: Set<String>,
    /// The namespace of the store.
    pub namespace: Set<Namespace>,
    /// Where the master key is.
    pub keys: Set<Keys>,
    /// The file that holds the master key, if it is a local one.
    pub key_file: Set<PathBuf>,
    /// The key of AWS KMS, if the master key is there.
    pub kms_key: Option<Set<String>>,
    /// Further keys of AWS KMS, whose wrapped keys are accepted.
    pub kms_previous_keys: Option<Set<Vec<String>>>,
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
    /// Who the audit log says does it. `None`: nobody is named.
    pub principal: Option<Set<String>>,
    /// When the event of a write is durable.
    pub audit_writes: Set<WritePolicy>,
    /// When the event of a read is durable.
    pub audit_reads: Set<ReadPolicy>,
    /// Which chain of the audit log is written to.
    pub audit_chain: Set<ChainPolicy>,
    /// The file of checkpoints, which are added to it and compared with.
    pub checkpoint_file: Option<Set<PathBuf>>,
    /// The file of the key that signs checkpoints.
    pub checkpoint_key: Set<PathBuf>,
    /// The public keys that checkpoints are believed by. `None`: that of `checkpoint_key`.
    pub checkpoint_verifiers: Option<Set<Vec<NoteVerifier>>>,
    /// What is run for each checkpoint.
    pub checkpoint_command: Option<Set<CommandLine>>,
    /// After how many events of its chain a writing command makes a checkpoint.
    pub checkpoint_events: Option<Set<u64>>,
    /// After how much time a writing command makes a checkpoint, from 1 ms to 24 h.
    pub checkpoint_every: Option<Set<Duration>>,
    /// What is run for each alert.
    pub alert_command: Option<Set<CommandLine>>,
    /// Where each alert is posted to.
    pub alert_webhook: Option<Set<String>>,
    /// How data is printed.
    pub output: Set<Format>,
    /// `None`: nothing is logged.
    pub log: Option<Set<String>>,
    /// How a line of the log is written.
    pub log_format: Set<Format>,
    /// Whether spans carry names.
    pub telemetry_names: Set<TelemetryNames>,
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
        Self::from_parts(flags, Surroundings { environment: own_environment, home: env::home_dir(), read })
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
        Loading { found, home, keys: Keys::Local, shown: Vec::new() }.load()
    }

    pub(crate) fn deadlines(&self) -> Deadlines {
        Deadlines { attempt: self.attempt_timeout.value, operation: self.deadline.value }
    }

    pub(crate) fn audit(&self) -> AuditConfig {
        AuditConfig {
            writes: self.audit_writes.value,
            reads: self.audit_reads.value,
            chain: self.audit_chain.value,
            ..AuditConfig::default()
        }
    }

    pub(crate) fn keyring(&self) -> KeyringConfig {
        KeyringConfig { ttl: self.kek_ttl.value, ..KeyringConfig::default() }
    }
}

/// This process's variables. Where `USER` is not among them, the system knows the user's name.
fn own_environment(name: &str) -> Option<OsString> {
    let variable = env::var_os(name);
    if name == USER && variable.as_ref().is_none_or(|value| value.is_empty()) {
        return whoami::username_os().ok();
    }
    variable
}

/// The variable that names the user of the system.
const USER: &str = "USER";

/// The texts that were given, before any is understood.
struct Found<'a, E> {
    flags: &'a Global,
    environment: E,
    file: Option<File>,
}

impl<E: Fn(&str) -> Option<OsString>> Found<'_, E> {
    /// The text that wins, and where it stands.
    fn find(&self, setting: Setting) -> Result<Option<Set<String>>, ConfigError> {
        let Description { flag, variables, .. } = setting.describe();
        let flag = flag.and_then(|flag| Some((flag, self.flags.flag(flag)?)));
        if let Some((flag, text)) = flag {
            return Ok(Some(Set { value: text.to_owned(), source: Source::Flag(flag) }));
        }
        for &name in variables {
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
    /// Once it is known.
    keys: Keys,
    shown: Vec<Shown>,
}

impl<E: Fn(&str) -> Option<OsString>> Loading<'_, E> {
    fn load(mut self) -> Result<Config, ConfigError> {
        self.show_file();
        let table = self.required(Setting::Table, value::table)?;
        let namespace = self.required(Setting::Namespace, value::namespace)?;
        let padding = self.required(Setting::Padding, value::padding)?;
        let keys = self.required(Setting::Keys, value::keys)?;
        self.keys = keys.value;
        let key_file = self.required_path(Setting::KeyFile)?;
        let kms_key = self.optional(Setting::KmsKey, value::kms_key)?;
        let kms_previous_keys = self.optional(Setting::KmsPreviousKeys, value::kms_keys)?;
        let kek_ttl = self.required(Setting::KekTtl, value::duration)?;
        let endpoint_url = self.optional(Setting::EndpointUrl, value::url)?;
        let region = self.optional(Setting::Region, value::region)?;
        let writer_region = self.optional(Setting::WriterRegion, value::region)?;
        let attempt_timeout = self.required(Setting::AttemptTimeout, value::duration)?;
        let deadline = self.required(Setting::Deadline, value::duration)?;
        let principal = self.principal()?;
        let audit_writes = self.required(Setting::AuditWrites, value::writes)?;
        let audit_reads = self.required(Setting::AuditReads, value::reads)?;
        let audit_chain = self.required(Setting::AuditChain, value::chain)?;
        let checkpoint_file = self.optional_path(Setting::CheckpointFile)?;
        let checkpoint_key = self.required_path(Setting::CheckpointKey)?;
        let checkpoint_verifiers = self.optional(Setting::CheckpointVerifiers, value::verifiers)?;
        let checkpoint_command = self.optional(Setting::CheckpointCommand, value::command)?;
        let checkpoint_events = self.optional(Setting::CheckpointEvents, value::count)?;
        let checkpoint_every = self.optional(Setting::CheckpointEvery, value::duration)?;
        let alert_command = self.optional(Setting::AlertCommand, value::command)?;
        let alert_webhook = self.optional(Setting::AlertWebhook, value::url)?;
        if let Some(shown) = self.shown.last_mut() {
            shown.value = alert_webhook.as_ref().map(|set| redacted(&set.value));
        }
        let output = self.required(Setting::Output, value::output)?;
        let log = self.optional(Setting::Log, |text| Ok(text.to_owned()))?;
        let log_format = self.required(Setting::LogFormat, value::log_format)?;
        let telemetry_names = self.required(Setting::TelemetryNames, value::telemetry_names)?;
        let verbose = self.found.flags.verbose;
        kms::check(&keys, kms_key.as_ref(), kms_previous_keys.as_ref())?;
        // The default only bounds what the deadline does not.
        if attempt_timeout.value > deadline.value && attempt_timeout.source != Source::Default {
            return Err(ConfigError::AttemptAfterDeadline { attempt_timeout, deadline });
        }
        Ok(Config {
            table,
            namespace,
            keys,
            key_file,
            kms_key,
            kms_previous_keys,
            endpoint_url,
            region,
            writer_region,
            padding,
            kek_ttl,
            attempt_timeout,
            deadline,
            principal,
            audit_writes,
            audit_reads,
            audit_chain,
            checkpoint_file,
            checkpoint_key,
            checkpoint_verifiers,
            checkpoint_command,
            checkpoint_events,
            checkpoint_every,
            alert_command,
            alert_webhook,
            output,
            log,
            log_format,
            telemetry_names,
            verbose,
            shown: self.shown,
        })
    }

    fn required<T>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Set<T>, ConfigError> {
        let text = self.text_or_default(setting)?;
        self.parsed(setting, parse, text)
    }

    fn optional<T>(
        &mut self,
        setting: Setting,
        parse: impl Fn(&str) -> Result<T, Invalid>,
    ) -> Result<Option<Set<T>>, ConfigError> {
        match self.found.find(setting)? {
            Some(text) => self.parsed(setting, parse, text).map(Some),
            None => Ok(self.unset(setting)),
        }
    }

    /// For a setting that has a default.
    fn text_or_default(&self, setting: Setting) -> Result<Set<String>, ConfigError> {
        let default = || match setting.describe().unset {
            Unset::Default(text) => Set { value: text.to_owned(), source: Source::Default },
            Unset::None { .. } => unreachable!("a setting that is required has a default"),
        };
        Ok(self.found.find(setting)?.unwrap_or_else(default))
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
            Err(reason) => {
                let text = if setting == Setting::AlertWebhook { redacted(&text) } else { text };
                Err(ConfigError::Invalid { setting, text, place: source, reason })
            }
        }
    }

    /// The user of the system, unless another one is named.
    fn principal(&mut self) -> Result<Option<Set<String>>, ConfigError> {
        let user = || variable(&self.found.environment, USER).ok().flatten();
        let text = match self.found.find(Setting::Principal)? {
            Some(text) => text,
            None => match user().filter(|user| value::principal(user).is_ok()) {
                Some(value) => Set { value, source: Source::Default },
                None => return Ok(self.unset(Setting::Principal)),
            },
        };
        self.parsed(Setting::Principal, value::principal, text).map(Some)
    }

    fn required_path(&mut self, setting: Setting) -> Result<Set<PathBuf>, ConfigError> {
        let text = self.text_or_default(setting)?;
        self.path(setting, text)
    }

    fn optional_path(&mut self, setting: Setting) -> Result<Option<Set<PathBuf>>, ConfigError> {
        match self.found.find(setting)? {
            Some(text) => self.path(setting, text).map(Some),
            None => Ok(self.unset(setting)),
        }
    }

    /// `~/` is the home directory; in the configuration file, a relative path starts where that file is.
    fn path(&mut self, setting: Setting, text: Set<String>) -> Result<Set<PathBuf>, ConfigError> {
        let path = match (text.value.strip_prefix("~/"), &self.home, &text.source) {
            // Joined as it is, `/keys` after `~/` would lead out of the home directory.
            (Some(rest), Some(home), _) => home.join(rest.trim_start_matches('/')),
            // Without a home, what is only needed for checkpoints waits until it is used, and a key file if there is none.
            (Some(_), None, Source::Default) if setting != Setting::KeyFile || self.keys != Keys::Local => {
                PathBuf::from(&text.value)
            }
            (Some(_), None, _) => return Err(ConfigError::NoHome),
            (None, _, Source::File { path, .. }) => path.parent().unwrap_or(Path::new("")).join(&text.value),
            (None, ..) => PathBuf::from(&text.value),
        };
        let shown = Set { value: path.display().to_string(), source: text.source };
        self.parsed(setting, |_| Ok(path.clone()), shown)
    }

    fn unset<T>(&mut self, setting: Setting) -> Option<Set<T>> {
        let source = match setting.describe().unset {
            Unset::None { meaning, .. } => meaning.to_owned(),
            Unset::Default(_) => Source::Default.to_string(),
        };
        self.shown.push(Shown { name: setting.name(), value: None, source });
        None
    }

    fn show_file(&mut self) {
        let (value, source) = match &self.found.file {
            Some(file) => (Some(file.path().display().to_string()), file.source().to_string()),
            None => (None, "there is no ~/.blue/config.toml".to_owned()),
        };
        self.shown.push(Shown { name: "config", value, source });
    }
}

/// A webhook without its path, which is often all that keeps others from posting to it.
fn redacted(url: &str) -> String {
    format!("{}/...", host_of(url))
}

/// Scheme, host and port of a URL.
pub(crate) fn host_of(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    // Some take a backslash for a slash.
    let end = url[host..].find(['/', '\\', '?', '#']).map_or(url.len(), |at| host + at);
    // Before an `@` stand a name and a password.
    if url[host..end].contains('@') { &url[..host] } else { &url[..end] }
}

#[cfg(test)]
mod tests;
