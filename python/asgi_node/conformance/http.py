"""The situations of HTTP: what a client, or the network, can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .interceptor import Plan, Spinning
from .situation import Situation
from .stage import described

if TYPE_CHECKING:
    from .stage import Answer, Stage

_FORM = (b"content-type", b"application/x-www-form-urlencoded")
_BYTES = (b"content-type", b"application/octet-stream")
_HUGE = 4 << 20
# Far more than the windows can hold.
_FLOOD = 1 << 20


def _get(stage: Stage) -> None:
    stage.request()


def _head(stage: Stage) -> None:
    get, again = stage.request(judged=False), stage.request(judged=False)
    answer = stage.request("HEAD")
    if answer.status is None or get.status is None:
        return
    if answer.status != get.status:
        stage.wrong("HEAD_DIFFERS", f"GET is answered with {get.status}, HEAD with {answer.status}")
    length, announced = get.header(b"content-length"), answer.header(b"content-length")
    # If it changes from one GET to the next, it cannot be compared.
    constant = length is not None and length == again.header(b"content-length")
    if answer.status == get.status and constant and announced not in (None, length):
        stage.wrong("HEAD_LENGTH", f"{_text(announced)} for HEAD, {_text(length)} for GET")


def _text(value: bytes | None) -> str:
    return (value or b"").decode("latin-1")


def _options(stage: Stage) -> None:
    stage.request("OPTIONS")
    stage.request("OPTIONS", "*")


def _unknown_method(stage: Stage) -> None:
    stage.request("BREW")


def _empty_body(stage: Stage) -> None:
    stage.request("POST", headers=[(b"content-length", b"0")])


def _body(stage: Stage) -> None:
    stage.request("POST", headers=[_FORM], pieces=[b"name=value&other=%C3%A9"])


def _no_content_type(stage: Stage) -> None:
    stage.request("POST", pieces=[b"\x00\xff\xfe{"])


def _pieces(stage: Stage) -> None:
    stage.request("POST", headers=[_BYTES], pieces=[b"a", b"bc", b"d" * 1000, b"e"], chunked=True)


def _huge_body(stage: Stage) -> None:
    piece = b"x" * 65_536
    stage.request("POST", headers=[_BYTES], pieces=[piece] * (_HUGE // len(piece)))


def _cut_upload(stage: Stage) -> None:
    for chunked in (False, True):
        pieces = [b"the first half", b", the second"]
        answer = stage.request("POST", headers=[_BYTES], pieces=pieces, chunked=chunked, leave="in the request")
        status = (answer.trace.start or {}).get("status")
        if isinstance(status, int) and status < 300 and answer.trace.left_before_start():
            stage.wrong("TRUNCATED_BODY", f"answered with {status} after http.disconnect in the middle of the body")


def _cancelled(stage: Stage) -> None:
    pieces = [b"the first half", b", the second"]
    stage.request("POST", headers=[_BYTES], pieces=pieces, chunked=True, leave="by cancelling")


def _leave_before(stage: Stage) -> None:
    stage.request(leave="before the response")


def _leave_in_response(stage: Stage) -> None:
    stage.request(leave="in the response")


def _half_close(stage: Stage) -> None:
    stage.request(half_close=True)


def _slow_reader(stage: Stage) -> None:
    answer = stage.request(slow=True)
    if answer.unread > _FLOOD + answer.trace.largest:
        stage.wrong("BACK_PRESSURE_IGNORED", f"{answer.unread} bytes were sent to a client that read nothing")


def _odd_paths(stage: Stage) -> None:
    for path in (b"//", b"/../../etc/passwd", b"/%00", b"/a%0d%0ab", b"/%", b"/" + b"a" * 8000):
        stage.request(target=path)


def _invalid_utf8(stage: Stage) -> None:
    for path in (b"/%ff%fe", b"/%c3%28/%80", b"/%ed%a0%80"):
        stage.request(target=path)


def _odd_query(stage: Stage) -> None:
    path = stage.path.encode()
    for query in (b"?%ff=%fe", b"?a=1&a=2&&=&b", b"?" + b"k=v&" * 500, b"?%"):
        stage.request(target=path + query)


def _odd_headers(stage: Stage) -> None:
    stage.request(
        headers=[
            (b"x-latin", b"caf\xe9"),
            (b"x-twice", b"1"),
            (b"x-twice", b"2"),
            (b"x-empty", b""),
            (b"cookie", b"a=b; =; ;;; c"),
            (b"cookie", b'q="unclosed'),
            (b"accept", b"*/*;q=nonsense, text"),
            (b"accept-encoding", b"br;q=, gzip"),
            (b"content-type", b"text/plain; charset=no-such"),
            (b"if-modified-since", b"yesterday"),
            (b"range", b"bytes=9-1,nonsense"),
            (b"authorization", b"Basic \xff"),
        ]
    )


def _http_10(stage: Stage) -> None:
    stage.request(http_version="1.0")


def _http_2(stage: Stage) -> None:
    stage.request(http_version="2")


def _no_addresses(stage: Stage) -> None:
    stage.request(client=None, server=("/run/app.sock", None))


def _bare(stage: Stage) -> None:
    for method, pieces in (("GET", []), ("POST", [b"body"])):
        if _raises(stage.request(method, pieces=pieces, judged=False)):
            continue  # the missing keys are not the cause
        answer = stage.request(method, pieces=pieces, plan=Plan(bare=True), judged=False)
        if raised := _raises(answer):
            stage.wrong("OPTIONAL_KEY", described(raised))


def _rich(stage: Stage) -> None:
    if _raises(stage.request(judged=False)):
        return
    if raised := _raises(stage.request(plan=Plan(rich=True), judged=False)):
        stage.wrong("UNKNOWN_KEY", described(raised))


def _raises(answer: Answer) -> BaseException | None:
    raised = answer.trace.raised
    return None if isinstance(raised, Spinning) else raised


HTTP = (
    Situation("GET", "an ordinary request", _get),
    Situation("HEAD", "the same without the body", _head),
    Situation("OPTIONS", "of the path, and of the server: *", _options),
    Situation("unknown method", "a method that nobody knows", _unknown_method),
    Situation("empty body", "POST with nothing in it", _empty_body),
    Situation("body", "POST with a small form", _body),
    Situation("body without a type", "POST with bytes that are nothing", _no_content_type),
    Situation("chunked body", "an upload of unknown length, in pieces", _pieces),
    Situation("huge body", "an upload of 4 MiB", _huge_body),
    Situation("cut upload", "the client leaves in the middle of its body", _cut_upload),
    Situation("cancelled", "the server closes in the middle of a body: the task is cancelled", _cancelled),
    Situation("client leaves at once", "before the response begins", _leave_before),
    Situation("client leaves in the response", "after its first bytes", _leave_in_response),
    Situation("half-closed", "the client has closed its side, and reads", _half_close),
    Situation("slow reader", "nothing is read for a while", _slow_reader),
    Situation("odd paths", "doubled slashes, dots, control characters, 8,000 characters", _odd_paths),
    Situation("invalid UTF-8", "paths whose bytes are not text", _invalid_utf8),
    Situation("odd queries", "bytes, repetitions, nothing between the ampersands", _odd_query),
    Situation("odd headers", "bytes above ASCII, repetitions, values that say nothing", _odd_headers),
    Situation("HTTP/1.0", "without a Host header", _http_10),
    Situation("HTTP/2", "the same path by HTTP/2", _http_2),
    Situation("no addresses", "a Unix socket: no client, a server without a port", _no_addresses),
    Situation("optional keys missing", "scope and events as poor as they may be", _bare),
    Situation("unknown keys", "scope and events with more than is known today", _rich),
)
