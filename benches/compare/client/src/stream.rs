//! Server-sent events, read for ever.

use std::rc::Rc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;

use crate::Error;
use crate::http::Connection;
use crate::statistics::Clock;

/// Counts the events of one stream; each is `data: tick` with an empty line. The time of an event is that since the one before.
pub async fn events(port: u16, clock: Rc<Clock>) -> Result<(), Error> {
    let mut connection = Connection::open(port).await?;
    connection.stream.write_all(b"GET /events HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\r\n").await?;
    let head = connection.head(200).await?;
    if !head.chunked {
        return Err("a stream without an end is chunked".into());
    }
    while !clock.is_over() {
        let begun = Instant::now();
        if connection.chunk().await? == 0 {
            return Err("the stream has ended".into());
        }
        connection.expect(b"data: tick\n\n\r\n").await?;
        clock.done(begun);
    }
    Ok(())
}
