//! The database: SQLite and Postgres behind one text of SQL.
