//! Nothing secret leaves: a whole life of a store, with everything logged and exported that can be, and every byte of it
//! looked through.

use std::{collections::BTreeMap, fs};

use blue_encrypted_store::{
    KeyProvider, LocalFile, Namespace, TenantName,
    envelope::{KekId, primitive},
    keys::{KeyContext, KeyOwner, UmkId, WrappedKek},
};
use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};

use crate::{
    bench::{Bench, Item, Ran, aside, text},
    collector::Collector,
};

/// Contents that stand nowhere else.
const JSON_CONTENT: &str = "a secret that JSON keeps, 7f3a9c";
const BYTES_CONTENT: &str = "a secret that bytes keep, 51d08e";
const IMPORTED: &str = "a secret that came by import, c2b94f";

/// What must not be seen, by what it is.
type Secrets = BTreeMap<String, Vec<u8>>;

/// What was seen, by where.
#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn run(&mut self, bench: &Bench, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let ran = bench.run_with(variables, arguments);
        let command = arguments.join(" ");
        assert!(ran.stderr.len() > 200, "{command} logs at the lowest level: {ran:?}");
        self.0.push((format!("the log of {command}"), ran.stderr.clone().into_bytes()));
        // What these print is content.
        if !arguments.iter().any(|word| matches!(*word, "get" | "export")) || arguments.contains(&"audit") {
            self.0.push((format!("the output of {command}"), ran.stdout.clone().into_bytes()));
        }
        ran
    }

    fn lacks(&self, secrets: &Secrets) {
        for (what, secret) in secrets {
            for form in forms(secret) {
                for (place, bytes) in &self.0 {
                    assert!(
                        !contains(bytes, &form),
                        "{what} is in {place}, as {:?}",
                        String::from_utf8_lossy(&form)
                    );
                }
            }
        }
    }
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The secret as it is, and as it would be written; in Base64, wherever in a longer text it stands.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    assert!(secret.len() >= 16, "what is shorter would be found by chance");
    let mut forms = vec![
        secret.to_vec(),
        HEXLOWER.encode(secret).into_bytes(),
        HEXUPPER.encode(secret).into_bytes(),
        format!("{secret:?}").trim_matches(['[', ']']).as_bytes().to_vec(),
    ];
    for before in 0..3 {
        // Of four characters, those that depend on what stands before or behind are left out.
        let whole = &secret[before..];
        let whole = &whole[..whole.len() / 3 * 3];
        forms.extend([BASE64.encode(whole).into_bytes(), BASE64URL.encode(whole).into_bytes()]);
    }
    forms
}

#[test]
fn a_secret_is_found_in_each_of_its_forms() {
    let secret: Vec<u8> = (100..132).collect();
    for around in ["", "x", "xy", "xyz"] {
        let longer = [around.as_bytes(), &secret, around.as_bytes()].concat();
        for text in [
            BASE64.encode(&longer),
            HEXLOWER.encode(&longer),
            HEXUPPER.encode(&longer),
            format!("{longer:?}"),
        ] {
            assert!(forms(&secret).iter().any(|form| contains(text.as_bytes(), form)), "{text}");
        }
        assert!(forms(&secret).iter().any(|form| contains(&longer, form)));
    }
}

#[test]
fn no_key_and_no_content_is_in_any_log_trace_metric_output_or_error() {
    let bench = Bench::new();
    let collector = Collector::http();
    let everything = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("BES_LOG", "trace"),
        ("BES_LOG_FORMAT", "json"),
        ("BES_TELEMETRY_NAMES", "shown"),
        ("RUST_BACKTRACE", "full"),
    ];
    let ours = [&everything[..1], &everything[3..]].concat();
    let mut seen = Seen::default();
    let content = bench.write("content.json", &format!("{{\"text\": \"{JSON_CONTENT}\"}}"));
    let bytes = bench.write("content.bin", BYTES_CONTENT);
    let lines = bench.write(
        "lines.jsonl",
        &format!("{{\"id\":1,\"x\":\"{IMPORTED}\"}}\n{{\"id\":2,\"x\":\"{IMPORTED}\"}}\n{{\"x\":\"{IMPORTED}\"}}\nno {IMPORTED}\n"),
    );
    let path = |path: &std::path::Path| path.display().to_string();
    let (content, bytes, lines) = (path(&content), path(&bytes), path(&lines));

    seen.run(&bench, &everything, &["init"]).succeeded();
    seen.run(&bench, &everything, &["put", "alice/inbox/note/1", "--file", &content]).succeeded();
    seen.run(&bench, &everything, &["put", "alice/inbox/blob/1", "--bytes", "--file", &bytes]).succeeded();
    seen.run(&bench, &ours, &["-vvv", "put", "alice/inbox/note/1", "--file", &content]).succeeded();
    seen.run(&bench, &everything, &["get", "alice/inbox/note/1"]).succeeded();
    seen.run(&bench, &ours, &["-vvv", "get", "alice/inbox/blob/1"]).exited(0);
    seen.run(&bench, &everything, &["ls", "alice/inbox"]).succeeded();
    let import = ["import", "bob/people", "--kind", "person", "--id-field", "id", &lines];
    seen.run(&bench, &everything, &import).exited(9);
    seen.run(&bench, &everything, &["export", "bob/people"]).succeeded();
    seen.run(&bench, &everything, &["put", "alice/inbox/note/2", "--file", &bytes]).exited(2);
    seen.run(&bench, &everything, &["put", "alice/inbox/note/1", "--if-absent", "--file", &content])
        .exited(4);
    seen.run(&bench, &everything, &["get", "alice/inbox/note/9"]).exited(3);
    seen.run(&bench, &everything, &["keys", "ls", "--count"]).succeeded();
    let rotated = seen.run(&bench, &everything, &["keys", "rotate", "alice"]).code;
    if rotated == 0 {
        seen.run(&bench, &everything, &["keys", "rewrap", "alice"]).succeeded();
        seen.run(&bench, &everything, &["keys", "reseal", "alice"]).succeeded();
    }
    seen.run(&bench, &everything, &["audit", "tail", "-n", "100"]).succeeded();
    seen.run(&bench, &everything, &["audit", "export"]).succeeded();
    seen.run(&bench, &everything, &["audit", "verify", "--deep"]).succeeded();
    seen.run(&bench, &everything, &["config"]).succeeded();

    // Of all that there is now, before some of it is damaged.
    let secrets = secrets(&bench);
    damage(&bench);
    seen.run(&bench, &everything, &["get", "alice/inbox/note/1"]).exited(5);
    seen.run(&bench, &everything, &["audit", "verify", "--deep", "--patience", "1ms"]).exited(1);
    seen.run(&bench, &everything, &["rm", "alice/inbox/note/1"]).succeeded();
    if bench.key_file().exists() {
        bench.replace_key_file();
        seen.run(&bench, &everything, &["get", "alice/inbox/blob/1"]).exited(6);
    }

    let exported = collector.bytes();
    assert!(collector.spans().len() > 50, "there is something to look through");
    seen.0.push(("what was exported".to_owned(), exported));
    seen.lacks(&secrets);
}

/// A bit of a record's ciphertext.
fn damage(bench: &Bench) {
    let mut item = bench.items().into_iter().find(|item| text(item, "sk") == "note#1").unwrap();
    let mut envelope = bytes(&item, "_e");
    *envelope.last_mut().unwrap() ^= 1;
    item.insert("_e".to_owned(), aws_sdk_dynamodb::types::AttributeValue::B(envelope.into()));
    bench.put_item(item);
}

fn bytes(item: &Item, name: &str) -> Vec<u8> {
    item[name].as_b().unwrap().clone().into_inner()
}

/// Every key and content that the store has: as somebody gets them who has the master key.
fn secrets(bench: &Bench) -> Secrets {
    let mut secrets = Secrets::new();
    for content in [JSON_CONTENT, BYTES_CONTENT, IMPORTED] {
        secrets.insert(format!("the content {content:?}"), content.as_bytes().to_vec());
    }
    if let Ok(file) = fs::read_to_string(bench.key_file()) {
        let umk = file.trim_end().strip_prefix("BES-UMK-1:").unwrap();
        secrets.insert("the UMK".to_owned(), HEXLOWER.decode(umk.as_bytes()).unwrap());
    }
    let items = bench.items();
    let keks = keks(bench, &items);
    assert!(keks.len() >= 3, "those of two tenants and of the audit log");
    for (name, wrapped, kek) in &keks {
        secrets.insert(format!("the wrapped KEK of {name}"), wrapped.clone());
        secrets.insert(format!("the KEK of {name}"), kek.1.to_vec());
    }
    for item in items.iter().filter(|item| text(item, "pk").starts_with("R#")) {
        let envelope = bytes(item, "_e");
        let name = format!("{} {}", text(item, "pk"), text(item, "sk"));
        let (_, _, (_, kek)) = keks.iter().find(|(_, _, (id, _))| id[..] == envelope[37..53]).unwrap();
        secrets.insert(format!("the wrapped DEK of {name}"), envelope[53..101].to_vec());
        secrets.insert(format!("the DEK of {name}"), dek(kek, &envelope));
    }
    secrets
}

/// docs/envelope.md, "Keys".
fn dek(kek: &[u8; 32], envelope: &[u8]) -> Vec<u8> {
    let mut wrap_key = [0; 32];
    primitive::expand(kek, &[b"bes1/wrap", &envelope[4..5], &envelope[5..37]], &mut wrap_key);
    let mut dek = envelope[53..101].to_vec();
    primitive::MessageKey::new(&wrap_key).decrypt(&envelope[..53], &mut dek).unwrap().to_vec()
}

type Keks = Vec<(String, Vec<u8>, ([u8; 16], [u8; 32]))>;

/// Whose, wrapped, and id with key.
fn keks(bench: &Bench, items: &[Item]) -> Keks {
    let provider = provider(bench);
    let mut found = Keks::new();
    for item in items.iter().filter(|item| item.contains_key("wrapped_kek")) {
        let pk = text(item, "pk");
        let owner = match pk.strip_prefix("K#") {
            Some(tenant) => KeyOwner::Tenant(TenantName::new(tenant).unwrap()),
            None => KeyOwner::Audit,
        };
        let id: [u8; 16] = bytes(item, "kek_id").try_into().unwrap();
        let version = text(item, "sk").parse().unwrap();
        let namespace = Namespace::new("default").unwrap();
        let context = KeyContext { namespace, purpose: owner.into(), version, kek_id: KekId::from_bytes(id) };
        let wrapped = WrappedKek::new(UmkId::new(text(item, "umk_id")), bytes(item, "wrapped_kek"));
        let kek = aside(async || *provider.unwrap_kek(&wrapped, &context).await.unwrap().expose());
        found.push((format!("{pk} {version}"), bytes(item, "wrapped_kek"), (id, kek)));
    }
    found
}

fn provider(bench: &Bench) -> Box<dyn KeyProvider> {
    match bench.kms_key() {
        None => Box::new(LocalFile::open(bench.key_file()).unwrap()),
        Some(key) => Box::new(aside(async || {
            let client = blue_testkit::Kms::shared().client().await;
            let config = blue_encrypted_store::AwsKmsConfig::new(key);
            blue_encrypted_store::AwsKms::connect(&client, config).await.unwrap()
        })),
    }
}
