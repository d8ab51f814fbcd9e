//! The signaling connection: what we say on it, and which media connections follow from its answer.

use rtms_wire::{
    codes::{product::Product, status_code::StatusCode},
    ids::{InstanceId, StreamId, UserId},
    media::medium::{MediaTypes, Medium},
    message::{
        Extra, Message,
        client_ready::ClientReadyAck,
        event_subscription::{EventChange, EventSubscription},
        signaling_handshake::{MediaUrls, PROTOCOL_VERSION, SignalingHandShakeReq, SignalingHandShakeResp},
        state::StreamStateReq,
        stream_close::StreamCloseReq,
        video_subscription::VideoSubscriptionReq,
    },
    signature::HandshakeSignature,
    time::UnixMillis,
};

use crate::{
    config::{MediaLayout, StreamConfig},
    error::StreamError,
    output::Role,
};

/// Which stream, and the proof that we may have it.
#[derive(Clone, Debug)]
pub struct StreamStart {
    /// The stream.
    pub stream_id: StreamId,
    /// What is streamed, under the key that the webhook used: it goes back under the same.
    pub instance: InstanceId,
    /// The product, which decides what event numbers mean.
    pub product: Product,
    /// The signature of both handshakes.
    pub signature: HandshakeSignature,
    /// Where to connect, in Zoom's order, checked by the caller.
    pub server_urls: Vec<String>,
}

impl StreamStart {
    /// Message 1.
    pub(crate) fn signaling_handshake(&self, config: &StreamConfig) -> Message {
        Message::SignalingHandShakeReq(SignalingHandShakeReq {
            protocol_version: Some(PROTOCOL_VERSION),
            // The document wants the first value to be 1.
            sequence: Some(1),
            instance: (&self.instance).into(),
            rtms_stream_id: self.stream_id.clone(),
            signature: self.signature.clone(),
            buffer_data: Some(config.buffer_data),
            extra: Extra::new(),
        })
    }

    /// Message 5.
    pub(crate) fn event_subscription(&self, config: &StreamConfig) -> Message {
        let subscribe = |event_type| EventChange { event_type, subscribe: true };
        let events = config.events(self.product).into_iter().map(subscribe).collect();
        Message::EventSubscription(EventSubscription { events, extra: Extra::new() })
    }

    /// Message 7.
    pub(crate) fn client_ready(&self) -> Message {
        Message::ClientReadyAck(ClientReadyAck { rtms_stream_id: self.stream_id.clone(), extra: Extra::new() })
    }

    /// Message 19.
    pub(crate) fn stream_state(&self) -> Message {
        Message::StreamStateReq(StreamStateReq { rtms_stream_id: self.stream_id.clone(), extra: Extra::new() })
    }

    /// Message 21.
    pub(crate) fn stream_close(&self) -> Message {
        Message::StreamCloseReq(StreamCloseReq { rtms_stream_id: self.stream_id.clone(), extra: Extra::new() })
    }
}

/// Message 28.
pub(crate) fn video_subscription(user_id: UserId, subscribe: bool, timestamp: UnixMillis) -> Message {
    Message::VideoSubscriptionReq(VideoSubscriptionReq { user_id, subscribe, timestamp, extra: Extra::new() })
}

/// Reads message 2: where the media is, or why not.
pub(crate) fn answer(response: SignalingHandShakeResp) -> Result<MediaUrls, StreamError> {
    if response.status_code != StatusCode::Ok {
        let reason = response.reason.unwrap_or_default().0;
        return Err(StreamError::Refused { role: Role::Signaling, status: response.status_code, reason });
    }
    response
        .media_server
        .map(|server| server.server_urls)
        .filter(|urls| !urls.0.is_empty())
        .ok_or(StreamError::Misbehaved { role: Role::Signaling, what: "accepted us but named no media server" })
}

/// Which media connections to make, whichever URLs Zoom gave.
///
/// Split: a connection per medium, at its own URL or at `all`. If no wanted medium has a URL of its own, the server
/// knows only the unified form, and that is taken. Unified without `all` becomes split.
pub(crate) fn media_connections(
    urls: &MediaUrls,
    product: Product,
    config: &StreamConfig,
) -> Vec<(MediaTypes, String)> {
    let wanted = || config.media.iter();
    // The official example holds the same URL under every key: what counts is the key.
    let no_own = wanted().all(|medium| urls.own(medium).is_none() && urls.for_medium(medium, product) == urls.all());
    let unified = config.layout == MediaLayout::Unified || no_own;
    if let (true, Some(all)) = (unified, urls.all()) {
        let everything = wanted().count() == Medium::ALL.len();
        let types = if everything { MediaTypes::ALL } else { config.media };
        return vec![(types, all.into())];
    }
    wanted().filter_map(|medium| Some((MediaTypes::of([medium]), urls.for_medium(medium, product)?.into()))).collect()
}
