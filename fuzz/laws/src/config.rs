//! The configuration of `bes`: its file, the environment, its flags.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fmt::Write,
    io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    time::Duration,
};

use blue_encrypted_store_cli::config::{Config, ConfigError, Global, Setting, Source, Surroundings};

use crate::{Verdict, names::is_name};

const HOME: &str = "/home/user";
const FILE: &str = "/home/user/.blue/config.toml";

/// What a run of `bes` finds.
struct Given<'a> {
    file: &'a [u8],
    environment: BTreeMap<String, &'a [u8]>,
    flags: Global,
}

pub(crate) fn law(data: &[u8]) -> Verdict {
    let given = Given::of(data);
    let file_alone = Given { environment: BTreeMap::new(), flags: Global::default(), ..given };
    let verdict = of_file(&file_alone);
    of_all(&given);
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
        let mut flags = Global::default();
        for (name, value) in pairs() {
            let text = Some(String::from_utf8_lossy(value).into_owned());
            match &*name {
                "table" => flags.table = text,
                "namespace" => flags.namespace = text,
                "key-file" => flags.key_file = text,
                "endpoint-url" => flags.endpoint_url = text,
                "region" => flags.region = text,
                "output" => flags.output = text,
                _ => {}
            }
        }
        Self { file, environment, flags }
    }

    fn load(&self) -> Result<Config, ConfigError> {
        let environment =
            |name: &str| self.environment.get(name).map(|value| OsString::from_vec(value.to_vec()));
        // As `fs::read_to_string` has it.
        let read = |path: &Path| {
            assert!(
                path == Path::new(FILE) || self.environment.contains_key("BES_CONFIG"),
                "{path:?} was read"
            );
            String::from_utf8(self.file.to_vec()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
        };
        Config::from_parts(&self.flags, Surroundings { environment, home: Some(HOME.into()), read })
    }

    /// The text that should win, by the documented precedence, and the name of what it comes from.
    fn winner(
        &self,
        setting: Setting,
        file: &BTreeMap<String, String>,
    ) -> Option<(String, Option<&'static str>)> {
        if let Some((flag, text)) = setting.flag().and_then(|flag| Some((flag, self.flags.flag(flag)?))) {
            return Some((text.to_owned(), Some(flag)));
        }
        let variable =
            |name: &&&'static str| self.environment.get(**name).is_some_and(|value| !value.is_empty());
        if let Some(name) = setting.variables().iter().find(variable) {
            return Some((String::from_utf8_lossy(self.environment[*name]).into_owned(), Some(*name)));
        }
        Some((file.get(setting.name())?.clone(), None))
    }
}

/// What a configuration is about, without the places that its values came from.
type Values = (Vec<Option<String>>, PathBuf, [Duration; 3]);

fn values(config: &Config) -> Values {
    let text = |set: &Option<blue_encrypted_store_cli::config::Set<String>>| {
        set.as_ref().map(|set| set.value.clone())
    };
    let texts = vec![
        Some(config.table.value.clone()),
        Some(config.namespace.value.to_string()),
        text(&config.endpoint_url),
        text(&config.region),
        text(&config.writer_region),
        Some(format!("{:?}", config.padding.value)),
        Some(format!("{:?}", config.output.value)),
        text(&config.log),
    ];
    let times = [config.kek_ttl.value, config.attempt_timeout.value, config.deadline.value];
    (texts, config.key_file.value.clone(), times)
}

/// A file by itself: what is accepted prints back, and what is refused says where.
fn of_file(given: &Given<'_>) -> Verdict {
    let text = str::from_utf8(given.file);
    let table = text.ok().map(|text| text.parse::<toml::Table>());
    let loaded = given.load();
    match &loaded {
        Ok(config) => {
            let table = table.expect("it is UTF-8").expect("it is TOML");
            assert!(table.keys().all(|key| Setting::named(key).is_some()), "an unknown key in {table:?}");
            assert!(table.values().all(toml::Value::is_str), "no text in {table:?}");
            within_bounds(config);
            prints_back(config);
        }
        Err(error) => {
            assert!(error.to_string().contains(FILE), "it does not name the file: {error}");
            refused(error, table, given.file);
        }
    }
    Verdict::of(loaded.is_ok())
}

fn refused(error: &ConfigError, table: Option<Result<toml::Table, toml::de::Error>>, file: &[u8]) {
    let lines = file.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let known = |key: &str| Setting::ALL.iter().any(|setting| setting.name() == key);
    match error {
        ConfigError::Unreadable { .. } => assert!(table.is_none()),
        ConfigError::NotToml { line, .. } => {
            assert!((1..=lines).contains(line));
            assert!(table.expect("it was read").is_err(), "it is TOML");
        }
        ConfigError::Unknown { line, name, .. } => {
            assert!((1..=lines).contains(line) && !known(name));
            assert!(error.to_string().contains(&format!("{name:?}")), "{error}");
            if let Some(Ok(table)) = table {
                assert!(table.contains_key(name));
            }
        }
        ConfigError::NotText { line, setting, .. } => {
            assert!((1..=lines).contains(line));
            assert!(error.to_string().contains(setting.name()));
            if let Some(Ok(table)) = table {
                assert!(!table[setting.name()].is_str());
            }
        }
        ConfigError::Invalid { setting, text, place, .. } => {
            let table = table.expect("it was read").expect("its texts were understood");
            assert_eq!(table[setting.name()].as_str(), Some(&**text));
            assert!(matches!(place, Source::File { line, .. } if (1..=lines).contains(line)));
        }
        ConfigError::AttemptAfterDeadline { attempt_timeout, deadline } => {
            assert!(attempt_timeout.value > deadline.value && attempt_timeout.source != Source::Default);
        }
        other => panic!("no file alone leads to {other}"),
    }
}

/// The settings in the file's own syntax are the same settings.
fn prints_back(config: &Config) {
    let mut file = String::new();
    for shown in config.shown.iter().filter(|shown| shown.name != "config") {
        if let Some(value) = &shown.value {
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
    let given = Given { file: file.as_bytes(), environment: BTreeMap::new(), flags: Global::default() };
    let again = given.load().unwrap_or_else(|error| panic!("{error}\n{file}"));
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

/// All three together: the documented precedence holds, and so do the bounds, wherever a value comes from.
fn of_all(given: &Given<'_>) {
    let Ok(config) = given.load() else { return };
    within_bounds(&config);
    let file: BTreeMap<String, String> = str::from_utf8(given.file)
        .ok()
        .and_then(|text| text.parse::<toml::Table>().ok())
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
        .collect();
    assert_eq!(config.shown.len(), 1 + Setting::ALL.len());
    for (setting, shown) in Setting::ALL.into_iter().zip(&config.shown[1..]) {
        assert_eq!(shown.name, setting.name());
        match given.winner(setting, &file) {
            // The place of the key file is shown as it was understood.
            Some((text, _)) if setting == Setting::KeyFile => {
                let name = text.strip_prefix("~/").unwrap_or(&text);
                assert!(shown.value.as_ref().is_some_and(|shown| shown.ends_with(name)), "{shown:?}");
            }
            Some((text, from)) => {
                assert_eq!(shown.value.as_ref(), Some(&text));
                assert!(from.is_none_or(|from| shown.source.trim_start_matches("--") == from), "{shown:?}");
            }
            None => assert!(!shown.source.contains("BES_") && !shown.source.starts_with("--"), "{shown:?}"),
        }
    }
}

/// The bounds that are documented for accepted values.
fn within_bounds(config: &Config) {
    let table = &config.table.value;
    let in_name = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let is_table = (3..=255).contains(&table.len()) && table.bytes().all(in_name);
    assert!(is_table || table.starts_with("arn:"), "{table:?}");
    assert!(is_name(config.namespace.value.as_str()));
    for region in [&config.region, &config.writer_region].into_iter().flatten() {
        let region = &region.value;
        assert!(
            !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
            "{region:?}"
        );
    }
    if let Some(url) = &config.endpoint_url {
        let host = url.value.split_once("://").map(|(scheme, host)| {
            assert!(matches!(scheme, "http" | "https"));
            host
        });
        assert!(
            host.is_some_and(|host| !host.is_empty() && host.bytes().all(|b| b.is_ascii_graphic())),
            "{url:?}"
        );
    }
    for time in [&config.kek_ttl, &config.attempt_timeout, &config.deadline] {
        assert!(
            (Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60)).contains(&time.value),
            "{time:?}"
        );
    }
    let attempt = &config.attempt_timeout;
    assert!(attempt.value <= config.deadline.value || attempt.source == Source::Default);
}
