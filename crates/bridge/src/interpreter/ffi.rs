//! The unsafe code of this folder: starting an interpreter through functions that the stable ABI does not declare.
//!
//! They are looked up by name, because which of them exist depends on the libpython that the loader opened. Every symbol
//! below is called only by [`super::start`], on the one thread that becomes Python's main thread, before any other
//! thread has touched Python.

use std::ffi::{CStr, CString, c_char, c_int, c_long, c_void};
use std::path::Path;
use std::sync::OnceLock;

use asgi_node_core::Error;

/// `PyStatus` (PEP 587): the same layout since 3.8.
#[repr(C)]
struct Status {
    kind: c_int,
    function: *const c_char,
    message: *const c_char,
    exit_code: c_int,
}

/// Room for a `PyPreConfig`, which has ten ints; only Python looks inside.
type OpaquePreConfig = [u64; 32];

fn symbol(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: `name` is a C string; RTLD_DEFAULT needs no handle to be alive. The loader has put libpython into the
    // global scope, where it stays: nothing closes it.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}

/// Looks up a function and gives it its C type.
macro_rules! function {
    ($name:literal : $type:ty) => {{
        let found = symbol($name)
            .ok_or_else(|| Error::PythonStartFailed(format!("libpython has no {}", $name.to_string_lossy())))?;
        // SAFETY: the symbol is CPython's, and the type is the one in its headers for all versions from 3.11.
        unsafe { std::mem::transmute::<*mut c_void, $type>(found) }
    }};
}

fn failed(what: &str, message: *const c_char) -> Error {
    let reason = if message.is_null() {
        "no reason given".into()
    } else {
        // SAFETY: CPython's status messages are static, NUL-terminated strings.
        unsafe { CStr::from_ptr(message) }.to_string_lossy()
    };
    Error::PythonStartFailed(format!("{what}: {reason}"))
}

/// Starts the interpreter on this thread, without `site`, as if `program` had been run. The thread is attached afterwards.
pub(crate) fn initialize(program: &Path) -> Result<(), Error> {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    publish_environment();
    let program = CString::new(program.as_os_str().as_encoded_bytes())
        .map_err(|_| Error::PythonStartFailed("the interpreter's path holds a NUL byte".into()))?;
    if symbol(c"PyInitConfig_Create").is_some() {
        initialize_with_init_config(&program)
    } else {
        initialize_with_globals(&program)
    }
}

/// Makes the present environment visible to libraries that were opened with `RTLD_DEEPBIND`.
///
/// This process has two variables `environ`. `setenv` (and so `process.env`) changes the executable's copy; libraries that are
/// opened with `RTLD_DEEPBIND`, such as libpython, read libc's own. The latter gets a copy of the former. It is never freed,
/// so that it stays valid whatever `setenv` does later.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn publish_environment() {
    type Environment = *mut *mut *mut c_char;
    // SAFETY: libc is open for the life of the process; with RTLD_NOLOAD this only counts a reference. Both symbols are
    // `char **environ`, a list of C strings that ends with null. This thread reads and writes them before Python has
    // started, so nobody else looks at libc's own; a setenv of another thread at this very moment would race with any getenv.
    unsafe {
        let libc = libc::dlopen(c"libc.so.6".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
        if libc.is_null() {
            return;
        }
        let own: Environment = libc::dlsym(libc, c"environ".as_ptr()).cast();
        let Some(shared) = symbol(c"environ").map(<*mut c_void>::cast::<*mut *mut c_char>) else {
            return;
        };
        if own.is_null() || own == shared || (*shared).is_null() {
            return;
        }
        let mut copy = Vec::new();
        let mut variable = *shared;
        while !(*variable).is_null() {
            copy.push(CStr::from_ptr(*variable).to_owned().into_raw());
            variable = variable.add(1);
        }
        copy.push(std::ptr::null_mut());
        *own = copy.leak().as_mut_ptr();
    }
}

/// Python 3.14 and later (PEP 741).
fn initialize_with_init_config(program: &CStr) -> Result<(), Error> {
    let create = function!(c"PyInitConfig_Create": unsafe extern "C" fn() -> *mut c_void);
    let free = function!(c"PyInitConfig_Free": unsafe extern "C" fn(*mut c_void));
    let set_int = function!(c"PyInitConfig_SetInt": unsafe extern "C" fn(*mut c_void, *const c_char, i64) -> c_int);
    let set_str =
        function!(c"PyInitConfig_SetStr": unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char) -> c_int);
    let error = function!(c"PyInitConfig_GetError": unsafe extern "C" fn(*mut c_void, *mut *const c_char) -> c_int);
    let start = function!(c"Py_InitializeFromInitConfig": unsafe extern "C" fn(*mut c_void) -> c_int);
    // A PyInitConfig begins isolated. These settings, and those of the environment, make it behave like `python` itself.
    let numbers: [(&CStr, i64); 8] = [
        (c"isolated", 0),
        (c"use_environment", 1),
        (c"user_site_directory", 1),
        (c"configure_locale", 1),
        (c"coerce_c_locale", 1),
        (c"install_signal_handlers", 0),
        (c"safe_path", 0),
        (c"site_import", 0),
    ];
    let asked_for = asked_for(|name| std::env::var(name).unwrap_or_default(), has_c_locale());
    // SAFETY: `config` is what PyInitConfig_Create gave, used on this thread only and freed once; names and values are
    // C strings that outlive the calls.
    unsafe {
        let config = create();
        if config.is_null() {
            return Err(Error::PythonStartFailed("no memory for the configuration".into()));
        }
        let accepted = numbers
            .iter()
            .chain(&asked_for)
            .all(|(name, value)| set_int(config, name.as_ptr(), *value) == 0)
            && set_str(config, c"program_name".as_ptr(), program.as_ptr()) == 0;
        let outcome = if accepted && start(config) == 0 {
            Ok(())
        } else {
            let mut message = std::ptr::null();
            error(config, &raw mut message);
            Err(failed("Python did not start", message))
        };
        free(config);
        outcome
    }
}

/// Settings that `python` takes from the environment. A `PyInitConfig` does not: it begins with values of its own for them.
fn asked_for(variable: impl Fn(&str) -> String, c_locale: bool) -> Vec<(&'static CStr, i64)> {
    let mut numbers: Vec<(&'static CStr, i64)> = Vec::new();
    match variable("PYTHONUTF8").as_str() {
        "0" => numbers.push((c"utf8_mode", 0)),
        "1" => numbers.push((c"utf8_mode", 1)),
        // PEP 540. From 3.15 on it is 1 anyway.
        _ if c_locale => numbers.push((c"utf8_mode", 1)),
        _ => {}
    }
    if !variable("PYTHONDEVMODE").is_empty() {
        numbers.push((c"dev_mode", 1));
    }
    if let Ok(seed) = variable("PYTHONHASHSEED").parse::<u32>() {
        numbers.extend([(c"use_hash_seed", 1), (c"hash_seed", i64::from(seed))]);
    }
    if let Ok(frames) = variable("PYTHONTRACEMALLOC").parse::<u16>() {
        numbers.push((c"tracemalloc", i64::from(frames)));
    }
    numbers
}

/// Whether the environment names no locale, or one that does not exist.
fn has_c_locale() -> bool {
    // SAFETY: both are C strings or null. Python makes the same call on this thread a moment later, and no other thread
    // has touched the locale before. The answer stays valid until the next setlocale, which is Python's.
    let name = unsafe {
        libc::setlocale(libc::LC_CTYPE, c"".as_ptr());
        let name = libc::setlocale(libc::LC_CTYPE, std::ptr::null());
        if name.is_null() {
            return true;
        }
        CStr::from_ptr(name)
    };
    name == c"C" || name == c"POSIX"
}

/// Python 3.11 to 3.13.
fn initialize_with_globals(program: &CStr) -> Result<(), Error> {
    let configure = function!(c"PyPreConfig_InitPythonConfig": unsafe extern "C" fn(*mut OpaquePreConfig));
    let preinitialize = function!(c"Py_PreInitialize": unsafe extern "C" fn(*const OpaquePreConfig) -> Status);
    let decode = function!(c"Py_DecodeLocale": unsafe extern "C" fn(*const c_char, *mut usize) -> *mut libc::wchar_t);
    let set_program = function!(c"Py_SetProgramName": unsafe extern "C" fn(*const libc::wchar_t));
    let start = function!(c"Py_InitializeEx": unsafe extern "C" fn(c_int));
    let is_initialized = function!(c"Py_IsInitialized": unsafe extern "C" fn() -> c_int);
    let no_site = symbol(c"Py_NoSiteFlag").ok_or_else(|| failed("libpython has no Py_NoSiteFlag", std::ptr::null()))?;
    let mut pre: OpaquePreConfig = [0; 32];
    // SAFETY: `pre` is larger than any PyPreConfig and written by Python before it reads it. The program's name is decoded
    // after the pre-initialisation, as Python demands, and never freed, as it demands too. Py_NoSiteFlag is an int.
    unsafe {
        configure(&raw mut pre);
        let status = preinitialize(&raw const pre);
        if status.kind != 0 {
            return Err(failed("Python did not start", status.message));
        }
        let wide = decode(program.as_ptr(), std::ptr::null_mut());
        if wide.is_null() {
            return Err(Error::PythonStartFailed(
                "the interpreter's path cannot be decoded".into(),
            ));
        }
        set_program(wide);
        *no_site.cast::<c_int>() = 1;
        start(0);
        if is_initialized() == 0 {
            return Err(Error::PythonStartFailed(
                "Py_InitializeEx returned without an interpreter".into(),
            ));
        }
    }
    Ok(())
}

/// Detaches the thread that started the interpreter, for good: other threads may run Python now.
pub(crate) fn release() {
    // SAFETY: called once, on the thread that `initialize` attached, with no Python object borrowed. The thread state is
    // kept alive by the interpreter, which is never finalised.
    unsafe { pyo3::ffi::PyEval_SaveThread() };
}

/// Sets a field of `sys.flags`, which Python offers no way to change: `no_site` must not be inherited by child processes.
pub(crate) fn set_flag(flags: &pyo3::Bound<'_, pyo3::PyAny>, index: usize, value: c_long) {
    let Ok(index) = isize::try_from(index) else { return };
    // SAFETY: `flags` is `sys.flags`, a struct sequence with more than `index` fields (the caller found the field in its
    // __match_args__); SetItem steals the new reference. The old value is a small int, which is immortal or shared.
    unsafe {
        let value = pyo3::ffi::PyLong_FromLong(value);
        if !value.is_null() {
            pyo3::ffi::PyStructSequence_SetItem(flags.as_ptr(), index, value);
        }
    }
}

/// Makes `exit()` call `callback` before all functions that were registered earlier, with the exit status if libc tells it.
pub(crate) fn at_exit(callback: fn(Option<i32>)) {
    static CALLBACK: OnceLock<fn(Option<i32>)> = OnceLock::new();
    let _ = CALLBACK.set(callback);
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        extern "C" fn call(status: c_int, _: *mut c_void) {
            CALLBACK.get().into_iter().for_each(|callback| callback(Some(status)));
        }
        unsafe extern "C" {
            fn on_exit(callback: extern "C" fn(c_int, *mut c_void), argument: *mut c_void) -> c_int;
        }
        // SAFETY: glibc's, of this type. The function stays loaded: the addon is linked with `-z nodelete`.
        unsafe { on_exit(call, std::ptr::null_mut()) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    {
        extern "C" fn call() {
            CALLBACK.get().into_iter().for_each(|callback| callback(None));
        }
        // SAFETY: the function takes and returns nothing, and stays loaded: musl unloads nothing, macOS no file with
        // thread-local variables (scripts/ports/macho.mjs makes sure that the addon has some).
        unsafe { libc::atexit(call) };
    }
}

/// Ends the process without destructors.
pub(crate) fn leave(status: i32) {
    // SAFETY: it does not return, and runs no code of this process.
    unsafe { libc::_exit(status) };
}

/// Takes the GIL on a thread that may never have seen Python, until the process has ended.
pub(crate) fn attach_for_good() {
    // SAFETY: the interpreter runs, and is never finalised. The thread state is not released, on purpose.
    unsafe { pyo3::ffi::PyGILState_Ensure() };
}

/// Gives the signals that ask a process to end their default action, unless they are ignored.
pub(crate) fn default_actions() {
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
        default_action(signal);
    }
}

thread_local! {
    /// The signals that this thread had blocked before it forked.
    static MASK: std::cell::Cell<Option<libc::sigset_t>> = const { std::cell::Cell::new(None) };
}

/// Blocks all signals on this thread, until [`unblock_signals`].
pub(crate) fn block_signals() {
    // SAFETY: both sets are plain data, filled in before they are read; the mask is that of this thread alone.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        if libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) == 0 {
            MASK.set(Some(before));
        }
    }
}

/// Undoes [`block_signals`]; signals that came meanwhile are delivered now.
pub(crate) fn unblock_signals() {
    if let Some(before) = MASK.take() {
        // SAFETY: `before` is what the kernel said this thread's mask was.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    }
}

/// Gives all handled signals their default action; ignored signals stay ignored.
pub(crate) fn reset_signals() {
    // macOS has 31 signals, and no name for the last of them.
    #[cfg(target_os = "linux")]
    let last = libc::SIGRTMAX();
    #[cfg(not(target_os = "linux"))]
    let last = 32;
    (1..last).for_each(default_action);
}

fn default_action(signal: c_int) {
    // SAFETY: `action` is plain data that sigaction fills in; a number that is no signal, or one of libc's own, is refused.
    // SIG_DFL runs no code.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let known = libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0;
        if known && action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}
