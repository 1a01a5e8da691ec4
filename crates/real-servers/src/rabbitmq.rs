//! `RabbitMQ`.
