//! Errors of the facade, by the codes that scripts know.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums grow; what is not named here is a plain failure"
)]

use katori::Error;
use katori_core::engine::CommandError;
use katori_net::{HubError, JoinError};

use super::Executor;
use crate::failure::{Failure, FailureCode};

impl Executor {
    /// The failure with names where the layers below know only ids. What has no name here keeps its id.
    pub(super) async fn with_names(&self, mut failure: Failure) -> Failure {
        if let Ok(names) = self.names().await {
            failure.message = names.in_names(failure.message);
        }
        failure
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = code(&error);
        Self::new(code, error.to_string())
    }
}

fn code(error: &Error) -> FailureCode {
    match error {
        Error::Store(_)
        | Error::Storage(_)
        | Error::Repair(_)
        | Error::Directory { .. }
        | Error::RecoveryWords { .. } => FailureCode::Store,
        Error::ImportUndone { reason, .. } => code(reason),
        Error::Hub(error) => hub(error),
        Error::Command(error) => command(error),
        Error::Join(error) => join(error),
        Error::WrongTicket(_) => FailureCode::Ticket,
        Error::NotFound { .. } | Error::NoSuchPath { .. } | Error::UnknownHeads(_) | Error::Deleted => {
            FailureCode::NotFound
        }
        Error::Ambiguous { .. } | Error::NotAName { .. } | Error::Yourself | Error::IsASpace(_) => {
            FailureCode::Usage
        }
        Error::NotAccepted(_) | Error::ReadOnly | Error::NobodyConfirms | Error::Recover(_) => {
            FailureCode::NotAllowed
        }
        Error::NoShelf | Error::LeftBehind { .. } => FailureCode::Unreachable,
        _ => FailureCode::Failed,
    }
}

fn hub(error: &HubError) -> FailureCode {
    match error {
        HubError::Command(error) => command(error),
        HubError::Identity(_)
        | HubError::Engine(_)
        | HubError::Store(_)
        | HubError::StoreFailed(_)
        | HubError::Unreadable { .. } => FailureCode::Store,
        HubError::UnknownDocument(_) => FailureCode::NotFound,
        _ => FailureCode::Failed,
    }
}

fn command(error: &CommandError) -> FailureCode {
    match error {
        CommandError::UnknownDocument(_)
        | CommandError::UnknownSpace(_)
        | CommandError::UnknownPerson(_)
        | CommandError::NotAMember(_)
        | CommandError::NotYourDevice(_)
        | CommandError::NobodyWaits
        | CommandError::NotOffered(_) => FailureCode::NotFound,
        CommandError::NotAllowed { .. }
        | CommandError::NotYourGroup(_)
        | CommandError::LastDevice(_)
        | CommandError::ThisDevice
        | CommandError::OwnerStays
        | CommandError::Declined
        | CommandError::NothingToRevoke(_)
        | CommandError::OwnerCannotLeave => FailureCode::NotAllowed,
        CommandError::InviteInvalid | CommandError::InviteExpired => FailureCode::Ticket,
        CommandError::StoreFailed(_) | CommandError::Unreadable(_) => FailureCode::Store,
        _ => FailureCode::Failed,
    }
}

fn join(error: &JoinError) -> FailureCode {
    match error {
        JoinError::Expired
        | JoinError::NotValid
        | JoinError::OwnTicket
        | JoinError::DeviceTicket
        | JoinError::DocumentTicket
        | JoinError::RecoveryTicket => FailureCode::Ticket,
        JoinError::Declined
        | JoinError::DigitsRefused { .. }
        | JoinError::Unconfirmed
        | JoinError::CommitmentBroken => FailureCode::NotAllowed,
        JoinError::Unreachable { .. } | JoinError::Interrupted(_) | JoinError::NoNetwork => {
            FailureCode::Unreachable
        }
        _ => FailureCode::Failed,
    }
}

#[cfg(test)]
mod tests {
    use katori::{PersonId, Principal};

    use super::*;

    fn exit_code(error: impl Into<Error>) -> u8 {
        Failure::from(error.into()).code.exit_code()
    }

    #[test]
    fn tickets_have_their_codes() {
        assert_eq!(exit_code(JoinError::Expired), 6);
        assert_eq!(exit_code(JoinError::NotValid), 6);
        assert_eq!(exit_code(JoinError::OwnTicket), 6);
        assert_eq!(exit_code(JoinError::Unreachable { tried: Vec::new() }), 7);
        assert_eq!(exit_code(JoinError::Refused("busy".to_owned())), 1);
        assert_eq!(exit_code(JoinError::RecoveryTicket), 6);
        assert_eq!(exit_code(JoinError::Declined), 5);
        assert_eq!(exit_code(JoinError::DigitsRefused { by_us: true }), 5);
    }

    #[test]
    fn what_scripts_tell_apart_has_codes_of_its_own() {
        assert_eq!(exit_code(Error::NotFound { what: "document", name: "x".to_owned() }), 3);
        assert_eq!(exit_code(Error::ReadOnly), 5);
        assert_eq!(exit_code(HubError::Command(CommandError::OwnerCannotLeave)), 5);
        assert_eq!(
            exit_code(HubError::Command(CommandError::NothingToRevoke(Principal::Person(
                PersonId::from_bytes([1; 32])
            )))),
            5
        );
        assert_eq!(exit_code(HubError::StoreFailed("full".into())), 4);
        assert_eq!(exit_code(HubError::Command(CommandError::Unreadable("damaged".into()))), 4);
    }
}
