//! The socket of a hub: who may use it, and what goes over it.
//!
//! A client sends one request and reads events until the response or failure. Closing the socket ends the
//! request. Only processes of the user who runs the hub are answered.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};

use crate::failure::Failure;
use crate::request::Request;
use crate::response::{Event, Response};

/// The longest request: a text to insert, mostly; files are named by their path. 16 MiB.
pub(crate) const MAX_REQUEST: usize = 16 << 20;
/// The longest answer: a whole large document as JSON. 256 MiB.
pub(crate) const MAX_ANSWER: usize = 256 << 20;

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) request: Request,
}

/// What a hub sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Event(Event),
    Response(Response),
    Failure(Failure),
}

/// Listens at a path where nobody listens yet.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Whether the process at the other end runs for the user who owns the store's folder.
pub(crate) fn is_ours(stream: &UnixStream, store: &Path) -> io::Result<bool> {
    Ok(stream.peer_cred()?.uid() == fs::metadata(store)?.uid())
}
