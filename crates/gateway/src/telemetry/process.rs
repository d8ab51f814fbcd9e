//! The figures of this process, under the names that all clients of Prometheus use.

use cpu_time::ProcessTime;
use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rtms_wire::time::UnixMillis;

/// Returns the figures as they are now. Those of memory, threads and files are there on Linux only.
pub(super) fn registry(started_at: UnixMillis) -> Registry {
    let mut registry = Registry::with_prefix("process");
    let started_at = std::time::Duration::from_millis(started_at.0).as_secs_f64();
    registry.register(
        "start_time_seconds",
        "When the server started, since the Unix epoch",
        ConstGauge::new(started_at),
    );
    if let Ok(cpu) = ProcessTime::try_now() {
        let seconds = cpu.as_duration().as_secs_f64();
        registry.register("cpu_seconds", "CPU time of the process, user and system", ConstCounter::new(seconds));
    }
    #[cfg(unix)]
    if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        register(&mut registry, "max_fds", "File descriptors that the process may have", most);
    }
    #[cfg(target_os = "linux")]
    linux::register_all(&mut registry);
    registry
}

#[cfg(unix)]
fn register(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)));
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use super::{Registry, register};

    pub(super) fn register_all(registry: &mut Registry) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let of =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse().ok());
        if let Some(kibibytes) = of("VmRSS:") {
            let bytes = u64::saturating_mul(kibibytes, 1024);
            register(registry, "resident_memory_bytes", "Memory of the process that is in RAM", bytes);
        }
        if let Some(threads) = of("Threads:") {
            register(registry, "threads", "Threads of the process", threads);
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            // The folder that is being read is one of them.
            let open = files.count().saturating_sub(1) as u64;
            register(registry, "open_fds", "File descriptors that are open", open);
        }
    }
}
