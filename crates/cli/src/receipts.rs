//! `rtms receipts`: what became of each webhook, from a server's data folder or from the server itself.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail};
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rtms_gateway::{
    config::Config,
    http::receipts::{DEFAULT_LIMIT, MAX_LIMIT, ReceiptLine, Since},
};
use rtms_store::{EntryId, ReceiptFilter, SqliteReader};
use rtms_wire::{Uri, ids::StreamId, time::UnixMillis};

const EXAMPLES: &str = "\
Examples:
  What came in the last hour to the server whose data is in ./data, running or not:
    rtms receipts --since 1h

  All that concerns one stream, as JSON lines:
    rtms receipts --data-dir /var/lib/rtms --stream 'Qm9vaw==' --json

  The same from a running server, on the machine that it runs on:
    rtms receipts --server http://127.0.0.1:8080 --stream 'Qm9vaw=='

  The body of one webhook, byte for byte:
    rtms receipts --body 17 > webhook.json

The newest comes first. Steps are in milliseconds after the last byte of the webhook, `-` where one was not done or not
noted. A running server writes the last second of steps to its folder late; with --server they are all there.

Exit codes: 0 shown, even if there are none; 1 they cannot be read, or there is no such entry; 2 wrong arguments.";

/// How long a server may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The longest answer that is read: room for as many receipts as may be asked for, with long reasons.
const MAX_ANSWER_BYTES: usize = 256 << 20;

/// Show what became of each webhook: its class, why, and when each step was done.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReceiptsArgs {
    /// Only those that name this stream
    #[arg(long, value_name = "ID", conflicts_with = "body")]
    stream: Option<String>,
    /// Only those received since then: 1h, 2days, or 2026-12-24T18:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "body", value_parser = valid_since)]
    since: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", conflicts_with = "body", default_value_t = DEFAULT_LIMIT as u64, value_parser = clap::value_parser!(u64).range(1..=MAX_LIMIT as u64))]
    limit: u64,
    /// A JSON object a line, with the steps in microseconds
    #[arg(long, conflicts_with = "body")]
    json: bool,
    /// Print the body of this entry instead, byte for byte
    #[arg(long, value_name = "ENTRY")]
    body: Option<u64>,
    /// Read the store in this folder [default: that of `rtms serve`]
    #[arg(long, value_name = "DIR", conflicts_with = "server")]
    data_dir: Option<PathBuf>,
    /// Ask the server that runs at this URL (http)
    #[arg(long, value_name = "URL")]
    server: Option<Uri>,
}

pub(crate) async fn run(args: ReceiptsArgs) -> anyhow::Result<ExitCode> {
    let bytes = match (&args.server, args.body) {
        (Some(server), Some(entry)) => get(server, &format!("/v1/receipts/{entry}/body")).await?,
        (Some(server), None) => get(server, &format!("/v1/receipts?{}", args.query())).await?,
        (None, Some(entry)) => {
            let body = args.open()?.receipt_body(EntryId(entry))?;
            body.with_context(|| format!("there is no entry {entry}; it may have been pruned"))?
        }
        (None, None) => ReceiptLine::json_lines(&args.open()?.receipts(&args.filter()?)?)?.into(),
    };
    if args.body.is_some() || args.json {
        crate::output::print_bytes(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let receipts = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<ReceiptLine>, _>>();
    let receipts = receipts.context("the server's answer is not made of receipts")?;
    if receipts.is_empty() {
        eprintln!("no receipts");
    } else {
        crate::output::print(&table(&receipts))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl ReceiptsArgs {
    fn open(&self) -> anyhow::Result<SqliteReader> {
        let directory = match &self.data_dir {
            Some(directory) => directory.clone(),
            None => Config::load(None)?.server.data_dir,
        };
        SqliteReader::open(&directory)
            .context("name the data folder with --data-dir, or a running server with --server")
    }

    fn filter(&self) -> anyhow::Result<ReceiptFilter> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let now = now.context("this machine's clock is before 1970")?;
        let now = UnixMillis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
        let since = self.since.as_deref().map(str::parse::<Since>).transpose()?;
        Ok(ReceiptFilter {
            stream_id: self.stream.as_deref().map(StreamId::new),
            since: since.map(|since| since.before(now)),
            limit: usize::try_from(self.limit).unwrap_or(MAX_LIMIT),
        })
    }

    fn query(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("limit", &self.limit.to_string());
        for (name, value) in [("stream", &self.stream), ("since", &self.since)] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query.finish()
    }
}

/// The server knows what time it means, so it stays text.
fn valid_since(text: &str) -> Result<String, String> {
    text.parse::<Since>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// Asks a server; anything but 200 is an error with what it said.
async fn get(server: &Uri, path: &str) -> anyhow::Result<Bytes> {
    if server.scheme_str() != Some("http") {
        bail!("{server} is not an http URL: receipts are asked for on the server's own machine, without TLS");
    }
    let uri: Uri = format!("{}{path}", server.to_string().trim_end_matches('/')).parse()?;
    let exchange = async {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = Request::get(uri).body(Empty::<Bytes>::new())?;
        let response = client.request(request).await.with_context(|| format!("cannot ask {server}"))?;
        let status = response.status();
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        // `Limited` has a boxed error, which is no `std::error::Error` by itself.
        let answer = answer.map_err(anyhow::Error::from_boxed).context("the answer broke off")?.to_bytes();
        if !status.is_success() {
            bail!("{server} answered {status}: {}", shown(String::from_utf8_lossy(&answer).trim(), REASON_CHARS));
        }
        Ok(answer)
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, exchange).await;
    answered.with_context(|| format!("{server} did not answer within {} s", ANSWER_WITHIN.as_secs()))?
}

/// The head of the table. The steps are numbers and stand to the right.
const HEAD: [&str; 14] = [
    "RECEIVED (UTC)",
    "ENTRY",
    "EVENT",
    "CLASS",
    "APP",
    "STREAM",
    "VERIFIED",
    "STORED",
    "ANSWERED",
    "FOLDED",
    "CLAIMED",
    "CONNECTED",
    "MEDIA",
    "REASON",
];

/// Columns that are numbers.
const NUMBERS: [usize; 8] = [1, 6, 7, 8, 9, 10, 11, 12];

/// Characters of a reason that are shown; `--json` has all of it.
const REASON_CHARS: usize = 160;

/// Characters of a name that are shown: no real event, app or stream has more.
const NAME_CHARS: usize = 48;

fn table(receipts: &[ReceiptLine]) -> String {
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned)).chain(receipts.iter().map(row)).collect();
    let widths: Vec<_> = (0..HEAD.len())
        .map(|column| rows.iter().map(|row| row.get(column).map_or(0, |cell| cell.chars().count())).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if NUMBERS.contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn row(receipt: &ReceiptLine) -> [String; HEAD.len()] {
    let name = |name: &Option<String>| name.as_deref().map_or_else(|| "-".to_owned(), |name| shown(name, NAME_CHARS));
    let class = receipt.class.as_deref().unwrap_or("pending");
    [
        time(receipt.received_at),
        receipt.entry.to_string(),
        name(&receipt.event),
        shown(class, NAME_CHARS),
        shown(&receipt.app, NAME_CHARS),
        name(&receipt.rtms_stream_id),
        step(receipt.verified_us),
        step(receipt.stored_us),
        step(receipt.answered_us),
        step(receipt.folded_us),
        step(receipt.claimed_us),
        step(receipt.connected_us),
        step(receipt.first_media_us),
        shown(receipt.reason.as_deref().unwrap_or_default(), REASON_CHARS),
    ]
}

/// Milliseconds with two decimals.
fn step(micros: Option<i64>) -> String {
    match micros {
        Some(micros) => {
            let (sign, hundredths) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs() / 10);
            format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100)
        }
        None => "-".to_owned(),
    }
}

/// The time for people; what no calendar has stays a number.
fn time(unix_millis: u64) -> String {
    const YEAR_10000: u64 = 253_402_300_800_000;
    if unix_millis >= YEAR_10000 {
        return unix_millis.to_string();
    }
    let text = humantime::format_rfc3339_millis(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_millis));
    text.to_string().replace('T', " ").trim_end_matches('Z').to_owned()
}

/// Text from outside in one line: what could move the cursor, turn the writing round or hide is escaped, and the end is
/// cut off.
fn shown(text: &str, max_chars: usize) -> String {
    let mut shown = String::new();
    let mut left = max_chars;
    for character in text.chars() {
        let is_quote = matches!(character, '\'' | '"');
        let escaped: String = if is_quote { character.into() } else { character.escape_debug().collect() };
        let length = escaped.chars().count();
        if length > left {
            shown.push('…');
            break;
        }
        left -= length;
        shown.push_str(&escaped);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_moves_the_cursor_turns_the_writing_round_or_fills_the_screen() {
        assert_eq!(shown("a/b+c==", 48), "a/b+c==");
        assert_eq!(shown("Käthe \"K\" O'Neill 會議", 48), "Käthe \"K\" O'Neill 會議");
        assert_eq!(shown("\u{1b}[2J\r\n\t\0", 48), "\\u{1b}[2J\\r\\n\\t\\0");
        assert_eq!(
            shown("\u{9b}2J\u{202e}\u{200b}\u{2028}\u{feff}", 99),
            "\\u{9b}2J\\u{202e}\\u{200b}\\u{2028}\\u{feff}"
        );
        assert_eq!(shown("\\n", 48), "\\\\n", "an escape that came so is told from one of ours");
        assert_eq!(shown(&"x".repeat(49), 48), format!("{}…", "x".repeat(48)));
        assert_eq!(shown(&"\u{1b}".repeat(49), 48).chars().count(), 49, "escapes count as long as they are");
    }

    #[test]
    fn steps_are_milliseconds_and_times_are_utc() {
        assert_eq!([Some(0), Some(1_239), Some(-1_500), None].map(step), ["0.00", "1.23", "-1.50", "-"]);
        assert_eq!(step(Some(i64::MIN)), "-9223372036854775.80");
        assert_eq!(time(1_795_428_000_412), "2026-11-23 10:00:00.412");
        assert_eq!(time(u64::MAX), "18446744073709551615");
    }
}
