//! Connections and what answers them: put together as actix-web's own server does it, but that few requests may be sent
//! ahead on each (`ahead`).

use std::{
    fmt,
    future::ready,
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_http::{HttpService, Protocol, Request, Response, body::MessageBody, error::DispatchError};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, fn_service, map_config};
use actix_tls::accept::{
    TlsError,
    rustls_0_23::{Acceptor, TlsStream, reexports::ServerConfig},
};
use actix_web::{
    Error,
    dev::{AppConfig, Server},
    rt::net::TcpStream,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::ahead::Paced;

/// Bytes of an answer that wait here, beside what the kernel takes; one more piece of the answer may come on top. A deaf
/// reader of a stream fills it, and it has twice the room that it needs.
const WAITING_BYTES: usize = 8 * 1024;

/// Time for a TLS handshake, as `back` gives it.
const TLS_HANDSHAKE: Duration = Duration::from_secs(5);

/// A connection, as actix takes it.
type Connection<T> = (Paced<T>, Protocol, Option<SocketAddr>);

/// A server of this application on a listener, over TLS if there is a configuration of it, that begins to run when it is
/// awaited. From `stop` on idle connections end; what is in progress has `drain_seconds`, once the server is stopped.
///
/// # Errors
/// When the listener cannot be used.
pub(crate) fn serve<F, I, S, B>(
    listener: TcpListener,
    tls: Option<ServerConfig>,
    stop: CancellationToken,
    drain_seconds: u64,
    app: F,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let builder = Server::build().disable_signals().shutdown_timeout(drain_seconds);
    let builder = match tls {
        None => builder.listen("pages", listener, move || {
            fn_service(|io: TcpStream| {
                let from = io.peer_addr().ok();
                ready(Ok((Paced::new(io), Protocol::Http1, from)))
            })
            .and_then(http(app(), stop.clone()))
        }),
        Some(tls) => builder.listen("pages", listener, move || {
            let mut acceptor = Acceptor::new(tls.clone());
            acceptor.set_handshake_timeout(TLS_HANDSHAKE);
            let acceptor = acceptor.map_init_err(|_| ()).map_err(TlsError::into_service_error);
            let connected = acceptor.and_then(|io: TlsStream<TcpStream>| {
                let from = io.get_ref().0.peer_addr().ok();
                ready(Ok((Paced::new(io), Protocol::Http1, from)))
            });
            connected.and_then(http(app(), stop.clone()).map_err(TlsError::Service))
        }),
    };
    Ok(builder?.run())
}

/// What answers the requests of a connection.
fn http<T, I, S, B>(
    app: I,
    stop: CancellationToken,
) -> impl ServiceFactory<Connection<T>, Config = (), Response = (), Error = DispatchError, InitError = ()>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let app = app.into_factory().map_err(|error| error.into().error_response());
    HttpService::build()
        .graceful_shutdown_signal(move || stop.clone().cancelled_owned())
        // By default a relayed connection ends a second after its last byte, and until then its page does not come back; less
        // than actix's clock is exact to (half a second) may never end. The relay itself waits where it has to.
        .client_disconnect_timeout(Duration::ZERO)
        .h1_write_buffer_size(WAITING_BYTES)
        .on_connect_ext(|io: &Paced<T>, requests| io.tell(requests))
        .finish(map_config(app, |()| AppConfig::default()))
}
