//! Reaching a store: through the hub that has it open, or by opening it.

use std::net::SocketAddr;
use std::time::Duration;

use katori::{Network, Node, NodeBuilder};
use katori_core::store::OpenError;
use tokio::time::{Instant, sleep};

use crate::arguments::{CommonOptions, InitOptions};
use crate::client::Client;
use crate::directory::StoreDirectory;
use crate::execute::{check_name, parse_ticket};
use crate::failure::Failure;
use crate::render::counted_u64;
use crate::report::IdentityReport;
use crate::response::Event;
use crate::terminal::Output;

/// How long a store may be in use by another process before that is an error: two commands at once are no
/// reason to fail, and a hub that starts needs a moment until it answers.
const BUSY_FOR: Duration = Duration::from_secs(5);
/// How often it is tried meanwhile.
const BUSY_RETRY: Duration = Duration::from_millis(50);

/// How long a new device may take to get what its person has, before the command ends; the rest comes later.
const FIRST_SYNC: Duration = Duration::from_secs(10);

/// How often it is told meanwhile how much has come.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How a store is reached.
#[derive(Debug)]
pub(crate) enum Reached {
    /// A hub has it open.
    Hub(Client),
    /// It is open here.
    Node(Node),
}

/// Asks for the hub, or opens the store without one.
pub(crate) async fn reach(
    directory: &StoreDirectory,
    network: Network,
    bind: Option<SocketAddr>,
) -> Result<Reached, Failure> {
    let deadline = Instant::now() + BUSY_FOR;
    loop {
        if let Some(client) = Client::connect(directory).await? {
            return Ok(Reached::Hub(client));
        }
        match builder(directory, network, bind).open().await {
            Ok(node) => return Ok(Reached::Node(node)),
            Err(katori::Error::Store(OpenError::Locked { .. })) if Instant::now() < deadline => {
                sleep(BUSY_RETRY).await;
            }
            Err(katori::Error::Store(OpenError::Missing { .. })) => {
                return Err(Failure::store(format!(
                    "there is no store at {}; make one with `katori init`",
                    directory.path().display()
                )));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Makes a store, for a new person or another device of one.
pub(crate) async fn init(
    directory: &StoreDirectory,
    options: &InitOptions,
    common: &CommonOptions,
    output: &mut Output,
) -> Result<IdentityReport, Failure> {
    for name in options.person.iter().chain(&options.device) {
        check_name(name)?;
    }
    directory.create()?;
    let mut builder = builder(directory, Network::None, common.bind);
    if let Some(name) = &options.device {
        builder = builder.device_name(name);
    }
    let (node, words) = if let Some(ticket) = &options.join {
        let ticket = parse_ticket(ticket)?;
        output.event(&waiting(format!("waiting for a device of {}", ticket.person_name)));
        let node = builder.network(network(common)).pair(&ticket).await?;
        first_sync(&node, output).await?;
        (node, None)
    } else {
        if let Some(name) = &options.person {
            builder = builder.person_name(name);
        }
        let (node, phrase) = builder.init().await?;
        (node, Some(phrase.words().to_string()))
    };
    let me = node.me();
    node.close().await;
    Ok(IdentityReport {
        person: me.person.to_string(),
        person_name: me.person_name,
        device: me.device.to_string(),
        device_name: me.device_name,
        recovery_words: words,
    })
}

/// The other device is up now and may not be later, so what there is comes over at once.
async fn first_sync(node: &Node, output: &mut Output) -> Result<(), Failure> {
    let settled = node.settled(FIRST_SYNC);
    tokio::pin!(settled);
    let mut look = tokio::time::interval(LOOK_AGAIN);
    loop {
        tokio::select! {
            // What has not come by now comes when a hub runs.
            _ = &mut settled => return Ok(()),
            _ = look.tick() => {
                let documents = node.docs().await?;
                let changes: u64 = documents.iter().map(|document| document.changes).sum();
                let come = format!(
                    "{} with {} have come",
                    counted_u64(documents.len() as u64, "document"),
                    counted_u64(changes, "change")
                );
                output.event(&waiting(come));
            }
        }
    }
}

/// Something that takes as long as it takes.
pub(crate) fn waiting(what: String) -> Event {
    Event::Progress { what, done: 0, total: 0 }
}

/// The network that was asked for.
pub(crate) fn network(common: &CommonOptions) -> Network {
    if common.offline { Network::Offline } else { Network::Default }
}

fn builder(directory: &StoreDirectory, network: Network, bind: Option<SocketAddr>) -> NodeBuilder {
    let builder = Node::builder(directory.path()).network(network);
    match bind {
        Some(address) => builder.bind(address),
        None => builder,
    }
}
