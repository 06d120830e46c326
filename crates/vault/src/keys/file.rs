//! Keys under a root key in a file: protection level L0 (whoever can read the file has everything).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use seal::{Context, KEY_BYTES, SealingKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::files;
use crate::keys::{DerivedKey, KeyError, KeyProvider};
use crate::name::is_workspace;

/// Most workspace keys that are held in memory at a time.
pub const MAX_CACHED_KEYS: usize = 256;

/// First word of the root key file.
const ROOT_FORMAT: &str = "studio-root-key-1";

/// Version of the root key and of every workspace's first key.
const FIRST_VERSION: u32 = 1;

/// The owner that wrapped secrets are bound to; no workspace can have this name.
const ROOT_OWNER: &str = "ROOT";

/// Bytes of the check at the end of the root key file.
const CHECK_BYTES: usize = 4;

/// The key provider with its root key in `<data>/keys/root.key`.
pub struct FileKeys {
    workspaces: PathBuf,
    root: SealingKey,
    audit_log: SigningKey,
    derivation: SealingKey,
    cached: Mutex<HashMap<String, Arc<SealingKey>>>,
}

impl FileKeys {
    /// Opens the keys of a data directory; on the very first start makes them.
    ///
    /// Blocks for the file system. A root key is only made where nothing sealed under one can be:
    /// no other key and no blob.
    ///
    /// # Errors
    /// Every variant of [`KeyError`] except [`KeyError::Name`] and [`KeyError::Destroyed`].
    pub fn open(data: &Path) -> Result<Self, KeyError> {
        let keys = data.join("keys");
        let (workspaces, own) = (keys.join("workspaces"), keys.join("own"));
        for folder in [&keys, &workspaces, &own] {
            files::ensure_folder(folder).map_err(at(folder))?;
            files::remove_temporary(folder).map_err(at(folder))?;
        }
        let path = keys.join("root.key");
        let root = match read(&path)? {
            Some(text) => read_root(&path, &text)?,
            None => {
                for folder in [&workspaces, &own, &data.join("blobs")] {
                    if holds_files(folder).map_err(at(folder))? {
                        return Err(KeyError::RootMissing(path));
                    }
                }
                make_root(&path)?
            }
        };
        let secret = |name: &str| {
            let wrapping = |secret: &[u8]| wrap(&root, name, secret);
            let opening = |wrapped: &[u8]| unwrap(&root, name, wrapped);
            find_or_make(&own.join(format!("{name}.key")), &wrapping, &opening)
        };
        let audit_log = SigningKey::from_bytes(&*secret("audit-log")?);
        let derivation = SealingKey::new(FIRST_VERSION, secret("derivation")?);
        Ok(Self {
            workspaces,
            root,
            audit_log,
            derivation,
            cached: Mutex::new(HashMap::new()),
        })
    }

    fn path_of(&self, workspace: &str) -> Result<PathBuf, KeyError> {
        if is_workspace(workspace) {
            Ok(self.workspaces.join(format!("{workspace}.key")))
        } else {
            Err(KeyError::Name)
        }
    }

    /// One lock for looking, making and destroying, so that no thread puts back a destroyed key.
    fn with_cache<T>(&self, work: impl FnOnce(&mut HashMap<String, Arc<SealingKey>>) -> T) -> T {
        work(&mut self.cached.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn look_up(&self, workspace: &str, make: bool) -> Result<Option<Arc<SealingKey>>, KeyError> {
        let path = self.path_of(workspace)?;
        self.with_cache(|cached| {
            if let Some(key) = cached.get(workspace) {
                return Ok(Some(Arc::clone(key)));
            }
            let name = format!("workspace {workspace}");
            let opening = |wrapped: &[u8]| unwrap(&self.root, &name, wrapped);
            let secret = if make {
                let wrapping = |secret: &[u8]| wrap(&self.root, &name, secret);
                Some(find_or_make(&path, &wrapping, &opening)?)
            } else {
                find(&path, &opening)?
            };
            let key = secret.map(|secret| Arc::new(SealingKey::new(FIRST_VERSION, secret)));
            if let Some(key) = &key {
                if cached.len() >= MAX_CACHED_KEYS {
                    cached.clear();
                }
                cached.insert(workspace.to_owned(), Arc::clone(key));
            }
            Ok(key)
        })
    }
}

impl KeyProvider for FileKeys {
    fn wrap(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
        wrap(&self.root, name, secret)
    }

    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        unwrap(&self.root, name, wrapped)
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError> {
        Ok(self.audit_log.sign(message).to_bytes())
    }

    fn public_key(&self) -> Result<[u8; 32], KeyError> {
        Ok(self.audit_log.verifying_key().to_bytes())
    }

    fn derive(&self, label: &str) -> Result<DerivedKey, KeyError> {
        Ok(DerivedKey(self.derivation.derive(label)))
    }

    fn workspace_key(&self, workspace: &str) -> Result<Arc<SealingKey>, KeyError> {
        self.look_up(workspace, true)?.ok_or(KeyError::Destroyed)
    }

    fn find_workspace_key(&self, workspace: &str) -> Result<Option<Arc<SealingKey>>, KeyError> {
        self.look_up(workspace, false)
    }

    fn destroy(&self, workspace: &str) -> Result<bool, KeyError> {
        let path = self.path_of(workspace)?;
        self.with_cache(|cached| {
            cached.remove(workspace);
            let existed = files::remove(&path).map_err(at(&path))?;
            files::sync_folder(&self.workspaces).map_err(at(&self.workspaces))?;
            tracing::info!(workspace, existed, "workspace key destroyed");
            Ok(existed)
        })
    }
}

impl std::fmt::Debug for FileKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[file keys]")
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyError {
    let path = path.to_owned();
    move |source| KeyError::Io { path, source }
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

/// Whether there is any file below the folder.
fn holds_files(folder: &Path) -> io::Result<bool> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || holds_files(&entry.path())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The first bytes of the key's SHA-256: a mistyped or cut backup is noticed at once.
fn check_of(key: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(key).into();
    HEXLOWER.encode(&digest[..CHECK_BYTES])
}

fn make_root(path: &Path) -> Result<SealingKey, KeyError> {
    let root = SealingKey::generate(FIRST_VERSION).map_err(KeyError::Seal)?;
    let bytes = root.expose_bytes();
    let text = Zeroizing::new(format!(
        "{ROOT_FORMAT} {} {}\n",
        HEXLOWER.encode(bytes),
        check_of(bytes)
    ));
    if files::create_once(path, text.as_bytes()).map_err(at(path))? {
        tracing::info!(path = %path.display(), "root key made: back this file up apart from the data");
        Ok(root)
    } else {
        Err(KeyError::RootMalformed(path.to_owned()))
    }
}

fn read_root(path: &Path, text: &[u8]) -> Result<SealingKey, KeyError> {
    let mode = fs::metadata(path).map_err(at(path))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Permissions {
            path: path.to_owned(),
            mode,
        });
    }
    let malformed = || KeyError::RootMalformed(path.to_owned());
    let text = std::str::from_utf8(text).map_err(|_| malformed())?;
    let words: Vec<&str> = text.split_whitespace().collect();
    let [ROOT_FORMAT, digits, check] = words.as_slice() else {
        return Err(malformed());
    };
    let bytes = HEXLOWER
        .decode(digits.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| malformed())?;
    if check_of(&bytes) != *check {
        return Err(malformed());
    }
    Ok(SealingKey::new(
        FIRST_VERSION,
        to_key(&bytes).ok_or_else(malformed)?,
    ))
}

fn to_key(bytes: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    Some(Zeroizing::new(bytes.try_into().ok()?))
}

fn wrap(root: &SealingKey, name: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError> {
    let context = Context::new(ROOT_OWNER, name).map_err(KeyError::Seal)?;
    seal::encrypt_small(root, &context, secret).map_err(KeyError::Seal)
}

fn unwrap(root: &SealingKey, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let context = Context::new(ROOT_OWNER, name).map_err(KeyError::Seal)?;
    seal::decrypt_small(&[root], &context, wrapped)
        .map_err(|_| KeyError::Damaged(format!("the key of {name}")))
}

type Wrapping<'a> = &'a dyn Fn(&[u8]) -> Result<Vec<u8>, KeyError>;
type Opening<'a> = &'a dyn Fn(&[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>;

/// The secret in a wrapped key file, if there is one.
fn find(path: &Path, opening: Opening) -> Result<Option<Zeroizing<[u8; KEY_BYTES]>>, KeyError> {
    let Some(wrapped) = read(path)? else {
        return Ok(None);
    };
    let secret = opening(&wrapped)?;
    let key = to_key(&secret).ok_or_else(|| KeyError::Damaged(path.display().to_string()))?;
    Ok(Some(key))
}

/// The secret in a wrapped key file, which is made when it is not there.
fn find_or_make(
    path: &Path,
    wrapping: Wrapping,
    opening: Opening,
) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    if let Some(secret) = find(path, opening)? {
        return Ok(secret);
    }
    let fresh = SealingKey::generate(FIRST_VERSION).map_err(KeyError::Seal)?;
    files::create_once(path, &wrapping(fresh.expose_bytes())?).map_err(at(path))?;
    tracing::info!(path = %path.display(), "key made");
    // Read back: another process may have been first, and what counts is what is on disk.
    find(path, opening)?.ok_or_else(|| KeyError::Damaged(path.display().to_string()))
}
