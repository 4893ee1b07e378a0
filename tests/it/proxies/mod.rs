//! The recipes of `deploy/`, run as they are shipped: the system's proxy between a client and a backend that tells what
//! it received, with a real service beside them.

mod nginx;
mod recorder;
mod relay;

/// What a backend is told of its client, and may believe.
const TOLD: [&str; 5] =
    ["x-auth-project-id", "x-auth-parent-project-id", "x-auth-token-id", "x-auth-token-name", "x-auth-permissions"];
