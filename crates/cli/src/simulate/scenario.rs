//! `rtms simulate --list` and `--scenario`: the stories that the simulator knows, and those that somebody wrote.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Args;
use rtms_sim::scenario::{Delays, Scenario};

use crate::logging::note;

/// Stories in place of a meeting by options.
#[derive(Args, Debug)]
#[command(next_help_heading = "Scenarios")]
pub(crate) struct ScenarioArgs {
    /// List the scenarios, each with what happens and what a client should do, and play nothing
    #[arg(long, conflicts_with = "serve")]
    pub(super) list: bool,
    /// Play this scenario: a name that --list has, or a TOML file with one. What it expects is checked at the end
    #[arg(long, value_name = "NAME|FILE", conflicts_with_all = [
        "load", "product", "participants", "duration", "seed", "media", "flash_and_beep", "everything", "keep_alive_interval",
        "version_two",
    ])]
    scenario: Option<String>,
}

impl ScenarioArgs {
    /// The scenario that is asked for, if one is.
    pub(super) fn read(&self) -> anyhow::Result<Option<Scenario>> {
        let Some(asked) = &self.scenario else { return Ok(None) };
        Ok(if is_file(asked) { Some(Scenario::load(Path::new(asked))?) } else { Scenario::named(asked) })
    }

    /// What is wrong with the name of the scenario, if it has one that none has.
    pub(super) fn unknown(&self) -> Option<String> {
        let asked = self.scenario.as_deref().filter(|asked| !is_file(asked) && Scenario::named(asked).is_none())?;
        Some(format!("there is no scenario \"{asked}\"; `rtms simulate --list` has their names"))
    }
}

/// What looks like a file is one, so that a typing error in its name is told as that.
fn is_file(asked: &str) -> bool {
    asked.ends_with(".toml") || asked.contains(std::path::MAIN_SEPARATOR)
}

/// Tells all scenarios.
pub(super) fn list() -> anyhow::Result<ExitCode> {
    let lines = Scenario::catalogue().into_iter();
    let lines = lines.map(|Scenario { name, what, client, .. }| format!("{name}\n    {what}\n    {client}\n"));
    crate::output::print(&lines.collect::<String>()).context("failed to print the list")?;
    Ok(ExitCode::SUCCESS)
}

/// Tells what is to come, and what whoever runs the client has to do.
pub(super) fn announce(scenario: &Scenario) {
    note!("scenario {}: {}\nthe client: {}", scenario.name, scenario.what, scenario.client);
    for task in scenario.tasks() {
        note!("whoever runs the client: {task}");
    }
    if scenario.network != Delays::default() {
        note!("its [network] is not played: on real sockets everything takes the time that it takes");
    }
}
