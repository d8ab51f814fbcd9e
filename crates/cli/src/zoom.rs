//! `rtms zoom`: starts, stops, pauses and resumes streams by Zoom's REST API.

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use anyhow::Context;
use clap::{Args, Subcommand, builder::PossibleValuesParser, builder::TypedValueParser};
use rtms_gateway::{apps::Apps, config::Config};
use rtms_http::client::HttpClient;
use rtms_wire::{Uri, codes::product::Product, time::UnixMillis, webhook::server_url::ServerUrlPolicy};
use rtms_zoom_api::{
    api::{Endpoints, ZoomApi},
    control::{Action, Control},
};
use serde_json::json;

use crate::logging::note;

const EXAMPLES: &str = "\
Examples:
  Start a stream in a meeting that runs now, by its number. Zoom then posts meeting.rtms_started to the webhook address:
    ZOOM_CLIENT_ID=… ZOOM_CLIENT_SECRET=… rtms zoom start meeting 84920175563

  By a Server-to-Server OAuth app, on behalf of the app that receives the stream:
    ZOOM_CLIENT_ID=… ZOOM_API_CLIENT_ID=… ZOOM_API_CLIENT_SECRET=… ZOOM_ACCOUNT_ID=… rtms zoom start meeting 84920175563

  With the app of a settings file:
    rtms zoom pause webinar 84920175563 --config rtms.toml --app meetings

  The other products, by the id in their webhooks:
    rtms zoom start session 'Qm9vaw=='
    rtms zoom stop engagement 'eng_7f3a'
    rtms zoom stop call 7212344552

Zoom needs a scope for it: meeting:update:participant_rtms_app_status for meetings (taken to hold for webinars),
contact_center:update:engagement_rtms_app_status for engagements, phone:write:rtms_session for calls. For Video SDK sessions the
SDK key and secret sign the request.

Exit codes: 0 Zoom accepted it; 1 it did not, or could not be asked; 2 wrong arguments.";

/// Start, stop, pause or resume a stream by Zoom's API.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ZoomArgs {
    #[command(subcommand)]
    action: ZoomAction,
}

#[derive(Subcommand, Debug)]
enum ZoomAction {
    /// Start a stream of a meeting, session, engagement or call that runs now
    #[command(after_help = EXAMPLES)]
    Start(ControlArgs),
    /// End it
    #[command(after_help = EXAMPLES)]
    Stop(ControlArgs),
    /// Halt its media; the connections stay
    #[command(after_help = EXAMPLES)]
    Pause(ControlArgs),
    /// Go on with its media
    #[command(after_help = EXAMPLES)]
    Resume(ControlArgs),
}

#[derive(Args, Debug)]
struct ControlArgs {
    /// The product
    #[arg(value_name = "PRODUCT", value_parser = product())]
    product: Product,
    /// The meeting or webinar number, or the id of the session, engagement or call
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// Start the stream for this user (id or email) in place of the host
    #[arg(long, value_name = "USER")]
    participant: Option<String>,
    /// Read the apps and Zoom's addresses from this settings file [default: the environment]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The app that receives the stream [default: the only one]
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Send calls here in place of `https://api.zoom.us/v2`, as to `rtms simulate --serve`
    #[arg(long, value_name = "URL", value_parser = safe_url)]
    api_url: Option<String>,
    /// Get access tokens here in place of `https://zoom.us/oauth/token`
    #[arg(long, value_name = "URL", value_parser = safe_url)]
    token_url: Option<String>,
    /// Trust the certificate authorities in this PEM file, beside the system's
    #[arg(long, value_name = "FILE")]
    ca: Vec<PathBuf>,
    /// Print Zoom's answer as JSON
    #[arg(long)]
    json: bool,
}

/// Reads a URL to which a secret may be sent: by https, or on this machine.
fn safe_url(text: &str) -> Result<String, String> {
    let url: Uri = text.parse().map_err(|error| format!("{error}"))?;
    let policy = ServerUrlPolicy {
        allowed_suffixes: url.host().map(str::to_ascii_lowercase).into_iter().collect(),
        allow_loopback: true,
    };
    policy
        .check_http(text)
        .map(|_| text.to_owned())
        .map_err(|error| format!("{error}; write an https URL, or one on this machine"))
}

/// The products by the words of this command; Zoom's own words are accepted, too.
fn product() -> impl TypedValueParser<Value = Product> {
    PossibleValuesParser::new([
        clap::builder::PossibleValue::new("meeting"),
        clap::builder::PossibleValue::new("webinar"),
        clap::builder::PossibleValue::new("session"),
        clap::builder::PossibleValue::new("engagement").alias("contact_center"),
        clap::builder::PossibleValue::new("call").alias("phone"),
    ])
    .map(|word| match word.as_str() {
        "webinar" => Product::Webinar,
        "session" => Product::Session,
        "engagement" | "contact_center" => Product::ContactCenter,
        "call" | "phone" => Product::Phone,
        _ => Product::Meeting,
    })
}

pub(crate) async fn run(args: ZoomArgs) -> anyhow::Result<ExitCode> {
    let (action, args) = match args.action {
        ZoomAction::Start(args) => (Action::Start, args),
        ZoomAction::Stop(args) => (Action::Stop, args),
        ZoomAction::Pause(args) => (Action::Pause, args),
        ZoomAction::Resume(args) => (Action::Resume, args),
    };
    let config = Config::load(args.config.as_deref())?;
    let app = Apps::for_api(&config.app, args.app.as_deref(), |name| std::env::var(name).ok())?;
    let configured = config.zoom.endpoints();
    // What stays on this machine shows a secret to nobody.
    let policy = ServerUrlPolicy { allow_loopback: true, ..config.zoom.policy() };
    for (setting, given, url) in [
        ("zoom.api_url", &args.api_url, &configured.api_url),
        ("zoom.token_url", &args.token_url, &configured.token_url),
    ] {
        if given.is_none() {
            policy.check_http(url).with_context(|| format!("{setting} = \"{url}\": no secret is sent there"))?;
        }
    }
    let endpoints = Endpoints {
        api_url: args.api_url.unwrap_or(configured.api_url),
        token_url: args.token_url.unwrap_or(configured.token_url),
    };
    let extra_ca = [config.zoom.extra_ca, args.ca].concat();
    let api = ZoomApi::new(HttpClient::new(&extra_ca)?, endpoints, app.credentials);
    let control = Control {
        product: args.product,
        id: args.id,
        action,
        client_id: app.client_id,
        participant_user_id: args.participant,
    };
    let now =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("this machine's clock is before 1970")?;
    let now = UnixMillis(u64::try_from(now.as_millis())?);
    match api.control(&control, now).await {
        Ok(status) => {
            if args.json {
                let answer = json!({ "accepted": true, "status": status.as_u16(), "action": action.as_str() });
                crate::output::print(&format!("{answer}\n"))?;
            } else {
                note!("Zoom accepted it ({}){}", status.as_u16(), what_follows(action));
            }
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let remedy = error.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
            let scope = control.scope().filter(|_| error.is_forbidden());
            let scope = scope.map(|scope| format!(" ({scope})")).unwrap_or_default();
            if args.json {
                let answer = json!({
                    "accepted": false,
                    "action": action.as_str(),
                    "error": error.to_string(),
                    "code": error.code(),
                    "worth_a_retry": error.is_worth_a_retry(),
                });
                crate::output::print(&format!("{answer}\n"))?;
            }
            note!("error: cannot {} the stream: {error}{remedy}{scope}", action.as_str());
            Ok(crate::exit_code::failed())
        }
    }
}

/// Where the effect of an action is seen.
fn what_follows(action: Action) -> &'static str {
    match action {
        Action::Start => "; the start webhook follows",
        Action::Stop => "; the stop webhook follows",
        Action::Pause | Action::Resume => "; signaling reports the new state",
    }
}
