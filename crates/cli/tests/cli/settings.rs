//! `bes config`, and settings that are refused.

use crate::bench::Bench;

#[test]
fn every_setting_is_shown_with_its_source() {
    let bench = Bench::with_key_file();
    let file = bench
        .write(".blue/config.toml", "# local\nnamespace = \"ours\"\nkek_ttl = \"30s\"\noutput = \"json\"\n");
    let ran = bench.run_with(&[("BES_KEK_TTL", "45s")], &["config", "--region", "eu-west-1"]).succeeded();
    let config = ran.json().remove(0);
    let setting = |name: &str| {
        let found = &config[name];
        (found["value"].as_str().unwrap_or("none").to_owned(), found["source"].as_str().unwrap().to_owned())
    };
    let line = |number: u32| format!("{}:{number}", file.display());
    assert_eq!(setting("table"), (bench.table.clone(), "BES_TABLE".into()));
    assert_eq!(setting("namespace"), ("ours".into(), line(2)));
    assert_eq!(setting("kek_ttl"), ("45s".into(), "BES_KEK_TTL".into()));
    assert_eq!(setting("region"), ("eu-west-1".into(), "--region".into()));
    assert_eq!(setting("output"), ("json".into(), line(4)));
    assert_eq!(setting("deadline"), ("15s".into(), "default".into()));
    assert_eq!(setting("key_file"), (bench.key_file().display().to_string(), "default".into()));
    assert_eq!(setting("endpoint_url").1, "AWS_ENDPOINT_URL_DYNAMODB");
    assert_eq!(setting("config"), (file.display().to_string(), "default".into()));

    let text = bench.run(&["config", "--output", "text"]).succeeded().stdout;
    assert!(text.contains("padding\tnone\tdefault\n"), "{text}");
    assert!(bench.run(&["config"]).never_said("BES-UMK-1").stdout.len() > 100);
}

#[test]
fn settings_from_the_file_lead_to_the_store() {
    let bench = Bench::with_key_file();
    let endpoint = blue_testkit::DynamoDb::shared().endpoint();
    let toml = format!(
        "table = \"{}\"\nkey_file = \"my/umk.key\"\nendpoint_url = \"{endpoint}\"\nregion = \"us-east-1\"\n",
        bench.table
    );
    bench.write("elsewhere/bes.toml", &toml);
    let mut command = bench.command(&["--config", "elsewhere/bes.toml", "init"]);
    for name in ["BES_TABLE", "AWS_ENDPOINT_URL_DYNAMODB"] {
        command.env_remove(name);
    }
    crate::bench::run(command, "").succeeded().said(&format!("created the table {}", bench.table));
    assert!(bench.path("elsewhere/my/umk.key").exists(), "beside the file that names it");
}

#[test]
fn a_flag_wins_over_the_environment_when_it_counts() {
    let bench = Bench::initialised();
    let wrong = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9"), ("BES_TABLE", "no-such-table")];
    let endpoint = blue_testkit::DynamoDb::shared().endpoint();
    bench.run_with(&wrong, &["ls", "t/c", "--endpoint-url", endpoint, "--table", &bench.table]).succeeded();
}

#[test]
fn what_is_not_understood_is_refused_with_its_place() {
    let bench = Bench::with_key_file();
    let file = bench.write(".blue/config.toml", "table = \"notes\"\nnamespce = \"x\"\n");
    let ran = bench.run(&["config"]).exited(2).printed("");
    let ran =
        ran.said(&format!("{}:2: there is no setting \"namespce\"; did you mean namespace?", file.display()));
    ran.said("help: the settings are table, namespace, padding, keys, ");

    bench.write(".blue/config.toml", "deadline = \"soon\"\n");
    bench
        .run(&["config"])
        .exited(2)
        .said(&format!("deadline cannot be \"soon\" (from {}:1): ", file.display()));
    bench.write(".blue/config.toml", "");
    let ran = bench.run_with(&[("BES_KEYS", "kms")], &["config"]).exited(2);
    ran.said("keys is kms (from BES_KEYS), and kms_key is not set").said("help: name the key with kms_key");
    bench.run(&["--config", "nowhere.toml", "config"]).exited(2).said("nowhere.toml, which --config names");
    bench.run(&["--output", "xml", "config"]).exited(2).said("output cannot be \"xml\" (from --output)");
    bench.run(&["--table", "a b", "init"]).exited(2).said("table cannot be \"a b\" (from --table)");
}

#[test]
fn a_log_of_json_is_one_object_a_line() {
    let bench = Bench::initialised();
    let ran = bench.run_with(&[("BES_LOG_FORMAT", "json")], &["-vv", "ls", "t/c"]).succeeded();
    assert!(!ran.stderr.is_empty());
    for line in ran.stderr.lines() {
        let event: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["timestamp", "level", "target"] {
            assert!(event[field].is_string(), "no {field} in {line}");
        }
        assert!(event["fields"].is_object(), "{line}");
    }
    let ran = bench.run_with(&[("BES_LOG_FORMAT", "jsn")], &["config"]).exited(2);
    ran.said(
        "log_format cannot be \"jsn\" (from BES_LOG_FORMAT): it should be text or json; did you mean json?",
    );
}

#[test]
fn a_variable_that_is_misspelt_is_warned_about_and_stops_nothing() {
    let bench = Bench::with_key_file();
    let variables = [("BES_TABEL", "x"), ("BES_KEYS_", ""), ("BES_SERVICES", "process"), ("BESTABLE", "x")];
    let ran = bench.run_with(&variables, &["config", "--output", "json"]).succeeded();
    assert_eq!(ran.stderr, "warning: the variable BES_TABEL sets nothing; did you mean BES_TABLE?\n");
    assert_eq!(ran.json().len(), 1);
    // Also where what it should have set is then missing.
    let ran = bench.run_with(&[("BES_KYES", "kms"), ("BES_KMS_KEY", "alias/a")], &["config"]).exited(2);
    ran.said("warning: the variable BES_KYES sets nothing; did you mean BES_KEYS?")
        .said("error: kms_key is set");
}
