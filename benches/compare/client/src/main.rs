//! `bench-client JSON`: one workload against one server on 127.0.0.1; prints its result as one line of JSON. Every byte of every
//! answer is compared with what is expected, and the first difference ends the run: a server that is fast because it answers
//! wrongly is not measured.

mod bulk;
mod http;
mod idle;
mod statistics;
mod stream;
mod websocket;

use serde::{Deserialize, Serialize};

/// What can go wrong is told, and ends the run.
type Error = Box<dyn std::error::Error>;

/// A workload, as the runner (run.mjs) writes it.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
enum Workload {
    /// Keep-alive connections that each ask again as soon as they have the whole answer.
    Http { port: u16, connections: usize, warm_up: f64, seconds: f64, head: String, body: Option<String>, body_bytes: usize, expected: Expected },
    /// One response of so many bytes.
    Download { port: u16, target: String, bytes: u64 },
    /// One request of so many bytes, answered with their number.
    Upload { port: u16, target: String, bytes: u64 },
    /// WebSockets that each send the next message when the one before has come back.
    Echo { port: u16, connections: usize, warm_up: f64, seconds: f64, bytes: usize },
    /// One WebSocket sends a message at a time to all; each must get it.
    Broadcast { port: u16, connections: usize, warm_up: f64, seconds: f64 },
    /// Clients of one stream of server-sent events each.
    Events { port: u16, connections: usize, warm_up: f64, seconds: f64 },
    /// WebSockets that are opened and held until standard input ends.
    Idle { port: u16, connections: usize },
}

/// The body that each answer must have.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Expected {
    Text(String),
    /// What was sent.
    Sent,
}

/// What a workload came to.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    /// Answers, messages or bytes in a second.
    per_second: f64,
    count: u64,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<f64>,
}

async fn run(workload: Workload) -> Result<Outcome, Error> {
    match workload {
        Workload::Http { port, connections, warm_up, seconds, head, body, body_bytes, expected } => {
            let body = body.map_or_else(|| http::filler(body_bytes), String::into_bytes);
            let plan = http::Plan::new(&head, body, &expected);
            statistics::closed_loop(connections, warm_up, seconds, |clock| http::client(port, plan.clone(), clock)).await
        }
        Workload::Download { port, target, bytes } => bulk::download(port, &target, bytes).await,
        Workload::Upload { port, target, bytes } => bulk::upload(port, &target, bytes).await,
        Workload::Echo { port, connections, warm_up, seconds, bytes } => {
            statistics::closed_loop(connections, warm_up, seconds, |clock| websocket::echo(port, bytes, clock)).await
        }
        Workload::Broadcast { port, connections, warm_up, seconds } => websocket::broadcast(port, connections, warm_up, seconds).await,
        Workload::Events { port, connections, warm_up, seconds } => {
            statistics::closed_loop(connections, warm_up, seconds, |clock| stream::events(port, clock)).await
        }
        Workload::Idle { port, connections } => idle::hold(port, connections).await,
    }
}

fn main() {
    let text = std::env::args().nth(1).unwrap_or_default();
    let outcome = serde_json::from_str(&text).map_err(Error::from).and_then(|workload| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(run(workload))
    });
    match outcome.and_then(|outcome| Ok(serde_json::to_string(&outcome)?)) {
        Ok(line) => println!("{line}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}
