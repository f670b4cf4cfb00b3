//! What the program tells, as data: the fields of `--json`.

mod access;
mod content;
mod health;
mod pace;
mod people;
mod sharing;
mod standing;

pub use access::{
    ChainReport, ConsequencesReport, ExplanationReport, GrantReport, PartyReport, PlaceReport, RevokedReport,
    RoleChangeReport, StoryEntryReport, StoryReport,
};
pub use content::{
    BlameReport, BranchReport, ChangeReport, ConflictReport, ConflictingReport, ContentReport, EditReport,
    EditedReport, ExportedReport, ForkReport, HeldReport, TakenInReport, UncountedReport,
};
pub use health::{BackupReport, CheckReport, FindingReport, UnreadableReport};
pub use pace::{FlushedPeerReport, FlushedReport};
pub use people::{
    ContactReport, DeviceReport, GroupMemberReport, GroupReport, IdentityReport, PairingReport, SafetyReport,
    VerifiedReport, WhoReport, WordsReport,
};
pub use sharing::{
    DocumentReport, GuestReport, InvitationReport, JoinReport, MemberReport, OfferReport, PreviewReport,
    SpaceContentReport, SpaceReport, TicketReport,
};
pub use standing::{PeerReport, StatusReport};
