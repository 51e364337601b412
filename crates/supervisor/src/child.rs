//! A worker's process.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use asgi_node_core::config::Workers;
use asgi_node_scheduling::at_once;
use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::Notify;

/// The number of bytes that are kept of a worker's stderr.
const KEPT: usize = 16 << 10;

/// The number of bytes that are told of it, unless it ends with a report of Python's own.
const TAIL: usize = 4096;

/// How such a report begins. From 3.14 on it is longer than the tail: a stack of C comes last.
const REPORT: &[u8] = b"Fatal Python error: ";

/// The most reads of the last lines: more than any pipe holds. A child of the worker may keep stderr open, and go on writing.
const LAST_READS: usize = 256;

/// A worker's stderr, and the last lines of it.
#[derive(Debug)]
pub(crate) struct Tail {
    stderr: ChildStderr,
    read: Mutex<Stderr>,
    /// Who copies.
    turn: Mutex<()>,
}

/// What has been read of a worker's stderr. Only who has the lock reads.
#[derive(Debug, Default)]
struct Stderr {
    /// The end of it.
    kept: Vec<u8>,
    /// What has not been copied to our stderr.
    uncopied: Vec<u8>,
}

impl Tail {
    fn new(stderr: ChildStderr) -> Self {
        Self {
            stderr,
            read: Mutex::default(),
            turn: Mutex::default(),
        }
    }

    /// Reads what is there, without waiting. Returns the number of bytes, 0 at the end, and `None` if nothing is there.
    fn read_some(&self, read: &mut Stderr) -> Option<usize> {
        if !self.is_readable(Some(&Timespec::default())) {
            return None;
        }
        let mut room = [0; 8192];
        let count = rustix::io::read(&self.stderr, &mut room).unwrap_or(0);
        read.kept.extend_from_slice(&room[..count]);
        read.uncopied.extend_from_slice(&room[..count]);
        let over = read.kept.len().saturating_sub(KEPT);
        read.kept.drain(..over);
        Some(count)
    }

    /// Waits until there are bytes, or the end. Returns false after the timeout.
    fn is_readable(&self, timeout: Option<&Timespec>) -> bool {
        let mut watched = [PollFd::new(&self.stderr, PollFlags::IN)];
        loop {
            match poll(&mut watched, timeout) {
                Ok(count) => return count > 0,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return true,
            }
        }
    }

    /// Copies everything, until the end.
    fn copy_all(&self, out: &mut impl Write) {
        let mut count = None;
        while count != Some(0) {
            self.is_readable(None);
            // [`Self::lines`] may be faster, and then there is nothing to read.
            count = self.read_some(&mut self.read.lock());
            self.copy(out);
        }
    }

    /// Copies what has been read.
    fn copy(&self, out: &mut impl Write) {
        let _turn = self.turn.lock();
        let bytes = std::mem::take(&mut self.read.lock().uncopied);
        let mut left = &bytes[..];
        while !left.is_empty() {
            match out.write(left) {
                Ok(0) => break,
                Ok(written) => left = &left[written..],
                // Node makes pipes non-blocking.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(5)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    }

    /// The last lines of a worker that has ended. All of them are there, so nobody waits for the thread that copies them.
    pub(crate) fn lines(self: &Arc<Self>) -> String {
        let mut read = self.read.lock();
        let mut count = Some(1);
        for _ in 0..LAST_READS {
            if matches!(count, None | Some(0)) {
                break;
            }
            count = self.read_some(&mut read);
        }
        if count != Some(0) && !read.uncopied.is_empty() {
            // Another process keeps stderr open, so the end of it wakes nobody.
            let inside = Arc::clone(self);
            let copying = thread::Builder::new().name("asgi-node-err".into());
            // Without a thread, these lines come with the next ones.
            drop(at_once(|| copying.spawn(move || inside.copy(&mut io::stderr()))));
        }
        let text = &read.kept;
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
    tail: Option<Arc<Tail>>,
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
    let tail = child.stderr.take().map(|stderr| Arc::new(Tail::new(stderr)));
    if let Some(inside) = tail.clone() {
        // A separate thread, so that a slow reader of our stderr delays nothing else.
        let relay = thread::Builder::new()
            .name("asgi-node-err".into())
            .stack_size(128 << 10);
        relay.spawn(move || inside.copy_all(&mut io::stderr()))?;
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

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the process, together with its children that are still in its first process group.
    pub(crate) fn kill(&mut self) {
        use rustix::process::{Pid, Signal, kill_process, kill_process_group};
        // The process is not reaped before [`Self::ended`], so no other process has its id.
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| !self.is_reaped) {
            // This fails if no process is left in the group. The worker may have moved to another group, so it is killed by itself, too.
            let _ = kill_process_group(pid, Signal::KILL);
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// The last lines that it wrote to stderr, as the end of a sentence. It must have ended.
    pub(crate) fn last_lines(&self) -> String {
        let lines = self.tail.as_ref().map(Tail::lines).unwrap_or_default();
        if lines.is_empty() {
            return lines;
        }
        format!("; its last lines on stderr:\n{lines}")
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

#[cfg(test)]
mod tests {
    use super::Tail;
    use std::process::{Command, Stdio};
    use std::sync::Arc;

    /// The stderr of a shell that has ended. Nobody reads it.
    fn tail_of(script: &str) -> Arc<Tail> {
        let mut shell = Command::new("/bin/sh");
        let mut child = shell
            .args(["-c", script])
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        child.wait().expect("its end");
        Arc::new(Tail::new(child.stderr.take().expect("a pipe")))
    }

    #[test]
    fn the_last_lines_do_not_wait_for_the_thread_that_copies_them() {
        let tail = tail_of("echo first >&2; echo last >&2");
        assert_eq!(tail.lines(), "first\nlast");
        assert_eq!(tail.lines(), "first\nlast", "they are kept");
        let mut copied = Vec::new();
        tail.copy_all(&mut copied);
        assert_eq!(copied, b"first\nlast\n", "they are copied all the same");
    }

    #[test]
    fn the_last_lines_do_not_wait_for_a_process_that_keeps_stderr_open() {
        let tail = tail_of("echo last >&2; (sleep 1; echo later >&2) &");
        assert_eq!(tail.lines(), "last");
        let mut copied = Vec::new();
        tail.copy_all(&mut copied);
        assert!(copied.ends_with(b"later\n"));
        assert_eq!(tail.lines(), "last\nlater");
    }
}
