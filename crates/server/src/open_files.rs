//! How many files and connections the system lets this process have open.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Allows as many open files as the system lets this process have, at most `wanted`; gives how many. Never fewer than before.
pub(crate) fn raise(wanted: u64) -> io::Result<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // `None` is no limit.
    let Some(now) = current.filter(|now| *now < wanted) else { return Ok(current.unwrap_or(u64::MAX)) };
    if let Some(most) = maximum.filter(|most| *most < wanted) {
        // Only who may do anything, as in many containers, gets more than the most that is allowed.
        if setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: Some(wanted) }).is_ok() {
            return Ok(wanted);
        }
        setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })?;
        return Ok(most.max(now));
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })?;
    Ok(wanted)
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
