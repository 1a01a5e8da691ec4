//! The original's queue in a real `RabbitMQ`, read by a mover: what arrives, in which order, and what is said.
//!
//! What is moved goes into an embedded queue here, from which a stand-in for the devices takes it: it recognises what a device
//! recognises, the ids of its last 16 readings.

#[path = "original_queue/publisher.rs"]
mod publisher;

#[path = "original_queue/devices.rs"]
mod devices;

#[path = "original_queue/support.rs"]
mod support;

#[path = "original_queue/topology.rs"]
mod topology;

#[path = "original_queue/moving.rs"]
mod moving;

#[path = "original_queue/taking_over.rs"]
mod taking_over;

#[path = "original_queue/definitions.rs"]
mod definitions;

#[path = "original_queue/foreign_publisher.rs"]
mod foreign_publisher;
