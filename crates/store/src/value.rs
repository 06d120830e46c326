//! Values on their way in ([`Arg`]) and out ([`Row`]). Four kinds of column: text, bigint, boolean, bytes.

use crate::error::{Error, Result};
use domain::money::{Currency, Money};
use domain::time::Time;
use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

/// One argument of a statement: the first is `$1`. Prints its kind and never its value.
#[derive(Clone, PartialEq)]
pub enum Arg<'a> {
    /// Null.
    Null,
    /// A bigint.
    Int(i64),
    /// A boolean.
    Bool(bool),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Bytes(Cow<'a, [u8]>),
}

impl std::fmt::Debug for Arg<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "[null]",
            Self::Int(_) => "[number]",
            Self::Bool(_) => "[boolean]",
            Self::Text(_) => "[text]",
            Self::Bytes(_) => "[bytes]",
        })
    }
}

/// Arguments of a statement, each by its `From`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::Arg::from($value)),*] };
}

impl From<i64> for Arg<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Arg<'_> {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u16> for Arg<'_> {
    fn from(value: u16) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<u8> for Arg<'_> {
    fn from(value: u8) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Arg<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Time> for Arg<'_> {
    fn from(value: Time) -> Self {
        Self::Int(value.micros())
    }
}

impl<'a> From<&'a str> for Arg<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a String> for Arg<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Arg<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl<'a> From<&'a Vec<u8>> for Arg<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(Cow::Borrowed(value))
    }
}

impl From<Vec<u8>> for Arg<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(value))
    }
}

impl<'a, T: Into<Arg<'a>>> From<Option<T>> for Arg<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! text_args {
    ($($type:ty),* $(,)?) => {$(
        impl From<$type> for Arg<'_> {
            fn from(value: $type) -> Self {
                Self::Text(Cow::Owned(value.to_string()))
            }
        }
    )*};
}

text_args!(
    domain::id::GenerationId,
    domain::id::JobId,
    domain::id::AttemptId,
    domain::id::AssetId,
    domain::id::UserId,
    domain::id::WorkspaceId,
    domain::id::UploadId,
    domain::id::EventId,
    domain::id::AuditId,
    domain::id::LedgerId,
    domain::id::QuoteId,
    domain::id::BootId,
    domain::id::SessionId,
    domain::id::KeyId,
    domain::id::PasskeyId,
    domain::id::InvitationId,
    domain::id::MailId,
    &domain::capability::ProviderName,
);

impl From<Currency> for Arg<'_> {
    fn from(value: Currency) -> Self {
        Self::Text(Cow::Owned(value.code().to_owned()))
    }
}

macro_rules! word_args {
    ($($type:ty),* $(,)?) => {$(
        impl From<$type> for Arg<'_> {
            fn from(value: $type) -> Self {
                Self::Text(Cow::Borrowed(value.as_str()))
            }
        }
    )*};
}

word_args!(
    domain::generation::Kind,
    domain::generation::State,
    domain::job::JobState,
    domain::job::AttemptState,
    domain::ledger::Posting,
    domain::audit::Action,
    domain::identity::Role,
    domain::identity::AccountState,
    domain::identity::Client,
);

impl<'a> From<&'a domain::secret::TokenHash> for Arg<'a> {
    fn from(value: &'a domain::secret::TokenHash) -> Self {
        Self::Text(Cow::Borrowed(value.as_str()))
    }
}

/// A value as JSON text, for what is never searched.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> Result<Arg<'static>> {
    serde_json::to_string(value)
        .map(Arg::from)
        .map_err(|_| Error::Broken("a value cannot be written as JSON"))
}

/// The same, null if there is none.
pub(crate) fn opt_json<T: serde::Serialize>(value: Option<&T>) -> Result<Arg<'static>> {
    value.map_or(Ok(Arg::Null), json)
}

/// A size as a bigint.
pub(crate) fn int<T: TryInto<i64>>(value: T, what: &'static str) -> Result<i64> {
    value.try_into().map_err(|_| Error::TooLarge(what))
}

/// One value of a row.
pub(crate) enum Value {
    Null,
    Int(i64),
    Bool(bool),
    Text(String),
    Bytes(Vec<u8>),
}

/// One row of an answer; columns are asked for by name. Prints the names and never the values.
pub struct Row {
    columns: Arc<[String]>,
    values: Vec<Value>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Row({})", self.columns.join(", "))
    }
}

impl Row {
    pub(crate) const fn new(columns: Arc<[String]>, values: Vec<Value>) -> Self {
        Self { columns, values }
    }

    fn value(&self, column: &str) -> Result<&Value> {
        self.columns
            .iter()
            .position(|name| name == column)
            .and_then(|place| self.values.get(place))
            .ok_or_else(|| wrong(column, "anything: it was not asked for"))
    }

    fn present<T>(&self, column: &str, expected: &'static str, found: Option<T>) -> Result<T> {
        found.ok_or_else(|| wrong(column, expected))
    }

    /// A bigint.
    ///
    /// # Errors
    /// If it is absent or something else.
    pub fn int(&self, column: &str) -> Result<i64> {
        self.present(column, "a number", self.opt_int(column)?)
    }

    /// A bigint, if there is one.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_int(&self, column: &str) -> Result<Option<i64>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(*value)),
            _ => Err(wrong(column, "a number")),
        }
    }

    /// A number within the bounds of its type.
    ///
    /// # Errors
    /// If it is absent, something else or out of bounds.
    pub fn number<T: TryFrom<i64>>(&self, column: &str) -> Result<T> {
        T::try_from(self.int(column)?).map_err(|_| wrong(column, "a number within its bounds"))
    }

    /// A boolean.
    ///
    /// # Errors
    /// If it is absent or something else.
    pub fn bool(&self, column: &str) -> Result<bool> {
        match self.value(column)? {
            Value::Bool(value) => Ok(*value),
            Value::Int(0) => Ok(false),
            Value::Int(1) => Ok(true),
            _ => Err(wrong(column, "true or false")),
        }
    }

    /// A text.
    ///
    /// # Errors
    /// If it is absent or something else.
    pub fn text(&self, column: &str) -> Result<&str> {
        self.present(column, "a text", self.opt_text(column)?)
    }

    /// A text, if there is one.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_text(&self, column: &str) -> Result<Option<&str>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            _ => Err(wrong(column, "a text")),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// If they are absent or something else.
    pub fn bytes(&self, column: &str) -> Result<&[u8]> {
        match self.value(column)? {
            Value::Bytes(value) => Ok(value),
            _ => Err(wrong(column, "bytes")),
        }
    }

    /// Bytes, if there are any.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_bytes(&self, column: &str) -> Result<Option<&[u8]>> {
        match self.value(column)? {
            Value::Null => Ok(None),
            Value::Bytes(value) => Ok(Some(value)),
            _ => Err(wrong(column, "bytes")),
        }
    }

    /// An instant.
    ///
    /// # Errors
    /// If it is absent or something else.
    pub fn time(&self, column: &str) -> Result<Time> {
        self.int(column).map(Time::from_micros)
    }

    /// An instant, if there is one.
    ///
    /// # Errors
    /// If it is something else.
    pub fn opt_time(&self, column: &str) -> Result<Option<Time>> {
        Ok(self.opt_int(column)?.map(Time::from_micros))
    }

    /// An id or a word.
    ///
    /// # Errors
    /// If it is absent or does not parse.
    pub fn parsed<T: FromStr>(&self, column: &str) -> Result<T> {
        self.present(column, "an id or a known word", self.opt_parsed(column)?)
    }

    /// An id or a word, if there is one.
    ///
    /// # Errors
    /// If it does not parse.
    pub fn opt_parsed<T: FromStr>(&self, column: &str) -> Result<Option<T>> {
        self.opt_text(column)?
            .map(|text| text.parse().map_err(|_| wrong(column, "an id or a known word")))
            .transpose()
    }

    /// A value kept as JSON.
    ///
    /// # Errors
    /// If it is absent or not such a value.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<T> {
        self.present(column, "the JSON of its type", self.opt_json(column)?)
    }

    /// A value kept as JSON, if there is one.
    ///
    /// # Errors
    /// If it is not such a value.
    pub fn opt_json<T: serde::de::DeserializeOwned>(&self, column: &str) -> Result<Option<T>> {
        self.opt_text(column)?
            .map(|text| serde_json::from_str(text).map_err(|_| wrong(column, "the JSON of its type")))
            .transpose()
    }

    /// An amount from its two columns.
    ///
    /// # Errors
    /// If one is absent or not what it should be.
    pub fn money(&self, micros: &str, currency: &str) -> Result<Money> {
        Ok(Money {
            micros: self.int(micros)?,
            currency: self.parsed(currency)?,
        })
    }

    /// An amount from its two columns, if there is one.
    ///
    /// # Errors
    /// If one is not what it should be.
    pub fn opt_money(&self, micros: &str, currency: &str) -> Result<Option<Money>> {
        self.opt_int(micros)?
            .map(|_| self.money(micros, currency))
            .transpose()
    }
}

fn wrong(column: &str, expected: &'static str) -> Error {
    Error::Column {
        column: column.to_owned(),
        expected,
    }
}
