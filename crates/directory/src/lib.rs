//! The read side: where every device is now.
