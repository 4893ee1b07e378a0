//! The command line, with the real binary: what is printed where, and the exit codes.

mod bootstrap;
mod help;
mod keys;
mod lists;
mod project;
mod store;
mod terminal;
mod token;
mod verify;
