//! A Fluvio cluster of its own: a controller (SC) and one SPU, registered by the program's own command.

use super::process::{Ground, Process, copy, free_ports, listens};
use crate::Failure;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The variable that names Fluvio's server program.
pub(crate) const PROGRAM: &str = "PISTATS_TEST_FLUVIO_RUN";
/// How long the spool keeps what the stream took: shorter than a person would set it, so that a case sees it pass.
pub(crate) const SETTLE: Duration = Duration::from_secs(60);
const SPU: &str = "5001";
/// What compose.yaml starts the controller with.
const KEEPER: &str = include_str!("../../../services/pistats/engines/fluvio-sc");

pub(crate) struct Fluvio {
    program: PathBuf,
    folder: PathBuf,
    /// Public and private port of the SC, public and private port of the SPU.
    ports: [u16; 4],
    sc: Process,
    spu: Process,
}

impl Fluvio {
    pub(super) async fn start(ground: &Ground, pistats: &Path) -> Result<Fluvio, Failure> {
        let program = std::env::var_os(PROGRAM).map(PathBuf::from);
        let program = program.ok_or_else(|| format!("{PROGRAM} names no fluvio-run program"))?;
        let folder = ground.path().join("fluvio");
        std::fs::create_dir_all(folder.join("data")).map_err(|error| format!("{}: {error}", folder.display()))?;
        let ports = free_ports()?;
        let at = |port: u16| format!("127.0.0.1:{port}");
        let [public, private, spu_public, spu_private] = ports;
        let text = |path: &str| folder.join(path).display().to_string();
        let sc = ["sc", "--local", &text("metadata"), "--bind-public", &at(public), "--bind-private", &at(private)];
        let spu = ["spu", "-i", SPU, "-p", &at(spu_public), "-v", &at(spu_private), "--sc-addr", &at(private)];
        let mut spu: Vec<String> = spu.map(str::to_owned).into();
        spu.extend(["--log-base-dir".to_owned(), text("data")]);
        // As compose.yaml runs it: with what keeps its metadata.
        let script = folder.join("fluvio-sc");
        std::fs::write(&script, KEEPER).map_err(|error| format!("{}: {error}", script.display()))?;
        let mut sc_args = vec![script.display().to_string(), text("metadata"), program.display().to_string()];
        sc_args.extend(sc.map(str::to_owned));
        let of = |name: &str, program: &Path, args: Vec<String>| {
            Process::new(name, program, args, folder.join(format!("{name}.log"))).with("RUST_LOG", "error")
        };
        let (sc, spu) = (of("sc", Path::new("/bin/sh"), sc_args), of("spu", &program, spu));
        let mut fluvio = Fluvio { program: program.clone(), folder, ports, sc, spu };
        fluvio.start_sc().await?;
        let mut register = Command::new(pistats);
        register.args(["log", "register-spu", "--cluster", &at(public), "--id", SPU]);
        register.args(["--public", &at(spu_public), "--private", &at(spu_private)]);
        super::process::run(register)?;
        fluvio.start_spu().await?;
        Ok(fluvio)
    }

    /// What the mesh calls it.
    pub(super) fn url(&self) -> String {
        format!("fluvio://127.0.0.1:{}/events-v1", self.ports[0])
    }

    /// `HOST:PORT` of the controller.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    pub(crate) async fn start_sc(&mut self) -> Result<(), Failure> {
        self.sc.spawn()?;
        listens(&mut self.sc, self.ports[0]).await
    }

    pub(crate) async fn start_spu(&mut self) -> Result<(), Failure> {
        self.spu.spawn()?;
        listens(&mut self.spu, self.ports[2]).await
    }

    pub(super) async fn ensure(&mut self) -> Result<(), Failure> {
        if !self.sc.runs() {
            self.start_sc().await?;
        }
        if self.spu.runs() { Ok(()) } else { self.start_spu().await }
    }

    pub(crate) fn kill_sc(&mut self) {
        self.sc.kill();
    }

    pub(crate) fn kill_spu(&mut self) {
        self.spu.kill();
    }

    pub(crate) fn spu(&self) -> &Process {
        &self.spu
    }

    /// What the controller's keeper said: which files it put back.
    pub(crate) fn put_back(&self) -> Vec<String> {
        self.sc.said().lines().filter(|line| line.contains("fluvio-sc:")).map(str::to_owned).collect()
    }

    /// As if nobody had kept anything of the metadata.
    pub(crate) fn forget_kept(&self) -> Result<(), Failure> {
        let kept = self.folder.join("metadata.kept");
        if kept.exists() { std::fs::remove_dir_all(&kept).map_err(|error| error.to_string()) } else { Ok(()) }
    }

    /// Takes what the keeper has of the metadata for a backup: a copy of the folder itself may hold a file that a kill left empty.
    pub(crate) fn back_up_metadata(&self) -> Result<(), Failure> {
        copy(&self.folder.join("metadata.kept"), &self.kept("metadata"))
    }

    /// Copies a part of its folder (`metadata`, `data`) beside it, under another name.
    pub(crate) fn keep(&self, part: &str) -> Result<(), Failure> {
        copy(&self.folder.join(part), &self.kept(part))
    }

    /// Puts the copy in the place of what is there. Its servers must not run.
    pub(crate) fn restore(&self, part: &str) -> Result<(), Failure> {
        copy(&self.kept(part), &self.folder.join(part))
    }

    fn kept(&self, part: &str) -> PathBuf {
        self.folder.join(format!("{part}.copy"))
    }

    /// Empties one of the files that the controller keeps on a kind of object; the file's name.
    pub(crate) fn empty_a_file_of(&self, kind: &str) -> Result<String, Failure> {
        let folder = self.folder.join("metadata").join(kind);
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        let mut files: Vec<PathBuf> = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            files.push(entry.map_err(failed)?.path());
        }
        files.sort();
        let file = files.first().ok_or_else(|| format!("{} is empty", folder.display()))?;
        std::fs::write(file, "").map_err(failed)?;
        Ok(file.strip_prefix(&self.folder).unwrap_or(file).display().to_string())
    }

    pub(super) async fn version(&self) -> Result<String, Failure> {
        let mut command = Command::new(&self.program);
        command.arg("--version");
        let said = super::process::run(command).unwrap_or_default();
        let version = std::env::var("PISTATS_TEST_FLUVIO_VERSION").ok();
        let version = version.or_else(|| said.lines().next().map(str::to_owned)).unwrap_or_default();
        Ok(format!("Fluvio server: {version}; client crate fluvio 0.50.1"))
    }
}
