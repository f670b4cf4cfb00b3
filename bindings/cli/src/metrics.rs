//! The figures of a hub, as text for Prometheus over HTTP.
//!
//! Whoever can connect may read them: nothing is asked but that it was meant to be this machine ([`names_an_address`]).
//! They name no document, person or device, but say how much goes on, so they are meant for this machine alone.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use katori::Node;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{interval, timeout};

use crate::failure::Failure;

/// Where the figures are if nothing else is said.
pub(crate) const DEFAULT_ADDRESS: &str = "127.0.0.1:9100";
/// Connections at once. A Prometheus holds one.
const MAX_CONNECTIONS: usize = 8;
/// How long one may take to ask, and be there in all.
const ASKING: Duration = Duration::from_secs(10);
const CONNECTED: Duration = Duration::from_mins(5);
/// How often what was measured is put together, so that it takes no more memory the longer nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);
/// How long nobody is let in after a connection could not be taken.
const AFTER_FAILURE: Duration = Duration::from_millis(200);
/// Bounds of the histograms of times, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];
/// Bounds of the histograms of sizes.
const BYTES: [f64; 8] = [256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0, 1_048_576.0, 16_777_216.0];

/// Begins to count. Once in a process, before anything is to be counted.
pub(crate) fn record() -> Result<PrometheusHandle, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("nothing can be measured: {error}"));
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES))
        .map_err(|error| failed(&error))?
        .install_recorder()
        .map_err(|error| failed(&error))
}

/// Listens for those who ask for the figures.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "whoever reaches this address may read the figures");
    }
    TcpListener::bind(address).await.map_err(|error| {
        Failure::failed(format!("the figures cannot be shown at {address}: {error}; try another address"))
    })
}

/// Shows the figures of a node until it is dropped.
pub(crate) async fn show(listener: TcpListener, figures: PrometheusHandle, node: Node) -> Infallible {
    let seats = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut upkeep = interval(UPKEEP);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of sockets, perhaps: there may be some in a moment.
                    tracing::debug!(%error, "nobody came");
                    tokio::time::sleep(AFTER_FAILURE).await;
                    continue;
                }
            },
            _ = upkeep.tick() => {
                figures.run_upkeep();
                continue;
            }
        };
        let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else { continue };
        let (figures, node) = (figures.clone(), node.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request| answer(request, figures.clone(), node.clone()));
            let mut http = http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(ASKING).max_buf_size(16 << 10);
            let served = timeout(CONNECTED, http.serve_connection(TokioIo::new(stream), answer)).await;
            if let Ok(Err(error)) = served {
                tracing::debug!(%error, "a connection for figures was lost");
            }
            drop(seat);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    figures: PrometheusHandle,
    node: Node,
) -> Result<Response<Full<Bytes>>, io::Error> {
    if !names_an_address(&request) {
        let text = "ask by this machine's address or as localhost: a name may be another's\n";
        return Ok(plain(StatusCode::MISDIRECTED_REQUEST, text.to_owned()));
    }
    if request.uri().path() != "/metrics" {
        return Ok(plain(StatusCode::NOT_FOUND, "the figures are at /metrics\n".to_owned()));
    }
    if request.method() != Method::GET {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "ask with GET\n".to_owned()));
    }
    // A node that is being closed still has what was counted.
    if let Err(error) = node.measure().await {
        tracing::debug!(%error, "not everything was measured");
    }
    Ok(plain(StatusCode::OK, figures.render()))
}

/// Whether whoever asks meant this machine by an address or as `localhost`. A web page can have a name of its own lead
/// here, and would then be let read the answer.
fn names_an_address<B>(request: &Request<B>) -> bool {
    let named = request.headers().get(HOST).and_then(|host| Uri::try_from(host.as_bytes()).ok());
    let Some(host) = request.uri().host().or(named.as_ref().and_then(Uri::host)) else { return false };
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    address.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_answered(target: &str, host: Option<&str>) -> bool {
        let request = host.into_iter().fold(Request::get(target), |request, host| request.header(HOST, host));
        names_an_address(&request.body(()).unwrap())
    }

    #[test]
    fn only_who_asks_by_an_address_is_answered() {
        for host in
            ["127.0.0.1:9100", "127.0.0.1", "[::1]:9100", "192.168.1.7:9100", "localhost:9100", "LocalHost"]
        {
            assert!(is_answered("/metrics", Some(host)), "{host}");
        }
        for host in
            ["evil.example:9100", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b", "::1"]
        {
            assert!(!is_answered("/metrics", Some(host)), "{host}");
        }
        assert!(!is_answered("/metrics", None));
        assert!(!is_answered("http://evil.example/metrics", Some("127.0.0.1:9100")));
        assert!(is_answered("http://127.0.0.1:9100/metrics", Some("127.0.0.1:9100")));
    }
}
