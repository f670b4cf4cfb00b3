//! Asking a hub that runs on a store.

use std::io;

use tokio::io::BufReader;
use tokio::net::UnixStream;

use crate::directory::StoreDirectory;
use crate::failure::{Failure, FailureCode};
use crate::line::{read_line, write_line};
use crate::request::Request;
use crate::response::{Event, Response};
use crate::socket::{Answer, MAX_ANSWER, MAX_REQUEST, Question};

/// The longest answer a client takes.
pub const ANSWER_LIMIT: usize = MAX_ANSWER;

/// A connection to a hub, for one request.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to the hub of a store; nothing if none runs.
    pub async fn connect(store: &StoreDirectory) -> Result<Option<Self>, Failure> {
        let Some(path) = store.socket() else { return Ok(None) };
        match UnixStream::connect(&path).await {
            Ok(stream) => Ok(Some(Self { stream })),
            // A hub that was killed leaves its socket behind; the next hub removes it.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::ConnectionRefused
                ) =>
            {
                Ok(None)
            }
            Err(error) => Err(Failure::new(
                FailureCode::Store,
                format!("the hub's socket {} cannot be used: {error}", path.display()),
            )),
        }
    }

    /// Asks, tells of events, and returns the answer.
    ///
    /// # Cancel safety
    /// Dropping the future ends the request; what the hub has done of it stays done.
    pub async fn ask(self, request: Request, mut event: impl FnMut(Event)) -> Result<Response, Failure> {
        let (reader, mut writer) = self.stream.into_split();
        let lost = |error: io::Error| {
            Failure::failed(format!("the hub did not answer: {error}; nothing more is known"))
        };
        let watching = matches!(request, Request::Watch { .. });
        write_line(&mut writer, &Question { request }, MAX_REQUEST).await.map_err(lost)?;
        let mut reader = BufReader::new(reader);
        loop {
            match read_line(&mut reader, MAX_ANSWER).await.map_err(lost)? {
                Some(Answer::Event(happened)) => event(happened),
                Some(Answer::Response(response)) => return Ok(response),
                Some(Answer::Failure(failure)) => return Err(failure),
                None if watching => return Err(Failure::failed("the hub was stopped")),
                None => {
                    return Err(Failure::failed(
                        "the hub stopped before it answered; ask again, or see `katori log`",
                    ));
                }
            }
        }
    }
}
