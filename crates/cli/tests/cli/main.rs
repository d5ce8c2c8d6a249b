//! The binary `bes` as its users meet it, against a real DynamoDB Local.
//!
//! One test program, so that one server is started for all of it. Each test has a table and a home of its own.

#![expect(clippy::unwrap_used, reason = "what goes wrong in a test is to be seen")]

mod adopt;
mod audit;
mod bench;
mod collector;
mod doctor;
mod https;
mod import;
mod keys;
mod kms;
mod lost_key;
mod otlp;
mod outcomes;
mod records;
mod report;
mod secrets;
mod server;
mod settings;
mod stop;
mod tables;
