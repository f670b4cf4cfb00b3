//! How fast a hub goes, and how much memory it takes.

use super::Hub;
use crate::documents::MemoryStatus;
use crate::driver::Message;

impl Hub {
    /// Caps what each peer is sent, in bytes a second; nothing lifts the cap. Counts at once, and for every connection
    /// until it is set again. Less than 1 KiB a second is taken for that.
    pub fn set_bandwidth(&self, bytes_per_second: Option<u64>) {
        self.0.pace.set_bandwidth(bytes_per_second);
    }

    /// The cap on what each peer is sent, in bytes a second.
    #[must_use]
    pub fn bandwidth(&self) -> Option<u64> {
        self.0.pace.bandwidth()
    }

    /// Saves the battery, or does so no more: one task at a time, one frame at a time from each peer, edits gathered
    /// for half a second before they are stored and sent, and fewer attempts to reach those who are away.
    pub async fn set_background(&self, background: bool) {
        self.0.pace.set_background(background);
        self.0.documents.set_background(background);
        // If the hub is closed it is slow enough.
        let _ = self.tell(Message::Paced).await;
    }

    /// How much of documents is in memory, and how much work on them there is.
    #[must_use]
    pub fn memory(&self) -> MemoryStatus {
        self.0.documents.status()
    }

    /// Sets the bytes of memory that documents may take.
    pub fn set_memory(&self, bytes: u64) {
        self.0.documents.set_memory(bytes);
    }
}
