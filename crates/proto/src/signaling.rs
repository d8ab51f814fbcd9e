//! The signaling connection: what we say on it, and which media connections follow from its answer.

use rtms_wire::{
    codes::product::Product,
    extra::Extra,
    ids::{InstanceId, RtmsSessionId, StreamId, UserId},
    media::medium::{MediaTypes, Medium},
    message::{
        Message,
        client_ready::ClientReadyAck,
        event_subscription::{EventChange, EventSubscription},
        signaling_handshake::{MediaUrls, PROTOCOL_VERSION, SignalingHandShakeReq, SignalingHandShakeResp},
        state::{SessionStateReq, StreamStateReq},
        stream_close::StreamCloseReq,
        video_subscription::VideoSubscriptionReq,
    },
    signature::HandshakeSignature,
    time::UnixMillis,
};

use crate::{
    config::{MediaLayout, StreamConfig},
    error::StreamError,
    role::Role,
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

    /// Message 5; none where nothing is known to subscribe to.
    pub(crate) fn event_subscription(&self, config: &StreamConfig) -> Option<Message> {
        let subscribe = |event_type| EventChange { event_type, subscribe: true };
        let events: Vec<_> = config.events(self.product).into_iter().map(subscribe).collect();
        let message = Message::EventSubscription(EventSubscription { events: events.clone(), extra: Extra::new() });
        (!events.is_empty()).then_some(message)
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

/// Message 10.
pub(crate) fn session_state(rtms_session_id: RtmsSessionId) -> Message {
    Message::SessionStateReq(SessionStateReq { rtms_session_id, extra: Extra::new() })
}

/// Message 28.
pub(crate) fn video_subscription(user_id: UserId, subscribe: bool, timestamp: UnixMillis) -> Message {
    Message::VideoSubscriptionReq(VideoSubscriptionReq { user_id, subscribe, timestamp, extra: Extra::new() })
}

/// Where the media is, by a message 2 that accepts us.
pub(crate) fn media_urls(response: SignalingHandShakeResp) -> Result<MediaUrls, StreamError> {
    response
        .media_server
        .map(|server| server.server_urls)
        .filter(|urls| !urls.0.is_empty())
        .ok_or(StreamError::Misbehaved { role: Role::Signaling, what: "accepted us but named no media server" })
}

/// Which media connections to make, whichever URLs Zoom gave; no layout if it has to be one connection per medium.
///
/// Split: a connection per medium, at its own URL or at `all`. If no wanted medium has a URL of its own, the server
/// knows only the unified form, and that is taken. Unified without `all` becomes split, and so it does where less is wanted
/// than is granted: there is no number for it but a mask of several media, which Phone refuses and others may. What is
/// [not granted](is_left_out) is asked for neither way.
pub(crate) fn media_connections(
    urls: &MediaUrls,
    product: Product,
    media: MediaTypes,
    layout: Option<MediaLayout>,
) -> Vec<(MediaTypes, String)> {
    let wanted = || media.iter().filter(|medium| !is_left_out(urls, *medium, product));
    // The official example holds the same URL under every key: what counts is the key.
    let no_own = wanted().all(|medium| !urls.lists(medium) && urls.for_medium(medium, product) == urls.all());
    let unified = layout.is_some_and(|layout| layout == MediaLayout::Unified || no_own);
    if let (true, Some(all)) = (unified && wants_everything(urls, media), urls.all()) {
        return vec![(MediaTypes::ALL, all.into())];
    }
    wanted().filter_map(|medium| Some((MediaTypes::of([medium]), urls.for_medium(medium, product)?.into()))).collect()
}

/// Whether message 2 says that a medium is not granted.
///
/// Only granted media are listed; but documents name no key for a screen and none for chat, so that their absence says
/// nothing, and the Contact Center's `audio` may stand for its transcript as well.
pub(crate) fn is_left_out(urls: &MediaUrls, medium: Medium, product: Product) -> bool {
    let is_documented = match medium {
        Medium::Audio | Medium::Video => true,
        Medium::Transcript => product != Product::ContactCenter,
        Medium::Deskshare | Medium::Chat => false,
    };
    let lists = |medium| urls.lists(medium);
    is_documented && !lists(medium) && Medium::ALL.into_iter().any(lists)
}

/// Whether the flag for all of them asks for nothing that is not wanted: all that Zoom has, or all that it says it grants.
fn wants_everything(urls: &MediaUrls, media: MediaTypes) -> bool {
    let mut listed = Medium::ALL.into_iter().filter(|medium| urls.lists(*medium)).peekable();
    let is_all = media.iter().count() == Medium::ALL.len();
    is_all || media.iter().count() > 1 && listed.peek().is_some() && listed.all(|medium| media.contains(medium))
}

/// Why no server can be connected to for a medium: none is named, or one of another transport.
pub(crate) fn no_server(urls: &MediaUrls, medium: Medium) -> StreamError {
    let role = Role::Signaling;
    let mut skipped = urls.skipped().filter(|(key, _)| [medium.as_str(), MediaUrls::ALL].contains(key));
    match skipped.next().and_then(|(_, url)| url.split_once("://")) {
        Some((scheme, _)) => StreamError::OtherTransport { role, scheme: scheme.to_ascii_lowercase() },
        None => StreamError::Misbehaved { role, what: "named no server for this medium" },
    }
}
