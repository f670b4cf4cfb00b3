//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::metrics::DEFAULT_ADDRESS;
use crate::rate::parse_rate;
use crate::request::Request;

/// Shown at the end of `--help`.
const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed
  2  the command line is wrong
  3  no such document, person, device, place or file
  4  the store is missing, busy or unusable
  5  you may not do that
  6  the ticket is invalid, used up or expired
  7  nobody could be reached
  8  the store is damaged (of `check`)

Try `katori demo` for the whole story in a minute.";

/// The headings of what goes for every command, and for those that connect.
const EVERY: &str = "Options of every command";
const NETWORK: &str = "Network (serve, invite, join, look, decline, device add, init --join, recover, recovery help, watch, flush)";

/// Documents that live on your own devices and sync directly between the people you trust.
#[derive(Debug, Parser)]
#[command(name = "katori", version, after_help = EXIT_CODES, arg_required_else_help = true)]
pub struct Arguments {
    /// What goes for every command.
    #[command(flatten)]
    pub common: CommonOptions,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Default, Args)]
pub struct CommonOptions {
    /// The store's folder.
    #[arg(
        long,
        global = true,
        help_heading = EVERY,
        value_name = "DIR",
        help = "The store's folder (else: $KATORI_STORE, or ~/.katori)"
    )]
    pub store: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true, help_heading = EVERY)]
    pub json: bool,
    /// Use direct addresses only: no relay, no DNS
    #[arg(long, global = true, help_heading = NETWORK)]
    pub offline: bool,
    /// Where to listen, as in `127.0.0.1:0`
    #[arg(long, global = true, help_heading = NETWORK, value_name = "ADDRESS")]
    pub bind: Option<SocketAddr>,
    /// Print tickets without a QR code
    #[arg(long, global = true, help_heading = EVERY)]
    pub no_qr: bool,
    /// Say more on the error output (twice: everything)
    #[arg(short, long, global = true, help_heading = EVERY, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// All commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a store: a new person, or another device of yours
    Init(InitOptions),
    /// Come back after all your devices are lost, with your 24 words and somebody's ticket
    Recover(RecoverOptions),
    /// Keep the hub running: syncs until it is stopped
    Serve(ServeOptions),
    /// Check every hash, signature and row of a store that is not in use
    #[command(after_help = CHECK)]
    Check(CheckOptions),
    /// See it work: separate processes of this program tell a story, and check it
    Demo(DemoOptions),
    /// What is asked of a store.
    #[command(flatten)]
    Request(Request),
}

/// Options of `serve`.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct ServeOptions {
    /// Send each device no more than this, as in `200KiB/s`
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub limit_upload: Option<u64>,
    /// Show figures for Prometheus, at `/metrics` of this address, to whoever can connect there
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = DEFAULT_ADDRESS)]
    pub metrics: Option<SocketAddr>,
    /// Memory that documents may take, in MiB (else: 256)
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u32).range(1..))]
    pub memory: Option<u32>,
}

/// Options of `init`.
#[derive(Debug, Clone, Args)]
pub struct InitOptions {
    /// What you are called (else: your user name)
    #[arg(long, value_name = "NAME", conflicts_with = "join")]
    pub person: Option<String>,
    /// What this device is called (else: its host name)
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
    /// Become another device of yours, by a ticket of `katori device add`
    #[arg(long, value_name = "TICKET")]
    pub join: Option<String>,
    /// Keep the recovery words in the store, for `katori recovery words`, and do not show them now
    #[arg(long, conflicts_with = "join")]
    pub words_later: bool,
}

/// Options of `recover`.
#[derive(Debug, Clone, Args)]
pub struct RecoverOptions {
    /// A ticket of `katori recovery help`, from a friend or another device of yours
    #[arg(long, value_name = "TICKET")]
    pub from: String,
    /// What this device is called (else: its host name)
    #[arg(long, value_name = "NAME")]
    pub device: Option<String>,
}

/// Shown at the end of the help of `check`.
const CHECK: &str = "\
Exit codes: 0 if nothing is damaged, 8 if something is (after --repair: is still).

A repair deletes nothing. It first copies the file beside itself (katori.redb.before-repair-1); rows that cannot be read
go into a store of their own (katori.redb.set-aside-1); what follows from the history is written anew. What others have of
your documents comes back when you sync. When you have seen that nothing is missing, remove these files: the copy holds
this device's secret key.";

/// Options of `check`.
#[derive(Debug, Clone, Copy, Args)]
pub struct CheckOptions {
    /// Mend what can be mended, and make the file as short as it can be
    #[arg(long)]
    pub repair: bool,
}

/// Options of `demo`.
#[derive(Debug, Clone, Copy, Args)]
pub struct DemoOptions {
    /// Keep the stores, and print how to go on by hand
    #[arg(long)]
    pub keep: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::request::{Position, RoleName, TextEdit};

    fn request(line: &str) -> Request {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        let Command::Request(request) = arguments.command else { panic!("{line} is no request") };
        request
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn requests_are_read() {
        assert_eq!(
            request("katori invite groceries --role read --expires 1d --uses 1"),
            Request::Invite {
                document: "groceries".to_owned(),
                role: RoleName::Read,
                expires: Some(std::time::Duration::from_hours(24)),
                uses: Some(1),
                share: false,
                confirm: false,
                wait: false,
            }
        );
        assert_eq!(
            request("katori text kitchen story splice 3 2 -x"),
            Request::Text {
                document: "kitchen".to_owned(),
                path: "story".parse().unwrap(),
                edit: TextEdit::Splice { position: Position::At(3), count: 2, text: "-x".to_owned() },
            }
        );
        assert_eq!(
            request("katori set list count -2"),
            Request::Set {
                document: "list".to_owned(),
                path: "count".parse().unwrap(),
                value: "-2".to_owned()
            }
        );
        assert!(
            matches!(request("katori take-in list"), Request::TakeIn { changes, .. } if changes.is_empty())
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in [
            "katori",
            "katori invite list --uses 0",
            "katori invite list --expires tomorrow",
            "katori invite list --role owner",
            "katori set list a//b 1",
            "katori text list story insert -1 x",
            "katori init --join t --person Ana",
            "katori recover",
            "katori role list Ben owner",
            "katori exclude list aabbcc",
            "katori exclude list --reason spam",
            "katori device answer 1 true",
            "katori contact verify Ben --same",
            "katori invites answer maybe",
        ] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn an_answer_about_digits_comes_from_somebody_who_saw_them() {
        for line in
            ["katori device add --yes", "katori device add --expect 123456", "katori init --join t --yes"]
        {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn options_may_stand_anywhere() {
        let arguments = Arguments::try_parse_from(["katori", "ls", "--json", "--store", "x"]).unwrap();
        assert!(arguments.common.json && arguments.common.store == Some("x".into()));
    }

    #[test]
    fn every_request_survives_the_socket() {
        for line in [
            "katori id",
            "katori cat list a/0 --at 01,02",
            "katori device add",
            "katori device revoke phone --void --dry-run",
            "katori contact verify Ben --how phone",
            "katori contact rename Ben",
            "katori group add family Ben --full",
            "katori space show kitchen",
            "katori new list --in kitchen",
            "katori recovery words --done",
            "katori invites answer yes Ben",
            "katori joins forget kitchen",
            "katori revoke list Ben --keep-invitees --delete-copy --dry-run",
            "katori role list Ben read",
            "katori leave list --anyway",
            "katori exclude list aabbcc --reason spam",
            "katori forks list --copy aabbcc",
            "katori blame list items",
            "katori access kitchen --dot",
            "katori text t p insert end x",
            "katori backup a/file",
            "katori flush --timeout 10s",
        ] {
            let request = request(line);
            let json = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&json).unwrap(), request, "{json}");
        }
    }
}
