//! Time that runs faster than it does: gateway, simulator and test share a runtime, whose clock is moved on bit by bit,
//! while the sockets between them stay as real as they are.

use std::time::Duration;

use tokio::time::{Instant, advance, pause, resume, sleep};

/// How far the clock is moved at a time: less than anything here waits for.
const STEP: Duration = Duration::from_millis(100);

/// What is let through the sockets after each step.
const REST: Duration = Duration::from_millis(4);

/// Lets so much time pass in a twentieth of it. It takes a runtime with one thread.
pub(crate) async fn forward(span: Duration) {
    let until = Instant::now() + span;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        pause();
        advance(left.min(STEP)).await;
        resume();
        sleep(REST).await;
    }
}
