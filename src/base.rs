//! What every handle of one node rests on: the hub, the names of everybody, and the person's shelf.

use std::sync::Arc;

use katori_core::engine::{Command, Engine};
use katori_net::{Hub, HubError};

use crate::error::Error;
use crate::shelf::Shelf;
use crate::who::{KnownNames, Names, Who};

/// See the module.
#[derive(Debug)]
pub(crate) struct Base {
    pub(crate) hub: Hub,
    pub(crate) names: Arc<KnownNames>,
    pub(crate) shelf: Shelf,
}

impl Base {
    pub(crate) async fn new(hub: Hub) -> Result<Self, HubError> {
        let base = Self { hub, names: Arc::default(), shelf: Shelf::default() };
        base.read_names().await?;
        Ok(base)
    }

    /// Asks the engine, with the names as they are now at hand.
    pub(crate) async fn ask<R: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine, &Names) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let known = Arc::clone(&self.names);
        Ok(self.hub.ask(move |engine| question(engine, &known.read(engine))).await?)
    }

    /// Has something done that answers nothing but that it is done.
    pub(crate) async fn tell(&self, command: Command) -> Result<(), Error> {
        self.hub.command(command).await?;
        Ok(())
    }

    pub(crate) async fn read_names(&self) -> Result<(), HubError> {
        let known = Arc::clone(&self.names);
        self.hub.ask(move |engine| drop(known.read(engine))).await
    }

    pub(crate) fn me(&self) -> Who {
        self.names.get().device(self.hub.device())
    }

    /// What this person calls itself.
    pub(crate) fn own_name(&self) -> String {
        self.names.get().own_name(self.hub.person()).unwrap_or_default().to_owned()
    }
}
