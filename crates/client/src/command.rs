//! What the application asks of a running stream, on its way from the handle to the driver.

use rtms_proto::{input::Input, stream::Stream};
use rtms_wire::{codes::stop_reason::StopReason, ids::UserId, time::UnixMillis};
use tokio::sync::oneshot;

/// News from elsewhere, or a wish of the application's. The senders return whether the stream acts on it.
#[derive(Debug)]
pub(crate) enum Command {
    Stopped(Option<StopReason>),
    Restarted(Vec<String>, oneshot::Sender<bool>),
    Interrupted(Vec<String>, oneshot::Sender<bool>),
    Close,
    Abandon,
    SubscribeVideo { user_id: UserId, subscribe: bool, timestamp: UnixMillis },
}

impl Command {
    /// What the stream is told. Who asked whether it acts on it is answered.
    pub(crate) fn into_input(self, stream: &Stream) -> Input {
        let answer = |acts: oneshot::Sender<bool>| {
            // Who went away does not want to know.
            let _ = acts.send(!stream.is_ending());
        };
        match self {
            Self::Stopped(reason) => Input::Stopped(reason),
            Self::Restarted(server_urls, acts) => {
                answer(acts);
                Input::Restarted { server_urls }
            }
            Self::Interrupted(server_urls, acts) => {
                answer(acts);
                Input::Interrupted { server_urls }
            }
            Self::Close => Input::Close,
            Self::Abandon => Input::Abandon,
            Self::SubscribeVideo { user_id, subscribe, timestamp } => {
                Input::SubscribeVideo { user_id, subscribe, timestamp }
            }
        }
    }
}
