//! Sockets that do nothing.

use crate::{Error, Outcome, websocket};

/// Opens them, says so in a line, and holds them until standard input ends.
pub async fn hold(port: u16, connections: usize) -> Result<Outcome, Error> {
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(websocket::open(port, "/echo", true).await?);
    }
    println!("open");
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || std::io::Read::read_to_end(&mut std::io::stdin(), &mut rest)).await??;
    Ok(Outcome { count: open.len() as u64, ..Outcome::default() })
}
