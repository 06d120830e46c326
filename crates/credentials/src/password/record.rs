//! The record that is kept of a password: Argon2id (RFC 9106) in the form of the PHC string format, with
//! the id of the pepper as `keyid`.

use argon2::{Algorithm, Argon2, Params, Version};
use data_encoding::BASE64_NOPAD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bytes of the salt (RFC 9106 section 3.1).
pub(super) const SALT_BYTES: usize = 16;
/// Bytes of the hash.
const HASH_BYTES: usize = 32;
/// Bytes of the pepper's id.
const KEY_ID_BYTES: usize = 6;
/// The most bytes of a record that is read at all.
const MAX_RECORD_BYTES: usize = 512;

/// What one hash costs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cost {
    /// Memory in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// What new records cost: 46 MiB, one pass (OWASP ASVS 5.0 appendix C).
pub const COST: Cost = Cost {
    memory: 47_104,
    passes: 1,
    lanes: 1,
};
/// The most that verifying a stored record may cost: whoever can write records must not be able to stop
/// the machine with one.
pub const MAX_COST: Cost = Cost {
    memory: 262_144,
    passes: 8,
    lanes: 4,
};

/// A key that is not in the database, without which its records cannot be tried.
#[derive(Clone)]
pub struct Pepper {
    id: [u8; KEY_ID_BYTES],
    key: Zeroizing<[u8; 32]>,
}

impl Pepper {
    /// The pepper of some secret: 32 bytes of a key provider, or a text of an operator.
    #[must_use]
    pub fn of(secret: &[u8]) -> Self {
        let key: [u8; 32] = Sha256::new_with_prefix(b"studio password pepper\0")
            .chain_update(secret)
            .finalize()
            .into();
        let name: [u8; 32] = Sha256::new_with_prefix(b"studio password pepper id\0")
            .chain_update(key)
            .finalize()
            .into();
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&name[..KEY_ID_BYTES]);
        Self {
            id,
            key: Zeroizing::new(key),
        }
    }
}

impl std::fmt::Debug for Pepper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[pepper]")
    }
}

/// Why a stored record cannot be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RecordError {
    /// It is not in the form that is written here.
    #[error("the record of a password is damaged")]
    Malformed,
    /// It asks for more than [`MAX_COST`].
    #[error("the record of a password asks for more memory or time than is allowed")]
    TooCostly,
    /// Its pepper is not among those of this installation.
    #[error("the pepper of a password's record is not configured (`auth.pepper` was changed or lost)")]
    PepperUnknown,
    /// Argon2 refused.
    #[error("a password cannot be hashed: {0}")]
    Argon2(argon2::Error),
}

/// A record taken apart.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) cost: Cost,
    key_id: [u8; KEY_ID_BYTES],
    salt: Vec<u8>,
    hash: [u8; HASH_BYTES],
}

/// `m=47104` for the name `m`.
fn parameter(text: &str, name: &str) -> Option<u32> {
    let digits = text.strip_prefix(name)?.strip_prefix('=')?;
    let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

fn parts(text: &str) -> Option<Record> {
    if text.len() > MAX_RECORD_BYTES {
        return None;
    }
    let fields: Vec<&str> = text.split('$').collect();
    let ["", "argon2id", "v=19", parameters, salt, hash] = fields.as_slice() else {
        return None;
    };
    let parameters: Vec<&str> = parameters.split(',').collect();
    let [memory, passes, lanes, key_id] = parameters.as_slice() else {
        return None;
    };
    let salt = BASE64_NOPAD.decode(salt.as_bytes()).ok()?;
    let key_id = BASE64_NOPAD
        .decode(key_id.strip_prefix("keyid=")?.as_bytes())
        .ok()?;
    if !(SALT_BYTES..=64).contains(&salt.len()) {
        return None;
    }
    Some(Record {
        cost: Cost {
            memory: parameter(memory, "m")?,
            passes: parameter(passes, "t")?,
            lanes: parameter(lanes, "p")?,
        },
        key_id: key_id.try_into().ok()?,
        salt,
        hash: BASE64_NOPAD.decode(hash.as_bytes()).ok()?.try_into().ok()?,
    })
}

impl Record {
    pub(super) fn parse(text: &str) -> Result<Self, RecordError> {
        let record = parts(text).ok_or(RecordError::Malformed)?;
        let Cost {
            memory,
            passes,
            lanes,
        } = record.cost;
        if memory > MAX_COST.memory || passes > MAX_COST.passes || lanes > MAX_COST.lanes {
            return Err(RecordError::TooCostly);
        }
        Ok(record)
    }

    /// A record that no password matches, of the cost of a new one.
    pub(super) fn dummy(pepper: &Pepper, salt: [u8; SALT_BYTES], hash: [u8; HASH_BYTES]) -> Self {
        Self {
            cost: COST,
            key_id: pepper.id,
            salt: salt.to_vec(),
            hash,
        }
    }

    pub(super) fn make(
        password: &[u8],
        pepper: &Pepper,
        salt: [u8; SALT_BYTES],
    ) -> Result<Self, RecordError> {
        Ok(Self {
            cost: COST,
            key_id: pepper.id,
            salt: salt.to_vec(),
            hash: digest(password, &salt, &*pepper.key, COST)?,
        })
    }

    /// Whether the password is the one; compared in constant time.
    pub(super) fn matches(&self, password: &[u8], peppers: &[Pepper]) -> Result<bool, RecordError> {
        let pepper = peppers.iter().find(|pepper| pepper.id == self.key_id);
        let pepper = pepper.ok_or(RecordError::PepperUnknown)?;
        let found = digest(password, &self.salt, &*pepper.key, self.cost)?;
        let different = found.iter().zip(&self.hash).fold(0, |sum, (a, b)| sum | (a ^ b));
        Ok(different == 0)
    }

    /// Whether it was made as records are made now.
    pub(super) fn is_current(&self, pepper: &Pepper) -> bool {
        self.cost == COST && self.key_id == pepper.id && self.salt.len() == SALT_BYTES
    }
}

impl std::fmt::Display for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cost {
            memory,
            passes,
            lanes,
        } = self.cost;
        write!(
            f,
            "$argon2id$v=19$m={memory},t={passes},p={lanes},keyid={}${}${}",
            BASE64_NOPAD.encode(&self.key_id),
            BASE64_NOPAD.encode(&self.salt),
            BASE64_NOPAD.encode(&self.hash),
        )
    }
}

fn digest(password: &[u8], salt: &[u8], secret: &[u8], cost: Cost) -> Result<[u8; HASH_BYTES], RecordError> {
    let params =
        Params::new(cost.memory, cost.passes, cost.lanes, Some(HASH_BYTES)).map_err(RecordError::Argon2)?;
    let argon2 = Argon2::new_with_secret(secret, Algorithm::Argon2id, Version::V0x13, params)
        .map_err(RecordError::Argon2)?;
    let mut hash = [0; HASH_BYTES];
    argon2
        .hash_password_into(password, salt, &mut hash)
        .map_err(RecordError::Argon2)?;
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use data_encoding::HEXLOWER;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// RFC 9106 section 5.3, the Argon2id vector.
    #[test]
    fn the_vector_of_the_rfc() {
        let params = argon2::ParamsBuilder::new()
            .m_cost(32)
            .t_cost(3)
            .p_cost(4)
            .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
            .output_len(32)
            .build()
            .unwrap();
        let argon2 = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(HEXLOWER.encode(&tag), expected);
    }

    /// The digest of the reference program (`argon2` of Debian) at our cost, without pepper, which its
    /// command line does not take.
    #[test]
    fn the_digest_of_the_reference_program() {
        let ours = digest("coração de ouro".as_bytes(), b"sixteen bytes ok", b"", COST).unwrap();
        let written = "f3b43fcc5168cae3e753b11e9f2caf20b0861cbf96b34e6f135a3a41a4245173";
        let child = Command::new("argon2")
            .args([
                "sixteen bytes ok",
                "-id",
                "-t",
                "1",
                "-k",
                "47104",
                "-p",
                "1",
                "-l",
                "32",
                "-r",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let theirs = match child {
            Ok(mut child) => {
                child
                    .stdin
                    .take()
                    .unwrap()
                    .write_all("coração de ouro".as_bytes())
                    .unwrap();
                let out = child.wait_with_output().unwrap();
                String::from_utf8(out.stdout).unwrap().trim().to_owned()
            }
            // What it answered where it was there.
            Err(_) => written.to_owned(),
        };
        assert_eq!(HEXLOWER.encode(&ours), theirs);
        assert_eq!(theirs, written);
    }

    #[test]
    fn a_record_survives_being_written_and_read() {
        let pepper = Pepper::of(b"p");
        let record = Record::dummy(&pepper, [7; SALT_BYTES], [9; HASH_BYTES]);
        let text = record.to_string();
        assert!(
            text.starts_with("$argon2id$v=19$m=47104,t=1,p=1,keyid="),
            "{text}"
        );
        assert!(Record::parse(&text).unwrap() == record && record.is_current(&pepper));
        assert!(!record.is_current(&Pepper::of(b"q")));
    }

    #[test]
    fn records_that_would_stop_the_machine_are_refused_before_they_are_tried() {
        let good = Record::dummy(&Pepper::of(b"p"), [7; SALT_BYTES], [9; HASH_BYTES]).to_string();
        for costly in [
            "m=262145,t=1,p=1",
            "m=47104,t=9,p=1",
            "m=47104,t=1,p=5",
            "m=999999999,t=1,p=1",
        ] {
            let text = good.replace("m=47104,t=1,p=1", costly);
            assert_eq!(
                Record::parse(&text).err(),
                Some(RecordError::TooCostly),
                "{costly}"
            );
        }
        for damaged in [
            String::new(),
            "$".repeat(5),
            good.replace("argon2id", "argon2i"),
            good.replace("v=19", "v=16"),
            good.replace("m=47104", "m=+7104"),
            good.replace("m=47104", "m=47104000000"),
            good.replace("t=1", "t="),
            good.replace("keyid", "data"),
            good.replace(",p=1", ",p=1,p=1"),
            format!("{good}$"),
            good[..good.len() - 2].to_owned(),
            format!("{good}{}", "A".repeat(MAX_RECORD_BYTES)),
        ] {
            assert_eq!(
                Record::parse(&damaged).err(),
                Some(RecordError::Malformed),
                "{damaged}"
            );
        }
    }
}
