//! What the tests stand on: a store of either kind, time and randomness that can be foreseen, the service in
//! this process, and the real binary in another.

mod answer;
mod app;
mod binary;
mod broken;
mod certificates;
mod cluster;
mod database;
mod holder;
mod line;
mod log;
mod nginx;
mod operator;
mod postgres;
mod programs;
mod screen;
mod seeded;
mod text;

pub use answer::{Answer, Raw};
pub use app::{App, COMPATIBILITY, COMPATIBILITY_BASES, Options, Project, basic};
pub use binary::{Binary, Ran, in_a_container, run, run_with, run_within, tokensmith};
pub use broken::{Break, BrokenStore, INTERNALS, When};
pub use certificates::Certificates;
pub use cluster::Cluster;
pub use database::{Backend, Database, catalogue};
pub use holder::Holder;
pub use line::{CutAt, Line};
pub use log::{Heard, log};
pub use nginx::Nginx;
pub use operator::{Operator, created};
pub use programs::{find_program, program, without_words_to_tests};
pub use screen::Screen;
pub use seeded::{FixedClock, SeededEntropy};
pub use text::{forms_of, masked};
