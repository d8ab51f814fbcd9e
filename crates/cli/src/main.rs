//! `rtms`: one program for everything. Each subcommand is a file; this one only chooses.
// Printing would wait for the reader; `logging` and `output` have what does not.
#![warn(clippy::print_stderr)]

mod api_client;
mod clock;
mod completions;
mod demo;
mod doctor;
mod exit_code;
mod explain;
mod logging;
mod open_files;
mod output;
mod place;
mod receipts;
mod recording;
mod serve;
mod signals;
mod simulate;
mod streams;
mod supervisor;
mod table;
mod webhook;
mod zoom;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing::level_filters::LevelFilter;

/// mimalloc gives bursts of media back to the system, which glibc's allocator keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EXAMPLES: &str = "\
Examples:
  See it work, with nothing to set up:
    rtms demo

  Receive Zoom's streams (see `rtms serve --help` for the secrets it needs):
    rtms serve --listen 0.0.0.0:8080

  Play Zoom to a gateway that runs here:
    rtms simulate --webhook http://127.0.0.1:8080/webhook

  Which streams does the server have, and end one of them:
    rtms streams
    rtms streams stop 'Qm9vaw=='

  Is a recording whole, and what became of every second of it?
    rtms recording check data/recordings/7f3a
    rtms recording show data/recordings/7f3a";

/// Receives Zoom Realtime Media Streams: webhooks in, recordings, captions and events out.
#[derive(Parser)]
#[command(name = "rtms", version, after_help = EXAMPLES, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    logging: logging::LoggingArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Completions(completions::CompletionsArgs),
    Demo(demo::DemoArgs),
    Doctor(Box<doctor::DoctorArgs>),
    Explain(explain::ExplainArgs),
    Man(completions::ManArgs),
    Receipts(receipts::ReceiptsArgs),
    Recording(recording::RecordingArgs),
    Simulate(Box<simulate::SimulateArgs>),
    Streams(streams::StreamsArgs),
    Webhook(webhook::WebhookArgs),
    Zoom(zoom::ZoomArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(run(arguments));
            // A thread that hangs in a read or a write would hold up the end for ever.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            logging::print_error(&format!("cannot start threads: {error}"));
            exit_code::failed()
        }
    };
    logging::flush();
    code
}

async fn run(arguments: Arguments) -> ExitCode {
    let is_server = matches!(arguments.command, Command::Serve(_));
    // Only the server talks about itself; the others have something else to say.
    arguments.logging.start(if is_server { LevelFilter::INFO } else { LevelFilter::WARN });
    if is_server {
        // A supervisor waits for its end more than for its last line.
        logging::hurry();
    }
    if let Err(error) = signals::survive_file_size_limit() {
        tracing::warn!(%error, "cannot handle SIGXFSZ: a limit on the size of files would end the process");
    }
    let done = match arguments.command {
        Command::Serve(args) => serve::run(args, Arguments::command()).await,
        Command::Completions(args) => completions::completions(&args, Arguments::command()),
        Command::Demo(args) => demo::run(args).await,
        Command::Doctor(args) => doctor::run(*args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Man(args) => completions::man(&args, Arguments::command()),
        Command::Receipts(args) => receipts::run(args).await,
        Command::Recording(args) => recording::run(&args),
        Command::Simulate(args) => simulate::run(*args, Arguments::command()).await,
        Command::Streams(args) => streams::run(args).await,
        Command::Webhook(args) => webhook::run(args).await,
        Command::Zoom(args) => zoom::run(args).await,
    };
    done.unwrap_or_else(|error| {
        logging::print_error(&with_causes(&error));
        exit_code::failed()
    })
}

/// The error and its causes in one line, without those that the text names already.
fn with_causes(error: &anyhow::Error) -> String {
    error.chain().skip(1).fold(error.to_string(), |text, cause| {
        let cause = cause.to_string();
        if text.contains(&cause) { text } else { format!("{text}: {cause}") }
    })
}
