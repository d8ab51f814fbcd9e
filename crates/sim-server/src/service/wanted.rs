//! What the service is asked to play: the body of `POST /v1/meetings`.

use std::time::Duration;

use rtms_sim::{
    fault::{Incident, Temper},
    meeting::MeetingOptions,
    scenario::{Scenario, TimingOverrides},
};
use rtms_wire::{
    Uri,
    codes::product::Product,
    media::medium::{MediaTypes, Medium},
};
use serde::{Deserialize, Deserializer};

use crate::{config::SimulatorConfig, service::problem::Problem};

/// The longest meeting. It is planned as a whole before it starts.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// The most people in a meeting, for the same reason.
const MOST_PARTICIPANTS: u16 = 1_000;

/// The body of `POST /v1/meetings`. What is left out is as the service was started.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wanted {
    product: Option<Product>,
    #[serde(with = "humantime_serde")]
    duration: Option<Duration>,
    seed: Option<u64>,
    participants: Option<u16>,
    /// What the app was granted.
    media: Option<Vec<Medium>>,
    everything: bool,
    /// The name of a scenario.
    scenario: Option<String>,
    /// A scenario itself, as in a file.
    scenario_toml: Option<String>,
    incidents: Option<Vec<Incident>>,
    temper: Option<Temper>,
    timing: Option<TimingOverrides>,
    /// Where the webhooks go; `null` posts none.
    #[serde(deserialize_with = "given")]
    webhook: Option<Option<String>>,
    /// Whether a stream starts with the meeting.
    pub(super) stream: bool,
    /// How Zoom's REST refuses the first calls about the meeting, one after the other.
    pub(super) refuse_rest: Vec<RestRefusal>,
}

/// How one REST call is refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestRefusal {
    /// The HTTP status, from 400 on.
    pub(super) status: u16,
    /// Zoom's code in the body.
    pub(super) code: i64,
    #[serde(default)]
    pub(super) message: String,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            product: None,
            duration: None,
            seed: None,
            participants: None,
            media: None,
            everything: false,
            scenario: None,
            scenario_toml: None,
            incidents: None,
            temper: None,
            timing: None,
            webhook: None,
            stream: true,
            refuse_rest: Vec::new(),
        }
    }
}

impl Wanted {
    /// Reads a body; an empty one wants what is usual.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let remedy = "send a JSON object with fields of docs/simulator.md, all of them optional, or no body";
        // A list would be read as an object without names.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(Problem::bad_request("the body is no JSON object", remedy));
        }
        serde_json::from_slice(body)
            .map_err(|error| Problem::bad_request(format!("the body is no meeting: {error}"), remedy))
    }

    /// The configuration of the meeting, made from the `usual` one. The service has this many `servers`.
    pub(super) fn config(self, usual: SimulatorConfig, servers: usize) -> Result<SimulatorConfig, Problem> {
        let scenario = self.scenario()?;
        self.check(scenario.is_some())?;
        let mut config = usual;
        if let Some(webhook) = self.webhook {
            config.webhook_url = webhook.map(|url| url_of(&url)).transpose()?;
        }
        if let Some(scenario) = scenario {
            let needed = 1 + usize::from(scenario.standby);
            if needed > servers {
                let cause = format!("the scenario {} needs {needed} servers, and there are {servers}", scenario.name);
                return Err(Problem::conflict(cause, format!("start the service with --servers {needed}")));
            }
            config.play(scenario);
            check_size(config.meeting.duration, config.meeting.participants)?;
            return Ok(config);
        }
        config.product = self.product.unwrap_or(config.product);
        let meeting = config.meeting;
        let meeting = MeetingOptions {
            seed: self.seed.unwrap_or(meeting.seed),
            participants: self.participants.unwrap_or(meeting.participants),
            duration: self.duration.unwrap_or(meeting.duration),
            ..meeting
        };
        config.meeting = if self.everything { meeting.with_everything() } else { meeting };
        config.granted = self.media.map(MediaTypes::of).or(config.granted);
        config.incidents = self.incidents.unwrap_or(config.incidents);
        config.temper = self.temper.unwrap_or(config.temper);
        config.timing = self.timing.map_or(config.timing.clone(), |timing| timing.over(config.timing));
        Ok(config)
    }

    fn scenario(&self) -> Result<Option<Scenario>, Problem> {
        match (&self.scenario, &self.scenario_toml) {
            (Some(_), Some(_)) => {
                let cause = "scenario and scenario_toml exclude each other";
                Err(Problem::bad_request(cause, "leave one of them out"))
            }
            (Some(name), None) => match Scenario::named(name) {
                Some(scenario) => Ok(Some(scenario)),
                None => {
                    let cause = format!("there is no scenario {name:?}");
                    Err(Problem::bad_request(cause, "`rtms simulate --list` has their names"))
                }
            },
            (None, Some(text)) => match Scenario::parse("scenario_toml", text) {
                Ok(scenario) => Ok(Some(scenario)),
                Err(error) => Err(Problem::bad_request(error.to_string(), "docs/simulator.md shows a scenario")),
            },
            (None, None) => Ok(None),
        }
    }

    fn check(&self, has_scenario: bool) -> Result<(), Problem> {
        let of_a_scenario = [
            ("product", self.product.is_some()),
            ("duration", self.duration.is_some()),
            ("seed", self.seed.is_some()),
            ("participants", self.participants.is_some()),
            ("media", self.media.is_some()),
            ("everything", self.everything),
            ("incidents", self.incidents.is_some()),
            ("temper", self.temper.is_some()),
            ("timing", self.timing.is_some()),
        ];
        if let Some((field, _)) = of_a_scenario.into_iter().find(|(_, is_given)| has_scenario && *is_given) {
            let cause = format!("{field} has no effect beside a scenario, which has its own");
            return Err(Problem::bad_request(cause, format!("leave out {field} or the scenario")));
        }
        check_size(self.duration.unwrap_or_default(), self.participants.unwrap_or(1))?;
        if self.refuse_rest.iter().any(|refusal| !(400..600).contains(&refusal.status)) {
            let cause = "a status in refuse_rest is no refusal";
            return Err(Problem::bad_request(cause, "take one from 400 to 599"));
        }
        Ok(())
    }
}

/// Refuses a meeting that takes too long to plan.
fn check_size(duration: Duration, participants: u16) -> Result<(), Problem> {
    if duration > LONGEST {
        return Err(Problem::bad_request("duration is more than 24h", "make it shorter"));
    }
    if !(1..=MOST_PARTICIPANTS).contains(&participants) {
        let cause = "participants is out of range";
        return Err(Problem::bad_request(cause, format!("take a number from 1 to {MOST_PARTICIPANTS}")));
    }
    Ok(())
}

fn url_of(text: &str) -> Result<Uri, Problem> {
    text.parse().map_err(|error| {
        let cause = format!("webhook is no URL: {error}");
        Problem::bad_request(cause, "take one such as http://127.0.0.1:8080/webhook, or null")
    })
}

/// Tells a `null` that is there from a field that is not.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}
