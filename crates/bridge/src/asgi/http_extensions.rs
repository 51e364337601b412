//! The events of ASGI's extensions, each only where the scope advertises it (docs/asgi.md, 124 to 127).

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

use asgi_node_core::{BodyPlan, Emitted, Error, FileRange, HeaderBlock, ResponseEvent};
use pyo3::prelude::*;
use pyo3::types::{PyBytesMethods, PyDict, PyInt, PyString};

use super::channel::{Channel, Progress};
use super::ffi;
use super::fields::{bytes, flag, for_each_header, required, wrong_type};
use super::http::{Http, Piece};
use super::names::names;
use crate::errors::to_python;

/// Header fields after the body; they reach clients that said `TE: trailers`.
pub(super) fn trailers(channel: &Channel<Http>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let n = names(event.py());
    let mut block = HeaderBlock::default();
    if let Some(headers) = event.get_item(&n.headers)? {
        for_each_header(&headers, |name, value| block.add_trailer(name, value))?;
    }
    let more = flag(event, &n.more_trailers)?;
    let mut progress = channel.connected()?;
    let complete = progress.state.response.trailers(more).map_err(|e| to_python(&e))?;
    let fields = if channel.protocol().takes_trailers() {
        block.into_flat()
    } else {
        Vec::new()
    };
    Ok(progress.outgoing.accept(Piece::Trailers { fields, last: complete }))
}

/// `http.response.pathsend`: a file is the whole body; the host sends it without Python.
pub(super) fn pathsend(channel: &Channel<Http>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let path = required(event, &names(event.py()).path, "http.response.pathsend")?;
    // As open() takes a name: with the bytes that are no UTF-8 as lone surrogates, and relative to the working directory.
    let name: OsString = path
        .cast::<PyString>()
        .map_err(|_| wrong_type("'path'", "a str", &path))?
        .extract()?;
    let file = open(Path::new(&name))?;
    let length = regular(&file)?;
    let mut progress = channel.connected()?;
    let plan = progress.state.response.whole_file(length).map_err(|e| to_python(&e))?;
    Ok(accept(channel, &mut progress, plan, file, 0, length))
}

/// `http.response.zerocopysend`: a range of a file that the app has opened, and goes on owning.
pub(super) fn zerocopysend(channel: &Channel<Http>, event: &Bound<'_, PyDict>) -> PyResult<u64> {
    let n = names(event.py());
    let given = required(event, &n.file, "http.response.zerocopysend")?;
    let number = if given.is_instance_of::<PyInt>() {
        given
    } else {
        let fileno = given.getattr("fileno");
        fileno
            .map_err(|_| wrong_type("'file'", "a file with a fileno()", &given))?
            .call0()?
    };
    // A descriptor of our own, because the app may close its one as soon as send() returns.
    let file = ffi::duplicate(number.extract()?)?;
    let size = regular(&file)?;
    let offset = match event.get_item(&n.offset)?.filter(|o| !o.is_none()) {
        Some(offset) => count("'offset'", &offset)?,
        None => std::io::Seek::stream_position(&mut &file)?,
    };
    let rest = size.saturating_sub(offset);
    let length = match event.get_item(&n.count)?.filter(|c| !c.is_none()) {
        Some(wanted) => count("'count'", &wanted)?,
        None => rest,
    };
    if length > rest {
        let text = format!("the file has {rest} bytes from offset {offset}, 'count' is {length}");
        return Err(to_python(&Error::WrongValue(text)));
    }
    let more = flag(event, &n.more_body)?;
    let mut progress = channel.connected()?;
    let plan = progress.state.response.body(length, more).map_err(|e| to_python(&e))?;
    Ok(accept(channel, &mut progress, plan, file, offset, length))
}

fn accept(
    channel: &Channel<Http>,
    progress: &mut Progress<Http>,
    plan: BodyPlan,
    file: File,
    offset: u64,
    length: u64,
) -> u64 {
    progress.outgoing.accept(if plan.sends && length > 0 {
        Piece::File(FileRange {
            file,
            offset,
            length,
            last: plan.completes,
            weight: channel.exchange().whole_window(),
        })
    } else {
        Piece::Empty { last: plan.completes }
    })
}

/// Opened without waiting (a FIFO would) and without becoming a controlling terminal.
fn open(path: &Path) -> PyResult<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    Ok(std::fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?)
}

/// The size of a regular file; anything else has none that could be promised.
fn regular(file: &File) -> PyResult<u64> {
    let facts = file.metadata()?;
    if facts.is_file() {
        Ok(facts.len())
    } else {
        Err(to_python(&Error::WrongValue(
            "'path' or 'file' must be a regular file".into(),
        )))
    }
}

fn count(what: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    let number = value.cast::<PyInt>().map_err(|_| wrong_type(what, "an int", value))?;
    number.extract().map_err(|_| {
        to_python(&Error::WrongValue(format!(
            "{what} must be from 0 to 2^64 - 1, not {number}"
        )))
    })
}

/// `103 Early Hints`: before the start, or after it while its headers have not gone out (docs/asgi.md, 127).
pub(super) fn early_hint(channel: &Channel<Http>, event: &Bound<'_, PyDict>) -> PyResult<()> {
    let links = required(event, &names(event.py()).links, "http.response.early_hint")?;
    let mut values = Vec::new();
    let mut block = HeaderBlock::default();
    for link in links
        .try_iter()
        .map_err(|_| wrong_type("'links'", "an iterable of bytes", &links))?
    {
        let link = bytes("a link", &link?)?;
        block
            .add(b"link", link.as_bytes(), channel.protocol().version())
            .map_err(|e| to_python(&e))?;
        values.push(link);
    }
    let progress = channel.progress();
    if progress.started || progress.state.response.is_complete() {
        return Err(to_python(&Error::WrongOrder(
            "http.response.early_hint was sent after the headers".into(),
        )));
    }
    match channel.exchange().emit(ResponseEvent::EarlyHint(
        values.iter().map(PyBytesMethods::as_bytes).collect::<Vec<_>>().join(&0),
    )) {
        Emitted::Gone => Err(to_python(&Error::ClientDisconnected)),
        _ => Ok(()),
    }
}
