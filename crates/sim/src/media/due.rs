//! What a media connection has to send now.

use rtms_wire::message::Message;

use crate::sent::What;

/// A message that is due, and what it is in the record.
pub(crate) type Due = (Message, What);
