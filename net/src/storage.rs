//! The thread that writes the store. Commits wait for the disk, so they have a thread of their own.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use katori_core::engine::{CommitId, Input};
use katori_core::store::{Storage, Store, Write};
use tokio::sync::oneshot;

use crate::driver::Message;
use crate::meter;

/// The store, until the hub closes. Held by name instead of by reference count, so that a document that an app
/// still holds does not keep the file locked.
#[derive(Debug, Clone)]
pub(crate) struct SharedStore(Arc<Mutex<Option<Arc<Store>>>>);

impl SharedStore {
    pub(crate) fn new(store: Store) -> Self {
        Self(Arc::new(Mutex::new(Some(Arc::new(store)))))
    }

    /// The store, for as long as one call takes; nothing if the hub is closed.
    pub(crate) fn get(&self) -> Option<Arc<Store>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn take(&self) -> Option<Arc<Store>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What the storage thread is to do.
#[derive(Debug)]
enum Job {
    /// A commit of the engine's, which is answered.
    Commit(CommitId, Vec<Write>),
    /// What may be lost: addresses, snapshots, the port.
    Put(Vec<Write>),
    /// Says when everything before it is done.
    Flush(oneshot::Sender<()>),
}

/// The storage thread. It ends with the last of these. The engine has one commit under way at a time, so the
/// queue stays short.
#[derive(Debug, Clone)]
pub(crate) struct StorageThread(mpsc::Sender<Job>);

impl StorageThread {
    pub(crate) fn start(
        store: SharedStore,
        messages: tokio::sync::mpsc::WeakSender<Message>,
    ) -> io::Result<Self> {
        let (sender, jobs) = mpsc::channel();
        thread::Builder::new().name("katori-storage".into()).spawn(move || run(&store, &jobs, &messages))?;
        Ok(Self(sender))
    }

    pub(crate) fn commit(&self, id: CommitId, writes: Vec<Write>) {
        self.send(Job::Commit(id, writes));
    }

    pub(crate) fn put(&self, writes: impl IntoIterator<Item = Write>) {
        let writes: Vec<Write> = writes.into_iter().collect();
        if !writes.is_empty() {
            self.send(Job::Put(writes));
        }
    }

    /// Waits until everything handed in before is done.
    pub(crate) async fn flushed(&self) {
        let (done, flushed) = oneshot::channel();
        self.send(Job::Flush(done));
        // An error means that the thread is gone, and with it whatever it had to do.
        let _ = flushed.await;
    }

    fn send(&self, job: Job) {
        if self.0.send(job).is_err() {
            tracing::error!("the storage thread is gone");
        }
    }
}

fn size(write: &Write) -> usize {
    match write {
        Write::Put { key, value, .. } => key.len() + value.len(),
        Write::Delete { key, .. } => key.len(),
        Write::DeletePrefix { prefix, .. } => prefix.len(),
    }
}

fn run(store: &SharedStore, jobs: &mpsc::Receiver<Job>, messages: &tokio::sync::mpsc::WeakSender<Message>) {
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Commit(commit, writes) => {
                let bytes = writes.iter().map(size).sum();
                let span = tracing::debug_span!("commit", number = commit.0, writes = writes.len(), bytes);
                let begun = Instant::now();
                let result = span.in_scope(|| match store.get() {
                    Some(store) => store.commit(&writes).map_err(|error| error.to_string()),
                    None => Err("the store is closed".to_owned()),
                });
                meter::commit(bytes, begun.elapsed(), result.is_ok());
                let input = match result {
                    Ok(()) => Input::Stored { commit },
                    Err(error) => Input::StoreFailed { commit, error },
                };
                if let Some(messages) = messages.upgrade() {
                    // If the driver is gone nobody waits for the answer.
                    let _ = messages.blocking_send(Message::Input(input));
                }
            }
            Job::Put(writes) => {
                if let Some(store) = store.get()
                    && let Err(error) = store.commit(&writes)
                {
                    tracing::warn!(%error, "a note of the network was not kept");
                }
            }
            Job::Flush(done) => {
                // Whoever asked may have stopped waiting.
                let _ = done.send(());
            }
        }
    }
}
