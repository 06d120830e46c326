//! One module for each noun of the API.

pub(crate) mod assets;
pub(crate) mod callbacks;
pub(crate) mod docs;
pub(crate) mod entrance;
pub(crate) mod events;
pub(crate) mod factors;
pub(crate) mod generations;
pub(crate) mod health;
pub(crate) mod keys;
pub(crate) mod me;
pub(crate) mod models;
pub(crate) mod oidc;
pub(crate) mod passkey_login;
pub(crate) mod passkeys;
pub(crate) mod people;
pub(crate) mod quotes;
pub(crate) mod sessions;
pub(crate) mod uploads;
pub(crate) mod workspaces;
