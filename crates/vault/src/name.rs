//! Names that become paths: checked before they touch the file system.

/// Longest workspace id in bytes.
pub const MAX_WORKSPACE_ID_BYTES: usize = 64;

/// Hexadecimal digits in the name of a blob.
const BLOB_NAME_DIGITS: usize = 64;

/// Folder beside those of the workspaces, and so no workspace's name.
pub(crate) const TEMPORARY: &str = "tmp";

/// Whether this may be a workspace's folder: lowercase letters, digits, `_` and `-` only.
pub(crate) fn is_workspace(id: &str) -> bool {
    (1..=MAX_WORKSPACE_ID_BYTES).contains(&id.len())
        && id != TEMPORARY
        && id
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

/// Whether this may be a blob's file: 64 lowercase hexadecimal digits.
pub(crate) fn is_blob(name: &str) -> bool {
    name.len() == BLOB_NAME_DIGITS && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
