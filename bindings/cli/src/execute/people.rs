//! Who is who, and who may do what.

use katori::{Doc, Principal, Role, Who};

use super::Executor;
use crate::failure::Failure;
use crate::report::{DeviceReport, ExplanationReport, IdentityReport, MemberReport, WhoReport};
use crate::response::Response;

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

    pub(super) async fn devices(&self) -> Result<Response, Failure> {
        let devices = self.node.devices().await?;
        Ok(Response::Devices(
            devices
                .into_iter()
                .map(|device| DeviceReport {
                    id: device.device.to_string(),
                    name: device.name,
                    this: device.this,
                })
                .collect(),
        ))
    }

    pub(super) async fn members(&self, document: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let mut reports = Vec::new();
        for member in doc.members().await? {
            reports.push(MemberReport {
                who: who(&member.who),
                role: member.role.to_string(),
                via: member.via.as_ref().map(ToString::to_string),
                expires: member.expires,
                devices: member.devices.iter().map(|device| device.device_name.clone()).collect(),
                synced: match member.who.person {
                    Some(person) => doc.synced_with(person).await?,
                    None => false,
                },
            });
        }
        Ok(Response::Members(reports))
    }

    pub(super) async fn grant(&self, document: &str, person: &str, role: Role) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let id = self.node.person(person).await?;
        doc.grant(id, role).await?;
        Ok(Response::Done(format!("{person} may now {} {}; they accept it first", verb(role), doc.name())))
    }

    pub(super) async fn revoke(&self, document: &str, person: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let id = self.node.person(person).await?;
        doc.revoke(id).await?;
        Ok(Response::Done(format!(
            "{person} has no role in {} any more; what you had accepted stays",
            doc.name()
        )))
    }

    pub(super) async fn leave(&self, document: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        doc.leave().await?;
        Ok(Response::Done(format!("left {}", doc.name())))
    }

    pub(super) async fn why(&self, name: &str, document: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let principal = self.principal(name).await?;
        let explanation = doc.why(principal).await?;
        Ok(Response::Explanation(ExplanationReport {
            who: name.to_owned(),
            role: explanation.role.map(|role| role.to_string()),
            lines: self.in_names(explanation.to_string(), &doc).await?.lines().map(str::to_owned).collect(),
        }))
    }

    /// Names in place of what stands for ids.
    async fn in_names(&self, mut text: String, doc: &Doc) -> Result<String, Failure> {
        for known in self.node.people().await? {
            if let Some(person) = known.person {
                text = text.replace(&format!("person {}", person.short()), &known.person_name);
            }
        }
        Ok(text.replace(&doc.id().short(), &doc.name()))
    }

    /// A person, or else one of the devices that are known.
    async fn principal(&self, name: &str) -> Result<Principal, Failure> {
        if let Ok(device) = name.parse() {
            let persons_too = self.node.person(name).await;
            return Ok(persons_too.map_or(Principal::Device(device), Principal::Person));
        }
        Ok(Principal::Person(self.node.person(name).await?))
    }
}

fn verb(role: Role) -> &'static str {
    match role {
        Role::Relay => "carry",
        Role::Read => "read",
        Role::Write => "write",
        Role::Admin => "administer",
    }
}

pub(super) fn who(who: &Who) -> WhoReport {
    WhoReport {
        name: who.to_string(),
        person: who.person.map(|person| person.to_string()),
        device: who.device.map(|device| device.to_string()),
    }
}
