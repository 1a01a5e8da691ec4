//! The append-only history of each device.
