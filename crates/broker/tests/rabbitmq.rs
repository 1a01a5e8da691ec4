//! The queue at a real `RabbitMQ`, with several processes' worth of queues in this one. One broker for all tests, a virtual host
//! for each; those that kill or stop the broker have it for themselves.

#[path = "rabbitmq/support.rs"]
mod support;

#[path = "rabbitmq/delivering.rs"]
mod delivering;

#[path = "rabbitmq/sharing.rs"]
mod sharing;

#[path = "rabbitmq/faults.rs"]
mod faults;

#[path = "rabbitmq/identity.rs"]
mod identity;

#[path = "rabbitmq/encrypted.rs"]
mod encrypted;

#[path = "rabbitmq/foreign.rs"]
mod foreign;

#[path = "rabbitmq/letters.rs"]
mod letters;
