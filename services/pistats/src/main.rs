//! Reads the command line, runs the command, tells what failed.

use clap::Parser as _;
use pistats::cli::{Cli, Command};
use pistats::{commands, serve};
use std::process::ExitCode;

/// Halves the cost of text in events, measured (docs/adr/0005-ingest.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli.command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("pistats: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<(), String> {
    match command {
        Command::Serve(command) => serve::run(command).await,
        Command::Import(command) => commands::import::run(command).await,
        Command::Query(command) => commands::query::run(command).await,
        Command::Site(command) => commands::admin::site(command).await,
        Command::Key(command) => commands::admin::key(command).await,
        Command::Segment(command) => commands::segment::run(command).await,
        Command::Campaign(command) => commands::campaign::run(command).await,
        Command::Rejected(command) => commands::admin::rejected(command).await,
        Command::SignIn(server) => commands::admin::sign_in(server).await,
        Command::Status(command) => commands::operate::status(command).await,
        Command::Live(command) => commands::live::run(command).await,
        Command::Watch(command) => commands::watch::run(command).await,
        Command::Replay(command) => commands::operate::replay(command).await,
        Command::Log(command) => commands::log::run(command).await,
        Command::Config(command) => commands::config(command),
        Command::Health(server) => commands::operate::health(server).await,
    }
}
