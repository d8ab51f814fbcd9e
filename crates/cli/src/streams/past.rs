//! The list with streams that are over: when each began, how long it lasted, what was lost, and why.

use rtms_api::{ended::EndedLine, standing::StreamStanding, stream::StreamLine};
use rtms_record::loss::seconds;
use rtms_wire::time::UnixMillis;

use crate::{
    output::{ID_CHARS, REASON_CHARS, one_line, shown, time},
    streams::ended::why,
    table::{Column, table},
};

const HEAD: [&str; 6] = ["STREAM", "STATE", "STARTED (UTC)", "LENGTH", "LOST", "WHY"];

/// The table of all streams on a terminal of this width; `now` is for those that run.
pub(super) fn listed(streams: &[StreamLine], now: UnixMillis, width: Option<usize>) -> String {
    let rows = streams.iter().map(|stream| row(stream, now));
    let rows: Vec<_> = std::iter::once(HEAD.map(str::to_owned).to_vec()).chain(rows).collect();
    let kind = |column| match column {
        0 => Column::Id,
        3 | 4 => Column::Number,
        _ => Column::Text,
    };
    table(&rows, kind, width)
}

fn row(stream: &StreamLine, now: UnixMillis) -> Vec<String> {
    let none = || "-".to_owned();
    let ended = stream.ended.as_ref().filter(|_| stream.state.is_over());
    let length = match ended {
        Some(ended) => ended.length_ms,
        None if stream.state.is_over() => None,
        None => stream.started_at.map(|at| now.0.saturating_sub(at.0)),
    };
    // Without the thousandths, which nobody needs here.
    let started = stream.started_at.map(|at| time(at.0).split('.').next().unwrap_or_default().to_owned());
    vec![
        shown(stream.rtms_stream_id.as_str(), ID_CHARS),
        stream.state.to_string(),
        started.unwrap_or_else(none),
        length.map_or_else(none, lasted),
        lost(stream.state, ended),
        shown(&reason(stream.state, ended), REASON_CHARS),
    ]
}

/// The longest loss of one medium; messages where no time is known of.
fn lost(state: StreamStanding, ended: Option<&EndedLine>) -> String {
    if state == StreamStanding::Failed {
        return "all".to_owned();
    }
    let Some(ended) = ended else { return "-".to_owned() };
    let mut by_medium = std::collections::BTreeMap::<_, (u64, u64)>::new();
    for part in &ended.lost.parts {
        let sums = by_medium.entry(part.medium).or_default();
        *sums = (sums.0 + part.ms, sums.1 + part.packets);
    }
    match by_medium.into_iter().max_by_key(|(_, sums)| *sums) {
        Some((_, (0, packets))) => format!("{packets} msg"),
        Some((_, (ms, _))) => format!("{} s", seconds(ms)),
        None if ended.not_recorded.is_some() => "files".to_owned(),
        None => "-".to_owned(),
    }
}

fn reason(state: StreamStanding, ended: Option<&EndedLine>) -> String {
    let Some(ended) = ended else {
        return if state == StreamStanding::Failed { "stopped while nobody ran it".to_owned() } else { "-".to_owned() };
    };
    match (&ended.not_recorded, state) {
        (_, StreamStanding::Failed) => why(ended),
        (Some(why), _) => format!("not recorded: {}", one_line(why)),
        (None, StreamStanding::Incomplete) => ended.lost.to_string(),
        (None, _) => why(ended),
    }
}

/// Hours, minutes and seconds.
fn lasted(ms: u64) -> String {
    let seconds = ms / 1000;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{minutes}:{rest:02}") }
}

#[cfg(test)]
mod tests {
    use rtms_record::{
        Loss,
        loss::{LossCause, LostPart},
    };
    use rtms_wire::media::medium::Medium;

    use super::*;

    fn line(state: StreamStanding, lost: Vec<LostPart>) -> StreamLine {
        let json = serde_json::json!({
            "rtms_stream_id": "7f3a", "product": null, "instance": null, "app": null, "region": null, "state": state,
            "zoom_state": null, "here": false, "owner": null, "started_at": 1_795_428_000_412_u64, "joined_at": null,
            "sessions": {}, "media": {}, "interruptions": 0,
            "ended": {
                "at": 1_795_428_100_000_u64, "stop_reason": null, "stop_reason_name": null, "why": "Zoom said no",
                "length_ms": 3_725_000, "lost": Loss { parts: lost },
            },
        });
        serde_json::from_value(json).expect("a line")
    }

    #[test]
    fn each_state_says_what_was_lost_and_why() {
        let part = |medium, cause, ms, packets| LostPart { medium, cause, ms, packets };
        let lost =
            vec![part(Medium::Audio, LossCause::Disk, 11_260, 563), part(Medium::Chat, LossCause::Unreadable, 0, 2)];
        let streams = [
            line(StreamStanding::Ended, vec![]),
            line(StreamStanding::Failed, vec![]),
            line(StreamStanding::Incomplete, lost),
        ];
        assert_eq!(
            listed(&streams, UnixMillis(0), None),
            "STREAM  STATE       STARTED (UTC)         LENGTH    LOST  WHY\n\
             7f3a    ended       2026-11-23 10:00:00  1:02:05       -  Zoom said no\n\
             7f3a    failed      2026-11-23 10:00:00  1:02:05     all  Zoom said no\n\
             7f3a    incomplete  2026-11-23 10:00:00  1:02:05  11.2 s  11.2 s of audio lost (disk, 563 messages), 2 messages of chat lost (unreadable)\n"
        );
    }

    #[test]
    fn a_stream_that_goes_on_has_lasted_until_now() {
        let mut running = line(StreamStanding::Connected, vec![]);
        running.ended = None;
        let row = row(&running, UnixMillis(1_795_428_065_412));
        assert_eq!(row, ["7f3a", "connected", "2026-11-23 10:00:00", "1:05", "-", "-"]);
    }
}
