//! The queue at a real `RabbitMQ`, with several processes' worth of queues in this one. One broker for all tests, a virtual host
//! for each; those that kill or stop the broker have it for themselves.

#[path = "rabbitmq/support.rs"]
mod support;

#[path = "rabbitmq/delivering.rs"]
mod delivering;
