//! `PostgreSQL`.
