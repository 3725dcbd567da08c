//! CPU time: what this process has used, and the processes of a server.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What this process has used so far, in user and kernel mode together.
pub(crate) fn own() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec.unsigned_abs(), u32::try_from(used.tv_nsec).unwrap_or_default())
}

/// What these processes have used so far, in hundredths of a second, which is as fine as the kernel tells of others.
pub(crate) fn of(processes: &[u32]) -> Duration {
    let used = processes.iter().map(|process| {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        // What stands before is the program's name in brackets, with whatever it is made of.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_ascii_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    });
    used.sum()
}

/// How long calls took and what they used.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spent {
    pub(crate) calls: u64,
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
}

impl Spent {
    pub(crate) fn rate(&self) -> f64 {
        self.calls as f64 / self.time.as_secs_f64().max(1e-9)
    }

    /// Microseconds of CPU time of one call.
    pub(crate) fn cpu_of_call(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / (self.calls.max(1) as f64)
    }

    pub(crate) fn plus(self, more: Self) -> Self {
        Self { calls: self.calls + more.calls, time: self.time + more.time, cpu: self.cpu + more.cpu }
    }
}
