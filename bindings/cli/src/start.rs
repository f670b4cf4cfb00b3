//! Reaching a store: through the hub that has it open, or by opening it.

use std::net::SocketAddr;
use std::time::Duration;

use katori::{Digits, Network, Node, NodeBuilder, OpenError, STORE_FILE, Ticket};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use crate::answers::Answers;
use crate::arguments::{CommonOptions, InitOptions};
use crate::client::Client;
use crate::directory::StoreDirectory;
use crate::execute::{check_name, parse_ticket};
use crate::failure::{Failure, FailureCode};
use crate::render::counted_u64;
use crate::report::{IdentityReport, PairingReport};
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
    answers: &mut Answers,
) -> Result<IdentityReport, Failure> {
    for name in options.person.iter().chain(&options.device) {
        check_name(name)?;
    }
    directory.create()?;
    let mut builder = builder(directory, Network::None, common.bind);
    if let Some(name) = &options.device {
        builder = builder.device_name(name);
    }
    if let Some(ticket) = &options.join {
        let ticket = parse_ticket(ticket)?;
        let node = pair(builder.network(network(common)), &ticket, output, answers).await?;
        first_sync(&node, output).await?;
        return Ok(close(node, None).await);
    }
    if let Some(name) = &options.person {
        builder = builder.person_name(name);
    }
    if options.words_later {
        return Ok(close(init_with_words_kept(directory, builder).await?, None).await);
    }
    let (node, phrase) = builder.init().await?;
    Ok(close(node, Some(phrase.words().to_string())).await)
}

/// A store whose recovery words are shown later.
async fn init_with_words_kept(directory: &StoreDirectory, builder: NodeBuilder) -> Result<Node, Failure> {
    let path = directory.path().join(STORE_FILE);
    if path.symlink_metadata().is_ok() {
        return Err(katori::Error::Store(OpenError::AlreadyExists { path }).into());
    }
    Ok(builder.open_or_init().await?)
}

/// Becomes another device of a person, once somebody has compared the digits here and there.
async fn pair(
    builder: NodeBuilder,
    ticket: &Ticket,
    output: &mut Output,
    answers: &mut Answers,
) -> Result<Node, Failure> {
    output.event(&waiting(format!("waiting for a device of {}", ticket.person_name)));
    let (sender, mut shown) = mpsc::channel::<(Digits, oneshot::Sender<bool>)>(1);
    let builder = builder.confirm_digits(move |digits| {
        let sender = sender.clone();
        async move {
            let (answer, said) = oneshot::channel();
            sender.send((digits, answer)).await.is_ok() && said.await == Ok(true)
        }
    });
    let pairing = Box::pin(builder.pair(ticket));
    tokio::pin!(pairing);
    let (mut asked, mut nobody) = (None, false);
    loop {
        tokio::select! {
            biased;
            result = &mut pairing => {
                return result.map_err(|error| if nobody { nobody_compared() } else { error.into() });
            }
            Some((digits, answer)) = shown.recv() => {
                let with = ticket.person_name.clone();
                output.event(&Event::Pairing(PairingReport { pairing: None, with, digits: digits.to_string() }));
                asked = Some(answer);
            }
            same = answers.yes(), if asked.is_some() => {
                nobody = same.is_none();
                output.event(&waiting("waiting for the answer on the other device".to_owned()));
                if let Some(answer) = asked.take() {
                    // If the pairing has just ended, it says how.
                    let _ = answer.send(same == Some(true));
                }
            }
        }
    }
}

/// The standard input is closed, so nobody can have looked at both screens.
pub(crate) fn nobody_compared() -> Failure {
    Failure::new(
        FailureCode::NotAllowed,
        "nobody was there to say whether both screens show the same digits (the standard input is closed); nothing \
         was granted: run this where somebody can answer",
    )
}

/// Who this is, as a store that was just made is left.
pub(crate) async fn close(node: Node, recovery_words: Option<String>) -> IdentityReport {
    let me = node.me();
    node.close().await;
    IdentityReport {
        person: me.person.to_string(),
        person_name: me.person_name,
        device: me.device.to_string(),
        device_name: me.device_name,
        recovery_words,
    }
}

/// The other device is up now and may not be later, so what there is comes over at once.
pub(crate) async fn first_sync(node: &Node, output: &mut Output) -> Result<(), Failure> {
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

/// How a store is opened or made.
pub(crate) fn builder(directory: &StoreDirectory, network: Network, bind: Option<SocketAddr>) -> NodeBuilder {
    let builder = Node::builder(directory.path()).network(network);
    match bind {
        Some(address) => builder.bind(address),
        None => builder,
    }
}
