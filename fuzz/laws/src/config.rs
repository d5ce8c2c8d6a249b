//! The configuration of `bes`: its file, the environment, its flags.

mod documented;
mod meaning;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write,
    io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    time::Duration,
};

use blue_encrypted_store_cli::config::{
    CommandLine, Config, ConfigError, Global, Keys, Set, Setting, Source, Surroundings,
};

use self::{
    documented::{ROWS, Row, is_principal, is_valid, row_of, shown_webhook, time},
    meaning::{command_words, has_value},
};
use crate::Verdict;

const HOME: &str = "/home/user";
const FILE: &str = "/home/user/.blue/config.toml";

/// What a run of `bes` finds.
struct Given<'a> {
    file: &'a [u8],
    environment: BTreeMap<String, &'a [u8]>,
    flags: BTreeMap<String, String>,
}

/// Where a text was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Flag(&'static str),
    Variable(&'static str),
    File,
    Default,
}

pub(crate) fn law(data: &[u8]) -> Verdict {
    let given = Given::of(data);
    let verdict = of_file(&Given::file(given.file));
    judge(&given, &given.load());
    verdict
}

impl<'a> Given<'a> {
    /// The file, a NUL, variables, a NUL, flags.
    fn of(data: &'a [u8]) -> Self {
        let mut sections = data.splitn(3, |&byte| byte == 0);
        let file = sections.next().unwrap_or_default();
        let mut pairs = || {
            let section = sections.next().unwrap_or_default();
            section.split(|&byte| byte == b'\n').filter_map(|line| {
                let at = line.iter().position(|&byte| byte == b'=')?;
                Some((String::from_utf8_lossy(&line[..at]).into_owned(), &line[at + 1..]))
            })
        };
        let environment = pairs().collect();
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let flags = pairs().map(|(name, value)| (name, text(value))).collect();
        Self { file, environment, flags }
    }

    /// A file and nothing else.
    fn file(file: &'a [u8]) -> Self {
        Self { file, environment: BTreeMap::new(), flags: BTreeMap::new() }
    }

    /// The place of the file.
    fn path(&self) -> PathBuf {
        let named = self.environment.get("BES_CONFIG").filter(|name| !name.is_empty());
        named.map_or(FILE.into(), |name| OsString::from_vec(name.to_vec()).into())
    }

    fn load(&self) -> Result<Config, ConfigError> {
        let environment =
            |name: &str| self.environment.get(name).map(|value| OsString::from_vec(value.to_vec()));
        let place = self.path();
        // As `fs::read_to_string` has it.
        let read = |path: &Path| {
            assert_eq!(path, place, "another file was read");
            String::from_utf8(self.file.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
        };
        let flag = |name: &str| self.flags.get(name).cloned();
        let flags = Global {
            table: flag("table"),
            namespace: flag("namespace"),
            key_file: flag("key-file"),
            kms_key: flag("kms-key"),
            endpoint_url: flag("endpoint-url"),
            region: flag("region"),
            principal: flag("principal"),
            output: flag("output"),
            ..Global::default()
        };
        Config::from_parts(&flags, Surroundings { environment, home: Some(HOME.into()), read })
    }

    /// The text that should win, by the documented precedence, and where it stands.
    fn winner(&self, row: &Row, file: &BTreeMap<String, String>) -> (Option<String>, Place) {
        if let Some((flag, text)) = row.flag.and_then(|flag| Some((flag, self.flags.get(flag)?))) {
            return (Some(text.clone()), Place::Flag(flag));
        }
        let is_set =
            |name: &&&'static str| self.environment.get(**name).is_some_and(|value| !value.is_empty());
        if let Some(name) = row.variables.iter().find(is_set) {
            return (
                Some(String::from_utf8_lossy(self.environment[*name]).into_owned()),
                Place::Variable(name),
            );
        }
        match file.get(row.name) {
            Some(text) => (Some(text.clone()), Place::File),
            None if row.setting == Setting::Principal => (self.user(), Place::Default),
            None => (row.default.map(str::to_owned), Place::Default),
        }
    }

    /// The user of the system, if an event can name it.
    fn user(&self) -> Option<String> {
        let user = str::from_utf8(self.environment.get("USER")?).ok()?;
        is_principal(user).then(|| user.to_owned())
    }
}

/// What a configuration is about, without the places that its values came from.
type Values = (Vec<Option<String>>, [Option<PathBuf>; 3], [Duration; 3]);

fn values(config: &Config) -> Values {
    let text = |set: &Option<Set<String>>| set.as_ref().map(|set| set.value.clone());
    let command =
        |set: &Option<Set<CommandLine>>| set.as_ref().map(|set| format!("{:?}", command_words(&set.value)));
    let texts = vec![
        Some(config.table.value.clone()),
        Some(config.namespace.value.to_string()),
        Some(format!("{:?}", config.keys.value)),
        text(&config.kms_key),
        config.kms_previous_keys.as_ref().map(|set| set.value.join(",")),
        text(&config.endpoint_url),
        text(&config.region),
        text(&config.writer_region),
        Some(format!("{:?}", config.padding.value)),
        Some(format!("{:?}", config.output.value)),
        text(&config.log),
        Some(format!("{:?}", config.log_format.value)),
        Some(format!("{:?}", config.telemetry_names.value)),
        text(&config.principal),
        Some(format!("{:?}", config.audit_writes.value)),
        Some(format!("{:?}", config.audit_reads.value)),
        Some(format!("{:?}", config.audit_chain.value)),
        config.checkpoint_verifiers.as_ref().map(|set| format!("{:?}", set.value)),
        command(&config.checkpoint_command),
        command(&config.alert_command),
        text(&config.alert_webhook),
        config.checkpoint_events.as_ref().map(|set| set.value.to_string()),
        config.checkpoint_every.as_ref().map(|set| format!("{:?}", set.value)),
    ];
    let paths = [
        Some(config.key_file.value.clone()),
        config.checkpoint_file.as_ref().map(|set| set.value.clone()),
        Some(config.checkpoint_key.value.clone()),
    ];
    let times = [config.kek_ttl.value, config.attempt_timeout.value, config.deadline.value];
    (texts, paths, times)
}

/// A file by itself: what is accepted prints back, and what is refused says where.
fn of_file(given: &Given<'_>) -> Verdict {
    let loaded = given.load();
    judge(given, &loaded);
    match &loaded {
        Ok(config) => prints_back(config),
        Err(error) => assert!(error.to_string().contains(FILE), "it does not name the file: {error}"),
    }
    Verdict::of(loaded.is_ok())
}

/// What was made of what is given is what the documents say.
fn judge(given: &Given<'_>, loaded: &Result<Config, ConfigError>) {
    let table = str::from_utf8(given.file).ok().map(|text| text.parse::<toml::Table>());
    match loaded {
        Ok(config) => {
            let table = table.expect("it is UTF-8").expect("it is TOML");
            assert!(table.keys().all(|key| is_setting(key)), "an unknown key in {table:?}");
            assert!(table.values().all(toml::Value::is_str), "no text in {table:?}");
            accepted(given, config, &texts(table));
        }
        Err(error) => refused(given, error, table),
    }
}

fn is_setting(key: &str) -> bool {
    ROWS.iter().any(|row| row.name == key)
}

fn texts(table: toml::Table) -> BTreeMap<String, String> {
    table.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
}

fn refused(given: &Given<'_>, error: &ConfigError, table: Option<Result<toml::Table, toml::de::Error>>) {
    let lines = lines(given.file);
    let in_lines = |line: &usize| (1..=lines).contains(line);
    match error {
        ConfigError::Unreadable { .. } => assert!(table.is_none(), "it is UTF-8"),
        ConfigError::NotToml { line, .. } => {
            assert!(in_lines(line));
            assert!(table.expect("it was read").is_err(), "it is TOML");
        }
        ConfigError::Unknown { line, name, .. } => {
            assert!(in_lines(line) && !is_setting(name));
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
            if let Some(Ok(table)) = table {
                assert!(table.contains_key(name));
            }
        }
        ConfigError::Twice { line, name, first, .. } => {
            assert!(first < line && in_lines(line), "{error}");
            assert!(table.expect("it was read").is_err(), "{name} is there once");
        }
        ConfigError::InSection { line, section, name, .. } => {
            assert!(in_lines(line), "{error}");
            let table = table.expect("it was read").expect("it is TOML");
            assert!(table.values().any(toml::Value::is_table), "there is no section {section}: {name:?}");
        }
        ConfigError::NotText { line, setting, .. } => {
            let name = row_of(*setting).name;
            assert!(in_lines(line) && error.to_string().contains(name));
            if let Some(Ok(table)) = table {
                assert!(!table[name].is_str());
            }
        }
        ConfigError::NotUnicode { name } => {
            assert!(str::from_utf8(given.environment[*name]).is_err(), "{name} is UTF-8");
        }
        ConfigError::Invalid { setting, text, place, .. } => {
            let table = table.expect("it was read").expect("its texts were understood");
            let (found, at) = given.winner(row_of(*setting), &texts(table));
            let found = found.expect("it was given");
            // Of a webhook no more than its host is shown, even of one that is none.
            let shown = text.strip_suffix("/...").filter(|_| *setting == Setting::AlertWebhook);
            assert!(shown.map_or(found == *text, |shown| found.starts_with(shown)), "{error}");
            assert!(is_from(given, at, place), "{place:?}, not {at:?}");
            assert!(!is_valid(*setting, &found), "{error}");
        }
        ConfigError::AttemptAfterDeadline { attempt_timeout, deadline } => {
            let file = texts(table.expect("it was read").expect("its texts were understood"));
            let time_of = |setting, set: &Set<Duration>| {
                let (text, at) = given.winner(row_of(setting), &file);
                assert!(is_from(given, at, &set.source), "{error}");
                assert_eq!(text.as_deref().and_then(time), Some(set.value), "{error}");
                at
            };
            time_of(Setting::Deadline, deadline);
            assert_ne!(time_of(Setting::AttemptTimeout, attempt_timeout), Place::Default);
            assert!(attempt_timeout.value > deadline.value);
        }
        ConfigError::NoKmsKey { place } => {
            let file = texts(table.expect("it was read").expect("its texts were understood"));
            let (keys, at) = given.winner(row_of(Setting::Keys), &file);
            assert!(keys.as_deref() == Some("kms") && is_from(given, at, place), "{error}");
            assert_eq!(given.winner(row_of(Setting::KmsKey), &file).0, None);
        }
        ConfigError::KmsKeyUnused { setting, place } => {
            let file = texts(table.expect("it was read").expect("its texts were understood"));
            assert_eq!(given.winner(row_of(Setting::Keys), &file).1, Place::Default);
            assert!([Setting::KmsKey, Setting::KmsPreviousKeys].contains(setting));
            let (found, at) = given.winner(row_of(*setting), &file);
            assert!(found.is_some() && is_from(given, at, place), "{error}");
        }
        other => panic!("nothing that is given leads to {other}"),
    }
}

fn lines(file: &[u8]) -> usize {
    file.iter().filter(|&&byte| byte == b'\n').count() + 1
}

/// Whether a source is this place.
fn is_from(given: &Given<'_>, place: Place, source: &Source) -> bool {
    match (place, source) {
        (Place::Flag(flag), Source::Flag(found)) => flag == *found,
        (Place::Variable(name), Source::Environment(found)) => name == *found,
        (Place::File, Source::File { path, line }) => {
            *path == given.path() && (1..=lines(given.file)).contains(line)
        }
        (Place::Default, Source::Default) => true,
        _ => false,
    }
}

/// The settings in the file's own syntax are the same settings.
fn prints_back(config: &Config) {
    let mut file = String::new();
    for shown in config.shown.iter().filter(|shown| shown.name != "config") {
        // What is shown of a webhook is not all of it.
        let webhook = config.alert_webhook.as_ref().filter(|_| shown.name == "alert_webhook");
        if let Some(value) = webhook.map(|set| &set.value).or(shown.value.as_ref()) {
            writeln!(file, "{} = {}", shown.name, quoted(value)).expect("writing to a String does not fail");
        }
    }
    // A default is bounded by the deadline, and only what was set must not be longer.
    if config.attempt_timeout.source == Source::Default {
        file = file
            .lines()
            .filter(|line| !line.starts_with("attempt_timeout "))
            .map(|line| format!("{line}\n"))
            .collect();
    }
    let again = Given::file(file.as_bytes()).load().unwrap_or_else(|error| panic!("{error}\n{file}"));
    assert_eq!(values(&again), values(config), "{file}");
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("writing to a String does not fail")
            }
            c => out.push(c),
        }
    }
    out + "\""
}

/// The documented precedence holds for each setting, its text is one that it takes, and its value is what the text means.
fn accepted(given: &Given<'_>, config: &Config, file: &BTreeMap<String, String>) {
    assert_eq!(config.shown.len(), 1 + ROWS.len());
    for (row, shown) in ROWS.iter().zip(&config.shown[1..]) {
        let (text, place) = given.winner(row, file);
        let text = text.as_deref();
        assert!(text.is_none_or(|text| is_valid(row.setting, text)), "{} = {text:?} was taken", row.name);
        let source = has_value(given, config, row.setting, text, place);
        assert!(
            source.is_none_or(|source| is_from(given, place, source)),
            "{source:?}, not {place:?}: {row:?}"
        );

        assert_eq!(shown.name, row.name);
        // A path is shown as it was understood.
        let path = |set: &Set<PathBuf>| set.value.display().to_string();
        let value = match row.setting {
            Setting::KeyFile => Some(path(&config.key_file)),
            Setting::CheckpointFile => config.checkpoint_file.as_ref().map(path),
            Setting::CheckpointKey => Some(path(&config.checkpoint_key)),
            Setting::AlertWebhook => text.map(shown_webhook),
            _ => text.map(str::to_owned),
        };
        assert_eq!(shown.value, value, "{row:?}");
        match place {
            Place::Flag(flag) => assert_eq!(shown.source, format!("--{flag}")),
            Place::Variable(name) => assert_eq!(shown.source, name),
            Place::File => {
                assert!(shown.source.starts_with(&format!("{}:", given.path().display())), "{shown:?}")
            }
            Place::Default => {
                assert!(!shown.source.contains("BES_") && !shown.source.starts_with("--"), "{shown:?}")
            }
        }
    }
    let names_a_key = config.kms_key.is_some() || config.kms_previous_keys.is_some();
    assert!(!names_a_key || config.keys.source != Source::Default, "a key is named, and not used");
    assert!(config.kms_key.is_some() || config.keys.value == Keys::Local, "no key is named, and one needed");
    let attempt = &config.attempt_timeout;
    assert!(attempt.value <= config.deadline.value || attempt.source == Source::Default);
}
