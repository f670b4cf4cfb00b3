//! A link: a connection that both sides agreed to use. One task reads its frames, one writes them.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use iroh::endpoint::{RecvStream, SendStream};
use katori_acl::DeviceId;
use katori_core::wire::MAX_FRAME_BYTES;
use tokio::io::{AsyncWriteExt, BufReader, BufWriter};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tracing::Instrument;

use crate::driver::Message;
use crate::flow::{Counters, Credit};
use crate::framing::{FrameError, read_frame, write_frame};
use crate::greeting::{CloseCode, Greeted};
use crate::meter::{self, Direction};
use crate::pace::Bucket;

/// How long a link that is closed in peace waits until what it sent has arrived.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a link that is closed on somebody waits for the same.
const PARTING: Duration = Duration::from_secs(1);
/// Frames that are written before the driver is told: it need not hear of each small one.
const FRAMES_AT_ONCE: usize = 32;
/// Bytes that are given to the connection, or taken from it, at a time: each time costs a lock and a wake-up.
const BYTES_AT_ONCE: usize = 16 << 10;

/// Names one link of one peer, so that what a link says after another took its place goes unheard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkId(pub(crate) u64);

/// How a link is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// At once.
    Now(CloseCode),
    /// When what is queued has left, and nothing more is heard: the peer is told something, and then let go of.
    WhenSent(CloseCode),
}

/// What the driver gives a connection that becomes a link.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) id: LinkId,
    /// Frames to send. When it ends, the link closes in peace.
    pub(crate) queue: mpsc::UnboundedReceiver<Vec<u8>>,
    /// Closes the link before its time.
    pub(crate) stop: oneshot::Receiver<Stop>,
    pub(crate) credit: Arc<Credit>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) bucket: Bucket,
}

/// Runs a link until it ends, and tells the driver so, whatever happens to it. `first` is written before all else.
pub(crate) async fn run(
    greeted: Greeted,
    admitted: Admitted,
    first: Option<Vec<u8>>,
    messages: mpsc::Sender<Message>,
) {
    let (peer, link) = (greeted.peer, admitted.id);
    let connection = greeted.connection.clone();
    // In a task of its own, so that a panic in it ends this link and nothing else.
    let ended = tokio::spawn(exchange(greeted, admitted, first, messages.clone()).in_current_span()).await;
    let code = ended.unwrap_or_else(|error| {
        tracing::error!(peer = %peer.short(), %error, "a link failed");
        CloseCode::Done
    });
    tracing::debug!(peer = %peer.short(), ?code, why = ?connection.close_reason(), "link ended");
    code.close(&connection);
    // If the driver is gone there is nobody to be told.
    let _ = messages.send(Message::LinkDown { peer, link }).await;
}

async fn exchange(
    greeted: Greeted,
    admitted: Admitted,
    first: Option<Vec<u8>>,
    messages: mpsc::Sender<Message>,
) -> CloseCode {
    let Greeted { connection, send, receive, peer, .. } = greeted;
    let Admitted { id, queue, mut stop, credit, counters, bucket } = admitted;
    let send = BufWriter::with_capacity(BYTES_AT_ONCE, send);
    let mut writing =
        pin!(write_frames(Writer { send, bucket }, first, queue, peer, id, &counters, &messages));
    let reading = read_frames(receive, peer, id, &credit, &counters, &messages);
    tokio::select! {
        code = &mut writing => match stop.try_recv() {
            Ok(Stop::Now(told) | Stop::WhenSent(told)) => told,
            Err(_) => code,
        },
        code = reading => code,
        stop = &mut stop => match stop {
            Ok(Stop::Now(code)) => code,
            Ok(Stop::WhenSent(code)) => {
                // Longer than this nobody is waited for who is let go of.
                let _ = timeout(PARTING, writing).await;
                code
            }
            Err(_) => CloseCode::Done,
        },
        _ = connection.closed() => CloseCode::Done,
    }
}

async fn read_frames(
    receive: RecvStream,
    peer: DeviceId,
    link: LinkId,
    credit: &Credit,
    counters: &Counters,
    messages: &mpsc::Sender<Message>,
) -> CloseCode {
    let mut receive = BufReader::with_capacity(BYTES_AT_ONCE, receive);
    loop {
        credit.room().await;
        let frame = match read_frame(&mut receive, MAX_FRAME_BYTES).await {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(FrameError::Lost(_)) => return CloseCode::Done,
            Err(error) => {
                tracing::warn!(peer = %peer.short(), %error, "closing a link");
                return match error {
                    FrameError::Stalled => CloseCode::TimedOut,
                    FrameError::TooLarge { .. }
                    | FrameError::Empty
                    | FrameError::Cut
                    | FrameError::Lost(_) => CloseCode::Protocol,
                };
            }
        };
        credit.take(frame.len());
        counters.received(frame.len());
        meter::frame(Direction::In, &frame);
        if messages.send(Message::Frame { peer, link, frame }).await.is_err() {
            return CloseCode::Done;
        }
    }
}

/// Writes frames, no faster than it may. Small ones leave together, at the next flush.
struct Writer {
    send: BufWriter<SendStream>,
    bucket: Bucket,
}

impl Writer {
    async fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let Some(piece) = self.bucket.piece() else { return write_frame(&mut self.send, frame).await };
        let mut framed = Vec::with_capacity(frame.len() + 4);
        write_frame(&mut framed, frame).await?;
        for piece in framed.chunks(piece.max(1)) {
            self.bucket.take(piece.len()).await;
            self.send.write_all(piece).await?;
            self.send.flush().await?;
        }
        Ok(())
    }
}

async fn write_frames(
    mut writer: Writer,
    first: Option<Vec<u8>>,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    peer: DeviceId,
    link: LinkId,
    counters: &Counters,
    messages: &mpsc::Sender<Message>,
) -> CloseCode {
    if let Some(first) = first
        && (writer.write(&first).await.is_err() || writer.send.flush().await.is_err())
    {
        return CloseCode::Done;
    }
    let mut frames = Vec::with_capacity(FRAMES_AT_ONCE);
    while queue.recv_many(&mut frames, FRAMES_AT_ONCE).await > 0 {
        let mut bytes = 0;
        for frame in frames.drain(..) {
            if writer.write(&frame).await.is_err() {
                return CloseCode::Done;
            }
            counters.sent(frame.len());
            meter::frame(Direction::Out, &frame);
            bytes += frame.len();
        }
        if writer.send.flush().await.is_err() {
            return CloseCode::Done;
        }
        if messages.send(Message::Drained { peer, link, bytes }).await.is_err() {
            return CloseCode::Done;
        }
    }
    let send = writer.send.get_mut();
    if send.finish().is_ok() {
        // Whether it arrived or not, the link is over: what is lost is sent again another time.
        let _ = timeout(LAST_WORDS, send.stopped()).await;
    }
    CloseCode::Done
}
