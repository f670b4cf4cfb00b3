//! From the command line to the exit code.

use std::collections::VecDeque;
use std::process::ExitCode;

use clap::Parser;
use katori::Network;
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::answers::Answers;
use crate::arguments::{Arguments, Command, CommonOptions};
use crate::check;
use crate::client::Client;
use crate::demo;
use crate::directory::StoreDirectory;
use crate::execute::Executor;
use crate::failure::{Failure, FailureCode};
use crate::recover;
use crate::report::PairingReport;
use crate::request::{ContactRequest, DeviceRequest, InvitesRequest, Request};
use crate::response::{Event, Response};
use crate::serve;
use crate::start::{self, Reached};
use crate::terminal::Output;

/// Events that wait to be printed.
const EVENT_QUEUE: usize = 64;

/// Runs the program on the arguments of the process.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    trace(arguments.common.verbose);
    let mut output = Output::new(&arguments.common);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return end(&mut output, Err(Failure::failed(format!("no threads could be started: {error}"))));
        }
    };
    let result = runtime.block_on(run(arguments, &mut output));
    // What is still running has been told to end; nothing of it is waited for.
    runtime.shutdown_background();
    end(&mut output, result)
}

fn end(output: &mut Output, result: Result<ExitCode, Failure>) -> ExitCode {
    match result {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code.exit_code())
        }
    }
}

async fn run(arguments: Arguments, output: &mut Output) -> Result<ExitCode, Failure> {
    let Arguments { common, command } = arguments;
    if let Command::Demo(options) = command {
        return demo::run(options, common.json).await.map(|()| ExitCode::SUCCESS);
    }
    let directory = StoreDirectory::find(common.store.as_deref())?;
    let mut front = Front { output, answers: Answers::of_process() };
    match command {
        Command::Init(options) => {
            let Front { output, answers } = &mut front;
            let identity = start::init(&directory, &options, &common, output, answers).await?;
            output.made(&identity, &directory);
        }
        Command::Recover(options) => {
            let Front { output, answers } = &mut front;
            recover::recover(&directory, &options, &common, output, answers).await?;
        }
        Command::Serve(options) => serve::serve(directory, options, &common, front.output).await?,
        Command::Check(options) => return check::check(&directory, options, front.output).await,
        Command::Request(request) => {
            let response = Box::pin(request_of(&directory, &common, absolute(request)?, &mut front)).await?;
            front.output.response(&response);
        }
        Command::Demo(_) => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// The person or script in front of the program.
struct Front<'a> {
    output: &'a mut Output,
    answers: Answers,
}

/// Has a request carried out, and asks in between what only somebody there can say.
async fn request_of(
    directory: &StoreDirectory,
    common: &CommonOptions,
    request: Request,
    front: &mut Front<'_>,
) -> Result<Response, Failure> {
    let confirmed = request.confirmed();
    let result = Box::pin(ask(directory, common, request.clone(), front)).await;
    match (result, request, confirmed) {
        (Err(failure), _, Some(confirmed))
            if failure.code == FailureCode::Usage && front.output.can_ask() =>
        {
            front.output.question(&format!("{failure}\nGo on?"));
            if front.answers.yes().await != Some(true) {
                return Err(failure);
            }
            Box::pin(ask(directory, common, confirmed, front)).await
        }
        (
            Ok(number @ Response::Safety(_)),
            Request::Contact { request: ContactRequest::Verify { who, how, .. } },
            _,
        ) => {
            front.output.response(&number);
            front.output.question("\nDo both of you see this number?");
            match front.answers.yes().await {
                Some(true) => {}
                Some(false) => {
                    return Err(Failure::new(
                        FailureCode::NotAllowed,
                        "the numbers differ, so one of you may be speaking with somebody else; nothing was noted: do \
                         not trust what comes by that name, and meet in person",
                    ));
                }
                None => {
                    return Err(Failure::new(
                        FailureCode::NotAllowed,
                        "nobody said that both see the same number; nothing was noted",
                    ));
                }
            }
            let request = Request::Contact { request: ContactRequest::Verify { who, how, same: true } };
            Box::pin(ask(directory, common, request, front)).await
        }
        (result, ..) => result,
    }
}

/// Has a request carried out: by the hub if one runs, else here.
async fn ask(
    directory: &StoreDirectory,
    common: &CommonOptions,
    request: Request,
    front: &mut Front<'_>,
) -> Result<Response, Failure> {
    let network = if request.needs_network() { start::network(common) } else { Network::None };
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    match start::reach(directory, network, common.bind).await? {
        Reached::Hub(client) => {
            let reply = async |request| match Client::connect(directory).await? {
                Some(client) => client.ask(request, |_| {}).await,
                None => Err(Failure::failed("the hub was stopped")),
            };
            attend(client.ask_into(request, &sender), events, reply, front).await
        }
        Reached::Node(node) => {
            let executor = Executor::new(node, directory.clone(), false);
            let (unheard, _) = mpsc::channel(EVENT_QUEUE);
            let reply = async |request| executor.execute(request, &unheard).await;
            let result = Box::pin(attend(executor.execute(request, &sender), events, reply, front)).await;
            executor.into_node().close().await;
            result
        }
    }
}

/// Stays with a request until it is answered: shows what happens, and replies to what is asked.
async fn attend(
    work: impl Future<Output = Result<Response, Failure>>,
    mut events: mpsc::Receiver<Event>,
    reply: impl AsyncFn(Request) -> Result<Response, Failure>,
    front: &mut Front<'_>,
) -> Result<Response, Failure> {
    tokio::pin!(work);
    // New devices whose digits somebody has to compare; the first was shown.
    let mut asked: VecDeque<PairingReport> = VecDeque::new();
    // The invitation that these came with.
    let mut invitation = None;
    let failure = loop {
        tokio::select! {
            biased;
            Some(event) = events.recv() => {
                if let Event::Pairing(pairing) = &event {
                    asked.push_back(pairing.clone());
                    if asked.len() > 1 {
                        continue;
                    }
                }
                if let Event::Ticket(ticket) = &event && ticket.purpose == "device" {
                    invitation = Some(ticket.invitation.clone());
                }
                front.output.event(&event);
            }
            result = &mut work => return result,
            _ = tokio::signal::ctrl_c() => break Failure::failed("interrupted"),
            same = front.answers.yes(), if !asked.is_empty() => {
                let pairing = asked.pop_front().and_then(|pairing| pairing.pairing).unwrap_or_default();
                let answer = DeviceRequest::Answer { pairing, same: same == Some(true) };
                front.output.event(&start::waiting("waiting for the answer on the other device".to_owned()));
                let answered = tokio::select! {
                    answered = reply(Request::Device { request: answer }) => answered,
                    _ = tokio::signal::ctrl_c() => break Failure::failed("interrupted"),
                };
                match (answered, same) {
                    (_, None) => break start::nobody_compared(),
                    (Err(failure), _) => break failure,
                    (Ok(_), _) => {}
                }
                if let Some(next) = asked.front() {
                    front.output.event(&Event::Pairing(next.clone()));
                }
            }
        }
    };
    if let Some(invitation) = invitation {
        // Nobody compares digits for this ticket any more. Whether it ended or not, the failure is what to tell.
        let _ = reply(Request::Invites { request: InvitesRequest::Revoke { invitation } }).await;
    }
    Err(failure)
}

/// A hub runs in another folder, so files are named in full.
fn absolute(request: Request) -> Result<Request, Failure> {
    let full = |file: std::path::PathBuf| {
        if file.as_os_str() == "-" {
            return Ok(file);
        }
        std::path::absolute(&file).map_err(|error| Failure::file(&file, &error))
    };
    let mut request = request;
    if let Request::Import { file, .. } | Request::Export { file, .. } | Request::Backup { file } =
        &mut request
    {
        *file = full(std::mem::take(file))?;
    }
    Ok(request)
}

/// Messages for whoever looks for a fault go to the error output.
fn trace(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "warn,katori=info,katori_core=info,katori_net=info,katori_cli=info",
        _ => "info,katori=trace,katori_core=trace,katori_net=trace,katori_cli=trace",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
