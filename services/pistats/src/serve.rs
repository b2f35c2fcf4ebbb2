//! wip
pub async fn run(_command: crate::cli::Serve) -> Result<(), String> {
    Ok(())
}
