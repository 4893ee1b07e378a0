//! What the tests stand on: a store of either kind, time and randomness that can be foreseen, the service in
//! this process, and the real binary in another.

mod answer;
mod app;
mod binary;
mod broken;
mod cluster;
mod database;
mod line;
mod log;
mod operator;
mod postgres;
mod seeded;
mod text;

pub use answer::{Answer, Raw};
pub use app::{App, COMPATIBILITY, Options, Project, basic};
pub use binary::{Binary, Ran, run, run_with, tokensmith};
pub use broken::{Break, BrokenStore, INTERNALS, When};
pub use cluster::Cluster;
pub use database::{Backend, Database, catalogue};
pub use line::{CutAt, Line};
pub use log::log;
pub use operator::{Operator, created};
pub use seeded::{FixedClock, SeededEntropy};
pub use text::{forms_of, masked};
