//! HTTP/1.1 on keep-alive connections.

use std::rc::Rc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::statistics::Clock;
use crate::{Error, Expected};

/// A request as bytes, and the body that answers it.
#[derive(Clone, Debug)]
pub struct Plan {
    request: Rc<[u8]>,
    expected: Rc<[u8]>,
}

/// A body of so many bytes.
pub fn filler(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|i| b"0123456789abcdef"[i % 16]).collect()
}

impl Plan {
    /// `head` is the request line and the fields, without the empty line.
    pub fn new(head: &str, body: Vec<u8>, expected: &Expected) -> Self {
        let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
        let mut request = format!("{head}{length}\r\n").into_bytes();
        request.extend_from_slice(&body);
        let expected = match expected {
            Expected::Text(text) => text.clone().into_bytes(),
            Expected::Sent => body,
        };
        Self { request: request.into(), expected: expected.into() }
    }
}

/// A connection whose answers are read whole.
#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    /// What has been read and not used.
    pub buffer: Vec<u8>,
}

impl Connection {
    pub async fn open(port: u16) -> Result<Self, Error> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 << 10) })
    }

    pub async fn fill(&mut self) -> Result<(), Error> {
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        Ok(())
    }

    /// The head of an answer with this status, taken from the buffer.
    pub async fn head(&mut self, status: u16) -> Result<Head, Error> {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            self.fill().await?;
        };
        let text = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        if text.split(' ').nth(1) != Some(&status.to_string()) {
            return Err(format!("status {status} expected: {text}").into());
        }
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let head = Head { length: field("content-length:").and_then(|value| value.parse().ok()), chunked: field("transfer-encoding:") == Some("chunked") };
        self.buffer.drain(..end);
        Ok(head)
    }

    /// The next line of a chunked body, without its end.
    async fn line(&mut self) -> Result<String, Error> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            self.fill().await?;
        }
    }

    /// The size of the next chunk of a chunked body; 0 is its end.
    pub async fn chunk(&mut self) -> Result<usize, Error> {
        let line = self.line().await?;
        let size = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)?;
        if size == 0 {
            self.line().await?;
        }
        Ok(size)
    }

    /// So many bytes must follow, and be those.
    pub async fn expect(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut left = bytes;
        while !left.is_empty() {
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let count = left.len().min(self.buffer.len());
            if self.buffer[..count] != left[..count] {
                return Err(format!("a wrong body: {:?}", String::from_utf8_lossy(&self.buffer[..count.min(200)])).into());
            }
            self.buffer.drain(..count);
            left = &left[count..];
        }
        Ok(())
    }

    /// A whole answer with status 200 and this body.
    pub async fn answer(&mut self, body: &[u8]) -> Result<(), Error> {
        let head = self.head(200).await?;
        self.body(&head, body).await
    }

    /// The whole body must be those bytes.
    async fn body(&mut self, head: &Head, expected: &[u8]) -> Result<(), Error> {
        if !head.chunked {
            return match head.length {
                Some(length) if length == expected.len() as u64 => self.expect(expected).await,
                length => Err(format!("content-length {length:?}, {} expected", expected.len()).into()),
            };
        }
        let mut left = expected;
        loop {
            match self.chunk().await? {
                0 if left.is_empty() => return Ok(()),
                0 => return Err("a body that is too short".into()),
                size if size > left.len() => return Err("a body that is too long".into()),
                size => {
                    self.expect(&left[..size]).await?;
                    self.expect(b"\r\n").await?;
                    left = &left[size..];
                }
            }
        }
    }
}

/// How the body of an answer is framed.
#[derive(Debug)]
pub struct Head {
    pub length: Option<u64>,
    pub chunked: bool,
}

/// Asks until the clock says that it is over.
pub async fn client(port: u16, plan: Plan, clock: Rc<Clock>) -> Result<(), Error> {
    let mut connection = Connection::open(port).await?;
    while !clock.is_over() {
        let begun = Instant::now();
        connection.stream.write_all(&plan.request).await?;
        connection.answer(&plan.expected).await?;
        clock.done(begun);
    }
    Ok(())
}
