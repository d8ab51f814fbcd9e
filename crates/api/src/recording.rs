//! A stream's recording, as far as it says something of itself.

use std::{collections::BTreeMap, path::Path};

use rtms_record::{Manifest, RecordError, layout, ledger::What, manifest::RecordingState};
use rtms_wire::{ids::StreamId, media::medium::Medium};
use serde::{Deserialize, Serialize};

/// A stream's recording.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordingLine {
    /// Its folder, on the machine that answers.
    pub folder: String,
    /// Whether it goes on; null if it cannot be read.
    pub state: Option<RecordingState>,
    /// Milliseconds of each medium that were received, silent, paused, lost and so on, by the words of the ledger; those
    /// with none are left out. Up to half a minute behind while it goes on.
    pub ledger_ms: BTreeMap<Medium, BTreeMap<String, u64>>,
    /// Why it cannot be read, for people; absent if it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl RecordingLine {
    /// Reads what the recording of a stream says of itself; none if there is none below `recordings`. Blocks.
    pub fn read(recordings: &Path, stream_id: &StreamId) -> Option<Self> {
        let folder = layout::newest_folder(recordings, stream_id);
        let shown = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone()).display().to_string();
        let read = || -> Result<Option<Self>, RecordError> {
            let Some(manifest) = Manifest::read(&folder)? else { return Ok(None) };
            let ledger = manifest.ledger_now(&folder)?.map(|ledger| ledger.media).unwrap_or_default();
            let totals = ledger.iter().map(|(medium, report)| {
                let total = |word: &&'static str| Some(((*word).to_owned(), report.total_ms(word)));
                (*medium, What::WORDS.iter().filter_map(total).filter(|(_, ms)| *ms > 0).collect())
            });
            let ledger_ms = totals.collect();
            Ok(Some(Self { folder: shown.clone(), state: Some(manifest.state), ledger_ms, problem: None }))
        };
        read().unwrap_or_else(|error| {
            let problem = Some(error.to_string());
            Some(Self { folder: shown.clone(), state: None, ledger_ms: BTreeMap::new(), problem })
        })
    }
}
