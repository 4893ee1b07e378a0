//! The integration tests: one binary, laid out like the rooms that they enter.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::pedantic,
    reason = "tests say what they do by their names, and may unwrap"
)]

mod api;
mod architecture;
mod broken_store;
mod cli;
mod clients;
mod config;
mod container;
mod crash;
mod docs;
mod http;
mod in_code;
mod logs;
mod process;
mod proxies;
mod quickstart;
mod readme;
mod secrecy;
mod sentences;
mod stopping;
mod store;
mod support;
mod tenants;
mod verification;
