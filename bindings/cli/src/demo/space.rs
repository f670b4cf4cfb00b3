//! A space: shared once, it holds for what is born in it later; and anybody can ask why.

use super::Stage;
use crate::failure::Failure;
use crate::report::{
    ContentReport, DocumentReport, ExplanationReport, PreviewReport, SpaceContentReport, TicketReport,
};

/// What the space is called, and the documents in it: one before Cleo comes, one after.
pub(super) const SPACE: &str = "house";
pub(super) const BEFORE: &str = "chores";
pub(super) const AFTER: &str = "garden";

impl Stage {
    pub(super) async fn share_a_space(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ana shares a whole space with Cleo");
        self.laptop.run(&["space", "new", SPACE]).await?;
        self.laptop.run(&["new", BEFORE, "--in", SPACE]).await?;
        self.laptop.run(&["set", BEFORE, "stairs", "sweep"]).await?;
        self.cleo.run(&["init", "--person", "Cleo", "--device", "tablet"]).await?;
        self.cleo.start_hub().await?;
        let TicketReport { ticket, .. } = self.laptop.read(&["invite", SPACE, "--role", "write"]).await?;
        let looked: PreviewReport = self.cleo.read(&["look", &ticket]).await?;
        self.narrator.tell(&format!(
            "Cleo looks at the ticket before using it: {} in {}, {} document, {} change.",
            looked.role, looked.name, looked.documents, looked.changes
        ));
        self.cleo.run(&["join", &ticket]).await?;
        self.until_cleo_reads(BEFORE, "stairs", "sweep").await?;
        self.laptop.run(&["new", AFTER, "--in", SPACE]).await?;
        self.laptop.run(&["set", AFTER, "figs", "ripen"]).await?;
        self.until_cleo_reads(AFTER, "figs", "ripen").await?;
        self.narrator
            .tell("She gets what was in it, and what is made in it afterwards, without another word.");
        let why: ExplanationReport = self.laptop.read(&["why", "Cleo", AFTER]).await?;
        for line in &why.lines {
            self.narrator.tell(&format!("  {line}"));
        }
        self.narrator.detail("katori space new house, katori new garden --in house, katori why Cleo garden");
        Ok(())
    }

    async fn until_cleo_reads(&self, document: &str, path: &str, value: &str) -> Result<(), Failure> {
        let reads = |content: &ContentReport| (content.value == value).then_some(());
        self.cleo.until(&format!("what is in {document}"), &["cat", document, path], reads).await
    }

    /// Both hold both documents of the space, and the reason is a grant in the space.
    pub(super) async fn space_holds(&self) -> Result<bool, Failure> {
        let mut holds = true;
        for device in [&self.laptop, &self.cleo] {
            let space: SpaceContentReport = device.read(&["space", "show", SPACE]).await?;
            let named =
                |name: &str| space.documents.iter().any(|document: &DocumentReport| document.name == name);
            holds &= named(BEFORE) && named(AFTER);
        }
        let why: ExplanationReport = self.laptop.read(&["why", "Cleo", AFTER]).await?;
        let by_the_space = why.chains.iter().any(|chain| chain.live && chain.space.as_deref() == Some(SPACE));
        Ok(holds && by_the_space && why.role.as_deref() == Some("write"))
    }
}
