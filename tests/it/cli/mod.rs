//! The command line, with the real binary: what is printed where, and the exit codes.

mod backup;
mod bootstrap;
mod catalogue;
mod errors;
mod help;
mod keys;
mod lists;
mod lookup;
mod names;
mod project;
mod restore;
mod screen;
mod scripts;
mod store;
mod terminal;
mod token;
mod verify;
