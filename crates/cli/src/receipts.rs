//! `rtms receipts`: what became of each webhook, from a server's data folder or from the server itself.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use rtms_api::{
    receipt::{DEFAULT_LIMIT, MAX_LIMIT, ReceiptLine},
    since::Since,
};
use rtms_store::{EntryId, ReceiptFilter};
use rtms_wire::ids::StreamId;

use crate::{
    api_client::get,
    clock::now,
    logging::note,
    output::{self, REASON_CHARS, shown, time},
    place::{Place, PlaceArgs, open_store},
    table::{self, Column, table},
};

const EXAMPLES: &str = "\
Examples:
  What came in the last hour to the server whose data is in ./data, running or not:
    rtms receipts --since 1h

  The same for a server with settings of its own:
    rtms receipts --since 1h --config /etc/rtms.toml

  All that concerns one stream, as JSON lines:
    rtms receipts --data-dir /var/lib/rtms --stream 'Qm9vaw==' --json

  The same from the API of a running server:
    rtms receipts --server http://127.0.0.1:8081 --stream 'Qm9vaw=='

  The body of one webhook, byte for byte:
    rtms receipts --body 17 > webhook.json

The newest comes first. Steps are in milliseconds after the last byte of the webhook, `-` where one was not done or not \
noted. The server on the data folder is asked if it runs; otherwise the store in the folder is read.

Exit codes: 0 shown, even if there are none; 1 they cannot be read, or there is no such entry; 2 wrong arguments.";

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
    #[command(flatten)]
    place: PlaceArgs,
}

pub(crate) async fn run(args: ReceiptsArgs) -> anyhow::Result<ExitCode> {
    let is_for_people = !args.json && args.body.is_none();
    let bytes = match (args.place.find(is_for_people).await?, args.body) {
        (Place::Server(server), Some(entry)) => get(&server, &format!("/v1/receipts/{entry}/body")).await?,
        (Place::Server(server), None) => get(&server, &format!("/v1/receipts?{}", args.query())).await?,
        (Place::Store(folder), Some(entry)) => {
            let body = open_store(&folder)?.receipt_body(EntryId(entry))?;
            body.with_context(|| format!("there is no entry {entry}; it may have been pruned"))?
        }
        (Place::Store(folder), None) => {
            ReceiptLine::json_lines(&open_store(&folder)?.receipts(&args.filter()?)?)?.into()
        }
    };
    if !is_for_people {
        output::print_bytes(&bytes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let receipts = serde_json::Deserializer::from_slice(&bytes).into_iter().collect::<Result<Vec<ReceiptLine>, _>>();
    let receipts = receipts.context("the server's answer is not made of receipts")?;
    if receipts.is_empty() {
        note!("no receipts");
    } else {
        output::print(&listed(&receipts, table::width()))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl ReceiptsArgs {
    fn filter(&self) -> anyhow::Result<ReceiptFilter> {
        let now = now()?;
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

fn kind(column: usize) -> Column {
    match column {
        1 | 6..=12 => Column::Number,
        5 => Column::Id,
        _ => Column::Text,
    }
}

/// Characters of a name that are shown: no real event, app or stream has more.
const NAME_CHARS: usize = 48;

/// The receipts for people, on a terminal of this width.
pub(crate) fn listed(receipts: &[ReceiptLine], width: Option<usize>) -> String {
    let head = HEAD.map(str::to_owned).to_vec();
    let rows = receipts.iter().map(|receipt| row(receipt).to_vec());
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), kind, width)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_milliseconds() {
        assert_eq!([Some(0), Some(1_239), Some(-1_500), None].map(step), ["0.00", "1.23", "-1.50", "-"]);
        assert_eq!(step(Some(i64::MIN)), "-9223372036854775.80");
    }
}
