//! Workers that are a few lines of shell.

use std::cell::RefCell;
use std::fs;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use asgi_node_core::config::Workers;
use asgi_node_core::{Config, Traced};
use asgi_node_worker::{FromWorker, Outgoing};
use parking_lot::Mutex;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::Pool;
use crate::child::End;
use crate::front::Front;

type Loaded = Arc<Mutex<Option<Result<(), Traced>>>>;

/// A pool for one worker, which runs this script instead of Python. Its standard input is the socket.
fn pool(name: &str, script: &str, messages: Vec<FromWorker>) -> (Rc<RefCell<Pool>>, Loaded) {
    let folder = std::env::temp_dir().join(format!("asgi-node-{name}-{}", std::process::id()));
    fs::create_dir_all(folder.join("asgi_node/worker")).expect("a folder");
    let mut outgoing = Outgoing::default();
    for message in messages {
        outgoing.push(0, message);
    }
    let bytes: Vec<u8> = outgoing.next_write().0.iter().flat_map(|part| part.to_vec()).collect();
    fs::write(folder.join("messages"), bytes).expect("a file");
    let script = format!("cd {}; {script}; rm -r $PWD", folder.display());
    fs::write(folder.join("asgi_node/worker/__main__.py"), script).expect("a file");
    let workers = Workers {
        count: 1,
        executable: "/bin/sh".into(),
        package_dir: folder,
        env: std::env::vars().filter(|(name, _)| name == "PATH").collect(),
        ..Workers::default()
    };
    let loaded = Loaded::default();
    let inside = Arc::clone(&loaded);
    let done = Box::new(move |result| *inside.lock() = Some(result));
    let pool = Pool::new(Front::new(&Config::default()), Arc::new(workers), done);
    (Rc::new(RefCell::new(pool)), loaded)
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    LocalSet::new().block_on(&runtime.expect("a runtime"), test);
}

/// Blocks the thread, and with it the runtime, until a process has ended.
fn block_until(end: &End) {
    let mut reached = pin!(end.reached());
    while reached
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
        .is_pending()
    {
        thread::sleep(Duration::from_millis(1));
    }
}

async fn until_gone(pool: &Rc<RefCell<Pool>>) {
    let gone = async {
        while !pool.borrow().members.is_empty() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), gone)
        .await
        .expect("the worker has ended");
}

#[test]
fn what_a_worker_has_written_before_its_end_is_read_although_the_runtime_has_not_heard_of_it() {
    run(async {
        let messages = vec![FromWorker::Opened, FromWorker::Ended(None)];
        let (pool, loaded) = pool("goodbye", "cat messages >&0", messages);
        Pool::start(&pool, 0, None);
        let end = Arc::clone(&pool.borrow().members[0].process.end);
        block_until(&end);
        until_gone(&pool).await;
        let started = loaded.lock().take().expect("a result");
        assert!(started.is_ok(), "{started:?}");
        assert!(pool.borrow().slots[0].next.is_none(), "it has not died");
    });
}

#[test]
fn the_workers_are_known_before_anybody_hears_that_they_are_ready() {
    run(async {
        let (pool, _) = pool("known", "cat messages >&0; sleep 60", vec![FromWorker::Opened]);
        let front = Arc::clone(&pool.borrow().front);
        let seen = Arc::new(Mutex::new(None));
        let inside = Arc::clone(&seen);
        pool.borrow_mut().loaded = Some(Box::new(move |_| *inside.lock() = Some(front.workers())));
        Pool::start(&pool, 0, None);
        let front = Arc::clone(&pool.borrow().front);
        assert_eq!(front.workers().len(), 1);
        assert_eq!(front.workers()[0].state, "starting");
        let known = async {
            while seen.lock().is_none() {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(Duration::from_secs(10), known).await.expect("it is ready");
        let workers = seen.lock().take().expect("the workers");
        assert_eq!(workers.iter().map(|worker| worker.state).collect::<Vec<_>>(), ["ready"]);
        let folder = pool.borrow().workers.package_dir.clone();
        pool.borrow_mut().close(0, None);
        assert_eq!(front.workers()[0].state, "draining");
        let number = pool.borrow().members[0].number;
        pool.borrow_mut().kill(number);
        until_gone(&pool).await;
        fs::remove_dir_all(folder).expect("it is there");
    });
}
