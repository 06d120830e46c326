//! What can go wrong between the studio and its database.

/// Why a read or a write did not happen. Nothing in it carries a value of a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A unique rule refused the row; the name is the same on both databases.
    #[error("a row with the same key is there already (`{constraint}`)")]
    Conflict {
        /// The unique index or primary key, such as `attempts_one_open`.
        constraint: String,
    },
    /// The row was changed by someone else since it was read: let go of it.
    #[error("the row was changed meanwhile by someone else")]
    Fenced,
    /// Too much is waiting to be written or read; come again in a moment.
    #[error("the database has too much to do at the moment; try again shortly")]
    Busy,
    /// The disk is full. Nothing of the write is there.
    #[error("there is no space left for the database; free some and try again")]
    NoSpace,
    /// It took longer than it may.
    #[error("the database took too long to answer")]
    Timeout,
    /// No connection to the database, or it broke. Whether a write happened is not known.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// A foreign key, check or not-null rule refused the row.
    #[error("a rule of the database refused the row (`{rule}`)")]
    Rule {
        /// The rule's name where the database tells it.
        rule: String,
    },
    /// A column does not hold what the program expects there.
    #[error("column `{column}` does not hold {expected}")]
    Column {
        /// The column.
        column: String,
        /// What should be there.
        expected: &'static str,
    },
    /// A value is larger than the database keeps.
    #[error("{0} is larger than the database keeps")]
    TooLarge(&'static str),
    /// The schema is not the one of this program.
    #[error("{0}")]
    Schema(String),
    /// The database refused a statement, or the storage under it failed.
    #[error("the database refused: {0}")]
    Refused(String),
    /// The work given to a transaction broke off or waited for something outside it; it was rolled back.
    #[error("a transaction was rolled back: {0}")]
    Broken(&'static str),
    /// The database was closed.
    #[error("the database is closed")]
    Closed,
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
