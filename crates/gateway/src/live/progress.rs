//! The activity of a stream task, so that the log can name it if the task does not finish in time.

use std::sync::Mutex;

use crate::lock::locked;

/// The activity of a stream task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Its recording is opened.
    #[default]
    Opening,
    /// Events are taken, and written now and then.
    Receiving,
    /// The end of its wire log is written.
    ClosingWireLog,
    /// The end of its recording is written.
    ClosingRecording,
    /// Its recording is deleted.
    Deleting,
}

impl Activity {
    /// The resource that it waits for.
    pub(crate) fn waiting_for(self) -> &'static str {
        match self {
            Self::Opening => "the disk, to open the recording",
            Self::Receiving => "the disk, to write the recording",
            Self::ClosingWireLog => "the disk, to write the end of the wire log",
            Self::ClosingRecording => "the disk, to write the end of the recording",
            Self::Deleting => "the disk, to delete the recording",
        }
    }

    /// The data that is lost if the task is left there.
    pub(crate) fn lost(self) -> &'static str {
        match self {
            Self::Opening => "what came since the stream was joined",
            Self::Receiving | Self::ClosingWireLog | Self::ClosingRecording => {
                "what came since the last write; the next process closes the recording"
            }
            Self::Deleting => "nothing; the next process goes on with the deletion",
        }
    }
}

/// The current activity of one task, for other tasks to read.
#[derive(Debug, Default)]
pub(crate) struct Progress(Mutex<Activity>);

impl Progress {
    pub(crate) fn begin(&self, activity: Activity) {
        *locked(&self.0) = activity;
    }

    pub(crate) fn now(&self) -> Activity {
        *locked(&self.0)
    }
}
