//! How many files and connections the system lets this process have open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows as many open files as the system lets this process have, at most `wanted`; gives how many.
pub(crate) fn raise(wanted: u64) -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let Some(now) = current else { return Ok(wanted) };
    let reachable = maximum.map_or(wanted, |most| most.min(wanted)).max(now);
    if reachable > now {
        setrlimit(Resource::Nofile, Rlimit { current: Some(reachable), maximum })?;
    }
    Ok(reachable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        raise(1).expect("nothing is changed");
        assert_eq!(getrlimit(Resource::Nofile).current, before);
    }
}
