//! Proofs of who is asking: passwords, access tokens, proofs of possession, secrets of keys and
//! sessions, passkeys, one-time codes, logins at OpenID providers.
//!
//! It computes and checks; it keeps nothing and knows neither database nor HTTP. Time, randomness and
//! keys arrive as arguments. It is the only crate that names argon2, jsonwebtoken, webauthn-rs,
//! totp-rs and openidconnect. May import: `domain`.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod access;
pub mod api_key;
pub mod oidc;
pub mod opaque;
pub mod passkeys;
pub mod password;
pub mod possession;
pub mod recovery;
pub mod totp;
