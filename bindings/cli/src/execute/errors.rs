//! Errors of the facade, by the codes that scripts know.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the enums grow; what is not named here is a plain failure"
)]

use katori::Error;
use katori_core::engine::CommandError;
use katori_net::{HubError, JoinError};

use crate::failure::{Failure, FailureCode};

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = code(&error);
        Self::new(code, error.to_string())
    }
}

fn code(error: &Error) -> FailureCode {
    match error {
        Error::Store(_) | Error::Directory { .. } => FailureCode::Store,
        Error::Hub(error) => hub(error),
        Error::Command(error) => command(error),
        Error::Join(error) => join(error),
        Error::WrongTicket(_) => FailureCode::Ticket,
        Error::NotFound { .. } | Error::NoSuchPath { .. } | Error::UnknownHeads(_) | Error::Deleted => {
            FailureCode::NotFound
        }
        Error::Ambiguous { .. } => FailureCode::Usage,
        Error::NotAccepted(_) | Error::ReadOnly => FailureCode::NotAllowed,
        _ => FailureCode::Failed,
    }
}

fn hub(error: &HubError) -> FailureCode {
    match error {
        HubError::Command(error) => command(error),
        HubError::Store(_) | HubError::StoreFailed(_) => FailureCode::Store,
        _ => FailureCode::Failed,
    }
}

fn command(error: &CommandError) -> FailureCode {
    match error {
        CommandError::UnknownDocument(_) | CommandError::NotOffered(_) => FailureCode::NotFound,
        CommandError::NotAllowed { .. } | CommandError::OwnerCannotLeave => FailureCode::NotAllowed,
        CommandError::InviteInvalid | CommandError::InviteExpired => FailureCode::Ticket,
        CommandError::StoreFailed(_) => FailureCode::Store,
        _ => FailureCode::Failed,
    }
}

fn join(error: &JoinError) -> FailureCode {
    match error {
        JoinError::Expired
        | JoinError::NotValid
        | JoinError::OwnTicket
        | JoinError::DeviceTicket
        | JoinError::DocumentTicket => FailureCode::Ticket,
        JoinError::Unreachable { .. } | JoinError::NoNetwork => FailureCode::Unreachable,
        _ => FailureCode::Failed,
    }
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn what_scripts_tell_apart_has_codes_of_its_own() {
        assert_eq!(exit_code(Error::NotFound { what: "document", name: "x".to_owned() }), 3);
        assert_eq!(exit_code(Error::ReadOnly), 5);
        assert_eq!(exit_code(HubError::Command(CommandError::OwnerCannotLeave)), 5);
        assert_eq!(exit_code(HubError::StoreFailed("full".into())), 4);
    }
}
