//! WebSockets (RFC 6455), as far as a client of these workloads needs them: binary messages in one frame, without extensions.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

use crate::http::Connection;
use crate::statistics::{Clock, closed_loop};
use crate::{Error, Outcome};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A connection whose handshake is done. `compressed`: permessage-deflate is offered, as browsers do.
pub async fn open(port: u16, target: &str, compressed: bool) -> Result<Connection, Error> {
    let mut connection = Connection::open(port).await?;
    let offer = if compressed { "sec-websocket-extensions: permessage-deflate; client_max_window_bits\r\n" } else { "" };
    let head = format!(
        "GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
    );
    connection.stream.write_all(head.as_bytes()).await?;
    connection.head(101).await?;
    Ok(connection)
}

/// The first bytes of a binary frame: masked from a client, plain from a server.
fn frame_head(length: usize, masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut head = vec![0x82];
    match length {
        0..126 => head.push(bit | length as u8),
        126..65_536 => {
            head.push(bit | 126);
            head.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            head.push(bit | 127);
            head.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        head.extend_from_slice(&MASK);
    }
    head
}

/// A message as a client sends it, and as it comes back.
fn message(bytes: usize) -> (Vec<u8>, Vec<u8>) {
    let payload: Vec<u8> = (0..bytes).map(|i| (i * 31 % 251) as u8).collect();
    let mut sent = frame_head(bytes, true);
    sent.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    let mut back = frame_head(bytes, false);
    back.extend_from_slice(&payload);
    (sent, back)
}

/// Sends a message again as soon as it has come back.
pub async fn echo(port: u16, bytes: usize, clock: Rc<Clock>) -> Result<(), Error> {
    let mut connection = open(port, "/echo", false).await?;
    connection.buffer.reserve(bytes + 16);
    let (sent, back) = message(bytes);
    while !clock.is_over() {
        let begun = Instant::now();
        connection.stream.write_all(&sent).await?;
        connection.expect(&back).await?;
        clock.done(begun);
    }
    Ok(())
}

/// What all get that one has sent; how long it took is told by those that get it.
pub async fn broadcast(port: u16, connections: usize, warm_up: f64, seconds: f64) -> Result<Outcome, Error> {
    let (sent, back) = message(64);
    let mut others = Vec::new();
    for _ in 0..connections {
        others.push(open(port, "/broadcast", false).await?);
    }
    let sender = open(port, "/broadcast", false).await?;
    let back: Rc<[u8]> = back.into();
    let others = Rc::new(RefCell::new(others));
    let sent: Rc<[u8]> = sent.into();
    let sender = Rc::new(RefCell::new(Some(sender)));
    closed_loop(connections + 1, warm_up, seconds, move |clock| {
        let (sent, back) = (Rc::clone(&sent), Rc::clone(&back));
        let listener = others.borrow_mut().pop();
        let speaker = if listener.is_none() { sender.borrow_mut().take() } else { None };
        async move {
            match (listener, speaker) {
                (Some(connection), _) => listen(connection, &back, &clock).await,
                (_, Some(connection)) => speak(connection, &sent, &back, &clock).await,
                _ => Ok(()),
            }
        }
    })
    .await
}

async fn listen(mut connection: Connection, back: &[u8], clock: &Clock) -> Result<(), Error> {
    while !clock.is_over() {
        let begun = Instant::now();
        connection.expect(back).await?;
        clock.done(begun);
    }
    Ok(())
}

/// Its own message comes back, too: then the next is sent.
async fn speak(mut connection: Connection, sent: &[u8], back: &[u8], clock: &Clock) -> Result<(), Error> {
    tokio::time::sleep(Duration::from_millis(100)).await;
    while !clock.is_over() {
        connection.stream.write_all(sent).await?;
        connection.expect(back).await?;
    }
    Ok(())
}
