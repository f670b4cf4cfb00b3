//! What goes to the terminal, or to the script that reads instead.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde_json::json;

use crate::arguments::CommonOptions;
use crate::directory::StoreDirectory;
use crate::failure::Failure;
use crate::render;
use crate::report::{DeviceReport, IdentityReport, TicketReport};
use crate::response::{Event, Response};

/// How long something may take before a bar appears.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// Colours, where there is somebody to see them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Colours if the standard output is a terminal and nobody objects.
    pub(crate) fn of_terminal() -> Self {
        Self { on: io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.on { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.code("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.code("2", text)
    }

    pub(crate) fn good(self, text: &str) -> String {
        self.code("32", text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.code("31", text)
    }
}

/// Where a command prints to.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    qr: bool,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Output {
    pub(crate) fn new(common: &CommonOptions) -> Self {
        Self {
            json: common.json,
            qr: !common.no_qr && io::stdout().is_terminal(),
            begun: Instant::now(),
            bar: None,
        }
    }

    /// What happens while a request is under way.
    pub(crate) fn event(&mut self, event: &Event) {
        match event {
            Event::Progress { what, done, total } => self.progress(what, *done, *total),
            Event::Ticket(ticket) if !self.json => self.ticket(ticket),
            Event::Pairing(_) if !self.json => self.question(&render::event(event)),
            Event::Watching { .. } | Event::Changed(_) | Event::Ticket(_) | Event::Pairing(_) => {
                if !self.json {
                    line(&render::event(event));
                } else if let Some(json) = event.to_json() {
                    line(&json.to_string());
                }
            }
        }
    }

    /// How a request went.
    pub(crate) fn response(&mut self, response: &Response) {
        self.end_bar();
        if self.json {
            line(&response.to_json().to_string());
        } else if let Response::Ticket(ticket) = response {
            self.ticket(ticket);
        } else {
            let text = render::response(response);
            if !text.is_empty() {
                line(&text);
            }
            if let Response::Content(content) = response
                && let Some(note) = render::about_content(content)
            {
                let _ = writeln!(io::stderr(), "{note}");
            }
        }
    }

    /// Why a command failed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.end_bar();
        if self.json {
            line(&json!({ "error": failure }).to_string());
        } else {
            // Where even the error output is gone there is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {failure}");
        }
    }

    /// Whether somebody sits at a terminal, who can be asked what no script was prepared for.
    pub(crate) fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks something that wants a yes. A script knows what it is asked by what was printed before.
    pub(crate) fn question(&mut self, text: &str) {
        self.prompt(&format!("{text} [y/N] "));
    }

    /// Asks something that wants words.
    pub(crate) fn prompt(&mut self, text: &str) {
        self.end_bar();
        if !self.json {
            let mut error = io::stderr();
            let _ = write!(error, "{text}").and_then(|()| error.flush());
        }
    }

    /// Shows the devices of which some may be lost.
    pub(crate) fn others(&mut self, devices: &[DeviceReport]) {
        self.end_bar();
        if self.json {
            line(&json!({ "other_devices": devices }).to_string());
        } else {
            let _ = writeln!(io::stderr(), "Your other devices:\n{}", render::numbered(devices));
        }
    }

    /// Somebody is back.
    pub(crate) fn recovered(&mut self, me: &IdentityReport, removed: &[String], directory: &StoreDirectory) {
        self.end_bar();
        if self.json {
            line(&json!({ "me": me, "removed": removed }).to_string());
        } else {
            line(&render::recovered(me, removed, directory));
        }
    }

    /// The store that was made.
    pub(crate) fn made(&mut self, identity: &IdentityReport, directory: &StoreDirectory) {
        self.end_bar();
        if self.json {
            line(&json!(identity).to_string());
        } else {
            line(&render::made(identity, directory));
        }
    }

    /// The hub is up.
    pub(crate) fn ready(
        &mut self,
        me: &IdentityReport,
        addresses: &[String],
        directory: &StoreDirectory,
        metrics: Option<SocketAddr>,
    ) {
        let metrics = metrics.map(|address| format!("http://{address}/metrics"));
        let store = directory.path().display().to_string();
        if self.json {
            let ready = json!({ "ready": true, "store": store, "me": me, "addresses": addresses, "metrics": metrics });
            line(&ready.to_string());
        } else {
            line(&format!("{} ({}) serves {store}", me.person_name, me.device_name));
            for address in addresses {
                line(&format!("  listens on {address}"));
            }
            if let Some(metrics) = metrics {
                line(&format!("  shows figures at {metrics}"));
            }
            line("ready; stop with Ctrl-C");
        }
    }

    fn ticket(&self, report: &TicketReport) {
        line(&report.ticket);
        if self.qr
            && let Ok(code) = QrCode::new(report.ticket.to_ascii_uppercase())
        {
            line(&code.render::<Dense1x2>().quiet_zone(true).build());
        }
        // Not on the standard output, so that a script can pass the ticket on as it is.
        let _ = writeln!(io::stderr(), "{}", render::about_ticket(report));
    }

    fn progress(&mut self, what: &str, done: u64, total: u64) {
        if self.json || !io::stderr().is_terminal() || self.begun.elapsed() < BAR_AFTER && total > 0 {
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = if total > 0 { "{msg} {bar:30} {percent}%" } else { "{spinner} {msg} {elapsed}" };
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(what.to_owned());
        if total > 0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    fn end_bar(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Prints a line. A reader that has gone away, like `head`, is no error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}
