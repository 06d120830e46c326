//! People and what stands for them: addresses, names, states of an account, scopes of a key. What is
//! personal prints a marker.

use crate::rights::{Action, Object};
use std::collections::BTreeSet;

/// The most bytes of an e-mail address (RFC 5321 section 4.5.3.1.3, without the brackets).
pub const MAX_EMAIL_BYTES: usize = 254;
/// The most characters of a person's, key's or passkey's name.
pub const MAX_NAME_CHARACTERS: usize = 100;

crate::generation::words! {
    /// What a person is to the studio, or to one workspace.
    Role {
        /// Makes pictures and clips.
        User = "user",
        /// Looks after providers and jobs.
        Operator = "operator",
        /// Looks after budgets and reports.
        Finance = "finance",
        /// Looks after personal data (encarregado).
        Dpo = "dpo",
        /// Reads the audit log, changes nothing.
        Auditor = "auditor",
        /// Looks after people, roles and settings.
        Admin = "admin",
    }
}

crate::generation::words! {
    /// Where an account stands.
    AccountState {
        /// Its address is not verified yet, or its invitation not accepted.
        Pending = "pending",
        /// It can be used.
        Active = "active",
        /// It was closed by an administrator.
        Disabled = "disabled",
    }
}

crate::generation::words! {
    /// Whether tokens travel as cookies of a browser or in the bodies of answers.
    Client {
        /// Cookies; scripts never see a token.
        Browser = "browser",
        /// Bearer or DPoP tokens.
        Api = "api",
    }
}

crate::generation::words! {
    /// How someone proved who they are (RFC 8176, and `fed` for a login at another provider).
    Method {
        /// A password.
        Password = "pwd",
        /// A one-time code of an app.
        Totp = "otp",
        /// A passkey with user verification.
        Passkey = "hwk",
        /// A recovery code.
        Recovery = "kba",
        /// A login at an OpenID provider.
        Federated = "fed",
        /// More than one of them.
        Several = "mfa",
    }
}

crate::generation::words! {
    /// Who may make an account.
    Registration {
        /// Nobody: administrators make accounts.
        Closed = "closed",
        /// Whoever was invited.
        Invite = "invite",
        /// Everybody.
        Open = "open",
    }
}

/// Why a text is not an address or a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotPersonal {
    /// No address: one `@`, something before it, a domain after it, no blanks.
    #[error("write an e-mail address, such as ana@example.org (at most {MAX_EMAIL_BYTES} bytes)")]
    Email,
    /// Empty, too long, or with control characters.
    #[error("write 1 to {MAX_NAME_CHARACTERS} characters, no line breaks")]
    Name,
}

/// An e-mail address as it was written.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct Email(String);

impl Email {
    /// Checks the form; whether anybody reads there is for verification to show.
    ///
    /// # Errors
    /// [`NotPersonal::Email`].
    pub fn parse(text: &str) -> Result<Self, NotPersonal> {
        let text = text.trim();
        let bad = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')')
        };
        let (local, domain) = text.rsplit_once('@').ok_or(NotPersonal::Email)?;
        let labels_fit = domain
            .split('.')
            .all(|label| (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-'));
        let good = (3..=MAX_EMAIL_BYTES).contains(&text.len())
            && (1..=64).contains(&local.len())
            && !local.contains('@')
            && !text.contains(bad)
            && labels_fit;
        good.then(|| Self(text.to_owned())).ok_or(NotPersonal::Email)
    }

    /// The address: for its owner, for administrators, and for mail.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The form in which two spellings of one mailbox are the same: lower case. No provider in use
    /// tells mailboxes apart by case, and accounts that differ by it alone would help impostors only.
    #[must_use]
    pub fn normalised(&self) -> String {
        self.0.to_lowercase()
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[e-mail address]")
    }
}

/// The name of a person or of a thing that a person named.
#[derive(Clone, PartialEq, Eq, serde::Serialize)]
pub struct Name(String);

impl Name {
    /// Checks the form.
    ///
    /// # Errors
    /// [`NotPersonal::Name`].
    pub fn parse(text: &str) -> Result<Self, NotPersonal> {
        let text = text.trim();
        let good =
            (1..=MAX_NAME_CHARACTERS).contains(&text.chars().count()) && !text.contains(char::is_control);
        good.then(|| Self(text.to_owned())).ok_or(NotPersonal::Name)
    }

    /// The name: for its owner and for administrators.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[name]")
    }
}

/// What a key may be used for: words such as `generations:read`, or `*` for all that its owner may.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Scopes(BTreeSet<String>);

/// A word that is no scope.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is no scope; use `*` or words such as {known}", known = Scopes::known().join(", "))]
pub struct UnknownScope(pub String);

impl Scopes {
    /// Every word there is, without `*`.
    #[must_use]
    pub fn known() -> Vec<String> {
        Object::ALL
            .iter()
            .filter(|object| object.is_for_keys())
            .flat_map(|object| [scope_of(Action::Read, *object), scope_of(Action::Create, *object)])
            .collect()
    }

    /// Everything that the owner may.
    #[must_use]
    pub fn all() -> Self {
        Self(BTreeSet::from(["*".to_owned()]))
    }

    /// Checks each word.
    ///
    /// # Errors
    /// The first that is none.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, UnknownScope> {
        let known = Self::known();
        let mut scopes = BTreeSet::new();
        for word in words.into_iter().map(str::trim).filter(|word| !word.is_empty()) {
            if word != "*" && !known.iter().any(|known| known == word) {
                return Err(UnknownScope(word.to_owned()));
            }
            scopes.insert(word.to_owned());
        }
        Ok(Self(scopes))
    }

    /// Whether it covers this.
    #[must_use]
    pub fn cover(&self, action: Action, object: Object) -> bool {
        object.is_for_keys() && (self.0.contains("*") || self.0.contains(&scope_of(action, object)))
    }

    /// The words, in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl std::fmt::Display for Scopes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words().collect::<Vec<_>>().join(" "))
    }
}

/// The word for an action on an object.
#[must_use]
pub fn scope_of(action: Action, object: Object) -> String {
    let verb = if action == Action::Read { "read" } else { "write" };
    format!("{object}:{verb}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_text() {
        for good in [
            "ana@example.org",
            "joão.silva+fotos@exemplo.com.br",
            "a@b",
            " x@y.z ",
        ] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "@",
            "a@",
            "@b",
            "a b@c.d",
            "a@b@c",
            "a@b..c",
            "a@-b.c",
            "a\n@b.c",
            "<a@b.c>",
            "a@b.c,d@e.f",
        ] {
            assert!(Email::parse(bad).is_err(), "{bad}");
        }
        assert!(Email::parse(&format!("{}@example.org", "a".repeat(65))).is_err());
        assert!(Email::parse(&format!("a@{}", "b.".repeat(130))).is_err());
        assert_eq!(
            Email::parse("Ana@Example.ORG").unwrap().normalised(),
            "ana@example.org"
        );
        assert_eq!(
            format!("{:?}", Email::parse("ana@example.org").unwrap()),
            "[e-mail address]"
        );
    }

    #[test]
    fn names_are_one_line_of_bounded_length() {
        assert!(Name::parse("Ana Lúcia 🌻").is_ok());
        assert!(Name::parse(&"é".repeat(MAX_NAME_CHARACTERS)).is_ok());
        assert!(Name::parse(&"é".repeat(MAX_NAME_CHARACTERS + 1)).is_err());
        assert!(Name::parse("a\nb").is_err() && Name::parse("  ").is_err());
    }

    #[test]
    fn scopes_cover_what_they_name_and_nothing_else() {
        let scopes = Scopes::parse(["generations:read", "assets:write"]).unwrap();
        assert!(scopes.cover(Action::Read, Object::Generation));
        assert!(!scopes.cover(Action::Create, Object::Generation));
        assert!(scopes.cover(Action::Delete, Object::Asset) && !scopes.cover(Action::Read, Object::Asset));
        assert!(Scopes::all().cover(Action::Delete, Object::Generation));
        assert!(
            !Scopes::all().cover(Action::Create, Object::ApiKey),
            "a key never makes keys"
        );
        assert!(Scopes::parse(["generations:fly"]).is_err());
        assert_eq!(scopes.to_string(), "assets:write generations:read");
    }
}
