//! A child process that may be killed, held, let go and started again; and the folder that all of them work in.
//!
//! Dropping a child kills it and waits until it is gone, dropping the folder removes it. Only children of this process are ever
//! signalled, by their own number.

use crate::Failure;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to listen on a busy machine.
const LISTENS_WITHIN: Duration = Duration::from_secs(90);

/// A private folder, removed at the end.
pub(crate) struct Ground(PathBuf);

impl Ground {
    pub(crate) fn new(parent: &Path) -> Result<Ground, Failure> {
        let folder = parent.join(format!("pistats-mesh-{}", std::process::id()));
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::create_dir_all(&folder).map_err(failed)?;
        // PostgreSQL may run as another user, and must reach its own part.
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).map_err(failed)?;
        Ok(Ground(folder.canonicalize().map_err(failed)?))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} is left over: {error}", self.0.display());
        }
    }
}

/// A program that is started again and again with the same arguments.
pub(crate) struct Process {
    pub(crate) name: String,
    program: PathBuf,
    args: Vec<String>,
    environment: Vec<(String, String)>,
    /// Whom it runs as, where not as this process.
    user: Option<(u32, u32)>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    pub(crate) fn new(name: &str, program: &Path, args: Vec<String>, log: PathBuf) -> Process {
        let (name, program) = (name.to_owned(), program.to_owned());
        Process { name, program, args, environment: Vec::new(), user: None, log, child: None }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Process {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn run_by(mut self, user: Option<(u32, u32)>) -> Process {
        self.user = user;
        self
    }

    pub(crate) fn spawn(&mut self) -> Result<(), Failure> {
        use std::os::unix::process::CommandExt as _;
        let failed = |error: std::io::Error| format!("{}: {error}", self.name);
        let log = std::fs::File::options().create(true).append(true).open(&self.log).map_err(failed)?;
        let mut command = Command::new(&self.program);
        // What this user has set for daily work is not what is tried.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PISTATS_")) {
            command.env_remove(name);
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.args(&self.args).envs(self.environment.iter().map(|(name, value)| (name, value))).stdin(Stdio::null());
        command.current_dir(self.log.parent().unwrap_or(Path::new("/")));
        command.stdout(log.try_clone().map_err(failed)?).stderr(log);
        self.child = Some(command.spawn().map_err(failed)?);
        Ok(())
    }

    /// Whether it was started and has not ended.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// `kill -9`, and the wait until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            _ = child.kill();
            _ = child.wait();
        }
    }

    /// Holds it (SIGSTOP): it does nothing any more and does not know it.
    pub(crate) fn hold(&self) -> Result<(), Failure> {
        self.signal("STOP")
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn release(&self) -> Result<(), Failure> {
        self.signal("CONT")
    }

    fn signal(&self, signal: &str) -> Result<(), Failure> {
        let pid = self.child.as_ref().map(Child::id).ok_or_else(|| format!("{} does not run", self.name))?;
        let sent = Command::new("kill").args(["-s", signal, &pid.to_string()]).status();
        match sent {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("kill -{signal} {}: {other:?}", self.name)),
        }
    }

    /// Its processor time so far, user and kernel, in seconds; children that ended are not in it.
    pub(crate) fn cpu_seconds(&self) -> f64 {
        let stat =
            self.child.as_ref().and_then(|child| std::fs::read_to_string(format!("/proc/{}/stat", child.id())).ok());
        stat.and_then(|stat| cpu_of(&stat, false)).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Everything it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// proc_pid_stat(5), fields 14 and 15 in ticks, of which Linux has 100 a second; with `ended`, those of children that ended, too.
fn cpu_of(stat: &str, ended: bool) -> Option<f64> {
    // The name in parentheses may hold blanks.
    let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks: Vec<u64> = fields.take(if ended { 4 } else { 2 }).map_while(|field| field.parse().ok()).collect();
    (ticks.len() >= 2).then(|| ticks.iter().sum::<u64>() as f64 / 100.0)
}

/// Processor time of a process and all its children, those that ended, too, in seconds.
pub(crate) fn cpu_of_family(pid: u32) -> f64 {
    let stat_of = |pid: &str| std::fs::read_to_string(Path::new("/proc").join(pid).join("stat")).ok();
    let of = pid.to_string();
    let own = stat_of(&of).and_then(|stat| cpu_of(&stat, true)).unwrap_or_default();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = processes.filter_map(|entry| stat_of(entry.file_name().to_str()?));
    let parent =
        |stat: &str| stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)).map(str::to_owned);
    own + stats.filter(|stat| parent(stat).as_ref() == Some(&of)).filter_map(|stat| cpu_of(&stat, false)).sum::<f64>()
}

/// Waits until somebody listens.
pub(crate) async fn listens(process: &mut Process, port: u16) -> Result<(), Failure> {
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if !process.runs() || begun.elapsed() > LISTENS_WITHIN {
            return Err(format!(
                "{} does not listen on port {port}; it said:\n{}",
                process.name,
                tail(&process.said())
            ));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The last lines of a text.
pub(crate) fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

/// Ports that nobody listens on, all at once, so that they differ.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], Failure> {
    let failed = |error: std::io::Error| format!("no free port: {error}");
    let mut listeners = Vec::with_capacity(N);
    for _ in 0..N {
        listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed)?);
    }
    let mut ports = [0; N];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr().map_err(failed)?.port();
    }
    Ok(ports)
}

/// Copies a folder; what was at its place before goes.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let gone = if to.exists() { std::fs::remove_dir_all(to) } else { Ok(()) };
    gone.map_err(|error| format!("{}: {error}", to.display()))?;
    let mut command = Command::new("cp");
    command.args(["-a", "--"]).args([from, to]);
    run(command).map(drop)
}

/// Runs a command to its end, which must be a good one; what it printed.
pub(crate) fn run(mut command: Command) -> Result<String, Failure> {
    let named = format!("{:?}", command.get_program());
    let done = command.stdin(Stdio::null()).output().map_err(|error| format!("{named}: {error}"))?;
    if !done.status.success() {
        return Err(format!("{named}: {}\n{}", done.status, tail(&String::from_utf8_lossy(&done.stderr))));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processor_time_is_read_behind_a_name_with_blanks() {
        let stat = "7 (a name) S) R 1 7 7 0 -1 4194560 100 0 0 0 250 50 100 25 20 0 1 0 10 0 0";
        assert_eq!((cpu_of(stat, false), cpu_of(stat, true)), (Some(3.0), Some(4.25)));
        assert_eq!(cpu_of("7 (x", false), None);
    }

    #[test]
    fn a_child_is_killed_started_again_and_gone_with_its_owner() {
        let ground = Ground::new(&std::env::temp_dir().join("pistats-mesh-process-test")).unwrap();
        let folder = ground.path().to_owned();
        let mut sleep = Process::new("sleep", Path::new("/bin/sleep"), vec!["60".into()], folder.join("log"));
        assert!(!sleep.runs());
        sleep.spawn().unwrap();
        assert!(sleep.runs());
        sleep.hold().unwrap();
        sleep.release().unwrap();
        sleep.kill();
        assert!(!sleep.runs() && sleep.hold().is_err());
        sleep.spawn().unwrap();
        let pid = sleep.pid().unwrap();
        drop(sleep);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        drop(ground);
        assert!(!folder.exists());
    }
}
