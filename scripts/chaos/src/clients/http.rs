//! A small HTTP/1.1 client over one TCP connection, one request at a time. Every step has a deadline; it knows no
//! addresses and no retries.

use std::{net::SocketAddr, os::fd::OwnedFd, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use hyper_util::rt::TokioIo;
use rustix::net::sockopt::set_socket_linger;
use serde::Deserialize;
use tokio::{task::AbortHandle, time::timeout};

use super::link::{Over, PATIENCE, connect};

/// The longest body that is taken in whole: a page of the longest messages is shorter.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// A request, as far as a client decides about it.
#[derive(Debug, Clone)]
pub struct Call {
    /// What is done.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// More than `Host` and `Content-Length`.
    pub headers: Vec<(HeaderName, String)>,
    /// Mostly empty.
    pub body: Bytes,
}

impl Call {
    /// Asks for something.
    pub fn get(path: String) -> Self {
        Self { method: Method::GET, path, headers: Vec::new(), body: Bytes::new() }
    }

    /// Says something.
    pub fn post(path: String, kind: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, kind.to_owned())];
        Self { method: Method::POST, path, headers, body: body.into() }
    }

    /// With one more header.
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    /// What it came to.
    pub status: StatusCode,
    /// What was said about it.
    pub headers: HeaderMap,
    /// What was said.
    pub body: Bytes,
}

impl Answer {
    /// What an `error` says; nothing when this is none.
    pub fn error(&self) -> Option<Refusal> {
        if self.status.is_success() {
            return None;
        }
        serde_json::from_slice(&self.body).ok()
    }

    /// The end of a link that this answer means: when to come back, where it says so.
    pub fn over(&self) -> Over {
        let seconds = self.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let exactly = self.error().and_then(|error| error.retry_after_ms).map(Duration::from_millis);
        Over { after: exactly.or(seconds.map(Duration::from_secs)) }
    }
}

/// An `error`, as far as people here look at it. Its code may be any word.
#[derive(Debug, Deserialize)]
pub struct Refusal {
    /// What is wrong.
    pub code: String,
    /// Whether it may be asked for again.
    #[serde(default)]
    pub retry: bool,
    /// When.
    #[serde(default)]
    pub retry_after_ms: Option<u64>,
}

/// One connection.
pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
    /// The same socket once more, so that it can be made to end with a reset.
    socket: OwnedFd,
    host: String,
}

impl Connection {
    /// Connects. `receive_buffer` makes the kernel take in little.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub async fn open(way: SocketAddr, receive_buffer: Option<u32>) -> Result<Self, Over> {
        let opened = timeout(PATIENCE, async {
            let stream = connect(way, receive_buffer).await?;
            let socket = std::os::fd::AsFd::as_fd(&stream).try_clone_to_owned().map_err(|_| Over::default())?;
            let (requests, driver) = handshake(TokioIo::new(stream)).await.map_err(|_| Over::default())?;
            let driver = tokio::spawn(async move { _ = driver.await }).abort_handle();
            Ok(Self { requests, driver, socket, host: way.to_string() })
        });
        opened.await.unwrap_or(Err(Over::default()))
    }

    /// Whether one more request may be sent over it.
    pub fn is_open(&self) -> bool {
        !self.requests.is_closed()
    }

    /// Asks, and waits for the head of the answer.
    ///
    /// # Errors
    /// When the connection is over. Nobody knows then how much of the request arrived.
    pub async fn begin(&mut self, call: &Call, patience: Duration) -> Result<Response<Incoming>, Over> {
        let mut request = Request::builder().method(&call.method).uri(&call.path).header(header::HOST, &self.host);
        for (name, value) in &call.headers {
            request = request.header(name, HeaderValue::from_str(value).map_err(|_| Over::default())?);
        }
        let request = request.body(Full::new(call.body.clone())).map_err(|_| Over::default())?;
        let head = async {
            self.requests.ready().await?;
            self.requests.send_request(request).await
        };
        match timeout(patience, head).await {
            Ok(Ok(response)) => Ok(response),
            _ => Err(Over::default()),
        }
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// When the connection is over.
    pub async fn ask(&mut self, call: &Call, patience: Duration) -> Result<Answer, Over> {
        whole(self.begin(call, patience).await?).await
    }

    /// Ends it with a reset.
    pub fn reset(self) {
        _ = set_socket_linger(&self.socket, Some(Duration::ZERO));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Takes the rest of an answer in.
///
/// # Errors
/// When it is too long, or does not come to its end.
pub async fn whole(response: Response<Incoming>) -> Result<Answer, Over> {
    let (head, body) = response.into_parts();
    match timeout(PATIENCE, Limited::new(body, LONGEST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(Answer { status: head.status, headers: head.headers, body: body.to_bytes() }),
        _ => Err(Over::default()),
    }
}

/// The next bytes of an answer that goes on; nothing at its end. Dropping the future loses nothing.
///
/// # Errors
/// When the connection broke.
pub async fn more(body: &mut Incoming) -> Result<Option<Bytes>, Over> {
    loop {
        match body.frame().await {
            Some(Ok(frame)) => {
                // Trailers say nothing here.
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Some(Err(_)) => return Err(Over::default()),
            None => return Ok(None),
        }
    }
}
