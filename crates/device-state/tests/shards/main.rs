//! Devices through their running shards, on a clock that is paused: what is given, what comes in, what is stored then.
//!
//! Queue, store and dead letters are fakes (`fakes.rs`), so that each can refuse, hang or crash when a test wants it.

mod fakes;

mod world;

mod readings;

mod silence;

mod passivation;

mod failures;

mod commands;

mod stopping;

mod crashes;

mod shared;

mod ownership;
