//! What can be configured: one typed tree, checked whole before anything opens.
//!
//! Each value comes from the last of four sources that names it: built-in default, `fieldwatch.toml`, a
//! `FIELDWATCH_SECTION__KEY` environment variable, a flag. All problems are reported together, each with its place,
//! its key and what is allowed. Start at [`load()`]; [`keys`] is the table from which reading, printing and the names in
//! error messages come, so a new setting is one field in [`tree`] and one row there.
//!
//! Opens nothing but the files it is told of and does not log.

mod tree;

mod keys;

mod load;

mod check;

mod print;

mod form;

mod byte_size;
mod decimal;
mod duration;
mod secret;

mod environment;
mod file;
mod nearest;
mod problem;
mod written;

#[cfg(test)]
mod tests;

pub(crate) use check::unsupported;
pub(crate) use duration::parse_duration;
pub(crate) use load::{Flag, Loaded, Sources, load};
pub(crate) use print::{Explain, print};
pub(crate) use problem::Problems;
pub(crate) use tree::{OriginalEndpoints, OriginalTopology, QueueKind, Role, Settings, StoreKind};
