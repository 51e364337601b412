//! All unsafe code of this crate, except `lent/ffi.rs`: the calls of Node-API that are made for every event, without napi-rs's conversions.
//!
//! Everything here takes an [`Env`] that napi-rs gave to a callback on the JavaScript thread it belongs to, so it is valid
//! while the call lasts.

use std::os::fd::IntoRawFd;
use std::ptr;

use asgi_node_core::protocol::limit::EXTERNAL;
use bytes::{Bytes, BytesMut};
use napi::bindgen_prelude::{FnArgs, FunctionRef, Unknown};
use napi::{Env, JsValue, sys};

use crate::delivery::{Data, JsEvent, Refusal};
use crate::lent::{Answer, Owner, give_back, lend};

/// `deliver(id, kind, status, text, data)` of the npm package.
pub(crate) type Deliver = FunctionRef<FnArgs<(u32, u32, u32, String, Unknown<'static>)>, Unknown<'static>>;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The consumer has taken the bytes.
    Taken,
    /// It is above its mark and will say when it has room.
    Held,
    /// Node cannot hold a value of it: JavaScript has not heard of it.
    Refused(Refusal),
    /// JavaScript cannot run any more: the environment is going down.
    Stopped,
}

/// `deliver`, looked up once for a batch of events.
pub(crate) struct Delivery<'env> {
    env: &'env Env,
    function: sys::napi_value,
    undefined: sys::napi_value,
}

impl<'env> Delivery<'env> {
    /// None when JavaScript cannot run any more. For the callback of `env` that is under way, whose scope holds the function.
    pub(crate) fn new(env: &'env Env, callback: &Deliver) -> Option<Self> {
        let function = callback.borrow_back(env).ok()?.raw();
        let mut undefined = ptr::null_mut();
        // SAFETY: `env` is this thread's environment (see above).
        let status = unsafe { sys::napi_get_undefined(env.raw(), &raw mut undefined) };
        (status == sys::Status::napi_ok).then_some(Self {
            env,
            function,
            undefined,
        })
    }

    /// Calls it. An exception in it is JavaScript's bug: it becomes an uncaught one, and delivery goes on.
    pub(crate) fn deliver(&self, event: JsEvent) -> Delivered {
        let raw = self.env.raw();
        let mut scope = ptr::null_mut();
        // SAFETY: `raw` is this thread's environment (see above), and the function and `undefined` belong to the scope of
        // the callback that this value cannot outlive. The inner scope is closed below, and no value made in it is used
        // after that.
        unsafe {
            if sys::napi_open_handle_scope(raw, &raw mut scope) != sys::Status::napi_ok {
                return Delivered::Stopped;
            }
            let file = event.file;
            let made = arguments(
                raw,
                self.undefined,
                Values {
                    numbers: [event.id, event.kind, event.status],
                    text: (event.text, event.text_is_utf8),
                    data: event.data,
                },
            );
            let delivered = match made {
                Ok(argv) => {
                    // JavaScript closes it from here on.
                    let _ = file.map(IntoRawFd::into_raw_fd);
                    self.call(&argv)
                }
                Err(refusal) => Delivered::Refused(refusal),
            };
            if sys::napi_close_handle_scope(raw, scope) == sys::Status::napi_ok {
                delivered
            } else {
                Delivered::Stopped
            }
        }
    }

    /// For values that belong to an open scope.
    unsafe fn call(&self, argv: &[sys::napi_value; 5]) -> Delivered {
        let raw = self.env.raw();
        let mut result = ptr::null_mut();
        // SAFETY: as for `deliver`; `argv` and `result` are live for the call.
        unsafe {
            let status = sys::napi_call_function(
                raw,
                self.undefined,
                self.function,
                argv.len(),
                argv.as_ptr(),
                &raw mut result,
            );
            match status {
                sys::Status::napi_ok => {
                    let mut taken = true;
                    // Anything but a boolean is refused here, and counts as taken.
                    let is_boolean = sys::napi_get_value_bool(raw, result, &raw mut taken) == sys::Status::napi_ok;
                    if is_boolean && !taken {
                        Delivered::Held
                    } else {
                        Delivered::Taken
                    }
                }
                sys::Status::napi_pending_exception => {
                    let mut exception = ptr::null_mut();
                    let cleared = sys::napi_get_and_clear_last_exception(raw, &raw mut exception);
                    if cleared == sys::Status::napi_ok
                        && sys::napi_fatal_exception(raw, exception) == sys::Status::napi_ok
                    {
                        Delivered::Taken
                    } else {
                        Delivered::Stopped
                    }
                }
                _ => Delivered::Stopped,
            }
        }
    }
}

/// What an event is made of.
struct Values {
    numbers: [u32; 3],
    text: (Vec<u8>, bool),
    data: Data,
}

/// The arguments of `deliver`, or what Node does not take of them: a value that was not made must not be passed on.
unsafe fn arguments(
    env: sys::napi_env,
    undefined: sys::napi_value,
    values: Values,
) -> Result<[sys::napi_value; 5], Refusal> {
    let mut argv = [undefined; 5];
    let (text_of_it, is_utf8) = values.text;
    // SAFETY: `env` is valid (the caller's duty).
    unsafe {
        for (at, number) in values.numbers.into_iter().enumerate() {
            let made = sys::napi_create_uint32(env, number, &raw mut argv[at]);
            check(env, made, "a number", size_of::<u32>())?;
        }
        argv[3] = text(env, &text_of_it, is_utf8)?;
        match values.data {
            Data::None => {}
            Data::Ascii(text_of_it) => argv[4] = text(env, &text_of_it, false)?,
            Data::Bytes(bytes) => argv[4] = buffer(env, bytes)?,
            Data::Lent(bytes) => argv[4] = external(env, Lent(bytes))?,
        }
    }
    Ok(argv)
}

/// A failure as a refusal. The exception that it may have left is taken away: every later call would fail by it.
unsafe fn check(env: sys::napi_env, status: sys::napi_status, what: &'static str, bytes: usize) -> Result<(), Refusal> {
    if status == sys::Status::napi_ok {
        return Ok(());
    }
    let mut exception = ptr::null_mut();
    // SAFETY: `env` is valid (the caller's duty). Without an exception this gives undefined; where it fails, JavaScript cannot
    // run any more, which the next delivery finds out.
    unsafe { sys::napi_get_and_clear_last_exception(env, &raw mut exception) };
    Err(Refusal { what, bytes })
}

/// A string: latin-1 as headers are, UTF-8 for a failure's words.
unsafe fn text(env: sys::napi_env, text: &[u8], is_utf8: bool) -> Result<sys::napi_value, Refusal> {
    let mut value = ptr::null_mut();
    let (bytes, length) = (text.as_ptr().cast(), text.len().cast_signed());
    // SAFETY: `env` is valid (the caller's duty); `bytes` has `length` bytes, which Node copies.
    unsafe {
        let made = if is_utf8 {
            sys::napi_create_string_utf8(env, bytes, length, &raw mut value)
        } else {
            sys::napi_create_string_latin1(env, bytes, length, &raw mut value)
        };
        check(env, made, "a text", text.len())?;
    }
    Ok(value)
}

/// A Buffer with these bytes, which JavaScript may write into.
unsafe fn buffer(env: sys::napi_env, data: Bytes) -> Result<sys::napi_value, Refusal> {
    // The app's own bytes do not become mutable.
    let owned = if data.len() >= EXTERNAL {
        data.try_into_mut()
    } else {
        Err(data)
    };
    match owned {
        // SAFETY: `env` is valid (the caller's duty).
        Ok(owned) => unsafe { external(env, owned) },
        // SAFETY: as above.
        Err(shared) => unsafe { copy(env, &shared) },
    }
}

/// A Buffer that is this memory.
unsafe fn external<T: Owner + AsRef<[u8]>>(env: sys::napi_env, data: T) -> Result<sys::napi_value, Refusal> {
    let mut value = ptr::null_mut();
    let mut status = sys::Status::napi_ok;
    let length = data.length();
    // SAFETY: `env` is valid (the caller's duty). The Buffer owns a share of the bytes, which `release` gives back once, also
    // where Node refuses; until then they stay where they are.
    unsafe {
        let lent = lend(data, |bytes, length, share| {
            status = sys::napi_create_external_buffer(env, length, bytes, Some(release::<T>), share, &raw mut value);
            match status {
                sys::Status::napi_ok => Answer::Taken,
                sys::Status::napi_no_external_buffers_allowed => Answer::Unsupported,
                _ => Answer::Refused,
            }
        });
        match lent {
            Ok(()) => {}
            // Electron has no external buffers.
            Err(data) if status == sys::Status::napi_no_external_buffers_allowed => return copy(env, (*data).as_ref()),
            Err(_) => check(env, status, "a body", length)?,
        }
    }
    Ok(value)
}

impl Owner for BytesMut {
    fn address(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn length(&self) -> usize {
        self.len()
    }
}

/// Bytes to be read only, which come back when they have been written to a socket ([`detach`]).
struct Lent(Bytes);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Owner for Lent {
    fn address(&mut self) -> *mut u8 {
        self.0.as_ptr().cast_mut()
    }

    fn length(&self) -> usize {
        self.0.len()
    }
}

/// A Buffer with a copy of these bytes.
unsafe fn copy(env: sys::napi_env, data: &[u8]) -> Result<sys::napi_value, Refusal> {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is valid (the caller's duty); Node copies the bytes, and wants no address of its copy known.
    unsafe {
        let made = sys::napi_create_buffer_copy(env, data.len(), data.as_ptr().cast(), ptr::null_mut(), &raw mut value);
        check(env, made, "a body", data.len())?;
    }
    Ok(value)
}

unsafe extern "C" fn release<T: Owner>(_: sys::napi_env, _: *mut std::ffi::c_void, share: *mut std::ffi::c_void) {
    // SAFETY: `share` is what `lend` has made for this external buffer, of a `T`, and Node calls this once.
    unsafe { give_back::<T>(share) };
}

/// Takes the memory of a Buffer away from it: it is empty from here on, and its owner gets the memory back now, not after the
/// next collection of garbage. Nothing happens to what is no Buffer.
pub(crate) fn detach(env: &Env, buffer: &Unknown<'_>) {
    let mut memory = ptr::null_mut();
    // SAFETY: `env` is this thread's environment, and the value is alive in the caller's scope. Node checks what it is. A memory
    // that cannot be detached is collected as any other.
    unsafe {
        let status = sys::napi_get_typedarray_info(
            env.raw(),
            buffer.raw(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            &raw mut memory,
            ptr::null_mut(),
        );
        if status == sys::Status::napi_ok {
            sys::napi_detach_arraybuffer(env.raw(), memory);
        }
    }
}

/// Calls `take` with the bytes of each element of an array: Buffers, which do not change meanwhile. Anything else is left out.
pub(crate) fn for_each_piece(env: &Env, array: &Unknown<'_>, mut take: impl FnMut(&[u8])) {
    let raw = env.raw();
    let mut length = 0;
    // SAFETY: `env` is this thread's environment, and the array is alive in the caller's scope, which holds its elements, too.
    // Node checks what each value is. The bytes are read before JavaScript runs again, which alone could change or move them;
    // without any, the address may be null.
    unsafe {
        if sys::napi_get_array_length(raw, array.raw(), &raw mut length) != sys::Status::napi_ok {
            return;
        }
        for index in 0..length {
            let (mut element, mut bytes, mut size) = (ptr::null_mut(), ptr::null_mut(), 0);
            if sys::napi_get_element(raw, array.raw(), index, &raw mut element) == sys::Status::napi_ok
                && sys::napi_get_buffer_info(raw, element, &raw mut bytes, &raw mut size) == sys::Status::napi_ok
                && !bytes.is_null()
            {
                take(std::slice::from_raw_parts(bytes.cast::<u8>(), size));
            }
        }
    }
}

/// Lets a thread-safe function keep the process alive, or not.
pub(crate) fn keep_alive(env: &Env, function: sys::napi_threadsafe_function, alive: bool) {
    // SAFETY: `env` is this thread's environment, the function was made in it and is held by the caller's event sink. Both
    // calls fail only while the environment goes down, when nothing keeps the process alive any more.
    unsafe {
        if alive {
            sys::napi_ref_threadsafe_function(env.raw(), function);
        } else {
            sys::napi_unref_threadsafe_function(env.raw(), function);
        }
    }
}

/// A latin-1 string of JavaScript as bytes: one copy, no check, because the npm package has made sure of the characters.
pub(crate) fn latin1(string: &napi::JsString<'_>) -> napi::Result<Vec<u8>> {
    let value = string.value();
    let mut length = 0;
    // SAFETY: the string is alive in the caller's scope. The first call asks for the length; the second writes at most
    // `length` characters and a NUL into room for one more, and says how many it wrote.
    unsafe {
        napi::check_status!(sys::napi_get_value_string_latin1(
            value.env,
            value.value,
            ptr::null_mut(),
            0,
            &raw mut length
        ))?;
        let mut bytes = Vec::<u8>::with_capacity(length + 1);
        let mut written = 0;
        napi::check_status!(sys::napi_get_value_string_latin1(
            value.env,
            value.value,
            bytes.as_mut_ptr().cast(),
            length + 1,
            &raw mut written
        ))?;
        bytes.set_len(written);
        Ok(bytes)
    }
}
