//! How much of the machine's processors this program could have: a promise in time is one on a machine that is free for it.

use std::time::Duration;

/// How the processors' time was spent so far.
pub(super) struct Processors {
    all: f64,
    idle: f64,
    ours: Duration,
}

/// How many times more processor time there was than this program used or left. 1 where nobody knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortage(f64);

impl Processors {
    pub(super) fn look() -> Self {
        let spent: Vec<f64> = std::fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|text| {
                let line = text.lines().next()?.strip_prefix("cpu ")?.to_owned();
                // The last two are parts of the first two.
                line.split_whitespace().take(8).map(|ticks| ticks.parse().ok()).collect()
            })
            .unwrap_or_default();
        let ours = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).try_into().unwrap();
        // Idle, and idle while it waits for a disk.
        Self { all: spent.iter().sum(), idle: spent.iter().skip(3).take(2).sum(), ours }
    }

    pub(super) fn shortage(&self) -> Shortage {
        const TICKS: f64 = 100.0;
        let now = Self::look();
        let free = (now.ours - self.ours).as_secs_f64() * TICKS + (now.idle - self.idle);
        let all = now.all - self.all;
        Shortage(if all > 0.0 && free > 0.0 { (all / free).clamp(1.0, 20.0) } else { 1.0 })
    }
}

impl Shortage {
    /// Whether others used so much that it says little how long something took. A third may be Postgres, which works for
    /// this program.
    pub(super) fn is_another_s(self) -> bool {
        self.0 > 1.5
    }

    /// A time on a free machine, as it is to be expected on this one.
    pub(super) fn stretch(self, time: Duration) -> Duration {
        if self.is_another_s() { time.mul_f64(self.0) } else { time }
    }
}
