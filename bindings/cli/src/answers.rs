//! What somebody answers at the terminal, or a script on the standard input. Silence is no yes.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, BufReader, Stdin};

/// The longest line that is taken for an answer: 24 words, or the names of all one's devices.
const MAX_LINE: usize = 16 << 10;

/// The answers, line by line.
#[derive(Debug)]
pub(crate) struct Answers<R = BufReader<Stdin>> {
    input: R,
    /// What was read of the present line.
    begun: Vec<u8>,
}

impl Answers {
    pub(crate) fn of_process() -> Self {
        Self::new(BufReader::new(tokio::io::stdin()))
    }
}

impl<R: AsyncBufRead + Unpin> Answers<R> {
    fn new(input: R) -> Self {
        Self { input, begun: Vec::new() }
    }

    /// The next line, without the space around it; nothing if nobody is there to answer.
    ///
    /// # Cancel safety
    /// What was read stays for the next time.
    pub(crate) async fn line(&mut self) -> Option<String> {
        // Whoever cannot be heard does not answer.
        self.try_line().await.unwrap_or_default()
    }

    async fn try_line(&mut self) -> io::Result<Option<String>> {
        loop {
            let read = self.input.fill_buf().await?;
            let over = read.is_empty();
            let end = read.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(read.len(), |end| end + 1);
            self.begun.extend(read.iter().take(taken));
            self.input.consume(taken);
            if over && self.begun.is_empty() {
                return Ok(None);
            }
            if over || end.is_some() {
                let line = std::mem::take(&mut self.begun);
                return Ok(String::from_utf8(line).ok().map(|line| line.trim().to_owned()));
            }
            if self.begun.len() > MAX_LINE {
                self.begun.clear();
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
    }

    /// Whether the answer is yes; nothing if nobody is there to answer.
    ///
    /// # Cancel safety
    /// As with [`Self::line`].
    pub(crate) async fn yes(&mut self) -> Option<bool> {
        let line = self.line().await?;
        Some(matches!(line.to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// So many words, on as many lines as it takes; fewer if no more come.
    pub(crate) async fn words(&mut self, number: usize) -> String {
        let mut words: Vec<String> = Vec::new();
        while words.len() < number {
            let Some(line) = self.line().await else { break };
            words.extend(line.split_whitespace().map(str::to_owned));
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(text: &[u8]) -> Answers<io::Cursor<&[u8]>> {
        Answers::new(io::Cursor::new(text))
    }

    #[tokio::test]
    async fn only_a_yes_is_one() {
        let mut said = answers(b"y\nYES\r\n\nno\nyess\nyes");
        for expected in [true, true, false, false, false, true] {
            assert_eq!(said.yes().await, Some(expected));
        }
        assert_eq!(said.yes().await, None, "silence");
        assert_eq!(answers("y".repeat(MAX_LINE + 1).as_bytes()).yes().await, None, "no end of it");
    }

    #[tokio::test]
    async fn words_may_stand_on_several_lines() {
        let mut said = answers(b"one two\n  three\nrest\n");
        assert_eq!(said.words(3).await, "one two three");
        assert_eq!(said.words(3).await, "rest");
    }
}
