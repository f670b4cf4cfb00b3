//! Who one is, one's devices, the people one knows, and groups of them.

use katori::{Contact, Group, PairingEnd, RemoveOptions};

use super::Executor;
use super::access;
use super::names::Names;
use super::tickets::gone;
use crate::failure::{Failure, FailureCode};
use crate::report::{
    ContactReport, DeviceReport, GroupMemberReport, GroupReport, IdentityReport, SafetyReport,
    VerifiedReport, WhoReport, WordsReport,
};
use crate::request::{ContactRequest, DeviceRequest, GroupRequest, RecoveryRequest};
use crate::response::Response;

use super::Events;

/// How somebody compared the safety number, where they do not say.
const COMPARED: &str = "by the safety number";

impl Executor {
    pub(crate) fn identity(&self) -> IdentityReport {
        let me = self.node.me();
        IdentityReport {
            person: me.person.to_string(),
            person_name: me.person_name,
            device: me.device.to_string(),
            device_name: me.device_name,
            recovery_words: None,
        }
    }

    pub(super) async fn device_request(
        &self,
        request: DeviceRequest,
        events: &Events,
    ) -> Result<Response, Failure> {
        match request {
            DeviceRequest::Add => self.add_device(events).await,
            DeviceRequest::Ls => self.devices().await,
            DeviceRequest::Rename { device, name } => {
                super::check_name(&name)?;
                let device = self.node.device(&device).await?;
                self.node.rename_device(device.device, &name).await?;
                self.devices().await
            }
            DeviceRequest::Revoke { device, dry_run, void } => {
                self.remove_device(&device, dry_run, void).await
            }
            DeviceRequest::Answer { pairing, same } => {
                paired(self.node.answer_pairing(pairing, same).await)?;
                Ok(Response::Done("the new device is one of yours".to_owned()))
            }
        }
    }

    pub(super) async fn devices(&self) -> Result<Response, Failure> {
        let devices = self.node.devices().await?;
        let report = |device: katori::DeviceInfo| DeviceReport {
            id: device.device.to_string(),
            name: device.name,
            this: device.this,
        };
        Ok(Response::Devices(devices.into_iter().map(report).collect()))
    }

    async fn remove_device(&self, device: &str, dry_run: bool, void: bool) -> Result<Response, Failure> {
        let device = self.node.device(device).await?;
        let options = RemoveOptions::default().keep(!void);
        if dry_run {
            let found = self.node.would_remove_device(device.device, options).await?;
            let names = self.names().await?;
            return Ok(access::consequences(&found, format!("removing {}", device.name), &names));
        }
        if device.this {
            return Err(Failure::usage(format!(
                "{} is the device this runs on; nothing was changed: remove it on another of yours",
                device.name
            )));
        }
        self.node.remove_device(device.device, options).await?;
        let granted = if void {
            "what it granted and revoked for you counts no more"
        } else {
            "what it granted for you stays"
        };
        Ok(Response::Done(format!("{} is removed for ever; what it wrote stays, and {granted}", device.name)))
    }

    pub(super) async fn contact_request(&self, request: ContactRequest) -> Result<Response, Failure> {
        match request {
            ContactRequest::Ls => {
                let contacts = self.node.contacts().await?;
                Ok(Response::Contacts(contacts.iter().map(contact).collect()))
            }
            ContactRequest::Verify { who, how, same } => self.verify(&who, how.as_deref(), same).await,
            ContactRequest::Rename { who, name } => {
                let (id, before) = self.somebody(&who).await?;
                self.node.rename_contact(id, name.as_deref()).await?;
                let now = self.names().await?.person(id);
                Ok(Response::Done(format!("{before} is called {now} on your devices")))
            }
            ContactRequest::Block { who } => {
                let (id, name) = self.somebody(&who).await?;
                self.node.block(id).await?;
                Ok(Response::Done(format!(
                    "the devices of {name} are refused from now on; what is shared with them stays so until you revoke it"
                )))
            }
            ContactRequest::Unblock { who } => {
                let (id, name) = self.somebody(&who).await?;
                self.node.unblock(id).await?;
                Ok(Response::Done(format!("the devices of {name} may connect again")))
            }
        }
    }

    /// The number to compare, or what was noted once somebody did.
    async fn verify(&self, who: &str, how: Option<&str>, same: bool) -> Result<Response, Failure> {
        let (id, name) = self.somebody(who).await?;
        if id == self.node.me().person {
            return Err(katori::Error::Yourself.into());
        }
        if !same {
            return Ok(Response::Safety(SafetyReport {
                who: WhoReport { name, person: Some(id.to_string()), device: None },
                safety_number: self.node.safety_number(id).to_string(),
            }));
        }
        self.node.mark_verified(id, how.unwrap_or(COMPARED)).await?;
        Ok(Response::Done(format!("noted: {name} is who they say")))
    }

    async fn somebody(&self, who: &str) -> Result<(katori::PersonId, String), Failure> {
        let id = self.node.person(who).await?;
        Ok((id, self.names().await?.person(id)))
    }

    pub(super) async fn group_request(&self, request: GroupRequest) -> Result<Response, Failure> {
        match request {
            GroupRequest::New { name } => {
                super::check_name(&name)?;
                let group = self.node.create_group(&name).await?;
                self.group(&group).await
            }
            GroupRequest::Ls => {
                let mut reports = Vec::new();
                let names = self.names().await?;
                for group in self.node.groups().await? {
                    reports.push(group_report(&group, &names).await?);
                }
                Ok(Response::Groups(reports))
            }
            GroupRequest::Members { group } => self.group(&self.node.group(&group).await?).await,
            GroupRequest::Add { group, who, full } => {
                let group = self.node.group(&group).await?;
                group.add(self.node.person(&who).await?, full).await?;
                self.group(&group).await
            }
            GroupRequest::Remove { group, who } => {
                let group = self.node.group(&group).await?;
                group.remove(self.node.person(&who).await?).await?;
                self.group(&group).await
            }
        }
    }

    async fn group(&self, group: &Group) -> Result<Response, Failure> {
        Ok(Response::Group(group_report(group, &self.names().await?).await?))
    }

    pub(super) async fn recovery_request(&self, request: RecoveryRequest) -> Result<Response, Failure> {
        match request {
            RecoveryRequest::Words { done: false } => match self.node.recovery_words().await? {
                Some(phrase) => {
                    Ok(Response::Words(WordsReport { recovery_words: phrase.words().as_str().to_owned() }))
                }
                None => Err(Failure::not_found(
                    "the recovery words are not kept here any more; they were shown once, and only the paper has them",
                )),
            },
            RecoveryRequest::Words { done: true } => {
                self.node.forget_recovery_words().await?;
                Ok(Response::Done("the recovery words are erased here; keep the paper safe".to_owned()))
            }
            RecoveryRequest::Help { who } => {
                let person = match who {
                    Some(who) => self.node.person(&who).await?,
                    None => self.node.me().person,
                };
                let ticket = self.node.help_recover(person).await?;
                Ok(Response::Ticket(self.ticket_report(&ticket, false, false)))
            }
        }
    }
}

async fn group_report(group: &Group, names: &Names) -> Result<GroupReport, Failure> {
    let members = group.members().await?;
    let report = |member: &katori::GroupMember| GroupMemberReport {
        who: names.who(&member.who),
        full: member.full,
        is_group: member.is_group,
    };
    Ok(GroupReport {
        id: group.id().to_string(),
        name: group.name(),
        members: members.iter().map(report).collect(),
    })
}

fn contact(contact: &Contact) -> ContactReport {
    ContactReport {
        id: contact.person.to_string(),
        name: contact.name().to_owned(),
        own_name: contact.petname.as_ref().map(|_| contact.own_name.clone()),
        verified: contact
            .verified
            .as_ref()
            .map(|verified| VerifiedReport { how: verified.how.clone(), when_ms: verified.when }),
        blocked: contact.blocked,
        clash: contact.clash,
        devices: contact.devices.iter().map(|device| device.name.clone()).collect(),
        shared: contact.shared.iter().map(|place| place.name.clone()).collect(),
    }
}

/// How a pairing ended, as a failure unless both said that the digits are the same.
fn paired(end: PairingEnd) -> Result<(), Failure> {
    let why = match end {
        PairingEnd::Paired => return Ok(()),
        PairingEnd::RefusedHere => "you said that the digits differ",
        PairingEnd::RefusedThere => "the other device says that the digits differ",
        PairingEnd::CommitmentBroken => "what came from here was changed on its way",
        PairingEnd::Unconfirmed => {
            return Err(Failure::new(
                FailureCode::NotAllowed,
                "nobody compared the digits in time, here or there; nothing was granted: make a new ticket with \
                 both devices at hand",
            ));
        }
        PairingEnd::Gone => return Err(gone()),
        PairingEnd::BrokenOff | _ => {
            return Err(Failure::new(
                FailureCode::Unreachable,
                "the other device went away before both had said yes; nothing was granted: make a new ticket",
            ));
        }
    };
    Err(Failure::new(
        FailureCode::NotAllowed,
        format!(
            "{why}; nothing was granted: somebody may be in between, so make a new ticket and hand it over in person"
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pairing_that_did_not_come_about_says_why() {
        assert!(paired(PairingEnd::Paired).is_ok());
        for (end, code, words) in [
            (PairingEnd::RefusedHere, 5, "you said"),
            (PairingEnd::RefusedThere, 5, "other device says"),
            (PairingEnd::Unconfirmed, 5, "in time"),
            (PairingEnd::Gone, 5, "before you answered"),
            (PairingEnd::BrokenOff, 7, "went away"),
        ] {
            let failure = paired(end).unwrap_err();
            assert_eq!(failure.code.exit_code(), code, "{failure}");
            assert!(failure.message.contains(words) && failure.message.contains("nothing was granted"));
        }
    }
}
