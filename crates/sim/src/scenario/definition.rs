//! A scenario as it stands in its file.

use std::{path::Path, time::Duration};

use rtms_wire::{
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
};
use serde::Deserialize;

use crate::{
    config::{Server, Timing, WebhookOptions, ZoomConfig, granted_by_default},
    fault::{Incident, Temper},
    meeting::{options::MeetingOptions, story::Meeting},
    scenario::expect::Expect,
    world::Network,
};

/// A story, and what must hold at its end.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// By which it is asked for.
    pub name: String,
    /// What happens, in one sentence.
    pub what: String,
    /// What a client should do, in one sentence.
    pub client: String,
    /// Whose stream it is and what happens in it.
    #[serde(default)]
    pub meeting: Story,
    /// The media that the app was granted; absent for what the product grants by default.
    pub granted: Option<Vec<Medium>>,
    /// How many servers stand by for a failover.
    #[serde(default)]
    pub standby: u8,
    /// How long Zoom waits, where that is not as usual.
    #[serde(default)]
    pub timing: TimingOverrides,
    /// How long things take on the way; in memory only.
    #[serde(default)]
    pub network: Delays,
    /// How webhooks are posted.
    #[serde(default)]
    pub webhooks: Posting,
    /// How Zoom behaves throughout.
    #[serde(default)]
    pub temper: Temper,
    /// What happens when.
    #[serde(default, rename = "incident")]
    pub incidents: Vec<Incident>,
    /// What whoever runs the client has it do; nothing where absent.
    #[serde(default)]
    pub operator: Operator,
    /// What holds at the end.
    pub expect: Expect,
}

/// Whose stream it is and what happens in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Story {
    /// Which product streams.
    pub product: Product,
    /// Everything that is left open follows from this.
    pub seed: u64,
    /// How long the stream lasts.
    #[serde(with = "humantime_serde")]
    pub duration: Duration,
    /// How many people take part.
    pub participants: u16,
    /// Whether there is everything that can be in a meeting: corrected lines of transcript, chat in every form, cameras
    /// that change their size.
    pub everything: bool,
}

impl Default for Story {
    fn default() -> Self {
        let MeetingOptions { seed, participants, duration, .. } = MeetingOptions::default();
        Self { product: Product::Meeting, seed, duration, participants, everything: false }
    }
}

/// How long Zoom waits, where that is not as usual.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimingOverrides {
    /// [`Timing::join_within`].
    #[serde(with = "humantime_serde")]
    pub join_within: Option<Duration>,
    /// [`Timing::keep_alive`].
    #[serde(with = "humantime_serde")]
    pub keep_alive: Option<Duration>,
    /// [`Timing::signaling_window`].
    #[serde(with = "humantime_serde")]
    pub signaling_window: Option<Duration>,
    /// [`Timing::media_window`].
    #[serde(with = "humantime_serde")]
    pub media_window: Option<Duration>,
    /// [`Timing::farewell`].
    #[serde(with = "humantime_serde")]
    pub farewell: Option<Duration>,
}

impl TimingOverrides {
    /// Returns the usual times, but for those that are overridden.
    pub fn over(&self, usual: Timing) -> Timing {
        let Self { join_within, keep_alive, signaling_window, media_window, farewell } = *self;
        Timing {
            join_within: join_within.unwrap_or(usual.join_within),
            keep_alive: keep_alive.unwrap_or(usual.keep_alive),
            signaling_window: signaling_window.unwrap_or(usual.signaling_window),
            media_window: media_window.unwrap_or(usual.media_window),
            farewell: farewell.unwrap_or(usual.farewell),
            ..usual
        }
    }
}

/// How long things take on the way, one way.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delays {
    /// The shortest.
    #[serde(with = "humantime_serde")]
    pub at_least: Duration,
    /// The longest.
    #[serde(with = "humantime_serde")]
    pub at_most: Duration,
}

impl Default for Delays {
    fn default() -> Self {
        let Network { at_least, at_most } = Network::default();
        Self { at_least, at_most }
    }
}

/// How webhooks are posted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Posting {
    /// Whether each is posted a second time at once.
    pub deliver_twice: bool,
    /// Whether start webhooks that Zoom did not send are posted beside them.
    pub forged_starts: bool,
}

/// What whoever runs the client has it do. A client that cannot is not tried with such a scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Operator {
    /// One connection for all media.
    pub unified: bool,
    /// The sound from before the join is not wanted.
    pub without_backlog: bool,
    /// When it closes the stream by message 21.
    #[serde(with = "humantime_serde")]
    pub close_at: Option<Duration>,
    /// When its process is killed …
    #[serde(with = "humantime_serde")]
    pub kill_at: Option<Duration>,
    /// … and when it is started again.
    #[serde(with = "humantime_serde")]
    pub restart_at: Option<Duration>,
    /// The cameras that are wanted, each from its time on in place of the one before. With any, video is asked for as one
    /// person's of choice.
    pub cameras: Vec<Camera>,
}

/// A camera that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Camera {
    /// When it begins to be wanted, since the start of the stream.
    #[serde(with = "humantime_serde")]
    pub at: Duration,
    /// Whose: the number of the participant in the meeting, from 0.
    pub participant: usize,
}

/// Why a file is no scenario.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// The file cannot be read.
    #[error("{file}: {why}")]
    Unreadable {
        /// The name of the file.
        file: String,
        /// What the system said.
        why: String,
    },
    /// Its text is no TOML, or a key or value is not known.
    #[error("{file}:{line}: {why}")]
    Wrong {
        /// The name of the file.
        file: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

impl Scenario {
    /// Reads a scenario; `file` is how errors name it.
    ///
    /// # Errors
    /// [`ScenarioError::Wrong`] with the line.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let wrong = |at: usize, why: String| {
            let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
            ScenarioError::Wrong { file: file.to_owned(), line, why }
        };
        let scenario: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            wrong(at, error.message().trim_end().replace('\n', " "))
        })?;
        match scenario.nonsense() {
            Some(why) => Err(wrong(text.find("[expect]").unwrap_or(0), why)),
            None => Ok(scenario),
        }
    }

    /// Reads the scenario in a file.
    ///
    /// # Errors
    /// [`ScenarioError`] if it cannot be read or is none.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| ScenarioError::Unreadable { file: file.clone(), why: error.to_string() })?;
        Self::parse(&file, &text)
    }

    /// The scenario of that name in the catalogue.
    pub fn named(name: &str) -> Option<Self> {
        Self::catalogue().into_iter().find(|scenario| scenario.name == name)
    }

    /// Zoom as the scenario has it, on servers that exist in memory only.
    pub fn config(&self) -> ZoomConfig {
        let server = |number: u8| Server {
            signaling_url: format!("wss://rtms-sim{number}.zoom.us:443/signaling"),
            media_url: format!("wss://rtms-sim{number}.zoom.us:443/media"),
        };
        let first = server(0);
        ZoomConfig {
            product: self.meeting.product,
            meeting: self.meeting_options(),
            granted: self.granted(),
            signaling_url: first.signaling_url,
            media_url: first.media_url,
            standby: (1..=self.standby).map(server).collect(),
            incidents: self.incidents.clone(),
            temper: self.temper.clone(),
            client_away: self.client_away(),
            timing: self.timing(),
            webhooks: self.webhook_options(),
            ..ZoomConfig::default()
        }
    }

    /// The meeting, with real media.
    pub fn meeting_options(&self) -> MeetingOptions {
        let Story { seed, duration, participants, everything, product: _ } = self.meeting;
        let options = MeetingOptions { seed, duration, participants, ..MeetingOptions::default() };
        if everything { options.with_everything() } else { options }
    }

    /// When the client's process is gone.
    pub fn client_away(&self) -> Option<std::ops::Range<Duration>> {
        Some(self.operator.kill_at?..self.operator.restart_at.unwrap_or(Duration::MAX))
    }

    /// What whoever runs the client has to do, in words.
    pub fn tasks(&self) -> Vec<String> {
        let Operator { unified, without_backlog, close_at, kill_at, restart_at, cameras } = &self.operator;
        let mut tasks = Vec::new();
        if *unified {
            tasks.push("has it ask for all media on one connection (media_type 32)".to_owned());
        }
        if *without_backlog {
            tasks.push("has it want no sound from before its join (buffer_data false in message 1)".to_owned());
        }
        if !cameras.is_empty() {
            tasks.push("has it ask for video as one person's of choice (H.264, data_opt 4)".to_owned());
            let meeting = Meeting::plan(&self.meeting_options());
            for Camera { at, participant } in cameras {
                if let Some(who) = meeting.participants.get(*participant) {
                    tasks.push(format!("has it choose the camera of {} (user_id {}) at {at:?}", who.name, who.user_id));
                }
            }
        }
        tasks.extend(close_at.map(|at| format!("has it close the stream by message 21 at {at:?}")));
        tasks.extend(kill_at.map(|at| format!("kills its process at {at:?}")));
        tasks.extend(restart_at.map(|at| format!("starts it again at {at:?}")));
        tasks
    }

    /// The media that the app was granted.
    pub fn granted(&self) -> MediaTypes {
        let granted = self.granted.as_ref().map(|media| MediaTypes::of(media.iter().copied()));
        granted.unwrap_or_else(|| granted_by_default(self.meeting.product))
    }

    /// How long Zoom waits.
    pub fn timing(&self) -> Timing {
        self.timing.over(Timing::default())
    }

    /// How webhooks are posted.
    pub fn webhook_options(&self) -> WebhookOptions {
        let Posting { deliver_twice, forged_starts } = self.webhooks;
        WebhookOptions { deliver_twice, forged_starts, ..WebhookOptions::default() }
    }

    /// The network, for a world in memory.
    pub fn network(&self) -> Network {
        Network { at_least: self.network.at_least, at_most: self.network.at_most }
    }

    /// What is well written and means nothing.
    fn nonsense(&self) -> Option<String> {
        let not_counted = |medium: &&Medium| matches!(medium, Medium::Video | Medium::Deskshare);
        if let Some(medium) = self.expect.media_complete.iter().find(not_counted) {
            return Some(format!("media_complete cannot have {medium}: Zoom never sends pictures again"));
        }
        if self.operator.restart_at.is_some() && self.operator.kill_at.is_none() {
            return Some("restart_at without kill_at".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "name = \"a\"\nwhat = \"b\"\nclient = \"c\"\n[expect]\nended = 6\n";

    #[test]
    fn an_unknown_key_is_named_with_file_and_line() {
        let text = format!("{SHORT}jonis = 2\n");

        let error = Scenario::parse("mine.toml", &text).unwrap_err().to_string();

        assert!(error.starts_with("mine.toml:6: unknown field `jonis`"), "{error}");
    }

    #[test]
    fn an_unknown_trouble_is_named_with_file_and_line() {
        let text = format!("{SHORT}[[incident]]\nat = \"1s\"\nwhat = {{ cutt = {{ target = \"signaling\" }} }}\n");

        let error = Scenario::parse("mine.toml", &text).unwrap_err().to_string();

        assert!(error.starts_with("mine.toml:8: unknown variant `cutt`"), "{error}");
    }

    #[test]
    fn what_whoever_runs_the_client_has_to_do_is_told() {
        let tasks = |name| Scenario::named(name).unwrap().tasks();

        assert_eq!(tasks("killed-and-restarted"), ["kills its process at 15s", "starts it again at 20s"]);
        assert_eq!(tasks("camera-of-choice").len(), 3, "the request, and two cameras");
        assert_eq!(tasks("failover"), [""; 0]);
    }

    #[test]
    fn a_time_without_a_unit_is_refused() {
        let text = format!("{SHORT}[meeting]\nduration = \"20\"\n");

        let error = Scenario::parse("mine.toml", &text).unwrap_err().to_string();

        assert!(error.starts_with("mine.toml:7: "), "{error}");
    }
}
