//! Pairing: a new device asks to become one of this person's, and both screens show the same six digits.

use katori_acl::{DeviceId, Ticket};
use katori_net::{Digits, Hub, PairingEnd, PairingRequest};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::error::Error;
use crate::invite;
use crate::node::Node;

/// A new device that waits for somebody here to compare digits.
#[derive(Debug, Clone)]
pub struct Pairing {
    /// Names it among those that wait.
    pub id: u64,
    /// The device.
    pub device: DeviceId,
    /// What it is called.
    pub name: String,
    /// What it shows, if it is the one it says.
    pub digits: Digits,
    hub: Hub,
}

/// New devices as they come. Made by [`Node::pairings`].
#[derive(Debug)]
pub struct Pairings {
    hub: Hub,
    requests: Receiver<PairingRequest>,
    told: Vec<u64>,
}

impl Node {
    /// A ticket for another device of this person; [`NodeBuilder::pair`](crate::NodeBuilder::pair) redeems it within
    /// [`PAIRING_LIFETIME`](crate::PAIRING_LIFETIME), while this node runs. Before the device is let in,
    /// [`pairings`](Self::pairings) shows six digits, which somebody compares.
    ///
    /// # Errors
    /// [`Error::Command`] if this device may not sign for the person.
    pub async fn invite_device(&self) -> Result<Ticket, Error> {
        invite::to_pair(self.base()).await
    }

    /// New devices that want to be let in, those that wait already and those to come.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (directory, other) = (tempfile::tempdir()?, tempfile::tempdir()?);
    /// # let builder = |directory: &tempfile::TempDir| katori::Node::builder(directory.path())
    /// #     .person_name("Ana").network(katori::Network::Offline).bind(([127, 0, 0, 1], 0).into());
    /// # let laptop = builder(&directory).open_or_init().await?;
    /// let ticket = laptop.invite_device().await?;
    /// let mut pairings = laptop.pairings();
    ///
    /// // On the phone: show the digits, and ask whether the laptop shows the same.
    /// let phone = builder(&other).confirm_digits(|digits| async move {
    ///     println!("{digits}");
    ///     true
    /// });
    /// let phone = tokio::spawn(async move { phone.pair(&ticket).await });
    ///
    /// // On the laptop: the same question.
    /// let pairing = pairings.next().await.ok_or("closed")?;
    /// println!("{} shows {}", pairing.name, pairing.digits);
    /// assert_eq!(pairing.answer(true).await, katori::PairingEnd::Paired);
    /// let phone = phone.await??;
    /// assert_eq!(phone.me().person, laptop.me().person);
    /// # phone.close().await;
    /// # laptop.close().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn pairings(&self) -> Pairings {
        let hub = self.hub().clone();
        Pairings { requests: hub.pairings(), hub, told: Vec::new() }
    }

    /// New devices that wait now.
    #[must_use]
    pub fn pairing_requests(&self) -> Vec<Pairing> {
        let requests = self.hub().pairing_requests().into_iter();
        requests.map(|request| Pairing::new(self.hub(), request)).collect()
    }

    /// Answers a new device by the id of its request; see [`Pairing::answer`].
    pub async fn answer_pairing(&self, id: u64, same: bool) -> PairingEnd {
        self.hub().answer_pairing(id, same).await
    }
}

impl Pairings {
    /// The next one that waits; nothing when the node was closed.
    ///
    /// # Cancel safety
    /// Nothing is lost if this is dropped before it is done, as in `select!`.
    pub async fn next(&mut self) -> Option<Pairing> {
        loop {
            let waiting = self.hub.pairing_requests();
            self.told.retain(|id| waiting.iter().any(|request| request.id == *id));
            if let Some(request) = waiting.into_iter().find(|request| !self.told.contains(&request.id)) {
                self.told.push(request.id);
                return Some(Pairing::new(&self.hub, request));
            }
            match self.requests.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Pairing {
    fn new(hub: &Hub, request: PairingRequest) -> Self {
        let PairingRequest { id, device, name, digits } = request;
        Self { id, device, name, digits, hub: hub.clone() }
    }

    /// Says whether the new device shows the same digits, and waits for what comes of it: somebody there says so
    /// too, and only then is it let in.
    ///
    /// # Cancel safety
    /// The answer counts in any case.
    pub async fn answer(self, same: bool) -> PairingEnd {
        self.hub.answer_pairing(self.id, same).await
    }
}
