//! SignalWire's compatibility API: its handlers and the shapes of its bodies.

pub(super) mod tokens;
