//! Asking a hub that runs on a store.

use std::io;

use tokio::io::BufReader;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

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
        let mut conversation = Conversation::begin(self.stream, request).await?;
        loop {
            match conversation.next().await? {
                Ok(happened) => event(happened),
                Err(response) => return Ok(response),
            }
        }
    }

    /// The same, with events that wait until they are taken from a channel.
    pub(crate) async fn ask_into(
        self,
        request: Request,
        events: &mpsc::Sender<Event>,
    ) -> Result<Response, Failure> {
        let mut conversation = Conversation::begin(self.stream, request).await?;
        loop {
            match conversation.next().await? {
                // Where nobody listens any more, the answer is what counts.
                Ok(happened) => drop(events.send(happened).await),
                Err(response) => return Ok(response),
            }
        }
    }
}

/// A request that a hub is carrying out.
struct Conversation {
    reader: BufReader<OwnedReadHalf>,
    /// The hub takes its closing for the end of the request.
    _writer: OwnedWriteHalf,
    watching: bool,
}

impl Conversation {
    async fn begin(stream: UnixStream, request: Request) -> Result<Self, Failure> {
        let (reader, mut writer) = stream.into_split();
        let watching = matches!(request, Request::Watch { .. });
        write_line(&mut writer, &Question { request }, MAX_REQUEST).await.map_err(lost)?;
        Ok(Self { reader: BufReader::new(reader), _writer: writer, watching })
    }

    /// What happens next, or the response at the end.
    async fn next(&mut self) -> Result<Result<Event, Response>, Failure> {
        match read_line(&mut self.reader, MAX_ANSWER).await.map_err(lost)? {
            Some(Answer::Event(happened)) => Ok(Ok(happened)),
            Some(Answer::Response(response)) => Ok(Err(response)),
            Some(Answer::Failure(failure)) => Err(failure),
            None if self.watching => Err(Failure::failed("the hub was stopped")),
            None => {
                Err(Failure::failed("the hub stopped before it answered; ask again, or see `katori log`"))
            }
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn lost(error: io::Error) -> Failure {
    Failure::failed(format!("the hub did not answer: {error}; nothing more is known"))
}
