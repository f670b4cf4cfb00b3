//! How a connection begins: the dialler opens one stream and says hello, the other answers with a welcome, and
//! only then is there a link. That iroh's `connect` returned means nothing: the other side may not have looked yet.

use std::io;
use std::time::Duration;

use iroh::endpoint::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use katori_acl::DeviceId;
use katori_acl::codec::{DecodeError, Reader, Writer};
use thiserror::Error;
use tokio::time::timeout;

use crate::address::{device_of, read_list, write_list};
use crate::framing::{FrameError, read_frame, write_frame};

/// The protocol's name in the TLS handshake, for those who are not known yet.
pub const JOIN_ALPN: &[u8] = b"katori/join/1";
/// How long the other side may take for its hello or welcome.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a hello or welcome: nobody has said yet who it is for.
pub(crate) const MAX_GREETING_BYTES: usize = 1 << 10;
/// Bytes of addresses in a greeting, which leaves room for the rest of it.
const MAX_GREETING_ADDRESS_BYTES: usize = 900;
/// Bytes of text in a refusal.
const MAX_REFUSAL_BYTES: usize = 200;
const VERSION: u8 = 1;

/// Drawn at each start, and when a device has moved: tells one that knows its old connections to be dead from one
/// that dials at the same time as the other side.
pub(crate) type Instance = [u8; 8];

/// Why a connection is closed, as the other side is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCode {
    Done,
    Unknown,
    Protocol,
    Superseded,
    NothingShared,
    TimedOut,
    Busy,
    TooSlow,
}

impl CloseCode {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unknown => "not known here",
            Self::Protocol => "what came is not of this protocol",
            Self::Superseded => "another connection is used instead",
            Self::NothingShared => "nothing is shared any more",
            Self::TimedOut => "nothing came in time",
            Self::Busy => "too much is going on",
            Self::TooSlow => "what was sent is not read",
        }
    }

    /// Whether a connection was closed for this reason by the other side.
    pub(crate) fn is_in(self, error: &ConnectionError) -> bool {
        matches!(error, ConnectionError::ApplicationClosed(close) if close.error_code == self.into())
    }

    pub(crate) fn close(self, connection: &Connection) {
        connection.close(self.into(), self.reason().as_bytes());
    }
}

impl From<CloseCode> for VarInt {
    fn from(code: CloseCode) -> Self {
        Self::from_u32(match code {
            CloseCode::Done => 0,
            CloseCode::Unknown => 0x4001,
            CloseCode::Protocol => 0x4002,
            CloseCode::Superseded => 0x4003,
            CloseCode::NothingShared => 0x4004,
            CloseCode::TimedOut => 0x4005,
            CloseCode::Busy => 0x4006,
            CloseCode::TooSlow => 0x4007,
        })
    }
}

/// What each side says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) instance: Instance,
    /// Where the sender may be found.
    pub(crate) addresses: Vec<String>,
}

/// The first frames of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Greeting {
    Hello(Hello),
    Welcome(Hello),
    Refused(String),
}

impl Greeting {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Hello(hello) => hello.encode(writer.byte(1)),
            Self::Welcome(hello) => hello.encode(writer.byte(2)),
            Self::Refused(text) => {
                writer.byte(3).text(text);
            }
        }
        writer.finish()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let greeting = match reader.byte()? {
            1 => Self::Hello(Hello::decode(&mut reader)?),
            2 => Self::Welcome(Hello::decode(&mut reader)?),
            3 => Self::Refused(reader.text("reason", MAX_REFUSAL_BYTES)?.to_owned()),
            found => return Err(DecodeError::Unknown { what: "greeting", found: found.into() }),
        };
        reader.finish()?;
        Ok(greeting)
    }
}

impl Hello {
    fn encode(&self, writer: &mut Writer) {
        let mut room = MAX_GREETING_ADDRESS_BYTES;
        let mut fitting = Vec::new();
        for address in &self.addresses {
            if let Some(rest) = room.checked_sub(address.len() + 2) {
                room = rest;
                fitting.push(address.clone());
            }
        }
        write_list(writer.byte(VERSION).raw(&self.instance), &fitting);
    }

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.byte()?;
        if version != VERSION {
            return Err(DecodeError::Unknown { what: "version of greeting", found: version.into() });
        }
        Ok(Self { instance: reader.array()?, addresses: read_list(reader)? })
    }
}

/// Why there is no link.
#[derive(Debug, Error)]
pub(crate) enum GreetingError {
    #[error("nothing came in time")]
    TimedOut,
    #[error("this device is not known there")]
    Unknown,
    #[error("the other side refused: {0}")]
    Refused(String),
    #[error("what came is not of this protocol: {0}")]
    Protocol(String),
    #[error("the connection was lost: {0}")]
    Lost(String),
}

impl GreetingError {
    pub(crate) fn code(&self) -> CloseCode {
        match self {
            Self::TimedOut => CloseCode::TimedOut,
            Self::Unknown | Self::Refused(_) | Self::Lost(_) => CloseCode::Done,
            Self::Protocol(_) => CloseCode::Protocol,
        }
    }
}

impl From<ConnectionError> for GreetingError {
    fn from(error: ConnectionError) -> Self {
        if CloseCode::Unknown.is_in(&error) {
            return Self::Unknown;
        }
        if let ConnectionError::ApplicationClosed(close) = &error {
            return Self::Refused(
                String::from_utf8_lossy(&close.reason).chars().take(MAX_REFUSAL_BYTES).collect(),
            );
        }
        Self::Lost(error.to_string())
    }
}

impl From<io::Error> for GreetingError {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

impl From<FrameError> for GreetingError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Lost(error) => error.into(),
            FrameError::Stalled => Self::TimedOut,
            FrameError::TooLarge { .. } | FrameError::Empty | FrameError::Cut => {
                Self::Protocol(error.to_string())
            }
        }
    }
}

/// A connection whose other side has said who it is.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) connection: Connection,
    pub(crate) send: SendStream,
    pub(crate) receive: RecvStream,
    pub(crate) peer: DeviceId,
    pub(crate) hello: Hello,
}

impl Greeted {
    /// The dialling side: says hello, waits for the welcome.
    pub(crate) async fn dialling(connection: Connection, hello: Hello) -> Result<Self, GreetingError> {
        let exchange = async {
            let (mut send, mut receive) = connection.open_bi().await?;
            write_frame(&mut send, &Greeting::Hello(hello).encode()).await?;
            let answer = read_greeting(&mut receive).await;
            // If the other side closed the connection, its reason says more than that the stream ended.
            let answer = match (answer, connection.close_reason()) {
                (Err(GreetingError::Lost(_) | GreetingError::Protocol(_)), Some(reason)) => {
                    Err(reason.into())
                }
                (answer, _) => answer,
            };
            match answer? {
                Greeting::Welcome(hello) => Ok((send, receive, hello)),
                Greeting::Refused(text) if text == CloseCode::Unknown.reason() => Err(GreetingError::Unknown),
                Greeting::Refused(text) => Err(GreetingError::Refused(text)),
                Greeting::Hello(_) => Err(GreetingError::Protocol("a hello where a welcome belongs".into())),
            }
        };
        Self::within(&connection, exchange).await
    }

    /// The dialled side: waits for the hello. The welcome is the first thing written when the link is agreed.
    pub(crate) async fn dialled(connection: Connection) -> Result<Self, GreetingError> {
        let exchange = async {
            let (send, mut receive) = connection.accept_bi().await?;
            match read_greeting(&mut receive).await? {
                Greeting::Hello(hello) => Ok((send, receive, hello)),
                Greeting::Welcome(_) | Greeting::Refused(_) => {
                    Err(GreetingError::Protocol("no hello where one belongs".into()))
                }
            }
        };
        Self::within(&connection, exchange).await
    }

    async fn within(
        connection: &Connection,
        exchange: impl Future<Output = Result<(SendStream, RecvStream, Hello), GreetingError>>,
    ) -> Result<Self, GreetingError> {
        let result = timeout(HELLO_TIMEOUT, exchange).await.unwrap_or(Err(GreetingError::TimedOut));
        match result {
            Ok((send, receive, hello)) => {
                let peer = device_of(connection.remote_id());
                Ok(Self { connection: connection.clone(), send, receive, peer, hello })
            }
            Err(error) => {
                error.code().close(connection);
                Err(error)
            }
        }
    }
}

async fn read_greeting(receive: &mut RecvStream) -> Result<Greeting, GreetingError> {
    let frame = read_frame(receive, MAX_GREETING_BYTES).await?;
    let frame = frame.ok_or_else(|| GreetingError::Protocol("the stream ended".into()))?;
    Greeting::decode(&frame).map_err(|error| GreetingError::Protocol(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_survives_its_bytes_and_stays_small() {
        let hello = Hello { instance: [3; 8], addresses: vec!["192.0.2.7:4433".to_owned()] };
        for greeting in
            [Greeting::Hello(hello.clone()), Greeting::Welcome(hello), Greeting::Refused("busy".to_owned())]
        {
            assert_eq!(Greeting::decode(&greeting.encode()), Ok(greeting));
        }
        let many = Greeting::Hello(Hello { instance: [0; 8], addresses: vec!["a".repeat(128); 50] }).encode();
        assert!(many.len() <= MAX_GREETING_BYTES);
        assert!(Greeting::decode(&many).is_ok());
        assert!(Greeting::decode(b"\x09").is_err());
    }
}
