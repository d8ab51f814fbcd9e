//! HTTP requests to other servers: Zoom's API, a webhook address behind a proxy, the simulator.
//!
//! [`HttpClient`](client::HttpClient) sends one request over one connection, HTTP/1.1 over TCP or TLS 1.2 or newer, and reads one
//! answer. Everything has a bound: the connection, the time, the length of the answer. Redirects are not followed. What the
//! [TLS set-up](tls) trusts and how names are [looked up](lookup::Lookups) is the same for WebSockets.
//!
//! ```no_run
//! use bytes::Bytes;
//! use hyper::Request;
//! use rtms_http::client::{HttpClient, Limits};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = HttpClient::new(&[])?;
//! let request = Request::get("https://rtms.example.com/healthz").body(Bytes::new())?;
//! let answer = client.send(request, Limits::default()).await?;
//! println!("{}", answer.status());
//! # Ok(())
//! # }
//! ```

pub mod client;
pub mod error;
pub mod lookup;
pub mod tls;
