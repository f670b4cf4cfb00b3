//! The first half: pairing, inviting, writing together, and a process that is killed.

use super::pairing::pair;
use super::typing::{Writer, percentile, split};
use super::{DOCUMENT, Stage, TEXT};
use crate::failure::Failure;
use crate::report::{ContentReport, EditedReport, TicketReport};

/// What Ana writes while Ben writes, word by word, into the first paragraph.
const ANA_WRITES: &str = " On the sill stands a row of jars that belong to no one in particular: beans, barley, the \
small red lentils, and one that is always empty, because whoever fills it with biscuits is the first to find it \
empty again the next day.";
/// What Ben writes, at the end.
const BEN_WRITES: &str = "Since then a second tree has come up beside the first. We water it with what is left in \
the kettle, whoever has boiled it last, and we have written down the day, because in seven years somebody will \
want to know whose idea it was.";
/// Where Ana writes.
const ANA_WRITES_AFTER: &str = "every summer somebody swears that the figs will ripen this time.";
/// What both write while they cannot reach each other.
const ANA_ALONE: &str = " Somebody has labelled it hope.";
const BEN_ALONE: &str = " The stairs no longer creak at all.";

impl Stage {
    pub(super) async fn pair(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ana pairs her phone");
        self.laptop.run(&["init", "--person", "Ana", "--device", "laptop"]).await?;
        self.laptop.start_hub().await?;
        self.narrator
            .tell("Ana's laptop has a store of its own and a running hub. No account was made anywhere.");
        self.digits = pair(&self.laptop, &self.phone).await?;
        let [here, there] = &self.digits;
        self.narrator.tell(&format!(
            "She gives the phone a ticket. The laptop shows {here}, the phone {there}; she says on both that they are the same."
        ));
        self.phone.start_hub().await?;
        self.laptop.until_connected(&self.phone).await?;
        self.narrator.tell("Only then is it one of her devices. Both are connected.");
        self.narrator.detail("katori device add, then on the phone: katori init --join TICKET");
        Ok(())
    }

    pub(super) async fn invite(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ana shares a text with Ben");
        let file = self.folder.join("kitchen.txt");
        std::fs::write(&file, TEXT).map_err(|error| Failure::file(&file, &error))?;
        self.laptop.run(&["import", &file.to_string_lossy(), "--name", DOCUMENT]).await?;
        let heads = self.laptop.heads(DOCUMENT).await?;
        self.phone.until_heads(DOCUMENT, &heads).await?;
        let length = TEXT.chars().count();
        self.narrator.tell(&format!("She imports a text of {length} characters. Her phone has it at once."));

        self.ben.run(&["init", "--person", "Ben", "--device", "laptop"]).await?;
        self.ben.start_hub().await?;
        let TicketReport { ticket, .. } = self
            .laptop
            .read(&["invite", DOCUMENT, "--role", "write", "--expires", "1d", "--uses", "1"])
            .await?;
        self.ben.run(&["join", &ticket]).await?;
        self.ben.until_heads(DOCUMENT, &heads).await?;
        self.narrator.tell("Ben joins with her ticket: he may write, and he has all of it.");
        self.narrator
            .detail("katori invite kitchen --role write --expires 1d --uses 1, then: katori join TICKET");
        self.ben.until_connected(&self.phone).await?;
        self.narrator.tell("He found her phone as well, and talks to it directly.");
        Ok(())
    }

    pub(super) async fn write_together(&mut self) -> Result<(), Failure> {
        self.narrator.step("Both write, and see each other write");
        let mut ana = Writer::after(ANA_WRITES_AFTER, ANA_WRITES);
        let mut ben = Writer::at_the_end(BEN_WRITES);
        let mut at_ana = self.laptop.watch(DOCUMENT).await?;
        let mut at_ben = self.ben.watch(DOCUMENT).await?;
        let mut written = 0;
        loop {
            let by_ana = ana.write_word(&self.laptop, &mut at_ben).await?;
            let by_ben = ben.write_word(&self.ben, &mut at_ana).await?;
            if by_ana.is_none() && by_ben.is_none() {
                break;
            }
            for word in [by_ana, by_ben].into_iter().flatten() {
                written += 1;
                self.latencies.push(word.latency_ms);
                self.acknowledged.push(word.hash);
            }
        }
        self.sentences.extend([ANA_WRITES, BEN_WRITES].map(|text| text.trim().to_owned()));
        let (half, most) = (percentile(&self.latencies, 50), percentile(&self.latencies, 95));
        self.narrator.tell(&format!("{written} edits, a word each, in turns on Ana's and Ben's laptops."));
        self.narrator.tell(&format!(
            "From asking one process to the other showing it, saved to disk on the way: half within {half:.1} ms, 95 of 100 within {most:.1} ms."
        ));
        Ok(())
    }

    pub(super) async fn lose_ben_and_find_him(&mut self) -> Result<(), Failure> {
        self.narrator.step("Ben's process is killed, and both write on");
        self.ben.kill_hub().await?;
        let mut ana = Writer::after(ANA_WRITES.trim(), ANA_ALONE);
        while let Some(hash) = ana.write_word_unseen(&self.laptop).await? {
            self.acknowledged.push(hash);
        }
        self.narrator.tell("kill -9. Ana goes on writing.");
        for word in split(BEN_ALONE) {
            let edited: EditedReport =
                self.ben.read(&["text", DOCUMENT, "text", "insert", "end", &word]).await?;
            self.acknowledged.extend(edited.hash);
        }
        self.narrator.tell("Ben writes too, on his own store, with no network at all.");
        self.sentences.extend([ANA_ALONE, BEN_ALONE].map(|text| text.trim().to_owned()));
        self.ben.start_hub().await?;
        let last_words = BEN_ALONE.trim();
        self.converged = self
            .laptop
            .until("Ben's words", &["cat", DOCUMENT], |content: &ContentReport| {
                let text = content.value.get("text")?.as_str()?;
                text.contains(last_words).then(|| content.heads.clone())
            })
            .await?;
        self.phone.until_heads(DOCUMENT, &self.converged).await?;
        self.ben.until_heads(DOCUMENT, &self.converged).await?;
        let read: ContentReport = self.ben.read(&["cat", DOCUMENT, "text"]).await?;
        read.value.as_str().unwrap_or_default().clone_into(&mut self.read_by_ben);
        self.narrator.tell("He is back, and all three show the same document.");
        let heads: Vec<String> = self.converged.iter().map(|head| head.chars().take(8).collect()).collect();
        self.narrator.detail(&format!("the same heads on all three: {}", heads.join(", ")));
        Ok(())
    }
}
