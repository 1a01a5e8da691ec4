//! The program: settings, wiring, start, drain.

fn main() {}
