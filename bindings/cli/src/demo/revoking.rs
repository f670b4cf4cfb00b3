//! The second half: a revocation that not everybody has heard of, and what becomes of honest work.

use super::typing::write;
use super::{DOCUMENT, Stage};
use crate::failure::Failure;
use crate::report::{DocumentReport, HeldReport, MemberReport, TakenInReport};
use crate::request::{Position, TextEdit};

/// What Ben writes before Ana's phone has heard of the revocation, and what he writes without knowing of it.
const FIRST: &str = " Ben mended the third shelf.";
const SECOND: &str = " Ben still has the small key.";

impl Stage {
    pub(super) async fn revoke(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ana revokes Ben, and nobody hears it yet");
        self.laptop.kill_hub().await?;
        self.laptop.run(&["revoke", DOCUMENT, "Ben"]).await?;
        self.narrator.tell(
            "Her laptop's hub is killed; she revokes him there, offline. Her phone knows nothing of it.",
        );
        self.narrator.detail("katori revoke kitchen Ben");
        Ok(())
    }

    pub(super) async fn hand_the_phone_a_change(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ben hands Ana's phone a change");
        self.accepted = write(&self.ben, insert_at_the_end(FIRST)).await?;
        self.phone.until_in_log(DOCUMENT, &self.accepted).await?;
        self.ben
            .until("a receipt from Ana's phone", &["members", DOCUMENT], |members: &Vec<MemberReport>| {
                members.iter().find(|member| member.who.name == "Ana" && member.synced).map(|_| ())
            })
            .await?;
        self.narrator.tell("The phone takes it in good faith, and tells Ben that it is saved.");
        self.phone.kill_hub().await?;
        self.unknowing = write(&self.ben, insert_at_the_end(SECOND)).await?;
        self.ben.kill_hub().await?;
        self.narrator
            .tell("The phone is killed too. Ben writes one more, not knowing. Then he closes his laptop.");
        Ok(())
    }

    pub(super) async fn hear_of_the_revocation(&mut self) -> Result<(), Failure> {
        self.narrator.step("Everybody hears of it");
        self.laptop.start_hub().await?;
        self.ben.start_hub().await?;
        let both = [&self.accepted, &self.unknowing];
        self.laptop
            .until("Ben's two changes", &["held", DOCUMENT], |held: &Vec<HeldReport>| {
                let signed = |hash: &String| held.iter().any(|held| held.hash == *hash && held.signed);
                both.into_iter().all(signed).then_some(())
            })
            .await?;
        self.was_held = true;
        self.ben
            .until("the revocation", &["ls"], |documents: &Vec<DocumentReport>| {
                documents.iter().find(|document| document.role.is_none()).map(|_| ())
            })
            .await?;
        self.narrator
            .tell("Ben's laptop is told once, and hands over what Ana's lacked. It is not shown: held back.");
        self.ben.kill_hub().await?;

        self.phone.start_hub().await?;
        let adopted = self.laptop.until_in_log(DOCUMENT, &self.accepted).await?;
        self.was_adopted = adopted.who.is_some_and(|who| who.name == "Ben (laptop)");
        self.narrator
            .tell("The phone had accepted the first before it knew, and stands behind it: adopted, on both.");
        for device in [&self.laptop, &self.phone] {
            device
                .until("only the second change held back", &["held", DOCUMENT], |held: &Vec<HeldReport>| {
                    let [one] = held.as_slice() else { return None };
                    (one.hash == self.unknowing).then_some(())
                })
                .await?;
        }
        self.was_held_everywhere = true;
        self.narrator.tell("Nobody had seen the second: it stays held back on both, with its reason.");
        self.narrator.detail("katori held kitchen");
        Ok(())
    }

    pub(super) async fn take_in(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ana takes the second one in");
        let taken: TakenInReport = self.laptop.read(&["take-in", DOCUMENT, &self.unknowing]).await?;
        self.narrator.tell("It was honest work, so she takes it in by her own word.");
        if taken.still_held != 0 {
            return Err(Failure::failed(format!("{} changes are still held back", taken.still_held)));
        }
        self.phone.until_in_log(DOCUMENT, &self.unknowing).await?;
        self.narrator.tell("Her phone shows it as well. Ben wrote it, Ana answers for it.");
        self.narrator.detail("katori take-in kitchen");
        Ok(())
    }

    pub(super) async fn kill_everybody(&mut self) -> Result<(), Failure> {
        self.narrator.step("Every process is killed");
        self.laptop.kill_hub().await?;
        self.phone.kill_hub().await?;
        self.cleo.kill_hub().await?;
        self.narrator.tell("kill -9, all of them. What was said to be saved must be there.");
        Ok(())
    }
}

fn insert_at_the_end(text: &str) -> TextEdit {
    TextEdit::Insert { position: Position::End, text: text.to_owned() }
}
