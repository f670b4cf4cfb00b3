//! People and devices.

use serde::{Deserialize, Serialize};

/// A person and one of its devices, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WhoReport {
    /// "Ana (laptop)".
    pub name: String,
    /// The person's id.
    pub person: Option<String>,
    /// The device's id.
    pub device: Option<String>,
}

/// Who one is in this store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityReport {
    /// The person's id.
    pub person: String,
    /// What the person is called.
    pub person_name: String,
    /// The device's id.
    pub device: String,
    /// What the device is called.
    pub device_name: String,
    /// The words that bring the person back, where they were just made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_words: Option<String>,
}

/// One of this person's devices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is the one this was asked at.
    pub this: bool,
}

/// Somebody one knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactReport {
    /// The person's id.
    pub id: String,
    /// What the person is called here.
    pub name: String,
    /// What the person calls itself, where that is something else.
    pub own_name: Option<String>,
    /// How and when it was made sure who that is.
    pub verified: Option<VerifiedReport>,
    /// Whether its devices are refused.
    pub blocked: bool,
    /// Whether somebody else goes by the same name.
    pub clash: bool,
    /// Its devices.
    pub devices: Vec<String>,
    /// The documents and spaces that both have.
    pub shared: Vec<String>,
}

/// How and when it was made sure who somebody is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifiedReport {
    /// How.
    pub how: String,
    /// When, in milliseconds since 1970.
    pub when_ms: u64,
}

/// What two people compare to make sure that nobody stands between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafetyReport {
    /// Who the other is.
    pub who: WhoReport,
    /// Sixty digits in twelve groups, the same on both screens.
    pub safety_number: String,
}

/// A group of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<GroupMemberReport>,
}

/// Somebody in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupMemberReport {
    /// Who.
    pub who: WhoReport,
    /// Whether they may change who is in it.
    pub full: bool,
    /// Whether it is a group itself.
    pub is_group: bool,
}

/// Six digits that two screens show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairingReport {
    /// Names the pairing, on the device that lets the other in.
    pub pairing: Option<u64>,
    /// The device that wants to be let in; on that one, whose it is to become.
    pub with: String,
    /// The digits.
    pub digits: String,
}

/// The words that bring a person back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordsReport {
    /// 24 words with a space between them.
    pub recovery_words: String,
}
