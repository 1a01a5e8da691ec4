//! Live fan-out to browsers by server-sent events.
