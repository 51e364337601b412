//! All unsafe code of this crate: the calls of Node-API that are made for every event, without napi-rs's conversions.
//!
//! Everything here takes an [`Env`] that napi-rs gave to a callback on the JavaScript thread it belongs to, so it is valid
//! while the call lasts.

use std::ptr;

use napi::bindgen_prelude::{FnArgs, FunctionRef, Unknown};
use napi::{Env, JsValue, sys};

use crate::delivery::{Data, Parcel};

/// `deliver(id, kind, status, text, data)` of the npm package.
pub(crate) type Deliver = FunctionRef<FnArgs<(u32, u32, u32, String, Unknown<'static>)>, Unknown<'static>>;

/// From this size a body is handed over without a copy; below it, a copy is cheaper than the bookkeeping.
const EXTERNAL: usize = 16 * 1024;

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delivered {
    /// The consumer has taken the bytes.
    Taken,
    /// It is above its mark and will say when it has room.
    Held,
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
    pub(crate) fn deliver(&self, parcel: Parcel) -> Delivered {
        let raw = self.env.raw();
        let mut scope = ptr::null_mut();
        // SAFETY: `raw` is this thread's environment (see above), and the function and `undefined` belong to the scope of
        // the callback that this value cannot outlive. The inner scope is closed below, and no value made in it is used
        // after that. `argv` and `result` are live for the call.
        unsafe {
            if sys::napi_open_handle_scope(raw, &raw mut scope) != sys::Status::napi_ok {
                return Delivered::Stopped;
            }
            let mut argv = [self.undefined; 5];
            sys::napi_create_uint32(raw, parcel.id, &raw mut argv[0]);
            sys::napi_create_uint32(raw, parcel.kind, &raw mut argv[1]);
            sys::napi_create_uint32(raw, parcel.status, &raw mut argv[2]);
            argv[3] = text(raw, &parcel.text, parcel.text_is_utf8);
            match parcel.data {
                Data::None => {}
                Data::Ascii(text_of_it) => argv[4] = text(raw, &text_of_it, false),
                Data::Bytes(bytes) => argv[4] = buffer(raw, bytes),
            }
            let mut result = ptr::null_mut();
            let status = sys::napi_call_function(raw, self.undefined, self.function, 5, argv.as_ptr(), &raw mut result);
            let outcome = match status {
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
            };
            sys::napi_close_handle_scope(raw, scope);
            outcome
        }
    }
}

/// A string: latin-1 as headers are, UTF-8 for a failure's words; undefined for none.
unsafe fn text(env: sys::napi_env, text: &[u8], is_utf8: bool) -> sys::napi_value {
    let mut value = ptr::null_mut();
    let (bytes, length) = (text.as_ptr().cast(), text.len().cast_signed());
    // SAFETY: `env` is valid (the caller's duty); `bytes` has `length` bytes, which Node copies.
    unsafe {
        if is_utf8 {
            sys::napi_create_string_utf8(env, bytes, length, &raw mut value);
        } else {
            sys::napi_create_string_latin1(env, bytes, length, &raw mut value);
        }
    }
    value
}

/// A Buffer with these bytes; undefined when there is no memory for it, which the consumer reports.
unsafe fn buffer(env: sys::napi_env, data: Vec<u8>) -> sys::napi_value {
    let mut value = ptr::null_mut();
    // SAFETY: `env` is valid (the caller's duty). A copied buffer outlives `data`'s drop. An external one owns the boxed
    // Vec through `hint`, which `release` frees once; Node keeps the bytes alive until then and Vec does not move them.
    unsafe {
        if data.len() < EXTERNAL {
            sys::napi_create_buffer_copy(env, data.len(), data.as_ptr().cast(), ptr::null_mut(), &raw mut value);
        } else {
            let owner = Box::into_raw(Box::new(data));
            let bytes = (*owner).as_mut_ptr().cast();
            let length = (*owner).len();
            let made =
                sys::napi_create_external_buffer(env, length, bytes, Some(release), owner.cast(), &raw mut value);
            if made != sys::Status::napi_ok {
                // Electron has no external buffers.
                let data = Box::from_raw(owner);
                sys::napi_create_buffer_copy(env, data.len(), data.as_ptr().cast(), ptr::null_mut(), &raw mut value);
            }
        }
    }
    value
}

unsafe extern "C" fn release(_: sys::napi_env, _: *mut std::ffi::c_void, hint: *mut std::ffi::c_void) {
    // SAFETY: `hint` is the box that `buffer` made for this external buffer; Node calls this once.
    drop(unsafe { Box::from_raw(hint.cast::<Vec<u8>>()) });
}

/// Lets a thread-safe function keep the process alive, or not.
pub(crate) fn keep_alive(env: &Env, function: sys::napi_threadsafe_function, alive: bool) {
    // SAFETY: `env` is this thread's environment, the function was made in it and is held by the caller's outlet.
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
