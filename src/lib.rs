//! Tokensmith issues scoped API tokens for projects and subprojects, and answers for every request at a
//! platform's front door: who is this, and may they?
//!
//! The rooms and the one direction in which they may import each other are drawn in `docs/architecture.md`;
//! `tests/it/architecture.rs` holds the code to it.

pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod entropy;
pub mod error;
pub mod http;
pub mod service;
pub mod store;
pub mod telemetry;
mod turns;
