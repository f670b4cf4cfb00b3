//! Every bound of this crate, with its reason. None that decides what is *kept* depends on the order of
//! arrival: where there are too many, the lowest ids stay. There is one exception, [`MAX_ROSTER_OPERATIONS`].

/// Longest record, payload and signature. `Keys` for 512 people and a `keep` of 1,024 ids fit; all other
/// kinds stay under 1 KiB by their fields.
pub const MAX_RECORD_BYTES: usize = 64 * 1024;

/// Longest name of a person or device: enough for any name people go by, short enough for one line.
pub const MAX_NAME_BYTES: usize = 64;

/// Longest name of a document, and longest reason of an exclusion.
pub const MAX_TITLE_BYTES: usize = 256;

/// Heads that one roster operation may name. Honest rosters have one or two; more means that somebody forks.
pub const MAX_PREVIOUS: usize = 16;

/// Grants and revocations that one removal may keep: what one device can have signed for its person in years.
pub const MAX_KEEP: usize = 1024;

/// Changes that one exclusion may name.
pub const MAX_EXCLUDED_CHANGES: usize = 1024;

/// People that one epoch key may be sealed to: beyond this a record would not fit [`MAX_RECORD_BYTES`].
pub const MAX_SEALED_KEYS: usize = 512;

/// Longest sealed key: an X-Wing encapsulation and a key fit (a record of many must still fit whole).
pub const MAX_SEALED_KEY_BYTES: usize = 1280;

/// Links from the genesis to a grant. Passing on eight times is further than people reach, and keeps every
/// walk up a chain short.
pub const MAX_DEPTH: u8 = 8;

/// Operations that may lie before an `Add` in a roster. A person has devices by the dozen in a life.
pub const MAX_ROSTER_LENGTH: usize = 256;

/// The same for a removal: a roster that somebody filled up can still be cleaned.
pub const MAX_ROSTER_LENGTH_FOR_REMOVAL: usize = 2 * MAX_ROSTER_LENGTH;

/// Operations that each recovery has room for beyond that: what was lost can be removed, and what is new added,
/// in a roster that a thief filled up.
pub const MAX_ROSTER_LENGTH_PER_RECOVERY: usize = 64;

/// Recoveries on top of each other, each by the words of the one before. Nobody loses everything this often.
pub const MAX_RECOVERIES: usize = 8;

/// How many groups may stand between a resource and a person. Beyond it nobody is a member, so that groups in
/// a circle cost no more than others.
pub const MAX_NESTING: usize = 3;

/// Exclusions that one device may sign in one resource. The lowest ids stay.
pub const MAX_EXCLUSIONS_PER_DEVICE: usize = 256;

/// Operations of one member with equally many ancestors. An honest device signs one; the lowest ids stay, and
/// those that kept operations build on.
pub const MAX_ROSTER_FORKS: usize = 4;

/// Operations of one roster in all: eight times what honest members sign before there is no room for an `Add`. Each
/// knows its whole past, so these few are a hundred megabytes at worst. In a full roster the heaviest branch pays;
/// which part of a flood is kept is the one thing here that the order of arrival may decide.
pub const MAX_ROSTER_OPERATIONS: usize = 8 * MAX_ROSTER_LENGTH;

/// Grants of one key in one name, in one resource and at one depth. The lowest ids stay, and those that kept
/// grants build on. By key, so that a removed device takes no room from the others of its person.
pub const MAX_GRANTS_PER_SIGNER: usize = 1024;

/// Records of one subject that wait for another record.
pub const MAX_WAITING_PER_SUBJECT: usize = 512;

/// Records of all subjects together that wait for another record.
pub const MAX_WAITING: usize = 8192;

/// Bytes of the records of one subject that wait for another record: room for any honest ones, and an eighth of all.
pub const MAX_WAITING_BYTES_PER_SUBJECT: usize = 1024 * 1024;

/// Bytes of all records together that wait for another record.
pub const MAX_WAITING_BYTES: usize = 8 * 1024 * 1024;

/// For how long an expired grant still keeps a connection open: clocks of phones are minutes apart at worst.
pub const EXPIRY_GRACE_MS: u64 = 10 * 60 * 1000;

/// Devices that a ticket may name: those of the inviter that are likely to be awake.
pub const MAX_TICKET_DEVICES: usize = 4;

/// Addresses of one device in a ticket.
pub const MAX_TICKET_ADDRESSES: usize = 8;

/// Longest address in a ticket: a relay's URL fits.
pub const MAX_ADDRESS_BYTES: usize = 128;

/// Longest ticket as text: all fields at their bounds are under 5,000 bytes, in base32 8,000 characters.
pub const MAX_TICKET_TEXT: usize = 8192;
