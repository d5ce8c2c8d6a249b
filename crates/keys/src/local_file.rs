//! The key provider for a laptop: the UMK is 256 random bits in a file.

use std::{
    fmt, fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use blue_envelope::{
    KEY_LEN, Kek, KekId, RandomnessUnavailable, SecretKey, TAG_LEN, fill_random,
    primitive::{MessageKey, expand},
};
use ring::digest;
use zeroize::Zeroizing;

use crate::{KeyContext, KeyError, KeyProvider, UmkId, WrappedKek};

const PREFIX: &[u8] = b"BES-UMK-1:";
const FILE_LEN: usize = PREFIX.len() + 2 * KEY_LEN + 1;

const FORMAT: u8 = 0x01;
const SALT_LEN: usize = 16;
const WRAPPED_LEN: usize = 1 + SALT_LEN + KEY_LEN + TAG_LEN;

/// A UMK in a file: `BES-UMK-1:`, 64 lowercase hexadecimal digits and a newline.
///
/// It is meant for local, disposable data. The file is created with mode 0600, its directory, if it is missing
/// too, with 0700; one that group or others can read is refused. On systems other than Unix, permissions are
/// not checked.
///
/// Its id is `local:` and the hexadecimal digits of `HKDF-Expand(UMK, "bes1/umk-id", 16)`. A wrapped KEK has 65
/// bytes:
///
/// ```text
/// 0x01 ‖ salt[16] ‖ AES-256-GCM(key, nonce 0^96, aad = "bes1/kek" ‖ 0x01 ‖ ctx, KEK)
/// key = HKDF-Expand(UMK, "bes1/umk-wrap" ‖ salt ‖ SHA-256(ctx), 32)       ctx: KeyContext::encode
/// ```
pub struct LocalFile {
    path: PathBuf,
    umk: SecretKey,
    id: UmkId,
}

/// Why there is no key file to use. Nothing was generated or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocalFileError {
    /// There is no such file.
    #[error("there is no key file {}", path.display())]
    NotFound {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file is there already; an existing key is never overwritten.
    #[error("the key file {} exists already and is not overwritten", path.display())]
    AlreadyExists {
        /// Where.
        path: PathBuf,
    },
    /// Group or others can read it.
    #[error(
        "the key file {} is open to other users (mode {mode:04o}); make it private with: chmod 600 {}",
        path.display(), path.display()
    )]
    Permissions {
        /// Where.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is not that of a key file. (It is not shown.)
    #[error("the file {} is no key file: it should hold BES-UMK-1: and 64 lowercase hexadecimal digits", path.display())]
    Malformed {
        /// Where.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("cannot {action} the key file {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No randomness for a fresh key.
    #[error(transparent)]
    Randomness(#[from] RandomnessUnavailable),
}

/// The place of a key file, as [`LocalFile::open_or_create`] finds it.
///
/// A vacant place is not filled at once: whoever opens a store first looks whether its table already depends on
/// a key. If it does, the key is lost, and a fresh one would only hide that.
#[derive(Debug)]
pub enum KeyFile {
    /// The file is there.
    Present(LocalFile),
    /// Nothing is there. [`LocalFile::create`] makes a key at this path.
    Vacant(PathBuf),
}

impl LocalFile {
    /// Reads an existing key file.
    ///
    /// # Errors
    /// [`LocalFileError`] if it is missing, open to others, malformed or unreadable.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, LocalFileError> {
        let path = path.into();
        let io_error =
            |action, source, path: &Path| LocalFileError::Io { action, path: path.to_owned(), source };
        let mut file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LocalFileError::NotFound { path });
            }
            Err(source) => return Err(io_error("open", source, &path)),
        };
        let metadata = file.metadata().map_err(|source| io_error("examine", source, &path))?;
        if !metadata.is_file() {
            return Err(LocalFileError::Malformed { path });
        }
        check_private(&path, &metadata)?;

        let mut text = Zeroizing::new(Vec::with_capacity(FILE_LEN + 1));
        let limit = u64::try_from(FILE_LEN + 1).expect("a small constant");
        Read::by_ref(&mut file)
            .take(limit)
            .read_to_end(&mut text)
            .map_err(|source| io_error("read", source, &path))?;
        match parse(&text) {
            Some(umk) => Ok(Self::new(path, umk)),
            None => Err(LocalFileError::Malformed { path }),
        }
    }

    /// Makes a fresh key and its file: complete and private, or not at all.
    ///
    /// # Errors
    /// [`LocalFileError::AlreadyExists`] if anything is there already; [`LocalFileError::Io`] if the file
    /// system refuses.
    pub fn create(path: impl Into<PathBuf>) -> Result<Self, LocalFileError> {
        let path = path.into();
        let umk = SecretKey::generate()?;
        match write_new(&path, &format_key(&umk)) {
            Ok(()) => Ok(Self::new(path, umk)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(LocalFileError::AlreadyExists { path })
            }
            Err(source) => Err(LocalFileError::Io { action: "create", path, source }),
        }
    }

    /// Reads the key file if there is one, else notes that its place is vacant; see [`KeyFile`].
    ///
    /// # Errors
    /// As [`LocalFile::open`], but not [`LocalFileError::NotFound`].
    pub fn open_or_create(path: impl Into<PathBuf>) -> Result<KeyFile, LocalFileError> {
        match Self::open(path) {
            Ok(key) => Ok(KeyFile::Present(key)),
            Err(LocalFileError::NotFound { path }) => Ok(KeyFile::Vacant(path)),
            Err(error) => Err(error),
        }
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Wraps a KEK with a salt that the caller chose. For known-answer tests alone: a salt used twice for two KEKs
    /// in one context breaks the wrapping.
    #[cfg(feature = "test-vectors")]
    #[must_use]
    pub fn wrap_with_salt(&self, kek: &SecretKey, salt: [u8; SALT_LEN], context: &KeyContext) -> WrappedKek {
        self.wrap(kek, salt, context)
    }

    fn new(path: PathBuf, umk: SecretKey) -> Self {
        let mut fingerprint = [0; 16];
        expand(umk.expose(), &[b"bes1/umk-id"], &mut fingerprint);
        Self { path, umk, id: UmkId::new(format!("local:{}", hex::encode(fingerprint))) }
    }

    fn wrapping_key(&self, salt: &[u8], ctx: &[u8]) -> MessageKey {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let ctx_hash = digest::digest(&digest::SHA256, ctx);
        expand(self.umk.expose(), &[b"bes1/umk-wrap", salt, ctx_hash.as_ref()], &mut *key);
        MessageKey::new(&key)
    }

    fn wrap(&self, kek: &SecretKey, salt: [u8; SALT_LEN], context: &KeyContext) -> WrappedKek {
        let ctx = context.encode();
        let mut key = Zeroizing::new(*kek.expose());
        let tag = self
            .wrapping_key(&salt, &ctx)
            .encrypt(&authenticated(&ctx), &mut *key)
            .expect("32 bytes are within AES-GCM's bound");
        WrappedKek::new(self.id.clone(), [&[FORMAT][..], &salt, &*key, &tag].concat())
    }
}

impl fmt::Debug for LocalFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFile")
            .field("path", &self.path)
            .field("umk_id", &self.id)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyProvider for LocalFile {
    fn umk_id(&self) -> &UmkId {
        &self.id
    }

    async fn generate_kek(&self, context: &KeyContext) -> Result<(Kek, WrappedKek), KeyError> {
        let key = SecretKey::generate()?;
        let mut salt = [0; SALT_LEN];
        fill_random(&mut salt)?;
        let wrapped = self.wrap(&key, salt, context);
        Ok((Kek::new(context.kek_id, key), wrapped))
    }

    async fn unwrap_kek(&self, wrapped: &WrappedKek, context: &KeyContext) -> Result<Kek, KeyError> {
        let bytes = wrapped.as_bytes();
        if bytes.len() != WRAPPED_LEN || bytes[0] != FORMAT {
            return Err(KeyError::Malformed);
        }
        let (salt, sealed) = bytes[1..].split_at(SALT_LEN);
        let ctx = context.encode();
        let mut sealed = Zeroizing::new(sealed.to_vec());
        let key = self
            .wrapping_key(salt, &ctx)
            .decrypt(&authenticated(&ctx), &mut sealed)
            .map_err(|_| KeyError::Authentication)?;
        let key = SecretKey::from_slice(key).expect("the length was checked");
        Ok(Kek::new(KekId::from_bytes(*context.kek_id.as_bytes()), key))
    }
}

/// The additional data of a wrapped KEK: `"bes1/kek" ‖ 0x01 ‖ ctx`.
fn authenticated(ctx: &[u8]) -> Vec<u8> {
    [b"bes1/kek", &[FORMAT][..], ctx].concat()
}

fn parse(text: &[u8]) -> Option<SecretKey> {
    let digits = text.strip_prefix(PREFIX)?.strip_suffix(b"\n")?;
    if digits.len() != 2 * KEY_LEN || !digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let mut key = Zeroizing::new([0; KEY_LEN]);
    hex::decode_to_slice(digits, &mut *key).ok()?;
    SecretKey::from_slice(&*key)
}

fn format_key(umk: &SecretKey) -> Zeroizing<Vec<u8>> {
    let mut text = Zeroizing::new(vec![0; FILE_LEN]);
    text[..PREFIX.len()].copy_from_slice(PREFIX);
    hex::encode_to_slice(umk.expose(), &mut text[PREFIX.len()..FILE_LEN - 1]).expect("two digits a byte");
    text[FILE_LEN - 1] = b'\n';
    text
}

/// Writes a file that appears whole or not at all, and fails with `AlreadyExists` rather than replace another.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_private_directory(directory)?;
    // A temporary file of this crate has mode 0600 from its first moment.
    let mut file = tempfile::Builder::new().prefix(".umk-").tempfile_in(directory)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

#[cfg(unix)]
fn create_private_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

#[cfg(not(unix))]
fn create_private_directory(directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)
}

/// Makes the new directory entry durable: the first sealed record depends on this file.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), LocalFileError> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(LocalFileError::Permissions { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn check_private(_: &Path, _: &fs::Metadata) -> Result<(), LocalFileError> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{array, thread};

    use blue_envelope::address::{Namespace, Tenant};

    use super::*;
    use crate::{KeyOwner, KeyPurpose};

    fn context() -> KeyContext {
        KeyContext {
            namespace: Namespace::new("prod").unwrap(),
            purpose: KeyOwner::Tenant(Tenant::new("alice").unwrap()).into(),
            version: 1,
            kek_id: KekId::from_bytes(
                hex::decode("00112233445546778899aabbccddeeff").unwrap().try_into().unwrap(),
            ),
        }
    }

    fn bytes<const N: usize>(first: u8) -> [u8; N] {
        array::from_fn(|i| first + u8::try_from(i).unwrap())
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
    }

    /// The bytes come from an independent implementation in Python.
    #[test]
    fn the_wrapping_is_the_specified_bytes() {
        let provider = LocalFile::new("unused".into(), SecretKey::from_slice(&bytes::<32>(0x40)).unwrap());
        assert_eq!(provider.umk_id().as_str(), "local:97d53524a8ddc2dc58cbbb5f700ca50d");
        let kek = SecretKey::from_slice(&bytes::<32>(0)).unwrap();
        let wrapped = provider.wrap(&kek, bytes::<16>(0xc0), &context());
        assert_eq!(
            hex::encode(wrapped.as_bytes()),
            "01c0c1c2c3c4c5c6c7c8c9cacbcccdcecfe7c9a59808a92b3a196e208676eaacc8eb880afb4d24b99384218b879960979494b9\
             1230d1cd56d6d529592f239448ec"
                .replace(' ', "")
        );
        assert!(block_on(provider.unwrap_kek(&wrapped, &context())).is_ok());
    }

    #[test]
    fn a_wrapped_kek_opens_in_its_own_context_only_and_unchanged() {
        let directory = tempfile::tempdir().unwrap();
        let provider = LocalFile::create(directory.path().join("umk.key")).unwrap();
        let (_, wrapped) = block_on(provider.generate_kek(&context())).unwrap();
        for elsewhere in [
            KeyContext { namespace: Namespace::new("test").unwrap(), ..context() },
            KeyContext { purpose: KeyOwner::Tenant(Tenant::new("bob").unwrap()).into(), ..context() },
            KeyContext { purpose: KeyOwner::Audit.into(), ..context() },
            KeyContext { purpose: KeyPurpose::Doctor, ..context() },
            KeyContext { version: 2, ..context() },
            KeyContext { kek_id: KekId::from_bytes([7; 16]), ..context() },
        ] {
            let error = block_on(provider.unwrap_kek(&wrapped, &elsewhere)).unwrap_err();
            assert!(matches!(error, KeyError::Authentication), "{elsewhere:?}");
        }
        for bit in 0..wrapped.as_bytes().len() * 8 {
            let mut changed = wrapped.as_bytes().to_vec();
            changed[bit / 8] ^= 1 << (bit % 8);
            let error = block_on(
                provider.unwrap_kek(&WrappedKek::new(provider.umk_id().clone(), changed), &context()),
            )
            .unwrap_err();
            assert!(matches!((bit / 8, &error), (0, KeyError::Malformed) | (1.., KeyError::Authentication)));
        }
        for length in 0..wrapped.as_bytes().len() {
            let short = WrappedKek::new(provider.umk_id().clone(), wrapped.as_bytes()[..length].to_vec());
            assert!(matches!(block_on(provider.unwrap_kek(&short, &context())), Err(KeyError::Malformed)));
        }
    }

    #[test]
    fn a_key_file_reads_back_as_the_key_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/deep/umk.key");
        let created = LocalFile::create(&path).unwrap();
        let (_, wrapped) = block_on(created.generate_kek(&context())).unwrap();
        let opened = LocalFile::open(&path).unwrap();
        assert_eq!(opened.umk_id(), created.umk_id());
        assert!(block_on(opened.unwrap_kek(&wrapped, &context())).is_ok());
        assert_eq!(fs::read(&path).unwrap().len(), 75);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
        assert!(!format!("{opened:?}").contains(&hex::encode(opened.umk.expose())));
    }

    #[cfg(unix)]
    #[test]
    fn file_and_directory_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys/umk.key");
        LocalFile::create(&path).unwrap();
        let mode = |p: &Path| fs::metadata(p).unwrap().permissions().mode() & 0o7777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));

        for open in [0o640, 0o604, 0o660, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(open)).unwrap();
            let error = LocalFile::open(&path).unwrap_err();
            assert!(matches!(error, LocalFileError::Permissions { mode, .. } if mode == open));
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        LocalFile::open(&path).unwrap();
    }

    #[test]
    fn an_existing_file_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umk.key");
        fs::write(&path, "precious").unwrap();
        assert!(matches!(LocalFile::create(&path), Err(LocalFileError::AlreadyExists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn of_many_who_create_at_once_one_succeeds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umk.key");
        let created = thread::scope(|scope| {
            let racers: Vec<_> = (0..16).map(|_| scope.spawn(|| LocalFile::create(&path).is_ok())).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).filter(|&won| won).count()
        });
        assert_eq!(created, 1);
        LocalFile::open(&path).unwrap();
    }

    #[test]
    fn what_is_no_key_file_is_refused_without_showing_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("umk.key");
        let good = format!("BES-UMK-1:{}\n", "ab".repeat(32));
        assert!(parse(good.as_bytes()).is_some());
        for bad in [
            String::new(),
            good.trim_end().to_owned(),
            good.replace('\n', "\r\n"),
            good.to_uppercase(),
            good.replace("ab", "AB"),
            good.replace("BES-UMK-1", "BES-UMK-2"),
            good.replace("abab", "abag"),
            good.replacen("ab", "", 1),
            format!("{good}x"),
            format!(" {good}"),
        ] {
            let _ = fs::remove_file(&path);
            write_new(&path, bad.as_bytes()).unwrap();
            let error = LocalFile::open(&path).unwrap_err();
            assert!(matches!(error, LocalFileError::Malformed { .. }), "{bad:?}: {error}");
            assert!(!error.to_string().contains("abab"));
        }
        assert!(LocalFile::open(directory.path()).is_err());
        let missing = directory.path().join("absent");
        assert!(matches!(LocalFile::open_or_create(&missing), Ok(KeyFile::Vacant(path)) if path == missing));
        assert!(!missing.exists());
    }
}
