//! The devices of this person: naming them, and removing one that is lost.

use std::time::Duration;

use katori_acl::DeviceId;
use katori_core::engine::Command;

use crate::consequences::Consequences;
use crate::error::Error;
use crate::node::Node;

/// How long a removal waits for what peers that can be reached have and this device lacks.
const ASK_FIRST: Duration = Duration::from_secs(2);

/// A device of this person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceInfo {
    /// Its id.
    pub device: DeviceId,
    /// What it is called.
    pub name: String,
    /// Whether it may sign for the person, and not only write.
    pub full: bool,
    /// Whether it is the one this runs on.
    pub this: bool,
}

/// What removing a device does besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoveOptions {
    /// What the device granted and revoked for the person, as far as it is known here, goes on counting. Say no for
    /// one that was stolen and may have been used.
    pub keep: bool,
}

impl Default for RemoveOptions {
    fn default() -> Self {
        Self { keep: true }
    }
}

impl RemoveOptions {
    /// Whether what the device granted and revoked for the person goes on counting.
    #[must_use]
    pub fn keep(self, keep: bool) -> Self {
        Self { keep }
    }
}

impl Node {
    /// The devices of this person, by name.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        let (person, me) = (self.hub().person(), self.hub().device());
        let roster = self.hub().ask(move |engine| engine.registry().roster(person)).await?;
        let Some(roster) = roster else { return Ok(Vec::new()) };
        let device = |(device, member): (&DeviceId, &katori_acl::RosterMember)| DeviceInfo {
            device: *device,
            name: member.name.clone(),
            full: roster.is_full(device),
            this: *device == me,
        };
        let mut devices: Vec<DeviceInfo> = roster.devices.iter().map(device).collect();
        devices.sort_by(|one, other| (&one.name, one.device).cmp(&(&other.name, other.device)));
        Ok(devices)
    }

    /// A device of this person by its name, its id, or the first few characters of it.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Ambiguous`] with all that answer to it.
    pub async fn device(&self, name_or_id: &str) -> Result<DeviceInfo, Error> {
        let devices = self.devices().await?;
        let named = devices.iter().map(|device| (device.device, device.name.clone()));
        let id = crate::node::pick("device", name_or_id, named)?;
        let found = devices.into_iter().find(|device| device.device == id);
        found.ok_or_else(|| Error::NotFound { what: "device", name: name_or_id.to_owned() })
    }

    /// Calls a device of this person something else, for everybody.
    ///
    /// # Errors
    /// [`Error::Command`] if it is none of this person's, or the name is too long.
    pub async fn rename_device(&self, device: DeviceId, name: &str) -> Result<(), Error> {
        self.base().tell(Command::Rename { device: Some(device), name: name.to_owned() }).await
    }

    /// Calls this person something else, for everybody.
    ///
    /// # Errors
    /// [`Error::Command`] if the name is too long.
    pub async fn rename_me(&self, name: &str) -> Result<(), Error> {
        self.base().tell(Command::Rename { device: None, name: name.to_owned() }).await
    }

    /// Removes a device that is lost or no longer wanted. It never returns: pair it again if it turns up. What it
    /// wrote into documents stays.
    ///
    /// # Errors
    /// [`Error::Command`] if it is none of this person's, or the last that can sign for it.
    pub async fn remove_device(&self, device: DeviceId, options: RemoveOptions) -> Result<(), Error> {
        // Whoever cannot be reached in time is not waited for.
        self.settled(ASK_FIRST).await;
        self.base().tell(Command::RemoveDevice { device, keep: options.keep }).await
    }

    /// What [`remove_device`](Self::remove_device) would change. Nothing is done.
    ///
    /// # Errors
    /// The same.
    pub async fn would_remove_device(
        &self,
        device: DeviceId,
        options: RemoveOptions,
    ) -> Result<Consequences, Error> {
        self.base()
            .ask(move |engine, names| {
                let found = engine.consequences_of_removing(device, options.keep);
                found.map(|found| Consequences::new(engine, names, &found))
            })
            .await?
            .map_err(Error::Command)
    }
}
