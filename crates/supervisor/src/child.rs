//! A worker's process.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use asgi_node_core::config::Workers;
use parking_lot::Mutex;
use tokio::sync::Notify;

/// So much of what a worker writes to stderr is remembered.
const TAIL: usize = 4096;

/// How long the last lines of a worker that has died are waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// What a worker wrote to stderr last.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    text: Mutex<Vec<u8>>,
    ended: Notify,
}

impl Tail {
    fn add(&self, bytes: &[u8]) {
        let mut text = self.text.lock();
        text.extend_from_slice(bytes);
        let over = text.len().saturating_sub(TAIL);
        text.drain(..over);
    }

    /// The last lines, when nothing more comes, or soon.
    pub(crate) async fn lines(&self) -> String {
        // What a child of the worker still holds open is not waited for.
        let _ = tokio::time::timeout(PATIENCE, self.ended.notified()).await;
        let text = self.text.lock();
        String::from_utf8_lossy(&text).trim().to_owned()
    }
}

/// The end of a process. Known without SIGCHLD, whose handler is Node's.
#[derive(Debug, Default)]
pub(crate) struct End {
    is_over: AtomicBool,
    bell: Notify,
}

impl End {
    /// Returns when the process has ended. It stays a zombie until [`Process::ended`].
    pub(crate) async fn reached(&self) {
        loop {
            let rung = self.bell.notified();
            if self.is_over.load(Ordering::Acquire) {
                return;
            }
            rung.await;
        }
    }

    /// Waits for it, on a thread of its own: a pidfd would do without, but not everywhere.
    fn watch(&self, pid: u32) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        if let Some(pid) = pid {
            while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        }
        self.is_over.store(true, Ordering::Release);
        self.bell.notify_waiters();
    }
}

/// A process that runs.
pub(crate) struct Process {
    child: Child,
    is_reaped: bool,
    pub(crate) tail: Arc<Tail>,
    pub(crate) end: Arc<End>,
}

/// Starts a worker; its end of the socket becomes its standard input, which is how it finds it.
pub(crate) fn spawn(workers: &Workers) -> io::Result<(Process, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut child = Command::new(&workers.executable)
        .arg(workers.package_dir.join("asgi_node/worker/__main__.py"))
        .arg(&workers.package_dir)
        .arg(&workers.bridge)
        .env_clear()
        .envs(workers.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(own_stdout())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is for Node, which closes its workers.
        .process_group(0)
        .spawn()?;
    let tail = Arc::new(Tail::default());
    if let Some(stderr) = child.stderr.take() {
        let inside = Arc::clone(&tail);
        // A thread of its own: whoever reads our stderr slowly holds up nobody else.
        let relay = thread::Builder::new()
            .name("asgi-node-err".into())
            .stack_size(128 << 10);
        relay.spawn(move || pass_on(stderr, &inside))?;
    }
    let end = Arc::new(End::default());
    let (inside, pid) = (Arc::clone(&end), child.id());
    let watch = thread::Builder::new()
        .name("asgi-node-wait".into())
        .stack_size(64 << 10);
    watch.spawn(move || inside.watch(pid))?;
    let process = Process {
        child,
        is_reaped: false,
        tail,
        end,
    };
    Ok((process, ours))
}

/// Our own stdout for a child. Inheriting is not enough: Node has its descriptors closed in children.
fn own_stdout() -> Stdio {
    let own = io::stdout().as_fd().try_clone_to_owned();
    own.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Writes what comes to our own stderr, and remembers the end of it.
fn pass_on(mut stderr: ChildStderr, tail: &Tail) {
    let mut room = [0; 8192];
    while let Ok(count @ 1..) = stderr.read(&mut room) {
        tail.add(&room[..count]);
        let mut left = &room[..count];
        while !left.is_empty() {
            match io::stderr().write(left) {
                Ok(0) => break,
                Ok(written) => left = &left[written..],
                // Node makes pipes non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }
    tail.ended.notify_one();
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, with those that it has started and that are in its group still.
    pub(crate) fn kill(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        // Not reaped before [`Self::ended`], so its number is its own.
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| !self.is_reaped) {
            // Fails only where nobody is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// How it has ended; none while it runs. Reaps it.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        self.is_reaped |= status.is_some();
        status
    }
}

/// In words.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {}", signal_name(signal)),
        (None, None) => "unknown".into(),
    }
}

fn signal_name(signal: i32) -> String {
    use rustix::process::Signal;
    let known = [
        (Signal::KILL, "SIGKILL"),
        (Signal::SEGV, "SIGSEGV"),
        (Signal::ABORT, "SIGABRT"),
        (Signal::TERM, "SIGTERM"),
        (Signal::BUS, "SIGBUS"),
        (Signal::ILL, "SIGILL"),
        (Signal::FPE, "SIGFPE"),
        (Signal::INT, "SIGINT"),
        (Signal::HUP, "SIGHUP"),
    ];
    let found = known.iter().find(|(known, _)| known.as_raw() == signal);
    found.map_or_else(|| signal.to_string(), |(_, name)| (*name).to_owned())
}

/// Resident bytes of a process; 0 where nobody tells.
pub(crate) fn resident(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
