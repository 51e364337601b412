//! One large body.

use std::time::Instant;

use tokio::io::AsyncWriteExt;

use crate::http::Connection;
use crate::{Error, Outcome};

const CHUNK: usize = 256 << 10;

fn outcome(bytes: u64, begun: Instant) -> Outcome {
    let seconds = begun.elapsed().as_secs_f64();
    Outcome { per_second: bytes as f64 / seconds, count: bytes, seconds, ..Outcome::default() }
}

/// A body that is all zeros; each byte is looked at.
pub async fn download(port: u16, target: &str, bytes: u64) -> Result<Outcome, Error> {
    let mut connection = Connection::open(port).await?;
    connection.buffer.reserve(CHUNK);
    let begun = Instant::now();
    connection.stream.write_all(format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").as_bytes()).await?;
    let head = connection.head(200).await?;
    let mut left = bytes;
    loop {
        let size = if head.chunked { connection.chunk().await? as u64 } else { head.length.unwrap_or_default() };
        if size > left {
            return Err("a body that is too long".into());
        }
        let mut of_chunk = size;
        while of_chunk > 0 {
            if connection.buffer.is_empty() {
                connection.fill().await?;
            }
            let count = connection.buffer.len().min(usize::try_from(of_chunk)?);
            if !is_zero(&connection.buffer[..count]) {
                return Err("a byte is not 0".into());
            }
            connection.buffer.drain(..count);
            of_chunk -= count as u64;
        }
        left -= size;
        if !head.chunked || size == 0 {
            break;
        }
        connection.expect(b"\r\n").await?;
    }
    if left > 0 {
        return Err(format!("{left} bytes are missing").into());
    }
    Ok(outcome(bytes, begun))
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, tail) = bytes.as_chunks::<8>();
    words.iter().fold(0, |all, &word| all | u64::from_ne_bytes(word)) == 0 && tail.iter().all(|&byte| byte == 0)
}

/// A body of zeros, answered with its length in decimal.
pub async fn upload(port: u16, target: &str, bytes: u64) -> Result<Outcome, Error> {
    let mut connection = Connection::open(port).await?;
    let zeros = vec![0; CHUNK];
    let begun = Instant::now();
    connection.stream.write_all(format!("POST {target} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {bytes}\r\n\r\n").as_bytes()).await?;
    let mut left = bytes;
    while left > 0 {
        let count = usize::try_from(left.min(CHUNK as u64))?;
        connection.stream.write_all(&zeros[..count]).await?;
        left -= count as u64;
    }
    connection.answer(bytes.to_string().as_bytes()).await?;
    Ok(outcome(bytes, begun))
}
