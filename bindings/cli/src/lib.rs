//! The `katori` program: every command of it, for people and for scripts.
//!
//! A command line becomes a [`Request`]; a request is carried out by an [`Executor`], which holds an open node;
//! the answer is a [`Response`] or a [`Failure`], printed as text or as JSON. While a hub (`katori serve`) runs
//! on a store, requests go to it over a socket in the store's folder; otherwise the program opens the store
//! itself. Either way the same code carries them out, and two processes never have one store open.

mod arguments;
mod duration;
mod patch;
mod path;
mod rate;
mod request;

mod failure;
mod report;
mod response;

mod edit;
mod execute;
mod format;

mod directory;
mod line;
mod socket;

mod answers;
mod check;
mod client;
mod metrics;
mod recover;
mod serve;
mod start;

mod render;
mod table;
mod terminal;

mod demo;
mod run;

pub use arguments::{
    Arguments, CheckOptions, Command, CommonOptions, DemoOptions, InitOptions, RecoverOptions, ServeOptions,
};
pub use client::{ANSWER_LIMIT, Client};
pub use directory::StoreDirectory;
pub use duration::{ParseDurationError, parse_duration};
pub use execute::Executor;
pub use failure::{Failure, FailureCode};
pub use format::Format;
pub use patch::PatchReport;
pub use path::{MAX_STEPS, ParsePathError, Path};
pub use rate::{ParseRateError, parse_rate};
pub use report::{
    BackupReport, BlameReport, BranchReport, ChainReport, ChangeReport, CheckReport, ConflictReport,
    ConflictingReport, ConsequencesReport, ContactReport, ContentReport, DeviceReport, DocumentReport,
    EditReport, EditedReport, ExplanationReport, ExportedReport, FindingReport, FlushedPeerReport,
    FlushedReport, ForkReport, GrantReport, GroupMemberReport, GroupReport, GuestReport, HeldReport,
    IdentityReport, InvitationReport, JoinReport, MemberReport, OfferReport, PairingReport, PartyReport,
    PeerReport, PlaceReport, PreviewReport, RevokedReport, RoleChangeReport, SafetyReport,
    SpaceContentReport, SpaceReport, StatusReport, StoryEntryReport, StoryReport, TakenInReport,
    TicketReport, UncountedReport, UnreadableReport, VerifiedReport, WhoReport, WordsReport,
};
pub use request::{
    ContactRequest, DeviceRequest, GroupRequest, InvitesRequest, JoinsRequest, Position, RecoveryRequest,
    Request, RoleName, SpaceRequest, TextEdit, YesNo,
};
pub use response::{Event, Response};
pub use run::main;
