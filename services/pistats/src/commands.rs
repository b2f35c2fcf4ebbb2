//! What each command does: one call or a few through the contract, and an answer for people or as JSON.

pub mod admin;
pub mod campaign;
mod filter;
mod funnel;
pub mod import;
mod journey;
pub mod live;
pub mod log;
pub mod operate;
mod position;
pub mod query;
mod retention;
pub mod segment;
mod show;
mod visitors;
pub mod watch;

use crate::client::explain;
use crate::table::say;
use tonic::Status;

/// What a command says when it fails.
pub type Failure = String;

/// The failure of a call.
fn failed(status: Status) -> Failure {
    explain(&status)
}

/// Looks up a site by its name.
async fn site_id(server: &crate::cli::Server, name: &str) -> Result<u32, Failure> {
    use pistats_proto::admin::v1::{ListSitesRequest, admin_service_client::AdminServiceClient};
    let mut admin = AdminServiceClient::new(server.instance()?);
    let sites = admin.list_sites(ListSitesRequest {}).await.map_err(failed)?.into_inner().sites;
    let found = sites.iter().find(|site| site.name == name);
    found.map(|site| site.id).ok_or_else(|| format!("there is no site named {name:?}; `pistats site list` names them"))
}

/// `config`: the defaults with their explanations, or what holds with a file and the environment.
pub fn config(command: crate::cli::ConfigCommand) -> Result<(), Failure> {
    use crate::config::{Config, DEFAULTS, Overrides};
    let config = Config::load(command.config.as_deref(), &Overrides::default()).map_err(|error| error.to_string())?;
    let defaults = Config::load(None, &Overrides::default()).is_ok_and(|defaults| defaults == config);
    if !command.dump {
        say!("The configuration is sound; --dump prints it.");
    } else if defaults {
        say!("{}", DEFAULTS.trim_end());
    } else {
        say!("{}", config.dump().map_err(|error| error.to_string())?.trim_end());
    }
    Ok(())
}
