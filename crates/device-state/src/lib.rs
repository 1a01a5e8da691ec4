//! One actor per device: take a reading, decide, append, announce.
