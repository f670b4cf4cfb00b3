//! samod's own storage and transport, counted.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use samod::storage::{Storage, StorageKey, TokioFilesystemStorage};
use samod::{DialError, Dialer, Transport};
use tokio::net::TcpStream;
use tokio_util::bytes::Bytes;
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use url::Url;

use crate::protocol::{Traffic, now};

/// Frames up to this size are taken, as samod's own transport does.
const MAX_FRAME: usize = 8 * 1024 * 1024 * 1024;

/// Messages of all connections.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
    sent_messages: AtomicU64,
    received_messages: AtomicU64,
    last: AtomicU64,
}

impl Counted {
    /// The traffic, and the moment of the last message.
    pub(crate) fn read(&self) -> (Traffic, Option<u64>) {
        let traffic = Traffic {
            sent_bytes: self.sent_bytes.load(Relaxed),
            received_bytes: self.received_bytes.load(Relaxed),
            sent_messages: self.sent_messages.load(Relaxed),
            received_messages: self.received_messages.load(Relaxed),
        };
        let last = self.last.load(Relaxed);
        (traffic, (last > 0).then_some(last))
    }

    fn sent(&self, bytes: usize) {
        self.sent_bytes.fetch_add(bytes as u64, Relaxed);
        self.sent_messages.fetch_add(1, Relaxed);
        self.last.store(now(), Relaxed);
    }

    fn received(&self, bytes: usize) {
        self.received_bytes.fetch_add(bytes as u64, Relaxed);
        self.received_messages.fetch_add(1, Relaxed);
        self.last.store(now(), Relaxed);
    }
}

/// The framing of samod's own TCP transport, with every message counted.
pub(crate) fn transport(stream: TcpStream, counted: &Arc<Counted>) -> Transport {
    let codec = LengthDelimitedCodec::builder().max_frame_length(MAX_FRAME).new_codec();
    let (sink, stream) = Framed::new(stream, codec).split();
    let (sent, received) = (Arc::clone(counted), Arc::clone(counted));
    let stream = stream.map(move |message| {
        message.map(|message| {
            received.received(message.len());
            message.to_vec()
        })
    });
    let sink = sink.with(move |message: Vec<u8>| {
        sent.sent(message.len());
        futures::future::ready(Ok::<_, std::io::Error>(Bytes::from(message)))
    });
    Transport::new(stream, sink)
}

/// Dials TCP, as samod's own dialer does.
pub(crate) struct CountingDialer {
    address: Url,
    counted: Arc<Counted>,
}

impl CountingDialer {
    pub(crate) fn new(address: Url, counted: Arc<Counted>) -> Self {
        Self { address, counted }
    }
}

impl Dialer for CountingDialer {
    type Error = Infallible;

    fn url(&self) -> Url {
        self.address.clone()
    }

    fn connect(&self) -> BoxFuture<'static, Result<Transport, DialError<Infallible>>> {
        let (address, counted) = (self.address.clone(), Arc::clone(&self.counted));
        async move {
            let (host, port) = (address.host_str().unwrap_or_default(), address.port().unwrap_or(0));
            let stream = TcpStream::connect((host, port)).await.map_err(DialError::transient)?;
            let _ = stream.set_nodelay(true);
            Ok(transport(stream, &counted))
        }
        .boxed()
    }
}

/// samod's own storage in files, and which documents something was stored of.
#[derive(Clone)]
pub(crate) struct CountingStorage {
    files: TokioFilesystemStorage,
    stored: Arc<Mutex<BTreeSet<String>>>,
}

impl CountingStorage {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { files: TokioFilesystemStorage::new(folder), stored: Arc::default() }
    }

    /// How many documents something was stored of by this process.
    pub(crate) fn documents(&self) -> u64 {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

impl Storage for CountingStorage {
    async fn load(&self, key: StorageKey) -> Option<Vec<u8>> {
        self.files.load(key).await
    }

    async fn load_range(&self, prefix: StorageKey) -> HashMap<StorageKey, Vec<u8>> {
        self.files.load_range(prefix).await
    }

    async fn put(&self, key: StorageKey, data: Vec<u8>) {
        let parts: Vec<String> = (&key).into_iter().cloned().collect();
        self.files.put(key, data).await;
        // The store's own settings have a key of one part.
        if let [document, _, ..] = parts.as_slice() {
            self.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(document.clone());
        }
    }

    async fn delete(&self, key: StorageKey) {
        self.files.delete(key).await;
    }
}
