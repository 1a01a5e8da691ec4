//! What a device is and what may happen to it: pure, no I/O, no clock, no async.
