//! The iroh endpoint: one per hub, made from the device's key, so that its TLS handshake is the authentication.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{
    Builder, Connection, NetReportConfig, PortmapperConfig, QuicTransportConfig, VarInt, presets,
};
use iroh::{Endpoint, RelayMode, SecretKey, Watcher};
use katori_acl::bounds::MAX_TICKET_ADDRESSES;
use katori_acl::{Contact, DeviceKey};
use katori_core::wire::SYNC_ALPN;
use tokio::time::timeout;

use crate::address::{device_of, to_text};
use crate::error::HubError;
use crate::greeting::JOIN_ALPN;
use crate::guests::{Doorkeeper, Guests};

/// After how long a silent connection counts as dead. iroh's own 30 seconds are too long to wait for a friend.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a silent connection is tried: three times before it counts as dead.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Streams that the other side may open. A protocol here uses one; the second is for slips in closing it.
const STREAMS: u32 = 2;
/// Bytes that one stream may have on the way. iroh's default; much more breaks it on a busy machine.
const STREAM_WINDOW: u32 = 1_250_000;
/// Bytes that all streams of a connection may have on the way.
const CONNECTION_WINDOW: u32 = 2 * STREAM_WINDOW;
/// How long a start waits for the first address, so that a ticket made at once says where this device is.
const FIRST_ADDRESS: Duration = Duration::from_secs(1);

/// A value that only the two ends of a connection share; the label is the protocol that it serves.
pub(crate) fn exporter(connection: &Connection, protocol: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    connection.export_keying_material(&mut bytes, protocol, &[]).ok()?;
    Some(bytes)
}

/// Which network a hub uses.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Network {
    /// Direct connections, public relays where there is no direct way, and DNS to find devices: iroh's `N0` preset.
    #[default]
    Default,
    /// Direct addresses alone: no relay, no DNS.
    Offline,
    /// None: documents only.
    None,
}

/// The parts of an endpoint that do not depend on where it is bound.
fn builder(key: &DeviceKey, network: Network, guests: Arc<Guests>) -> Builder {
    let builder = match network {
        Network::Default => Endpoint::builder(presets::N0),
        // Without relays there is nothing to measure.
        Network::Offline | Network::None => Endpoint::builder(presets::Minimal)
            .relay_mode(RelayMode::Disabled)
            .net_report_config(NetReportConfig::minimal()),
    };
    builder
        .secret_key(SecretKey::from_bytes(&key.to_secret()))
        .alpns(vec![SYNC_ALPN.to_vec(), JOIN_ALPN.to_vec()])
        // It would ask routers, and on some systems the person, for a hole in the firewall.
        .portmapper_config(PortmapperConfig::Disabled)
        .transport_config(transport())
        .hooks(Doorkeeper(guests))
}

fn transport() -> QuicTransportConfig {
    let builder = QuicTransportConfig::builder()
        .keep_alive_interval(KEEP_ALIVE)
        .max_concurrent_bidi_streams(VarInt::from_u32(STREAMS))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW))
        .datagram_receive_buffer_size(None);
    // Ten seconds fit the field, so this always sets it.
    match IDLE_TIMEOUT.try_into() {
        Ok(idle) => builder.max_idle_timeout(Some(idle)).build(),
        Err(_) => builder.build(),
    }
}

/// Opens the endpoint. Without a port in `bind`, `last_port` is tried first, then any.
pub(crate) async fn open(
    key: &DeviceKey,
    network: Network,
    bind: Option<SocketAddr>,
    last_port: Option<u16>,
    guests: Arc<Guests>,
) -> Result<Endpoint, HubError> {
    let mut attempts = Vec::new();
    match (bind, last_port) {
        (Some(address), Some(port)) if address.port() == 0 => {
            attempts.extend([Some(SocketAddr::new(address.ip(), port)), Some(address)]);
        }
        (Some(address), _) => attempts.push(Some(address)),
        (None, Some(port)) => attempts.extend([Some((Ipv4Addr::UNSPECIFIED, port).into()), None]),
        (None, None) => attempts.push(None),
    }
    let mut failure = None;
    for address in attempts {
        let mut builder = builder(key, network, Arc::clone(&guests));
        if bind.is_some() {
            // An address was named: nothing else is listened on.
            builder = builder.clear_ip_transports();
        }
        let bound = match address {
            Some(address) => match builder.bind_addr(address) {
                Ok(builder) => builder.bind().await.map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            },
            None => builder.bind().await.map_err(|error| error.to_string()),
        };
        match bound {
            Ok(endpoint) => {
                let mut address = endpoint.watch_addr();
                // On a machine without any network there is none, and that is fine.
                let _ = timeout(FIRST_ADDRESS, async {
                    while address.get().is_empty() && address.updated().await.is_ok() {}
                })
                .await;
                return Ok(endpoint);
            }
            Err(reason) => {
                tracing::info!(?address, reason, "cannot bind");
                let address = address.map(|address| format!(" at {address}")).unwrap_or_default();
                failure = Some(HubError::Bind { address, reason });
            }
        }
    }
    Err(failure.unwrap_or(HubError::Closed))
}

/// The port that the endpoint listens on, the IPv4 one if it has one.
pub(crate) fn port(endpoint: &Endpoint) -> Option<u16> {
    let sockets = endpoint.bound_sockets();
    let socket = sockets.iter().find(|socket| socket.is_ipv4()).or_else(|| sockets.first());
    socket.map(SocketAddr::port)
}

/// Where this device may be found now.
pub(crate) fn contact(endpoint: &Endpoint) -> Contact {
    let mut addresses: Vec<String> = Vec::new();
    let found = endpoint.addr();
    // Relays first: there is one of them, and it works from everywhere.
    let relays = found.addrs.iter().filter(|address| address.is_relay());
    let direct = found.addrs.iter().filter(|address| address.is_ip());
    addresses.extend(relays.chain(direct).filter_map(to_text));
    for socket in endpoint.bound_sockets() {
        let text = socket.to_string();
        if !socket.ip().is_unspecified() && !addresses.contains(&text) {
            addresses.push(text);
        }
    }
    addresses.truncate(MAX_TICKET_ADDRESSES);
    Contact { device: device_of(endpoint.id()), addresses }
}
