//! SignalWire's compatibility API: accounts and their tokens.

pub(in crate::http) mod accounts;
pub(in crate::http) mod tokens;
