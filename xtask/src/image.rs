//! `image`: DynamoDB Local or moto as a Docker image, built on the spot for machines that can pull none.
//!
//! A minimal Debian with Java or Python by `debootstrap`, from the mirror and the release this machine itself uses, plus
//! DynamoDB Local out of the test kit's cache, or what the test kit's requirements pin of moto. Each is laid out as the
//! official image: `java` is the entry point of the one, in `/home/dynamodblocal`, and a `moto_server` that listens on
//! port 5000 that of the other.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use blue_testkit::python::Python;

/// Where DynamoDB Local lies in the image, as in the official one.
const HOME: &str = "home/dynamodblocal";

/// Where moto's packages lie in the image.
const PACKAGES: &str = "opt/moto";

/// Where moto's server lies in the image, as in the official one.
const MOTO_SERVER: &str = "usr/local/bin/moto_server";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// moto, for its KMS, instead of DynamoDB Local.
    #[arg(long)]
    kms: bool,
    /// The name and tag of the image [default: blue-encrypted-store/dynamodb-local:built, or /moto:built].
    #[arg(long)]
    tag: Option<String>,
    /// Build it anew even if it is there.
    #[arg(long)]
    force: bool,
}

/// Builds the image unless it is there, and prints its tag.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let name = if arguments.kms { "moto" } else { "dynamodb-local" };
    let tag = arguments.tag.clone().unwrap_or_else(|| format!("blue-encrypted-store/{name}:built"));
    let advice = "no Docker engine answers: install it (Debian: apt-get install docker.io) and start it";
    ensure!(succeeds(Command::new("docker").arg("version")), "{advice}");
    if !arguments.force && succeeds(Command::new("docker").args(["image", "inspect", &tag])) {
        eprintln!("The image is there already; --force builds it anew.");
    } else {
        let workshop = tempfile::tempdir()?;
        let root = workshop.path().join("root");
        if arguments.kms {
            debian(&root, "python3")?;
            install_moto(&root)?;
            import(&root, &tag, &MOTO)?;
        } else {
            debian(&root, "default-jre-headless")?;
            install(&root)?;
            import(&root, &tag, &DYNAMODB_LOCAL)?;
        }
    }
    println!("{tag}");
    Ok(())
}

fn debian(root: &Path, package: &str) -> anyhow::Result<()> {
    ensure!(
        succeeds(Command::new("debootstrap").arg("--version")),
        "no `debootstrap`: install it (Debian: apt-get install debootstrap)"
    );
    let release = fs::read_to_string("/etc/os-release").context("/etc/os-release")?;
    let suite = value(&release, "VERSION_CODENAME").context("/etc/os-release names no Debian release")?;
    let sources = apt_sources()?;
    let mirror =
        mirror(&sources, suite).with_context(|| format!("apt's sources name no mirror for {suite}"))?;
    eprintln!("Making a minimal Debian {suite} with {package}, from {mirror}.");
    let mut debootstrap = Command::new("debootstrap");
    debootstrap.arg("--variant=minbase").arg(format!("--include={package}"));
    debootstrap.arg(suite).arg(root).arg(mirror);
    let output = debootstrap.stdin(Stdio::null()).output().context("debootstrap")?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = fs::read_to_string(root.join("debootstrap/debootstrap.log")).unwrap_or_default();
    let last = |text: &str| {
        text.lines().rev().take(20).fold(String::new(), |later, line| format!("{line}\n{later}"))
    };
    bail!(
        "debootstrap failed ({}); it must run as root. Its last words:\n{}{}",
        output.status,
        last(&said),
        last(&log)
    )
}

fn install(root: &Path) -> anyhow::Result<()> {
    let emulator = crate::block_on(blue_testkit::keep::emulator_home())??;
    let home = root.join(HOME);
    fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(emulator.join(".")).arg(&home);
    ensure!(copy.status().context("cp")?.success(), "could not copy {}", emulator.display());
    tidy(root)
}

/// What the test kit's requirements pin, by hash, for the Python of the image; and the official image's entry point.
fn install_moto(root: &Path) -> anyhow::Result<()> {
    let python = image_python(root)?;
    eprintln!("Adding moto's packages, for Python {python}.");
    let requirements = crate::root().join("crates/testkit/moto-requirements.txt");
    // A Python with pip in it: Debian's own has none.
    let mut pip = crate::block_on(Python::with(&requirements))??.command();
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.args(["--no-compile", "--require-hashes", "--only-binary", ":all:", "--python-version", &python]);
    pip.arg("--target").arg(root.join(PACKAGES)).arg("--requirement").arg(&requirements);
    let output = pip.stdin(Stdio::null()).output().context("pip")?;
    ensure!(output.status.success(), "pip failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    let server = root.join(MOTO_SERVER);
    let script = "#!/usr/bin/python3\nfrom moto.server import main\nmain()\n";
    fs::write(&server, script).with_context(|| server.display().to_string())?;
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755))?;
    tidy(root)
}

/// The version of the image's Python, as its library is named.
fn image_python(root: &Path) -> anyhow::Result<String> {
    let libraries = fs::read_dir(root.join("usr/lib")).context("the image has no /usr/lib")?;
    let names = libraries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut versions = names.filter_map(|name| Some(name.strip_prefix("python3.")?.to_owned()));
    let minor = versions.find(|minor| minor.parse::<u32>().is_ok()).context("the image has no Python 3")?;
    Ok(format!("3.{minor}"))
}

/// Removes what no server reads at run time.
fn tidy(root: &Path) -> anyhow::Result<()> {
    for unread in ["var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"]
    {
        let path = root.join(unread);
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

/// As the official image of DynamoDB Local has it.
const DYNAMODB_LOCAL: [&str; 6] = [
    r#"ENTRYPOINT ["java"]"#,
    r#"CMD ["-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar", "-inMemory"]"#,
    "WORKDIR /home/dynamodblocal",
    "ENV DDB_LOCAL_TELEMETRY=0",
    "EXPOSE 8000",
    "USER 1000:1000",
];

/// As the official image of moto has it.
const MOTO: [&str; 5] = [
    r#"ENTRYPOINT ["/usr/local/bin/moto_server", "-H", "0.0.0.0"]"#,
    "ENV PYTHONPATH=/opt/moto",
    "ENV PYTHONUNBUFFERED=1",
    "EXPOSE 5000",
    "USER 1000:1000",
];

fn import(root: &Path, tag: &str, changes: &[&str]) -> anyhow::Result<()> {
    eprintln!("Importing it as {tag}.");
    let mut tar = Command::new("tar");
    tar.arg("--numeric-owner").arg("-C").arg(root).args(["-c", "."]);
    let mut packing = tar.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("tar")?;
    let packed = packing.stdout.take().context("tar's output")?;
    let mut docker = Command::new("docker");
    docker.arg("import");
    for change in changes {
        docker.args(["--change", change]);
    }
    let imported = docker.args(["-", tag]).stdin(packed).stdout(Stdio::null()).status().context("docker")?;
    ensure!(packing.wait()?.success() && imported.success(), "`docker import` failed");
    Ok(())
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// All of apt's sources, one after the other.
fn apt_sources() -> anyhow::Result<String> {
    let mut sources = fs::read_to_string("/etc/apt/sources.list").unwrap_or_default();
    for entry in fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten() {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "list" || extension == "sources") {
            // A blank line between two files, as between two stanzas.
            sources.push_str("\n\n");
            sources.push_str(&fs::read_to_string(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(sources)
}

/// The first address from which apt takes `suite`, in the one-line or in the deb822 format (sources.list(5)).
fn mirror<'a>(sources: &'a str, suite: &str) -> Option<&'a str> {
    let one_line = sources.lines().find_map(|line| {
        let mut words =
            line.strip_prefix("deb ")?.split_whitespace().skip_while(|word| !word.contains("://"));
        let address = words.next()?;
        (words.next()? == suite).then_some(address)
    });
    one_line.or_else(|| {
        sources.split("\n\n").find_map(|stanza| {
            let field = |name: &str| stanza.lines().find_map(|line| line.strip_prefix(name));
            field("Suites:")?.split_whitespace().find(|named| *named == suite)?;
            field("URIs:")?.split_whitespace().next()
        })
    })
}

fn value<'a>(assignments: &'a str, name: &str) -> Option<&'a str> {
    let assigned = |line: &'a str| line.strip_prefix(name)?.strip_prefix('=');
    assignments.lines().find_map(assigned).map(|value| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_read_from_both_formats() {
        let deb822 = "Types: deb\nURIs: http://other.example/x\nSuites: nodistro\n\n\
                      Types: deb\n# a remark\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n";
        assert_eq!(mirror(deb822, "bookworm"), Some("http://mirror.example/debian"));
        assert_eq!(mirror(deb822, "trixie"), None);
        let one_line = "# deb http://old.example/debian bookworm main\n\
                        deb [signed-by=/k.gpg] https://other.example/apt cloud main\n\
                        deb [arch=amd64] http://mirror.example/debian bookworm main\n";
        assert_eq!(mirror(one_line, "bookworm"), Some("http://mirror.example/debian"));
    }

    #[test]
    fn the_release_is_read() {
        assert_eq!(
            value("NAME=\"Debian\"\nVERSION_CODENAME=bookworm\n", "VERSION_CODENAME"),
            Some("bookworm")
        );
    }
}
