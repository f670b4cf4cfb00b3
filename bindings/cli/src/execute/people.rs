//! Who is who, and who may do what.

use katori::{CommandError, Doc, Error, Member, PersonId, Principal, Role, Who};

use super::{Executor, chains};
use crate::failure::{Failure, FailureCode};
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
        let people = self.node.people().await?;
        for member in doc.members().await? {
            reports.push(MemberReport {
                who: told_apart(&member.who, &people),
                role: member.role.to_string(),
                via: member.via.as_ref().map(ToString::to_string),
                expires_ms: member.expires,
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
        let (name, document) = (self.person_name(id).await?, doc.name());
        let present = member(&doc, id).await?;
        if let Some(present) = &present {
            if present.owner {
                return Err(owned(&name, &document));
            }
            if present.role >= role && present.expires.is_none() {
                return Ok(Response::Done(format!(
                    "{name} may {} {document} already; nothing was changed",
                    verb(present.role)
                )));
            }
        }
        doc.grant(id, role).await?;
        let first = if present.is_none() { "; they accept it first" } else { "" };
        Ok(Response::Done(format!("{name} may now {} {document}{first}", verb(role))))
    }

    pub(super) async fn revoke(&self, document: &str, person: &str) -> Result<Response, Failure> {
        let doc = self.node.doc(document).await?;
        let id = self.node.person(person).await?;
        let (name, document) = (self.person_name(id).await?, doc.name());
        let before = member(&doc, id).await?;
        if before.as_ref().is_some_and(|before| before.owner) {
            return Err(owned(&name, &document));
        }
        match doc.revoke(id).await {
            Err(Error::Command(CommandError::NothingToRevoke(_))) => {
                return Err(Failure::new(
                    FailureCode::NotAllowed,
                    nothing_to_revoke(&name, &document, before),
                ));
            }
            revoked => revoked?,
        }
        let Some(left) = member(&doc, id).await? else {
            return Ok(Response::Done(format!(
                "{name} has no role in {document} any more; what you had accepted stays"
            )));
        };
        Ok(Response::Done(format!(
            "what you gave {name} in {document} is revoked, but they may still {} it{}",
            verb(left.role),
            through(&left)
        )))
    }

    /// What a person calls itself, or the beginning of its id.
    async fn person_name(&self, id: PersonId) -> Result<String, Failure> {
        let people = self.node.people().await?;
        let known = people.into_iter().find(|who| who.person == Some(id));
        Ok(known.map_or_else(|| id.short(), |who| who.person_name))
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
            chains: {
                let people = self.node.people().await?;
                explanation.chains.iter().map(|chain| chains::report(chain, &people)).collect()
            },
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

async fn member(doc: &Doc, person: PersonId) -> Result<Option<Member>, Failure> {
    Ok(doc.members().await?.into_iter().find(|member| member.who.person == Some(person)))
}

fn owned(name: &str, document: &str) -> Failure {
    let message = format!("{name} owns {document}, so their role cannot change; nothing was changed");
    Failure::new(FailureCode::NotAllowed, message)
}

/// Through whom a role comes, as the end of a sentence.
fn through(member: &Member) -> String {
    member.via.as_ref().map(|via| format!(", through {via}")).unwrap_or_default()
}

fn nothing_to_revoke(name: &str, document: &str, present: Option<Member>) -> String {
    match present {
        Some(member) => format!(
            "{name} may {} {document}{}, and not through you; nothing was revoked: ask them, or the owner",
            verb(member.role),
            through(&member)
        ),
        None => format!("{name} has no role in {document}; nothing was revoked"),
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

/// Somebody, with the beginning of the id where another person has the same name.
pub(super) fn told_apart(somebody: &Who, people: &[Who]) -> WhoReport {
    let mut report = who(somebody);
    let namesakes = people.iter().filter(|known| known.person_name == somebody.person_name).count();
    if namesakes > 1
        && let Some(person) = somebody.person
    {
        report.name = format!("{} [{}]", report.name, person.short());
    }
    report
}

pub(super) fn who(who: &Who) -> WhoReport {
    WhoReport {
        name: who.to_string(),
        person: who.person.map(|person| person.to_string()),
        device: who.device.map(|device| device.to_string()),
    }
}
