//! From the command line to the exit code.

use std::process::ExitCode;

use clap::Parser;
use katori::Network;
use tokio::sync::mpsc;
use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, Command, CommonOptions};
use crate::demo;
use crate::directory::StoreDirectory;
use crate::execute::Executor;
use crate::failure::{Failure, FailureCode};
use crate::request::Request;
use crate::response::Response;
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

fn end(output: &mut Output, result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.code.exit_code())
        }
    }
}

async fn run(arguments: Arguments, output: &mut Output) -> Result<(), Failure> {
    let Arguments { common, command } = arguments;
    if let Command::Demo(options) = command {
        return demo::run(options, common.json).await;
    }
    let directory = StoreDirectory::find(common.store.as_deref())?;
    match command {
        Command::Init(options) => {
            let identity = start::init(&directory, &options, &common, output).await?;
            output.made(&identity, &directory);
        }
        Command::Serve => serve::serve(directory, &common, output).await?,
        Command::Request(request) => {
            let request = absolute(request)?;
            let confirmed = request.confirmed();
            let mut result = Box::pin(ask(&directory, &common, request, output)).await;
            if let (Err(failure), Some(confirmed)) = (&result, confirmed)
                && failure.code == FailureCode::Usage
                && output.confirm(failure)
            {
                result = Box::pin(ask(&directory, &common, confirmed, output)).await;
            }
            output.response(&result?);
        }
        Command::Demo(_) => {}
    }
    Ok(())
}

/// Has a request carried out: by the hub if one runs, else here.
async fn ask(
    directory: &StoreDirectory,
    common: &CommonOptions,
    request: Request,
    output: &mut Output,
) -> Result<Response, Failure> {
    let network = if request.needs_network() { start::network(common) } else { Network::None };
    match start::reach(directory, network, common.bind).await? {
        Reached::Hub(client) => client.ask(request, |event| output.event(&event)).await,
        Reached::Node(node) => {
            let executor = Executor::new(node, directory.clone(), false);
            let (sender, mut events) = mpsc::channel(EVENT_QUEUE);
            let result = {
                let work = executor.execute(request, &sender);
                tokio::pin!(work);
                loop {
                    tokio::select! {
                        biased;
                        Some(event) = events.recv() => output.event(&event),
                        result = &mut work => break result,
                        _ = tokio::signal::ctrl_c() => break Err(Failure::failed("interrupted")),
                    }
                }
            };
            executor.into_node().close().await;
            result
        }
    }
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
    if let Request::Import { file, .. } | Request::Export { file, .. } = &mut request {
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
