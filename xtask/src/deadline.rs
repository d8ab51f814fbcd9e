//! A deadline for the commands of steps that nobody watches: in CI, one that hangs must not hold the machine without a word.

use std::{
    io,
    process::{Child, Command, ExitStatus},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

/// Longer than any step takes, with everything to be built on a slow machine, and short enough to name the step that hangs.
const IN_CI: Duration = Duration::from_secs(30 * 60);

/// How long a step's command may take. At a desk somebody presses Ctrl-C.
pub(crate) fn of_steps() -> Option<Duration> {
    std::env::var_os("CI").is_some_and(|value| value == "true").then_some(IN_CI)
}

/// A command that runs, until its deadline at the latest.
pub(crate) struct Running {
    pub(crate) child: Child,
    watch: Option<Watch>,
}

struct Watch {
    within: Duration,
    /// Dropping it ends the watch.
    ended: Sender<()>,
    /// Gives whether the deadline came first.
    watcher: JoinHandle<bool>,
}

impl Running {
    /// Starts it. With a deadline it gets a process group of its own, so that whatever it starts can be ended with it.
    pub(crate) fn start(command: &mut Command, within: Option<Duration>) -> io::Result<Self> {
        #[cfg(unix)]
        if within.is_some() {
            std::os::unix::process::CommandExt::process_group(command, 0);
        }
        let child = command.spawn()?;
        let watch = within.map(|within| {
            let group = child.id();
            let (ended, waiting) = mpsc::channel();
            let watcher = thread::spawn(move || {
                let is_over = waiting.recv_timeout(within) == Err(RecvTimeoutError::Timeout);
                if is_over {
                    kill(group);
                }
                is_over
            });
            Watch { within, ended, watcher }
        });
        Ok(Self { child, watch })
    }

    /// Waits for the end. Whatever is not success is a reason in words.
    pub(crate) fn wait(mut self) -> Result<(), String> {
        let status = self.child.wait();
        if let Some(Watch { within, ended, watcher }) = self.watch {
            drop(ended);
            if watcher.join().unwrap_or(false) {
                return Err(format!("killed, because it had not ended after {} min", within.as_secs() / 60));
            }
        }
        status.as_ref().map_err(ToString::to_string).and_then(success)
    }
}

fn success(status: &ExitStatus) -> Result<(), String> {
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

/// Ends every process of a group at once.
fn kill(group: u32) {
    // If it fails, the group has just ended by itself.
    let _ = Command::new("sh").args(["-c", "kill -s KILL -- \"-$0\"", &group.to_string()]).status();
}

#[cfg(all(test, unix))]
mod tests {
    use std::{io::Read, process::Stdio};

    use super::*;

    #[test]
    fn what_hangs_is_killed_with_everything_that_it_started() {
        let mut hangs = Command::new("sh");
        hangs.args(["-c", "sleep 1000 & echo begun; wait"]).stdout(Stdio::piped());

        let mut running = Running::start(&mut hangs, Some(Duration::from_millis(100))).expect("there is a shell");
        let mut told = String::new();
        // It ends only when the last process that could write to it is gone.
        running.child.stdout.take().expect("it is piped").read_to_string(&mut told).expect("it is text");

        let why = running.wait().expect_err("it did not end by itself");
        assert!(why.starts_with("killed, because it had not ended"), "{why}");
        assert!(told.is_empty() || told == "begun\n", "{told}");
    }

    #[test]
    fn what_ends_in_time_says_how() {
        let run = |script: &str| {
            let mut command = Command::new("sh");
            Running::start(command.args(["-c", script]), Some(Duration::from_secs(600)))
                .expect("there is a shell")
                .wait()
        };

        assert_eq!(run("true"), Ok(()));
        assert!(run("exit 3").is_err_and(|why| why.contains('3')));
    }
}
