//! What the tests of the service call it with, and a client of its streams.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use aws_lc_rs::hmac;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, body::Incoming, header, service::service_fn};
use hyper_util::rt::TokioIo;
use rtms_sim::config::App;
use rtms_sim_server::service::Service;
use rtms_wire::{
    Bytes, base64,
    codes::product::Product,
    ids::{InstanceId, InstanceIdField, StreamId},
    secret::ClientSecret,
    signature::HandshakeSignature,
};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_websockets::{ClientBuilder, MaybeTlsStream, Message as Frame, WebSocketStream};

/// The test credentials.
pub(crate) const BASIC: &str = "Basic c2ltLWNsaWVudC1pZDpzaW0tY2xpZW50LXNlY3JldA==";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The service, as a program sees it.
pub(crate) struct Calls(SocketAddr);

impl Calls {
    pub(crate) fn of(service: &Service) -> Self {
        Self(service.address())
    }

    /// Sends a request. Gives status and JSON; null for what has none.
    pub(crate) async fn send(&self, method: &str, path: &str, authorization: Option<&str>, body: &str) -> (u16, Value) {
        let stream = TcpStream::connect(self.0).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(path).header(header::HOST, self.0.to_string());
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request.body(Full::<Bytes>::from(body.to_owned())).unwrap();
        let answer = tokio::time::timeout(PATIENCE, sender.send_request(request)).await.expect("an answer").unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Makes a meeting.
    pub(crate) async fn make(&self, wanted: &Value) -> Value {
        let (status, meeting) = self.send("POST", "/v1/meetings", None, &wanted.to_string()).await;
        assert_eq!(status, 201, "{meeting}");
        meeting
    }

    /// Looks at a meeting, or waits for something of it.
    pub(crate) async fn look(&self, meeting: &Value, what: &str) -> Value {
        let (status, meeting) = self.send("GET", &format!("{}{what}", path(meeting)), None, "").await;
        assert_eq!(status, 200, "{what}: {meeting}");
        meeting
    }

    pub(crate) async fn token(&self) -> String {
        let (_, answer) = self.send("POST", "/oauth/token?grant_type=client_credentials", Some(BASIC), "").await;
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Zoom's REST call of the meeting's product.
    pub(crate) async fn rest(&self, meeting: &Value, action: &str) -> (u16, Value) {
        let (method, path) = match meeting["product"].as_str().unwrap() {
            "meeting" | "webinar" => ("PATCH", format!("live_meetings/{}", meeting["meeting_id"].as_str().unwrap())),
            "session" => ("PATCH", format!("videosdk/sessions/{}", in_path(meeting))),
            "contact_center" => ("PUT", format!("contact_center/{}", in_path(meeting))),
            "phone" => ("PATCH", format!("phone/calls/{}", in_path(meeting))),
            other => panic!("{other}"),
        };
        let token = match meeting["product"].as_str() {
            Some("session") => {
                jwt(App::TEST_CLIENT_SECRET, &json!({ "iss": App::TEST_CLIENT_ID, "exp": 4_000_000_000_u64 }))
            }
            _ => self.token().await,
        };
        let body = json!({ "action": action, "settings": { "client_id": App::TEST_CLIENT_ID } });
        let authorization = format!("Bearer {token}");
        self.send(method, &format!("/v2/{path}/rtms_app/status"), Some(&authorization), &body.to_string()).await
    }
}

/// The path of a meeting.
pub(crate) fn path(meeting: &Value) -> String {
    format!("/v1/meetings/{}", meeting["id"].as_str().unwrap())
}

/// The name of a product's instance id.
pub(crate) fn instance_field(product: Product) -> &'static str {
    match product {
        Product::Meeting => "meeting_uuid",
        Product::Webinar => "webinar_uuid",
        Product::Session => "session_id",
        Product::ContactCenter => "engagement_id",
        Product::Phone => "call_id",
    }
}

/// The meeting's instance id as Zoom's paths have it, encoded twice, which is always right.
pub(crate) fn in_path(meeting: &Value) -> String {
    let product: Product = meeting["product"].as_str().unwrap().parse().unwrap();
    encoded(&encoded(meeting[instance_field(product)].as_str().unwrap()))
}

/// Percent-encodes all that means something in a path.
pub(crate) fn encoded(text: &str) -> String {
    text.replace('%', "%25").replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")
}

/// A token as apps of the Video SDK make it.
pub(crate) fn jwt(secret: &str, claims: &Value) -> String {
    let url_safe = |bytes: &[u8]| base64::encode(bytes).replace('+', "-").replace('/', "_").replace('=', "");
    let header = json!({ "alg": "HS256", "typ": "JWT" }).to_string();
    let signed = format!("{}.{}", url_safe(header.as_bytes()), url_safe(claims.to_string().as_bytes()));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", url_safe(signature.as_ref()))
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What a client hears, but for keep-alive on signaling.
enum Heard {
    /// A state: number of the message, state, reason.
    State((i64, i64, Option<i64>)),
    /// A message on the media connection, by its number.
    Media(i64),
}

/// A client of a stream, with one connection for sound. It answers keep-alive by itself.
pub(crate) struct Joined(mpsc::UnboundedReceiver<Heard>);

impl Joined {
    /// Joins the present stream of a meeting, until it is said to be active.
    pub(crate) async fn join(meeting: &Value) -> Self {
        let product: Product = meeting["product"].as_str().unwrap().parse().unwrap();
        let field = instance_field(product);
        let instance = InstanceId::new(
            match product {
                Product::Meeting => InstanceIdField::MeetingUuid,
                Product::Webinar => InstanceIdField::WebinarUuid,
                Product::Session => InstanceIdField::SessionId,
                Product::ContactCenter => InstanceIdField::EngagementId,
                Product::Phone => InstanceIdField::CallId,
            },
            meeting[field].as_str().unwrap(),
        );
        let stream = StreamId::new(meeting["rtms_stream_id"].as_str().unwrap());
        let secret = ClientSecret::new(App::TEST_CLIENT_SECRET).unwrap();
        let signature = HandshakeSignature::sign(App::TEST_CLIENT_ID, &secret, &instance, &stream);
        let mut request = json!({
            "msg_type": 1, "protocol_version": 1, "sequence": 1,
            "rtms_stream_id": stream.as_str(), "signature": signature.as_str(),
        });
        request[field] = instance.value.as_str().into();
        let mut signaling = connect(meeting["signaling_url"].as_str().unwrap()).await;
        say(&mut signaling, &request).await;
        let welcome = hear(&mut signaling).await;
        assert_eq!(welcome["status_code"], 0, "{welcome}");
        let mut media = connect(welcome["media_server"]["server_urls"]["audio"].as_str().unwrap()).await;
        request["msg_type"] = 3.into();
        request["media_type"] = 1.into();
        request["media_params"] = json!({ "audio": { "content_type": 2, "data_opt": 1 } });
        say(&mut media, &request).await;
        let granted = hear(&mut media).await;
        assert_eq!(granted["status_code"], 0, "{granted}");
        say(&mut signaling, &json!({ "msg_type": 7, "rtms_stream_id": stream.as_str() })).await;
        let (hear, heard) = mpsc::unbounded_channel();
        tokio::spawn(live(signaling, media, hear));
        let mut joined = Self(heard);
        assert_eq!(joined.states(3).await, [(9, 1, None), (9, 2, None), (8, 1, None)]);
        joined
    }

    /// The next messages with a state: number, state, reason. What comes on media meanwhile is passed over.
    pub(crate) async fn states(&mut self, count: usize) -> Vec<(i64, i64, Option<i64>)> {
        let mut states = Vec::new();
        while states.len() < count {
            if let Heard::State(state) = self.next().await.expect("the connections stand") {
                states.push(state);
            }
        }
        states
    }

    /// Hears nothing but so many keep-alive requests on the media connection, after what was on its way.
    pub(crate) async fn only_keep_alive(&mut self, count: usize) {
        let mut heard = 0;
        while heard < count {
            match self.next().await.expect("the connections stand") {
                Heard::Media(12) => heard += 1,
                // What was sent before the pause.
                Heard::Media(14) if heard == 0 => {}
                Heard::Media(other) => panic!("message {other} in a pause"),
                Heard::State(other) => panic!("state {other:?} in a pause"),
            }
        }
    }

    /// Hears a packet of sound.
    pub(crate) async fn media(&mut self) {
        while !matches!(self.next().await.expect("the connections stand"), Heard::Media(14)) {}
    }

    /// Waits until both connections are closed.
    pub(crate) async fn leave(&mut self) {
        while self.next().await.is_some() {}
    }

    async fn next(&mut self) -> Option<Heard> {
        tokio::time::timeout(PATIENCE, self.0.recv()).await.expect("something comes")
    }
}

/// Reads both connections until both are closed, and answers keep-alive.
async fn live(mut signaling: Socket, mut media: Socket, hear: mpsc::UnboundedSender<Heard>) {
    let (mut signaling_stands, mut media_stands) = (true, true);
    while signaling_stands || media_stands {
        let (message, is_media) = tokio::select! {
            message = next(&mut signaling), if signaling_stands => (message, false),
            message = next(&mut media), if media_stands => (message, true),
        };
        let Some(message) = message else {
            *(if is_media { &mut media_stands } else { &mut signaling_stands }) = false;
            continue;
        };
        let number = message["msg_type"].as_i64().unwrap();
        if number == 12 {
            let mut answer = message.clone();
            answer["msg_type"] = 13.into();
            say(if is_media { &mut media } else { &mut signaling }, &answer).await;
        }
        let reason = message["reason"].as_i64().or_else(|| message["stop_reason"].as_i64());
        // It fails only when the test has ended.
        let _ = match number {
            _ if is_media => hear.send(Heard::Media(number)),
            8 | 9 => hear.send(Heard::State((number, message["state"].as_i64().unwrap(), reason))),
            _ => Ok(()),
        };
    }
}

/// A receiver of webhooks that accepts all of them: its URL, and the bodies.
pub(crate) async fn receiver() -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let (bodies, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bodies = bodies.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let bodies = bodies.clone();
                async move {
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    // It fails only when the test has ended.
                    let _ = bodies.send(String::from_utf8(body.to_vec()).unwrap());
                    Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    (url, received)
}

async fn connect(url: &str) -> Socket {
    ClientBuilder::from_uri(url.parse().unwrap()).connect().await.unwrap().0
}

async fn say(socket: &mut Socket, message: &Value) {
    socket.send(Frame::text(message.to_string())).await.unwrap();
}

async fn hear(socket: &mut Socket) -> Value {
    tokio::time::timeout(PATIENCE, next(socket)).await.expect("a message").expect("the connection stands")
}

/// The next message; none when the connection is closed.
async fn next(socket: &mut Socket) -> Option<Value> {
    while let Some(Ok(frame)) = socket.next().await {
        if frame.is_text() {
            return Some(serde_json::from_slice(frame.as_payload()).unwrap());
        }
    }
    None
}
