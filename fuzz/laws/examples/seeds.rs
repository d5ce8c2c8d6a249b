//! Writes the hand-made part of the corpus: for each target a valid input of every sort, and one for each documented
//! refusal. `cargo run -p blue-fuzz-laws --example seeds`, from anywhere; what it writes has names in words, what a
//! run of the fuzzer added has a hash for a name.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for developers")]

use std::{fs, path::Path};

use blue_address::{Address, Attributes, ItemAttributes, Namespace, RecordPath, push_length_prefixed};
use blue_audit::{CryptoOp, Details, GENESIS, NoteSigner, Outcome};
use blue_envelope::{Context, Kek, KekId, SecretKey, seal};
use blue_fuzz_laws::TARGETS;
use uuid::Uuid;

type Seeds = Vec<(String, Vec<u8>)>;

fn main() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("corpus");
    let seeds: [(&str, Seeds); TARGETS.len()] = [
        ("address", addresses()),
        ("attributes", attributes()),
        ("audit_event", audit_events()),
        ("checkpoint", checkpoints()),
        ("config", configs()),
        ("envelope", envelopes()),
        ("item", items()),
        ("key_file", key_files()),
    ];
    for (target, seeds) in seeds {
        let directory = corpus.join(target);
        fs::create_dir_all(&directory).unwrap();
        println!("{target}: {} seeds", seeds.len());
        for (name, bytes) in seeds {
            fs::write(directory.join(name), bytes).unwrap();
        }
    }
}

fn seed(name: &str, bytes: impl AsRef<[u8]>) -> (String, Vec<u8>) {
    (name.to_owned(), bytes.as_ref().to_vec())
}

fn addresses() -> Seeds {
    let long = |n: usize| "x".repeat(n);
    vec![
        seed("plain", "alice/inbox/note/42"),
        seed("id-with-slashes", "alice/inbox/note/2026/11/23"),
        seed("id-of-unicode", "alice/inbox/note/日本 é e\u{301}"),
        seed("punctuation", "a!b/c@d/~e/#"),
        seed("longest-names", format!("{0}/{0}/{0}/i", long(255))),
        seed("name-too-long", format!("{}/c/k/i", long(256))),
        seed("longest-id", format!("t/c/k/{}", long(768))),
        seed("id-too-long", format!("t/c/k/{}", long(769))),
        seed("three-parts", "alice/inbox/note"),
        seed("one-part", "alice"),
        seed("nothing", ""),
        seed("empty-tenant", "/inbox/note/42"),
        seed("empty-kind", "alice/inbox//42"),
        seed("empty-id", "alice/inbox/note/"),
        seed("separator-in-a-name", "al#ice/inbox/note/42"),
        seed("space-in-a-name", "alice/in box/note/42"),
        seed("name-not-ascii", "alicé/inbox/note/42"),
        seed("control-character", "alice/inbox/note/4\n2"),
        seed("c1-control-character", "alice/inbox/note/4\u{85}2"),
        seed("not-utf8", b"alice/inbox/note/\xff"),
    ]
}

/// The canonical bytes of one attribute as given, whether it is canonical or not.
fn attribute(count: u16, name: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
    let mut out = 7_u64.to_be_bytes().to_vec();
    out.extend(count.to_be_bytes());
    push_length_prefixed(&mut out, name);
    out.push(kind);
    push_length_prefixed(&mut out, value);
    out
}

fn example_attributes() -> ItemAttributes {
    let callers = Attributes::new()
        .with("bytes", vec![0, 255])
        .and_then(|all| all.with("flag", true))
        .and_then(|all| all.with("integer", i64::MIN))
        .and_then(|all| all.with("text", "é"));
    let mut all = ItemAttributes::new(callers.unwrap());
    for (name, value) in [("_t", 1), ("_c", 1_700_000_000_000_000_i64), ("_u", 1_700_000_000_000_001)] {
        all.insert(name, value).unwrap();
    }
    all
}

fn attributes() -> Seeds {
    let mut example = Vec::new();
    example_attributes().encode_into(1_700_000_000_000_000, &mut example);
    let mut twice = attribute(2, b"a", 3, &[1]);
    twice.extend(&attribute(2, b"a", 3, &[0])[10..]);
    let mut descending = attribute(2, b"b", 3, &[1]);
    descending.extend(&attribute(2, b"a", 3, &[0])[10..]);
    vec![
        seed("all-types", &example),
        seed("none", [0; 10]),
        seed("left-over", [&example[..], &[0]].concat()),
        seed("truncated", &example[..example.len() - 1]),
        seed("empty-text", attribute(1, b"a", 1, b"")),
        seed("minus-zero", attribute(1, b"a", 2, b"-0")),
        seed("leading-zero", attribute(1, b"a", 2, b"07")),
        seed("plus", attribute(1, b"a", 2, b"+7")),
        seed("largest-integer", attribute(1, b"a", 2, b"9223372036854775807")),
        seed("integer-too-large", attribute(1, b"a", 2, b"9223372036854775808")),
        seed("bool-of-two", attribute(1, b"a", 3, &[2])),
        seed("unknown-type", attribute(1, b"a", 5, b"")),
        seed("text-not-utf8", attribute(1, b"a", 1, b"\xff")),
        seed("name-not-utf8", attribute(1, b"\xff", 1, b"")),
        seed("empty-name", attribute(1, b"", 1, b"")),
        seed("name-twice", twice),
        seed("descending", descending),
        seed("too-few", attribute(2, b"a", 1, b"")),
        seed("length-past-the-end", b"\0\0\0\0\0\0\0\x07\0\x01\xff\xff\xff\xffa"),
        seed("typed-text", "status=open"),
        seed("typed-integer", "n:int=-9223372036854775808"),
        seed("typed-integer-not-canonical", "n:int=+007"),
        seed("typed-integer-too-large", "n:int=9223372036854775808"),
        seed("typed-bool", "b:bool=true"),
        seed("typed-bool-of-another-word", "b:bool=yes"),
        seed("typed-bytes", "x:bytes=AP8="),
        seed("typed-bytes-unpadded", "x:bytes=AP8"),
        seed("typed-bytes-twice", "x:bytes=lfo=alse"),
        seed("typed-name-with-colons", "dc:title:string=Emma=x"),
        seed("typed-unknown-type", "dc:title=Emma"),
        seed("typed-reserved", "_e=x"),
        seed("typed-no-value", "status"),
        // A version, then names and values by choice: one of each sort of both.
        seed("built", b"\0\0\0\0\0\0\0\x01\x00\x01a\x00\x01b\x01\x01t\x01\0\0\0\0\0\0\0\x05\x02\x04\x02\x01\x03\x01bc\x03\x02\x00\xff\x02\x00\x02\x01"),
        seed("built-twice", b"\0\0\0\0\0\0\0\x01\x00\x01a\x00\x01b\x00\x01a\x00\x01c\x00\x00\x02\x01"),
    ]
}

fn event() -> Vec<u8> {
    let details = Details {
        event_id: Uuid::from_u128(0x0190_163d_8694_739b_aea5_966c_26f8_ad90),
        timestamp: time::OffsetDateTime::UNIX_EPOCH,
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".into(),
        span_id: "00f067aa0ba902b7".into(),
        operation: CryptoOp::Encrypt,
        key_id: "00112233-4455-4677-8899-aabbccddeeff".into(),
        principal: "é".into(),
        outcome: Outcome::Success,
        reason: String::new(),
        resource: "bes:prod/alice/inbox/note/a%2Fb".into(),
        version: 7,
        content_digest: Some([3; 32]),
    };
    details.link("main", 0, GENESIS).event_bytes().to_vec()
}

/// The example with one of its fields replaced.
fn event_with(index: usize, value: &[u8]) -> Vec<u8> {
    let label = b"bes1/event";
    let bytes = event();
    let mut rest = &bytes[label.len()..];
    let mut out = label.to_vec();
    for place in 0..15 {
        let (field, after) = blue_address::split_length_prefixed(rest).unwrap();
        push_length_prefixed(&mut out, if place == index { value } else { field });
        rest = after;
    }
    out
}

fn audit_events() -> Seeds {
    let example = event();
    let mut run = Vec::new();
    for _ in 0..2 {
        push_length_prefixed(&mut run, &example);
    }
    let mut one = Vec::new();
    push_length_prefixed(&mut one, &example);
    // A chain's name, that it starts at a chosen sequence, one event of few choices, and one change, signed anew.
    let built = |count: u8, change: &[u8]| {
        let mut out = vec![1, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        out.extend([0; 32]);
        out.push(count);
        for event in 0..=count {
            out.extend([event; 16]);
            out.extend([0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1]);
            out.extend([1, b't', 1, b's', event, 1, b'k', 1, b'p', event, 0, 1, b'r']);
            out.extend([0, 0, 0, 0, 0, 0, 0, 7, 0]);
        }
        out.extend(change);
        out
    };
    // One event more, with bits of its link flipped, and sequences left out before it.
    let another =
        |flipped: u8, left_out: u8| [&[10, 0, 0, flipped, left_out, 0][..], &[0; 45], &[1]].concat();
    let mut seeds = vec![
        seed("event", &example),
        seed("event-without-digest", event_with(11, b"")),
        seed("truncated", &example[..example.len() - 1]),
        seed("left-over", [&example[..], &[0]].concat()),
        seed("another-beginning", b"bes1/Event"),
        seed("events-of-a-segment", run),
        seed("event-of-a-segment", one),
        seed("nothing", b""),
        seed("segment-of-one", built(0, &[])),
        seed("segment-of-four", built(3, &[])),
        seed("segment-at-the-end-of-sequences", {
            let mut out = built(3, &[]);
            out.splice(4..13, [1, 0]);
            out
        }),
        seed("segment-beyond-the-end-of-sequences", {
            let mut out = built(0, &another(0, 0));
            out.splice(4..13, [1, 0]);
            out
        }),
        seed("segment-without-its-end", built(1, &[6, 0, 40, 1])),
        seed("segment-of-another-chain", built(1, &[0, 0, 5, 5, 5, 1])),
        seed("segment-at-another-place", built(1, &[1, 1, 1])),
        seed("segment-with-another-count", built(1, &[2, 1, 1])),
        seed("segment-with-another-head", built(1, &[3, 0, 3, 1, 1])),
        seed("segment-with-another-mac", built(1, &[4, 0, 3, 1, 0])),
        seed("segment-of-another-key", built(1, &[5, 0, 3, 1, 1])),
        seed("segment-with-an-event-twice", built(1, &[9, 0, 0, 0, 0, 1])),
        seed("segment-with-one-event-more", built(1, &another(0, 0))),
        seed("segment-with-an-event-that-does-not-link", built(1, &another(1, 0))),
        seed("segment-with-an-event-left-out", built(1, &another(0, 1))),
    ];
    for (index, name, bad) in [
        (0, "event-id", &[0; 15][..]),
        (1, "leap-second", b"2026-11-23T23:59:60.000000Z"),
        (1, "no-such-day", b"2026-02-29T00:00:00.000000Z"),
        (1, "milliseconds", b"2026-11-23T23:59:59.000Z"),
        (1, "year-before-0", b"-001-11-23T23:59:59.000000Z"),
        (2, "trace-id-not-utf8", b"\xff"),
        (4, "operation", b"Encrypt"),
        (7, "outcome", b"ok"),
        (10, "version", &[0; 9]),
        (11, "digest", &[0; 31]),
        (13, "sequence", &[0; 7]),
        (14, "previous-hash", b""),
    ] {
        seeds.push(seed(&format!("wrong-{name}"), event_with(index, bad)));
    }
    for word in
        ["decrypt", "delete", "generate_kek", "unwrap_kek", "rotate", "rewrap", "rewrap_root", "retire"]
    {
        seeds.push(seed(&format!("operation-{word}"), event_with(4, word.as_bytes())));
    }
    for word in ["shred", "lease", "open_chain", "adopt"] {
        seeds.push(seed(&format!("operation-{word}"), event_with(4, word.as_bytes())));
    }
    for word in ["failure", "denied"] {
        seeds.push(seed(&format!("outcome-{word}"), event_with(7, word.as_bytes())));
    }
    for (name, timestamp) in
        [("first-day", "0000-01-01T00:00:00.000000Z"), ("last-day", "9999-12-31T23:59:59.999999Z")]
    {
        seeds.push(seed(name, event_with(1, timestamp.as_bytes())));
    }
    seeds
}

/// What the law knows as well.
const SIGNER: &str = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";

/// The law puts the hash in.
fn checkpoints() -> Seeds {
    let head = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    let zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let time = "time 2026-01-02T03:04:05.678901Z\n";
    let text = |events: &str, lines: &str| format!("bes/prod\n{events}\nhash\n{time}{lines}");
    let whole = text(
        "43",
        &format!(
            "table 0f5e2b4a\nchain main 41 {head}\nchain registry 2 {head}\n\
             shredded alice 2025-12-31T23:59:59.000000Z\nshredded bob 2025-12-31T23:59:59.000000Z\n"
        ),
    );
    let signed = SIGNER.parse::<NoteSigner>().unwrap().sign(&whole).unwrap();
    let (signature, stranger) = (&signed[whole.len() + 1..], "\u{2014} example.com/witness AAAAAAE=\n");
    vec![
        seed("whole", &whole),
        seed("time-alone", text("0", "")),
        seed("chain-without-events", text("0", &format!("chain main 0 {zeros}\n"))),
        seed(
            "most-events",
            text("18446744073709551615", &format!("chain main 18446744073709551615 {head}\n")),
        ),
        seed(
            "too-many-events",
            text("0", &format!("chain a 18446744073709551615 {head}\nchain b 1 {head}\n")),
        ),
        seed("another-number-of-events", text("1", "")),
        seed("head-without-events", text("0", &format!("chain main 0 {head}\n"))),
        seed("events-without-head", text("1", &format!("chain main 1 {zeros}\n"))),
        seed("chains-descending", text("2", &format!("chain b 1 {head}\nchain a 1 {head}\n"))),
        seed("chain-twice", text("2", &format!("chain a 1 {head}\nchain a 1 {head}\n"))),
        seed("table-last", text("1", &format!("chain a 1 {head}\ntable t\n"))),
        seed("table-twice", text("0", "table t\ntable t\n")),
        seed("shredded-without-time", text("0", "shredded bob\n")),
        seed("number-with-a-zero", text("1", &format!("chain a 01 {head}\n"))),
        seed("word-unknown", text("0", "more\n")),
        seed("empty-line", text("0", "\n")),
        seed("without-time", whole.replace(time, "")),
        seed("without-final-newline", whole.trim_end()),
        seed("origin-of-another-log", whole.replace("bes/", "example.com/")),
        seed("note", &signed),
        seed("note-of-a-stranger", format!("{whole}\n{stranger}")),
        seed("note-of-both", format!("{whole}\n{stranger}{signature}")),
        seed("note-signed-twice", format!("{signed}{signature}")),
        seed("note-of-no-checkpoint", "text\n\nmore\n\n".to_owned() + stranger),
        seed("note-with-another-text", signed.replace("bob", "eve")),
        seed("note-with-a-bad-signature", format!("{whole}\n\u{2014} PeterNeumann x08gowA=\n")),
        seed("note-with-a-short-signature", format!("{whole}\n\u{2014} PeterNeumann x08gow==\n")),
        seed("note-with-a-space-in-a-name", format!("{whole}\n\u{2014} Peter\u{2003}N AAAAAAE=\n")),
        seed("note-with-a-plus-in-a-name", format!("{whole}\n\u{2014} Peter+N AAAAAAE=\n")),
        seed("note-without-signature", format!("{whole}\n")),
        seed("note-with-a-control-character", signed.replace("prod", "pr\u{1f}od")),
        seed("note-of-a-newline", format!("\n\n{stranger}")),
        seed("signature-alone", format!("\n{stranger}")),
        seed("not-utf8", b"bes/prod\n0\n\xff\n"),
        seed("nothing", ""),
    ]
}

fn configs() -> Seeds {
    let all = "# all of them\ntable = \"notes\"\nnamespace = \"prod\"\nkeys = \"local\"\nkey_file = \"my.key\"\n\
        kms_key = \"alias/notes\"\nkms_previous_keys = \"alias/old, mrk-1\"\n\
        endpoint_url = \"http://localhost:8000\"\nregion = \"eu-west-1\"\nwriter_region = \"eu-west-1\"\n\
        padding = \"padme\"\nkek_ttl = \"30s\"\nattempt_timeout = \"1s\"\ndeadline = \"5s\"\nprincipal = \"me\"\n\
        audit_writes = \"buffered\"\naudit_reads = \"lease:30s\"\naudit_chain = \"per-writer\"\n\
        checkpoint_file = \"notes\"\ncheckpoint_key = \"~/c.key\"\n\
        checkpoint_verifiers = \"PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\"\n\
        checkpoint_command = \"aws s3 cp - 's3://a b'\"\n\
        checkpoint_events = \"10000\"\ncheckpoint_every = \"10m\"\nalert_command = \"mail me\"\n\
        alert_webhook = \"https://hooks.example/secret\"\noutput = \"json\"\nlog = \"debug\"\n\
        log_format = \"json\"\ntelemetry_names = \"shown\"\n";
    let environment = "BES_TABLE=from-env\nBES_NAMESPACE=test\nBES_KEYS=local\nBES_KEY_FILE=/k\nBES_KMS_KEY=mrk-1\n\
        BES_KMS_PREVIOUS_KEYS=a,b\n\
        AWS_ENDPOINT_URL_DYNAMODB=http://special:1\nAWS_ENDPOINT_URL=http://general:1\nAWS_REGION=us-east-1\n\
        AWS_DEFAULT_REGION=x\nBES_WRITER_REGION=y\nBES_PADDING=none\nBES_KEK_TTL=2m\nBES_ATTEMPT_TIMEOUT=500ms\n\
        BES_DEADLINE=24h\nBES_PRINCIPAL=you\nUSER=user\nBES_AUDIT_WRITES=strict\nBES_AUDIT_READS=buffered\n\
        BES_AUDIT_CHAIN=shared\nBES_CHECKPOINT_FILE=~/notes\nBES_CHECKPOINT_KEY=c.key\n\
        BES_CHECKPOINT_COMMAND=tee -a x\nBES_CHECKPOINT_EVENTS=1\nBES_CHECKPOINT_EVERY=1s\nBES_ALERT_COMMAND=true\nBES_ALERT_WEBHOOK=http://me:pw@localhost/x\n\
        BES_OUTPUT=text\nBES_LOG=info\nBES_LOG_FORMAT=text\nBES_TELEMETRY_NAMES=hidden\n";
    let flags = "table=from-flag\nnamespace=n\nkey-file=~/k\nkms-key=alias/f\nendpoint-url=https://[::1]:8000\nregion=z\n\
        principal=they\noutput=json\n";
    vec![
        seed("nothing", ""),
        seed("all-settings", all),
        seed("all-three-places", format!("{all}\0{environment}\0{flags}")),
        seed("environment-alone", format!("\0{environment}")),
        seed("flags-alone", format!("\0\0{flags}")),
        seed("empty-variable", "table = \"abc\"\0BES_TABLE=\n"),
        seed("named-file", "table = \"abc\"\0BES_CONFIG=/etc/bes.toml\n"),
        seed("variable-not-utf8", b"\0BES_TABLE=\xff\n"),
        seed("file-not-utf8", b"table = \"\xff\"\n"),
        seed("unknown-key", "tabel = \"x\"\n"),
        seed("unknown-dotted-key", "table.name = \"x\"\n"),
        seed("section", "table = \"abc\"\n[audit]\nwrites = \"strict\"\n"),
        seed("section-of-nothing", "[a.b]\n"),
        seed("quoted-key", "\"table\" = 'abc'\n"),
        seed("no-text", "deadline = 5\n"),
        seed("no-toml", "=\n"),
        seed("key-twice", "table = \"abc\"\ntable = \"abc\"\n"),
        seed("table-as-arn", "table = \"arn:aws:dynamodb:eu-west-1:123456789012:table/notes\"\n"),
        seed("table-name-too-short", "table = \"ab\"\n"),
        seed("namespace-with-separator", "namespace = \"a#b\"\n"),
        seed("keys-of-kms", "keys = \"kms\"\nkms_key = \"alias/notes\"\n"),
        seed("keys-of-kms-and-no-key", "keys = \"kms\"\n"),
        seed("kms-key-without-keys", "kms_key = \"alias/notes\"\n"),
        seed("kms-previous-keys-without-keys", "kms_previous_keys = \"alias/notes\"\n"),
        seed("kms-key-of-other-characters", "keys = \"kms\"\nkms_key = \"alias/n tes\"\n"),
        seed("kms-previous-key-of-nothing", "kms_previous_keys = \"a,,b\"\n"),
        seed("key-file-at-home", "key_file = \"~/keys/umk.key\"\n"),
        seed("key-file-at-home-after-two-slashes", "key_file = \"~//keys/umk.key\"\n"),
        seed("key-file-with-escapes", "key_file = \"a\\\"\\\\\\u00e9\\n\"\n"),
        seed("key-file-in-lines", "key_file = \"\"\"a\nb\"\"\"\n"),
        seed("endpoint-without-scheme", "endpoint_url = \"localhost:8000\"\n"),
        seed("endpoint-without-host", "endpoint_url = \"http://:8000\"\n"),
        seed("region-with-space", "region = \"eu west\"\n"),
        seed("padding-of-another-word", "padding = \"yes\"\n"),
        seed("shortest-time", "kek_ttl = \"1ms\"\n"),
        seed("longest-time", "kek_ttl = \"1440m\"\n"),
        seed("time-too-long", "kek_ttl = \"25h\"\n"),
        seed("time-of-nothing", "kek_ttl = \"0s\"\n"),
        seed("time-without-unit", "kek_ttl = \"60\"\n"),
        seed("time-overflows", "kek_ttl = \"18446744073709551615h\"\n"),
        seed("attempt-after-deadline", "attempt_timeout = \"2s\"\ndeadline = \"1s\"\n"),
        seed("deadline-before-the-default-attempt", "deadline = \"1s\"\n"),
        seed("user-as-principal", "\0USER=alice\n"),
        seed("user-that-is-no-principal", "\0USER=a\tb\n"),
        seed("user-not-utf8", b"\0USER=\xff\n"),
        seed("principal-with-control-character", "principal = \"a\\tb\"\n"),
        seed("longest-principal", format!("principal = \"{}\"\n", "x".repeat(1_024))),
        seed("principal-too-long", format!("principal = \"{}\"\n", "x".repeat(1_025))),
        seed("audit-reads-under-the-longest-lease", "audit_reads = \"lease\"\n"),
        seed("audit-reads-under-a-lease-too-long", "audit_reads = \"lease:61s\"\n"),
        seed("audit-reads-under-a-lease-of-half-a-second", "audit_reads = \"lease:500ms\"\n"),
        seed("audit-chain-of-another-word", "audit_chain = \"own\"\n"),
        seed("checkpoint-verifiers-of-none", "checkpoint_verifiers = \" \"\n"),
        seed("checkpoint-verifiers-malformed", "checkpoint_verifiers = \"a+00000000+AQ==\"\n"),
        seed("command-with-open-quote", "alert_command = \"sh -c 'x\"\n"),
        seed("command-with-empty-argument", "alert_command = \"x '' \\\"\\\"\"\n"),
        seed("webhook-with-query", "alert_webhook = \"https://h?key\"\n"),
        seed("webhook-without-host", "alert_webhook = \"https:///x\"\n"),
        seed("output-of-another-word", "output = \"xml\"\n"),
    ]
}

fn envelopes() -> Seeds {
    let address: Address =
        "alice/inbox/note/42".parse::<RecordPath>().unwrap().within(Namespace::new("prod").unwrap());
    let context = Context::new(&address, 1, &example_attributes());
    let secret = SecretKey::from_slice(&[1; 32]).unwrap();
    let sealed = |id: &[u8; 16], plaintext: &[u8]| {
        let kek = Kek::new(KekId::from_bytes(*id), SecretKey::from_slice(secret.expose()).unwrap());
        seal(&kek, &context, plaintext).unwrap()
    };
    let example = sealed(b"the fuzzer's KEK", b"{\"text\":\"hello\"}");
    let with = |position: usize, byte: u8| {
        let mut changed = example.clone();
        changed[position] = byte;
        changed
    };
    // A key, a place with one attribute, changes, another key, and the content.
    let choices = |changes: &[u8]| {
        let mut out = [[2; 48].as_slice(), &[0, 1, 0, 0].repeat(5), &[0, 0, 0, 0, 0, 0, 0, 9]].concat();
        out.extend([1, 0, 1, 0, 0, 0, 1, b'v']);
        out.push(u8::try_from(changes.len()).unwrap());
        out.extend(changes);
        out.extend([3; 48]);
        out.extend(b"content");
        out
    };
    let mut seeds = vec![
        seed("of-the-key-at-hand", &example),
        seed("of-another-key", sealed(b"some other KEK's", b"")),
        seed("empty-content", sealed(b"the fuzzer's KEK", b"")),
        seed("one-byte-short", &sealed(b"the fuzzer's KEK", b"")[..116]),
        seed("another-magic", with(3, b'2')),
        seed("reserved-suite", with(4, 2)),
        seed("nothing", b""),
        seed("sealed", choices(&[])),
        seed("sealed-changed-to-itself", choices(&[0, 0, 60, 1, 0, 0, 60, 1])),
        seed("sealed-rewrapped-to-its-own-key", [&choices(&[])[..77], &[2; 48], b"content"].concat()),
    ];
    for (name, change) in [
        ("magic", &[0, 0, 0, 1][..]),
        ("suite", &[0, 0, 4, 3]),
        ("commitment", &[0, 0, 5, 1]),
        ("kek-id", &[0, 0, 37, 1]),
        ("wrapped-dek", &[0, 0, 53, 1]),
        ("content", &[0, 0, 101, 1]),
        ("tag", &[0, 0, 123, 1]),
        ("length", &[1, 0, 120]),
        ("length-below-the-least", &[1, 0, 116]),
        ("end", &[2, 1, 0]),
        ("key-id", &[3, 0, 0, 1]),
        ("key-secret", &[4, 0, 0, 1]),
        ("version", &[5, 1]),
        ("address", &[6, 1, 1, 1, 1]),
        ("attributes", &[7, 0]),
        ("spliced-commitment", &[8, 1, 0]),
        ("spliced-wrapping", &[8, 2, 1]),
        ("spliced-content", &[8, 4, 0]),
    ] {
        seeds.push(seed(&format!("sealed-with-another-{name}"), choices(change)));
    }
    seeds
}

fn items() -> Seeds {
    // That of a record: names, version 7, an envelope of three bytes, payload type, times.
    let record = [
        &[1][..],
        &[0, 1, 0, 0].repeat(4),
        &[0, 0, 0, 0, 0, 0, 0, 7],
        &[3, 1, 2, 3],
        &[1],
        &[0, 0, 0, 0, 0, 0, 0, 5],
        &[0, 0, 0, 0, 0, 0, 0, 6],
    ]
    .concat();
    let mut seeds = vec![
        seed("record", &record),
        seed("nothing", b""),
        seed("no-record", b"\0"),
        seed("no-version", [&record[..], &[2, 15]].concat()),
        seed("no-payload-type", [&record[..], &[4, 15]].concat()),
    ];
    // A name, that it is put and not removed, and a value.
    for (name, put) in [
        ("text", &[9, 0, 1, 0, 0, 0, 0, 2, b'h', b'i'][..]),
        ("integer", &[9, 0, 1, 0, 0, 0, 4, 0xff, 0xff, 0, 0, 0, 0, 0, 0]),
        ("minus-zero", &[9, 0, 1, 0, 0, 0, 3, 2, b'-', b'0']),
        ("fraction", &[9, 0, 1, 0, 0, 0, 3, 3, b'1', b'.', b'5']),
        ("exponent", &[9, 0, 1, 0, 0, 0, 3, 3, b'1', b'e', b'3']),
        ("hundreds", &[9, 0, 1, 0, 0, 0, 3, 5, b'-', b'1', b'0', b'0', b'0']),
        ("bool", &[9, 0, 1, 0, 0, 0, 6, 1]),
        ("bytes", &[9, 0, 1, 0, 0, 0, 7, 1, 0]),
        ("null", &[9, 0, 1, 0, 0, 0, 9, 1]),
        ("strings", &[9, 0, 1, 0, 0, 0, 10, 1, 1, b'a']),
        ("numbers", &[9, 0, 1, 0, 0, 0, 11, 1, 1, b'1']),
        ("list", &[9, 0, 1, 0, 0, 0, 12, 1, 0, 0]),
        ("map", &[9, 0, 1, 0, 0, 0, 13, 1, 1, b'a', 6, 1]),
        ("byte-strings", &[9, 0, 1, 0, 0, 0, 27, 1, 0]),
        ("empty-name", &[10, 0, 0, 6, 1]),
        ("longest-name", &[8, 0xff, 0xfe, 0, 6, 1]),
        ("name-too-long", &[8, 0xff, 0xff, 0, 6, 1]),
        ("index-key", &[7, 0, 0, 1, b'x']),
        ("largest-envelope", &[3, 0, 8, 0, 36]),
        ("envelope-too-large", &[3, 0, 8, 0, 0]),
        ("envelope-of-text", &[3, 0, 0, 1, b'x']),
        ("version-of-text", &[2, 0, 0, 1, b'7']),
        ("version-below-zero", &[2, 0, 3, 2, b'-', b'1']),
        ("version-beyond-i64", &[2, 0, 5, 0xff, 0, 0, 0, 0, 0, 0, 0]),
        ("version-with-plus", &[2, 0, 3, 2, b'+', b'1']),
        ("partition-of-a-record", &[0, 0, 1, 3, b'a', b'#', b'b']),
        ("partition-of-three", &[0, 0, 1, 5, b'a', b'#', b'b', b'#', b'c']),
        ("partition-of-keys", &[0, 0, 0, 3, b'K', b'#', b'a']),
        ("partition-number", &[0, 0, 3, 1, b'1']),
        ("partition-with-slash", &[0, 0, 1, 3, b'a', b'#', b'/']),
        ("sort-key-with-separators", &[1, 0, 2, 1, b'k', 3, b'a', b'#', b'b']),
        ("sort-key-without-id", &[1, 0, 2, 1, b'k', 0]),
        ("sort-key-without-separator", &[1, 0, 0, 1, b'k']),
        ("sort-key-with-control", &[1, 0, 2, 1, b'k', 1, b'\n']),
    ] {
        seeds.push(seed(&format!("with-{name}"), [&record[..], put].concat()));
    }
    seeds
}

fn key_files() -> Seeds {
    let file = |digits: &str| format!("BES-UMK-1:{digits}\n");
    let digits = "0123456789abcdef".repeat(4);
    // A key, a context, and changes to what it wrapped.
    let wrapped = |changes: &[u8]| {
        [&[7; 32][..], &[0, 1, 0, 0].repeat(5), &[2, 0, 1, 0, 0], &[0, 0, 0, 1], &[9; 16], changes].concat()
    };
    let mut seeds = vec![
        seed("key", file(&digits)),
        seed("key-of-zeros", file(&"0".repeat(64))),
        seed("uppercase", file(&digits.to_uppercase())),
        seed("one-digit-short", file(&digits[1..])),
        seed("one-digit-more", file(&format!("{digits}0"))),
        seed("no-digit", file(&format!("g{}", &digits[1..]))),
        seed("no-newline", format!("BES-UMK-1:{digits}")),
        seed("two-newlines", format!("BES-UMK-1:{digits}\n\n")),
        seed("newline-of-windows", format!("BES-UMK-1:{digits}\r\n")),
        seed("another-format", format!("BES-UMK-2:{digits}\n")),
        seed("nothing", b""),
        seed("wrapped-of-any-bytes", [&[1][..], &[5; 64]].concat()),
        seed("wrapped-of-another-provider", [&[2][..], &[5; 64]].concat()),
        seed("wrapped-too-short", [&[1][..], &[5; 63]].concat()),
        seed("wrapped", wrapped(&[])),
        seed("wrapped-changed-to-itself", wrapped(&[0, 0, 20, 1, 0, 0, 20, 1])),
    ];
    for (name, change) in [
        ("format", &[0, 0, 0, 3][..]),
        ("salt", &[0, 0, 1, 1]),
        ("key", &[0, 0, 17, 1]),
        ("tag", &[0, 0, 64, 1]),
        ("length", &[1, 0, 64]),
        ("end", &[2, 1, 0]),
        ("master-key", &[3, 0, 0, 1]),
        ("version", &[4, 1]),
        ("id", &[5]),
        ("context", &[6]),
        ("owner", &[7, 0]),
        ("owner-of-that-name", &[7, 1]),
    ] {
        seeds.push(seed(&format!("wrapped-with-another-{name}"), wrapped(change)));
    }
    seeds
}
