//! One-time codes of an app (RFC 6238): SHA-1, six digits, thirty seconds, one step of tolerance either
//! way: what every authenticator app computes without being told.

use domain::time::Time;
use totp_rs::{Algorithm, Builder, Totp};
use zeroize::Zeroizing;

/// Bytes of a secret: the length of the hash, as RFC 4226 section 4 recommends.
pub const SECRET_BYTES: usize = 20;
/// Seconds for which one code stands (RFC 6238 section 5.2).
pub const STEP_SECONDS: i64 = 30;
/// Digits of a code.
pub const DIGITS: usize = 6;
/// Steps before and after the present one whose codes are taken too: clocks differ, fingers are slow.
pub const TOLERANCE_STEPS: u16 = 1;
/// What stands before the first accepted step of a new secret.
pub const NO_STEP: i64 = 0;

/// The secret that the app and the studio share. It is erased on drop and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<[u8; SECRET_BYTES]>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[one-time code secret]")
    }
}

/// Bytes that are no secret, or a name that cannot stand in a link for an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    /// A stored secret has another length than [`SECRET_BYTES`].
    #[error("a secret of one-time codes has {SECRET_BYTES} bytes")]
    Length,
    /// The account or the issuer is empty.
    #[error("the link for an app needs the names of the account and of the installation")]
    Name,
}

impl Secret {
    /// A secret of these random bytes.
    #[must_use]
    pub fn new(random: [u8; SECRET_BYTES]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// A secret that was kept.
    ///
    /// # Errors
    /// [`TotpError::Length`].
    pub fn stored(bytes: &[u8]) -> Result<Self, TotpError> {
        let bytes: [u8; SECRET_BYTES] = bytes.try_into().map_err(|_| TotpError::Length)?;
        Ok(Self::new(bytes))
    }

    /// The bytes: for sealing.
    #[must_use]
    pub fn expose(&self) -> &[u8; SECRET_BYTES] {
        &self.0
    }

    /// The text that people type into an app that has no camera (base 32, no padding).
    #[must_use]
    pub fn text(&self) -> String {
        data_encoding::BASE32_NOPAD.encode(self.0.as_slice())
    }

    /// The link that an app reads from a picture (`otpauth://totp/Issuer:account?secret=…&issuer=…`).
    ///
    /// # Errors
    /// [`TotpError::Name`].
    pub fn link(&self, issuer: &str, account: &str) -> Result<String, TotpError> {
        // The colon parts issuer and account; neither may contain it.
        let plain = |text: &str| text.replace(':', " ");
        if issuer.trim().is_empty() || account.trim().is_empty() {
            return Err(TotpError::Name);
        }
        self.builder()
            .with_issuer(Some(plain(issuer)))
            .with_account_name(plain(account))
            .build()
            .and_then(|totp| totp.to_url())
            .map_err(|_| TotpError::Name)
    }

    /// The time step whose code this is, if it is later than the last one that was accepted: a code is
    /// good once (RFC 6238 section 5.2), and so is its step.
    #[must_use]
    pub fn matching_step(&self, code: &str, now: Time, last_step: i64) -> Option<i64> {
        let code: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| !c.is_whitespace()).collect());
        let seconds = u64::try_from(now.micros() / 1_000_000).ok()?;
        let step = i64::try_from(self.totp()?.check(&code, seconds)?).ok()?;
        (step > last_step).then_some(step)
    }

    /// The code at an instant: what the app shows.
    #[must_use]
    pub fn code_at(&self, now: Time) -> Option<String> {
        let seconds = u64::try_from(now.micros() / 1_000_000).ok()?;
        Some(self.totp()?.generate(seconds).to_string())
    }

    fn builder(&self) -> Builder {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_step_duration(STEP_SECONDS.unsigned_abs())
            .with_skew(TOLERANCE_STEPS)
            .with_secret(*self.0)
    }

    fn totp(&self) -> Option<Totp> {
        self.builder().build().ok()
    }
}

/// Whether a text has the form of a code: six digits, blanks between them allowed.
#[must_use]
pub fn is_code(text: &str) -> bool {
    let mut digits = 0;
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        if !c.is_ascii_digit() {
            return false;
        }
        digits += 1;
    }
    digits == DIGITS
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    fn at(seconds: i64) -> Time {
        Time::from_micros(seconds * 1_000_000)
    }

    /// RFC 6238 appendix B, SHA-1: the table has eight digits, of which an app of six shows the last six.
    const VECTORS: &[(i64, &str)] = &[
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ];

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = Secret::new(*b"12345678901234567890");
        for (seconds, code) in VECTORS {
            assert_eq!(secret.code_at(at(*seconds)).unwrap(), code[2..]);
            let step = secret.matching_step(&code[2..], at(*seconds), NO_STEP);
            assert_eq!(step, Some(seconds / 30));
        }
    }

    #[test]
    fn codes_are_those_of_oathtool() {
        if Command::new("oathtool").arg("--version").output().is_err() {
            use std::io::Write as _;
            let said = b"\n**** NOT COMPARED WITH oathtool: it is not installed (Debian: oathtool) ****\n";
            std::io::stderr().write_all(said).unwrap();
            return;
        }
        for (at_second, byte) in [(1_795_000_000_i64, 7_u8), (1_795_000_029, 200), (1, 255)] {
            let secret = Secret::new([byte; SECRET_BYTES]);
            let stamp = format!("@{at_second}");
            let mut oathtool = Command::new("oathtool");
            oathtool.args(["--totp", "--base32", "--now", &stamp, &secret.text()]);
            let said = oathtool.output().unwrap();
            assert!(said.status.success());
            let said = String::from_utf8(said.stdout).unwrap();
            assert_eq!(secret.code_at(at(at_second)).unwrap(), said.trim());
        }
    }

    #[test]
    fn a_step_and_all_before_it_are_good_once() {
        let secret = Secret::new([9; SECRET_BYTES]);
        let now = at(1_795_000_000);
        let step = 1_795_000_000 / 30;
        let code = secret.code_at(now).unwrap();
        assert_eq!(secret.matching_step(&code, now, NO_STEP), Some(step));
        assert_eq!(secret.matching_step(&code, now, step - 1), Some(step));
        assert_eq!(secret.matching_step(&code, now, step), None, "the same again");
        assert_eq!(secret.matching_step(&code, now, step + 1), None, "an older one");
    }

    #[test]
    fn one_step_of_tolerance_either_way_and_no_more() {
        let secret = Secret::new([9; SECRET_BYTES]);
        let now = 1_795_000_000;
        for (away, taken) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let code = secret.code_at(at(now + away)).unwrap();
            let step = secret.matching_step(&code, at(now), NO_STEP);
            assert_eq!(step, taken.then_some((now + away) / 30), "{away}");
        }
    }

    #[test]
    fn blanks_are_overlooked_and_nothing_else() {
        let secret = Secret::new([9; SECRET_BYTES]);
        let now = at(1_795_000_000);
        let code = secret.code_at(now).unwrap();
        let spaced = format!(" {} {} ", &code[..3], &code[3..]);
        assert!(secret.matching_step(&spaced, now, NO_STEP).is_some() && is_code(&spaced));
        for wrong in [
            format!("+{}", &code[1..]),
            format!("{code}0"),
            code[..5].to_owned(),
        ] {
            assert_eq!(secret.matching_step(&wrong, now, NO_STEP), None, "{wrong}");
            assert!(!is_code(&wrong), "{wrong}");
        }
    }

    #[test]
    fn a_link_names_issuer_and_account() {
        let secret = Secret::new(*b"12345678901234567890");
        assert_eq!(
            secret.link("Secure AI Studio", "ana@example.org").unwrap(),
            "otpauth://totp/Secure%20AI%20Studio:ana%40example.org?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Secure%20AI%20Studio"
        );
        assert!(
            secret
                .link("a:b", "c:d")
                .unwrap()
                .starts_with("otpauth://totp/a%20b:c%20d?")
        );
        assert_eq!(secret.link("", "ana"), Err(TotpError::Name));
        assert_eq!(format!("{secret:?}"), "[one-time code secret]");
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(code in "\\PC{0,20}", seconds in -10_i64..4_000_000_000) {
            let secret = Secret::new([1; SECRET_BYTES]);
            let step = secret.matching_step(&code, at(seconds), NO_STEP);
            prop_assert!(step.is_none() || is_code(&code));
        }

        #[test]
        fn what_is_kept_comes_back(bytes: [u8; SECRET_BYTES]) {
            let secret = Secret::stored(&bytes).unwrap();
            prop_assert_eq!(secret.expose(), &bytes);
            prop_assert!(Secret::stored(&bytes[1..]).is_err());
        }
    }
}
