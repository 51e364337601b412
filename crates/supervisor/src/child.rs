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

/// The number of bytes that are kept of a worker's stderr.
const KEPT: usize = 16 << 10;

/// The number of bytes that are told of it, unless it ends with a report of Python's own.
const TAIL: usize = 4096;

/// How such a report begins. From 3.14 on it is longer than the tail: a stack of C comes last.
const REPORT: &[u8] = b"Fatal Python error: ";

/// How long to wait for the last lines of a worker that has died.
const PATIENCE: Duration = Duration::from_millis(200);

/// The last lines that a worker wrote to stderr.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    text: Mutex<Vec<u8>>,
    ended: Notify,
}

impl Tail {
    fn add(&self, bytes: &[u8]) {
        let mut text = self.text.lock();
        text.extend_from_slice(bytes);
        let over = text.len().saturating_sub(KEPT);
        text.drain(..over);
    }

    /// Returns the last lines: when stderr has ended, or after a short time.
    pub(crate) async fn lines(&self) -> String {
        // A child of the worker may keep stderr open. That is not waited for.
        let _ = tokio::time::timeout(PATIENCE, self.ended.notified()).await;
        let text = self.text.lock();
        let report = text.windows(REPORT.len()).rposition(|part| part == REPORT);
        let from = report.unwrap_or(text.len().saturating_sub(TAIL));
        String::from_utf8_lossy(&text[from..]).trim().to_owned()
    }
}

/// The end of a process. It is noticed without SIGCHLD, because Node handles that signal.
#[derive(Debug, Default)]
pub(crate) struct End {
    is_over: AtomicBool,
    notify: Notify,
}

impl End {
    /// Returns when the process has ended. It stays a zombie until [`Process::ended`].
    pub(crate) async fn reached(&self) {
        loop {
            let notified = self.notify.notified();
            if self.is_over.load(Ordering::Acquire) {
                return;
            }
            notified.await;
        }
    }

    /// Waits for the end on a separate thread. A pidfd would need no thread, but not every system has it.
    fn watch(&self, pid: u32) {
        use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        if let Some(pid) = pid {
            while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        }
        self.is_over.store(true, Ordering::Release);
        self.notify.notify_waiters();
    }
}

/// A running process.
pub(crate) struct Process {
    child: Child,
    is_reaped: bool,
    pub(crate) tail: Arc<Tail>,
    pub(crate) end: Arc<End>,
}

/// Starts a worker. Its end of the socket pair becomes its standard input, where the worker finds it.
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
        // Ctrl-C in a terminal must reach Node only, which then closes its workers.
        .process_group(0)
        .spawn()?;
    let tail = Arc::new(Tail::default());
    if let Some(stderr) = child.stderr.take() {
        let inside = Arc::clone(&tail);
        // A separate thread, so that a slow reader of our stderr delays nothing else.
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

/// Our own stdout, for a child. It cannot simply be inherited, because Node's descriptors are closed in children.
fn own_stdout() -> Stdio {
    let own = io::stdout().as_fd().try_clone_to_owned();
    own.map_or_else(|_| Stdio::null(), Stdio::from)
}

/// Copies a worker's stderr to ours, and keeps the end of it.
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

    /// Kills the process, together with its children that are still in its process group.
    pub(crate) fn kill(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};
        // The process is not reaped before [`Self::ended`], so no other process has its id.
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| !self.is_reaped) {
            // This fails only if no process is left.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// The exit status; `None` while the process runs. Reaps it.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().ok().flatten();
        self.is_reaped |= status.is_some();
        status
    }
}

/// The exit status in words.
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

/// The resident bytes of a process; 0 if they are unknown.
pub(crate) fn resident(pid: u32) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
