//! The hub in the foreground: keeps the store and its endpoint open, syncs, and answers other commands.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::arguments::{CommonOptions, ServeOptions};
use crate::client::Client;
use crate::directory::StoreDirectory;
use crate::execute::Executor;
use crate::failure::Failure;
use crate::line::{read_line, write_line};
use crate::metrics;
use crate::response::Event;
use crate::socket::{self, Answer, MAX_ANSWER, MAX_REQUEST, Question};
use crate::start::{self, Reached};
use crate::terminal::Output;

/// Requests under way at once. Programs that watch hold one each.
const MAX_CLIENTS: usize = 64;
/// How long a client may take to say what it wants.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Events of one request that wait for a slow client.
const EVENT_QUEUE: usize = 64;

/// Runs the hub until it is interrupted.
pub(crate) async fn serve(
    directory: StoreDirectory,
    options: ServeOptions,
    common: &CommonOptions,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    if Client::connect(&directory).await?.is_some() {
        return Err(already_running(&directory));
    }
    let figures = match options.metrics {
        Some(address) => Some((metrics::listen(address).await?, metrics::record()?)),
        None => None,
    };
    let node = match start::reach(&directory, start::network(common), common.bind).await? {
        Reached::Node(node) => node,
        Reached::Hub(_) => return Err(already_running(&directory)),
    };
    // Whoever has the store open is the hub, so a socket that is still there is nobody's.
    directory.remove_socket();
    let path = directory.place_socket().map_err(unusable)?;
    let listener = socket::listen(&path).map_err(unusable)?;
    node.set_bandwidth(options.limit_upload);
    if let Some(memory) = options.memory {
        node.hub().set_memory(u64::from(memory) << 20);
    }
    let shown_at = figures.as_ref().and_then(|(listener, _)| listener.local_addr().ok());
    let showing =
        figures.map(|(listener, figures)| tokio::spawn(metrics::show(listener, figures, node.clone())));
    let executor = Arc::new(Executor::new(node, directory.clone(), true));
    output.ready(&executor.identity(), &executor.addresses(), &directory, shown_at);

    let seats = Arc::new(Semaphore::new(MAX_CLIENTS));
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                    tracing::warn!("more than {MAX_CLIENTS} requests at once; one was turned away");
                    continue;
                };
                let (executor, directory) = (Arc::clone(&executor), directory.clone());
                clients.spawn(async move {
                    if let Err(error) = attend(&executor, &directory, stream).await {
                        tracing::debug!(%error, "a client was lost");
                    }
                    drop(seat);
                });
            }
            Some(_) = clients.join_next() => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    drop(listener);
    directory.remove_socket();
    clients.shutdown().await;
    if let Some(showing) = showing {
        showing.abort();
    }
    let node = executor.node().clone();
    node.close().await;
    Ok(())
}

/// Carries out the one request of a client.
async fn attend(executor: &Executor, directory: &StoreDirectory, stream: UnixStream) -> io::Result<()> {
    if !socket::is_ours(&stream, directory.path())? {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user's process"));
    }
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    let question = match timeout(QUESTION_TIMEOUT, read_line::<Question>(&mut reader, MAX_REQUEST)).await {
        Ok(Ok(Some(question))) => question,
        Ok(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
            let failure = Failure::usage(format!(
                "the hub that runs does not understand this ({error}); is it an older version? stop it and start it again"
            ));
            return write_line(&mut writer, &Answer::Failure(failure), MAX_ANSWER).await;
        }
        Ok(Ok(None)) => return Ok(()),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
    };
    let (sender, mut events) = mpsc::channel::<Event>(EVENT_QUEUE);
    let work = executor.execute(question.request, &sender);
    tokio::pin!(work);
    let result = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => write_line(&mut writer, &Answer::Event(event), MAX_ANSWER).await?,
            result = &mut work => break result,
            // The client says nothing more, so this is its end.
            _ = reader.read_u8() => return Ok(()),
        }
    };
    while let Ok(event) = events.try_recv() {
        write_line(&mut writer, &Answer::Event(event), MAX_ANSWER).await?;
    }
    let answer = match result {
        Ok(response) => Answer::Response(response),
        Err(failure) => Answer::Failure(failure),
    };
    match write_line(&mut writer, &answer, MAX_ANSWER).await {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            let failure =
                Failure::failed("the answer is too long for the socket; export the document instead");
            write_line(&mut writer, &Answer::Failure(failure), MAX_ANSWER).await
        }
        other => other,
    }
}

fn already_running(directory: &StoreDirectory) -> Failure {
    Failure::store(format!("a hub runs on {} already; use it, or stop it first", directory.path().display()))
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unusable(error: io::Error) -> Failure {
    Failure::store(format!("the hub cannot listen for other commands: {error}"))
}
