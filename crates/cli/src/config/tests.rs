//! Precedence and refusals, without the process's own environment.

use std::{collections::HashMap, fs};

use super::*;

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A home whose configuration file has this text.
    fn with_file(text: &str) -> Self {
        let place = Self::new();
        fs::create_dir(place.directory.path().join(".blue")).unwrap();
        fs::write(place.file(), text).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join(".blue/config.toml")
    }

    fn load(&self, flags: &Global, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let environment = |name: &str| variables.get(name).map(OsString::from);
        let read = |path: &Path| fs::read_to_string(path);
        let home = Some(self.directory.path().to_owned());
        Config::from_parts(flags, Surroundings { environment, home, read })
    }

    fn error(&self, variables: &[(&str, &str)]) -> String {
        self.load(&Global::default(), variables).unwrap_err().to_string()
    }
}

#[test]
fn flags_win_over_the_environment_over_the_file_over_defaults() {
    let place = Place::with_file("# ours\ntable = \"from-file\"\n");
    let flags = Global { table: Some("from-flag".into()), ..Global::default() };
    let variables = [("BES_TABLE", "from-env")];

    let table = |place: &Place, flags: &Global, variables| place.load(flags, variables).unwrap().table;
    let set = |value: &str, source| Set { value: value.to_owned(), source };
    assert_eq!(table(&place, &flags, &variables), set("from-flag", Source::Flag("table")));
    let none = Global::default();
    assert_eq!(table(&place, &none, &variables), set("from-env", Source::Environment("BES_TABLE")));
    let in_file = Source::File { path: place.file(), line: 2 };
    assert_eq!(table(&place, &none, &[]), set("from-file", in_file.clone()));
    assert_eq!(table(&place, &none, &[("BES_TABLE", "")]), set("from-file", in_file), "empty is not set");
    assert_eq!(table(&Place::new(), &none, &[]), set("blue-encrypted-store", Source::Default));
}

#[test]
fn every_setting_can_be_given_in_the_file_and_is_shown() {
    let text = "table = \"notes\"\nnamespace = \"prod\"\nkeys = \"local\"\nkey_file = \"my.key\"\n\
        kms_key = \"alias/notes\"\nkms_previous_keys = \"alias/old, mrk-1\"\n\
        endpoint_url = \"http://localhost:8000\"\nregion = \"eu-west-1\"\nwriter_region = \"eu-west-1\"\n\
        padding = \"padme\"\nkek_ttl = \"30s\"\nattempt_timeout = \"1s\"\ndeadline = \"5s\"\noutput = \"json\"\n\
        log = \"debug\"\nlog_format = \"json\"\ntelemetry_names = \"shown\"\n\
        principal = \"ann\"\naudit_writes = \"buffered\"\naudit_reads = \"lease:5s\"\n\
        audit_chain = \"per-writer\"\ncheckpoint_file = \"cp/log\"\ncheckpoint_key = \"~/cp.key\"\n\
        checkpoint_verifiers = \"bes/prod+da6d567f+AbP29xy7sK6jc139fhcGufWz2CHBQWWdCHCfJNNsNKAf\"\n\
        checkpoint_events = \"10000\"\ncheckpoint_every = \"10m\"\n\
        checkpoint_command = \"cp-put 'a b'\"\nalert_command = \"page\"\nalert_webhook = \"https://h:1/secret\"\n";
    let place = Place::with_file(text);
    let config = place.load(&Global::default(), &[]).unwrap();
    assert_eq!(config.key_file.value, place.directory.path().join(".blue/my.key"));
    assert_eq!(config.kms_key.as_ref().unwrap().value, "alias/notes");
    assert_eq!(config.kms_previous_keys.as_ref().unwrap().value, ["alias/old", "mrk-1"]);
    assert_eq!((config.output.value, config.log_format.value), (Format::Json, Format::Json));
    assert_eq!(config.telemetry_names.value, TelemetryNames::Shown);
    assert_eq!(config.deadlines().operation, Duration::from_secs(5));
    assert_eq!(config.keyring().ttl, Duration::from_secs(30));
    assert_eq!(
        config.audit().reads,
        blue_encrypted_store::ReadPolicy::Lease { window: Duration::from_secs(5) }
    );
    let checkpoints = config.checkpoint_file.unwrap().value;
    assert_eq!(checkpoints, place.directory.path().join(".blue/cp/log"));
    assert_eq!(config.checkpoint_key.value, place.directory.path().join("cp.key"));
    assert_eq!(config.checkpoint_command.unwrap().value.arguments, ["a b"]);
    assert_eq!(config.checkpoint_events.unwrap().value, 10_000);
    assert_eq!(config.checkpoint_every.unwrap().value, Duration::from_secs(600));
    assert!(
        config.shown.iter().all(|shown| !format!("{shown:?}").contains("secret")),
        "a webhook's path is kept"
    );
    for setting in Setting::ALL {
        let shown = config.shown.iter().find(|shown| shown.name == setting.name()).unwrap();
        assert!(shown.value.is_some() && shown.source.contains("config.toml:"), "{shown:?}");
    }
}

#[test]
fn what_is_said_of_a_setting_fits_it() {
    for setting in Setting::ALL {
        let Description { name, flag, variables, form, unset, meaning, .. } = setting.describe();
        assert_eq!(Setting::named(name), Some(setting), "two are named {name}");
        assert!(meaning.ends_with('.') && !form.to_string().is_empty(), "{setting:?}");
        if let [variable] = variables {
            assert_eq!(*variable, format!("BES_{}", name.to_uppercase()));
        }
        let text = match unset {
            Unset::Default(text) | Unset::None { example: text, .. } => text,
        };
        // What is documented is taken: the default or the example, and each word.
        for text in form.words.iter().map(|&(word, _)| word).chain([text]) {
            if cfg!(not(feature = "aws-kms")) && text == "kms" {
                continue;
            }
            let file = format!("{name} = {text:?}\n");
            let needs = if name == "keys" { "kms_key = \"alias/notes\"\n" } else { "keys = \"local\"\n" };
            let config = Place::with_file(&(file + needs)).load(&Global::default(), &[]);
            assert!(config.is_ok(), "{name} = {text:?}: {config:?}");
        }
        // And a flag is one that can be typed, whose help says the same.
        let Some(flag) = flag else { continue };
        let command = <Global as clap::Args>::augment_args(clap::Command::new("bes"));
        let argument = command.get_arguments().find(|argument| argument.get_long() == Some(flag)).unwrap();
        let help = argument.get_help().unwrap().to_string();
        assert!(help.contains(variables[0]), "{help}");
        if let Unset::Default(text) = unset {
            assert!(help.contains(&format!("[default: {text}")), "{help}");
        }
    }
}

#[test]
fn every_flag_of_a_setting_reaches_it() {
    let given = || Some("x1y".to_owned());
    let flags = Global {
        config: None,
        table: given(),
        namespace: given(),
        key_file: given(),
        kms_key: given(),
        endpoint_url: given(),
        region: given(),
        principal: given(),
        output: given(),
        verbose: 0,
    };
    for flag in Setting::ALL.into_iter().filter_map(|setting| setting.describe().flag) {
        assert_eq!(flags.flag(flag), Some("x1y"), "--{flag}");
    }
}

#[test]
fn settings_of_a_group_stand_together() {
    let mut groups: Vec<_> = Setting::ALL.map(|setting| setting.describe().group.title()).to_vec();
    groups.dedup();
    let count = groups.len();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), count);
}

#[test]
fn a_word_that_is_nearly_right_is_answered_with_the_right_one() {
    for (variable, bad, good) in [
        ("BES_AUDIT_WRITES", "strikt", "strict"),
        ("BES_AUDIT_READS", "Buffered", "buffered"),
        ("BES_AUDIT_CHAIN", "perwriter", "per-writer"),
        ("BES_OUTPUT", "jsno", "json"),
        ("BES_KEYS", "KMS", "kms"),
    ] {
        let error = Place::new().error(&[(variable, bad)]);
        assert!(error.ends_with(&format!("; did you mean {good}?")), "{error}");
    }
    for (variable, bad) in [("BES_OUTPUT", "xml"), ("BES_AUDIT_READS", "lease:9"), ("BES_PADDING", "yes")] {
        let error = Place::new().error(&[(variable, bad)]);
        assert!(error.contains(": it should be ") && !error.contains("did you mean"), "{error}");
    }
}

#[test]
fn a_webhook_that_is_refused_is_not_shown_whole() {
    for text in ["hooks.example/secret", "ftp://h/secret", "http://me:secret@h h/"] {
        let error = Place::with_file(&format!("alert_webhook = \"{text}\"\n")).error(&[]);
        assert!(error.contains("alert_webhook cannot be") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_name() {
    let error = Place::with_file("\n\ntabel = \"x\"\n").error(&[]);
    assert!(error.ends_with("config.toml:3: there is no setting \"tabel\"; did you mean table?"), "{error}");
    let error = Place::with_file("BES_TABLE = \"x\"\n").error(&[]);
    assert!(error.ends_with("there is no setting \"BES_TABLE\"; did you mean table?"), "{error}");
    let error = Place::with_file("colour = \"x\"\n").error(&[]);
    assert!(error.ends_with("config.toml:1: there is no setting \"colour\""), "{error}");
    let error = Place::with_file("table = \"x\"\ndeadline = 5\n").error(&[]);
    assert!(error.contains("config.toml:2: deadline must be a text in quotes"), "{error}");
    let error = Place::with_file("table = \"x\"\n=\n").error(&[]);
    assert!(error.contains("config.toml:2: this is no TOML: "), "{error}");
}

#[test]
fn a_value_without_quotes_is_refused_with_what_it_should_look_like() {
    for value in ["60", "60s", "notes", "true", "[\"60s\"]", "60s # soon", "60s\""] {
        let error = Place::with_file(&format!("table = \"abc\"\nkek_ttl = {value}\n")).error(&[]);
        let expected = "config.toml:2: kek_ttl must be a text in quotes, such as kek_ttl = \"60s\"";
        assert!(error.ends_with(expected), "{value}: {error}");
    }
    // What has a quote is not without them, and what is no setting is not one without quotes.
    for line in ["kek_ttl = \"60s", "kek_tl = 60s"] {
        let error = Place::with_file(line).error(&[]);
        assert!(error.contains("config.toml:1: this is no TOML: "), "{line}: {error}");
    }
}

#[test]
fn the_first_line_that_is_wrong_is_the_one_that_is_named() {
    let error = Place::with_file("zzz = \"x\"\ndeadline = 5\naaa = \"x\"\n").error(&[]);
    assert!(error.ends_with("config.toml:1: there is no setting \"zzz\""), "{error}");
}

#[test]
fn a_setting_that_is_there_twice_is_refused_with_both_lines() {
    for second in ["table = \"b\"", "\"table\" = 'b'", "table = 5", "[table]"] {
        let error = Place::with_file(&format!("table = \"abc\"\nnamespace = \"x\"\n{second}\n")).error(&[]);
        assert!(error.ends_with("config.toml:3: table is set already, in line 1"), "{second}: {error}");
    }
}

#[test]
fn a_setting_in_a_section_is_refused_with_what_was_probably_meant() {
    for (file, line, named, meant) in [
        ("table = \"abc\"\n[audit]\nwrites = \"strict\"\n", 3, "audit.writes", Some("audit_writes")),
        ("audit.reads = \"strict\"\n", 1, "audit.reads", Some("audit_reads")),
        ("checkpoint = { key = \"k\" }\n", 1, "checkpoint.key", Some("checkpoint_key")),
        ("[bes]\ntable = \"abc\"\n", 2, "bes.table", Some("table")),
        ("[keys]\nkms_key = \"abc\"\n", 2, "keys.kms_key", Some("kms_key")),
        ("[audit]\nwrite = \"strict\"\n", 2, "audit.write", Some("audit_writes")),
        ("[a.b]\n\nc = 5\n", 3, "a.b.c", None),
    ] {
        let error = Place::with_file(file).error(&[]);
        let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
        let expected = format!(
            "config.toml:{line}: there is no setting {named:?}: no setting stands in a section{meant}"
        );
        assert!(error.ends_with(&expected), "{error}, not {expected}");
    }
    let error = Place::with_file("[audit]\n").error(&[]);
    assert!(
        error.ends_with("config.toml:1: [audit] begins a section, and no setting stands in one"),
        "{error}"
    );
}

#[test]
fn a_bad_value_is_refused_with_its_source() {
    let place = Place::new();
    for (variable, bad) in [
        ("BES_TABLE", "a b"),
        ("BES_NAMESPACE", "a#b"),
        ("BES_KEYS", "file"),
        ("BES_KEYS", "KMS"),
        ("BES_KMS_KEY", "alias/a b"),
        ("BES_KMS_KEY", "a,b"),
        ("BES_KMS_PREVIOUS_KEYS", "alias/a,,alias/b"),
        ("BES_KMS_PREVIOUS_KEYS", ","),
        ("AWS_ENDPOINT_URL_DYNAMODB", "localhost:8000"),
        ("AWS_REGION", "eu west"),
        ("BES_WRITER_REGION", "?"),
        ("BES_PADDING", "yes"),
        ("BES_KEK_TTL", "60"),
        ("BES_ATTEMPT_TIMEOUT", "0s"),
        ("BES_DEADLINE", "1d"),
        ("BES_PRINCIPAL", "a\nb"),
        ("BES_AUDIT_WRITES", "lease"),
        ("BES_AUDIT_READS", "lease:2m"),
        ("BES_AUDIT_CHAIN", "own"),
        ("BES_CHECKPOINT_VERIFIERS", "bes/prod+da6d567f+AbP2"),
        ("BES_CHECKPOINT_COMMAND", "'"),
        ("BES_ALERT_COMMAND", " "),
        ("BES_CHECKPOINT_EVENTS", "0"),
        ("BES_CHECKPOINT_EVERY", "10"),
        ("BES_OUTPUT", "xml"),
        ("BES_LOG_FORMAT", "logfmt"),
        ("BES_TELEMETRY_NAMES", "yes"),
    ] {
        let error = place.error(&[(variable, bad)]);
        assert!(error.contains(&format!("cannot be {bad:?} (from {variable}): ")), "{error}");
    }
    let error = place.error(&[("BES_DEADLINE", "1s"), ("BES_ATTEMPT_TIMEOUT", "2s")]);
    assert_eq!(
        error,
        "attempt_timeout (2s, from BES_ATTEMPT_TIMEOUT) is longer than deadline (1s, from BES_DEADLINE)"
    );
    assert!(place.load(&Global::default(), &[("BES_DEADLINE", "1s")]).is_ok());
}

#[cfg(feature = "aws-kms")]
#[test]
fn keys_are_in_kms_if_it_is_said_so_and_which() {
    let place = Place::new();
    let arn = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let kms = |flags: &Global, variables: &[_]| place.load(flags, variables).unwrap().kms();
    let variables = [("BES_KEYS", "kms"), ("BES_KMS_KEY", "alias/a"), ("BES_KMS_PREVIOUS_KEYS", arn)];
    let found = kms(&Global::default(), &variables).unwrap();
    assert_eq!((found.key.as_str(), &found.previous[..]), ("alias/a", &[arn.to_owned()][..]));
    let flags = Global { kms_key: Some("alias/flag".to_owned()), ..Global::default() };
    assert_eq!(kms(&flags, &variables).unwrap().key, "alias/flag");
    // A file may name the key of production while the environment says that this is a laptop.
    assert_eq!(kms(&Global::default(), &[("BES_KEYS", "local"), ("BES_KMS_KEY", "alias/a")]), None);
    assert_eq!(kms(&Global::default(), &[]), None);
}

#[cfg(feature = "aws-kms")]
#[test]
fn a_key_of_kms_that_is_missing_or_would_not_be_used_is_refused() {
    let place = Place::with_file("kms_key = \"alias/a\"\n");
    let error = place.error(&[]);
    let expected = format!("kms_key is set (from {}:1), and keys is not", place.file().display());
    assert_eq!(error, expected);
    let error = Place::new().error(&[("BES_KMS_PREVIOUS_KEYS", "alias/a")]);
    assert_eq!(error, "kms_previous_keys is set (from BES_KMS_PREVIOUS_KEYS), and keys is not");
    let error = Place::new().error(&[("BES_KEYS", "kms"), ("BES_KMS_PREVIOUS_KEYS", "alias/a")]);
    assert_eq!(error, "keys is kms (from BES_KEYS), and kms_key is not set");
}

#[cfg(feature = "aws-kms")]
#[test]
fn a_key_file_needs_a_home_and_a_key_of_kms_does_not() {
    let load = |variables: &[(&str, &str)]| {
        let variables: HashMap<_, _> = variables.iter().copied().collect();
        let environment = |name: &str| variables.get(name).map(OsString::from);
        let read = |_: &Path| Err(io::ErrorKind::NotFound.into());
        Config::from_parts(&Global::default(), Surroundings { environment, home: None, read })
    };
    assert!(matches!(load(&[]), Err(ConfigError::NoHome)));
    load(&[("BES_KEYS", "kms"), ("BES_KMS_KEY", "alias/a")]).unwrap();
}

#[test]
fn a_file_that_was_named_must_exist() {
    let place = Place::new();
    let error = place.error(&[("BES_CONFIG", "/nowhere/bes.toml")]);
    assert_eq!(error, "cannot read the configuration file /nowhere/bes.toml, which BES_CONFIG names");
    let place = Place::with_file("");
    fs::write(place.file(), b"\xff").unwrap();
    let error = place.error(&[]);
    assert_eq!(error, format!("cannot read the configuration file {}", place.file().display()));
}

#[test]
fn the_more_special_endpoint_wins() {
    let both = [("AWS_ENDPOINT_URL", "http://general:1"), ("AWS_ENDPOINT_URL_DYNAMODB", "http://special:1")];
    let config = Place::new().load(&Global::default(), &both).unwrap();
    assert_eq!(config.endpoint_url.unwrap().value, "http://special:1");
}

#[test]
fn the_principal_is_the_user_of_the_system_unless_named() {
    let principal = |variables: &[_]| Place::new().load(&Global::default(), variables).unwrap().principal;
    let named = Set { value: "ann".to_owned(), source: Source::Environment("BES_PRINCIPAL") };
    assert_eq!(principal(&[("USER", "bob"), ("BES_PRINCIPAL", "ann")]), Some(named));
    let user = Set { value: "bob".to_owned(), source: Source::Default };
    assert_eq!(principal(&[("USER", "bob")]), Some(user));
    assert_eq!(principal(&[]), None);
}
