//! The name by which a process is known to its like.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process;

/// Host, process and a few random letters: unique, and a person finds the process by it.
pub(crate) fn name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let random = RandomState::new().build_hasher().finish();
    format!("{host}-{}-{:04x}", process::id(), random & 0xffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_with_one_number_still_have_different_names() {
        let (one, other) = (name(), name());
        assert!(one.contains(&format!("-{}-", process::id())), "{one}");
        assert_ne!(one, other);
    }
}
