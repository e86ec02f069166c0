//! libdb (Berkeley DB 5.3) and libgdbm, loaded when they are first asked for: the hash files that Debian's APR reads and
//! writes beside SDBM. A library that is not there is no error until somebody needs it.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;

/// How to open a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    Read,
    /// For reading and writing; it must be there.
    Write,
    /// As `Write`, made where it is not there.
    Extend,
    /// As `Extend`, emptied.
    Create,
}

/// What a library answers: its own number of an error.
type Answer<T> = Result<T, i32>;

/// Keys and values.
pub type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

type Opaque = c_void;

/// The functions of a library, by name.
fn load(library: &CStr, names: &[&CStr]) -> Option<Vec<NonNull<Opaque>>> {
    // SAFETY: both are NUL-terminated names; the library is never closed, so that its functions stay.
    let handle = NonNull::new(unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) })?;
    // SAFETY: the handle is that of an open library.
    names.iter().map(|name| NonNull::new(unsafe { libc::dlsym(handle.as_ptr(), name.as_ptr()) })).collect()
}

fn path(path: &Path) -> Answer<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| libc::EINVAL)
}

/// Octets that a library owns for now, copied. `data` describes `length` readable octets, or nothing at all.
unsafe fn copied(data: *const u8, length: usize) -> Vec<u8> {
    if data.is_null() || length == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts(data, length) }.to_vec()
}

/// A key or value of Berkeley DB (`DBT`).
#[repr(C)]
struct Dbt {
    data: *mut c_void,
    size: u32,
    user_length: u32,
    partial_length: u32,
    partial_offset: u32,
    application: *mut c_void,
    flags: u32,
}

impl Dbt {
    fn empty() -> Dbt {
        Dbt {
            data: ptr::null_mut(),
            size: 0,
            user_length: 0,
            partial_length: 0,
            partial_offset: 0,
            application: ptr::null_mut(),
            flags: 0,
        }
    }
    /// The library only reads what is given to it this way.
    fn of(octets: &[u8]) -> Answer<Dbt> {
        let size = u32::try_from(octets.len()).map_err(|_| libc::EINVAL)?;
        Ok(Dbt { data: octets.as_ptr().cast_mut().cast(), size, ..Dbt::empty() })
    }
}

/// Where `struct __db` and `struct __dbc` of libdb 5.3 have their methods, on machines with 64 bits. The soname binds the
/// layout: another one has another name.
mod place {
    pub const CLOSE: usize = 568;
    pub const CURSOR: usize = 584;
    pub const DEL: usize = 592;
    pub const GET: usize = 632;
    pub const OPEN: usize = 1008;
    pub const PUT: usize = 1024;
    pub const CURSOR_CLOSE: usize = 352;
    pub const CURSOR_GET: usize = 392;
}

const DB_HASH: c_int = 2;
const DB_CREATE: u32 = 1;
const DB_RDONLY: u32 = 0x400;
const DB_TRUNCATE: u32 = 0x2_0000;
const DB_NEXT: u32 = 16;
const DB_NOTFOUND: c_int = -30988;

type DbCreate = unsafe extern "C" fn(*mut *mut Opaque, *mut Opaque, u32) -> c_int;
type DbOpen = unsafe extern "C" fn(*mut Opaque, *mut Opaque, *const c_char, *const c_char, c_int, u32, c_int) -> c_int;
type DbClose = unsafe extern "C" fn(*mut Opaque, u32) -> c_int;
type DbPair = unsafe extern "C" fn(*mut Opaque, *mut Opaque, *mut Dbt, *mut Dbt, u32) -> c_int;
type DbKey = unsafe extern "C" fn(*mut Opaque, *mut Opaque, *mut Dbt, u32) -> c_int;
type DbCursor = unsafe extern "C" fn(*mut Opaque, *mut Opaque, *mut *mut Opaque, u32) -> c_int;
type CursorGet = unsafe extern "C" fn(*mut Opaque, *mut Dbt, *mut Dbt, u32) -> c_int;
type CursorClose = unsafe extern "C" fn(*mut Opaque) -> c_int;

fn db_create() -> Option<DbCreate> {
    static FOUND: OnceLock<Option<DbCreate>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        if cfg!(not(target_pointer_width = "64")) {
            return None;
        }
        let found = load(c"libdb-5.3.so", &[c"db_create"])?;
        // SAFETY: `db_create` has this type in every release of 5.3.
        found.first().map(|function| unsafe { std::mem::transmute::<*mut Opaque, DbCreate>(function.as_ptr()) })
    })
}

/// Whether libdb 5.3 can be loaded.
pub fn has_berkeley() -> bool {
    db_create().is_some()
}

/// An open hash file of Berkeley DB.
pub struct Berkeley(NonNull<Opaque>);

// SAFETY: a handle that was opened without DB_THREAD may be used by any thread, by one at a time.
unsafe impl Send for Berkeley {}

impl Berkeley {
    /// `mode` is that of a file that is made, under the umask.
    pub fn open(name: &Path, access: Access, mode: u32) -> Answer<Berkeley> {
        let name = path(name)?;
        let create = db_create().ok_or(libc::ENOSYS)?;
        let mut handle = ptr::null_mut();
        // SAFETY: no environment, no flags: the handle is the library's own.
        let error = unsafe { create(&raw mut handle, ptr::null_mut(), 0) };
        let Some(handle) = NonNull::new(handle).filter(|_| error == 0) else { return Err(error) };
        let database = Berkeley(handle);
        let flags = match access {
            Access::Read => DB_RDONLY,
            Access::Write => 0,
            Access::Extend => DB_CREATE,
            Access::Create => DB_CREATE | DB_TRUNCATE,
        };
        // SAFETY: the method at OPEN is of this type; the handle was just made, the name is NUL-terminated.
        let error = unsafe {
            let open: DbOpen = database.method(place::OPEN);
            open(handle.as_ptr(), ptr::null_mut(), name.as_ptr(), ptr::null(), DB_HASH, flags, mode as c_int)
        };
        if error == 0 { Ok(database) } else { Err(error) }
    }

    /// The method at a place. `T` must be its type.
    unsafe fn method<T: Copy>(&self, place: usize) -> T {
        // SAFETY: the caller names a place of [`place`], where the library keeps a function of type `T`.
        unsafe { self.0.as_ptr().cast::<u8>().add(place).cast::<T>().read() }
    }

    pub fn fetch(&self, key: &[u8]) -> Answer<Option<Vec<u8>>> {
        let (mut key, mut value) = (Dbt::of(key)?, Dbt::empty());
        // SAFETY: the method at GET is of this type; what it finds is the library's until the next call, and copied.
        unsafe {
            let get: DbPair = self.method(place::GET);
            match get(self.0.as_ptr(), ptr::null_mut(), &raw mut key, &raw mut value, 0) {
                0 => Ok(Some(copied(value.data.cast(), value.size as usize))),
                DB_NOTFOUND => Ok(None),
                error => Err(error),
            }
        }
    }

    pub fn store(&mut self, key: &[u8], value: &[u8]) -> Answer<()> {
        let (mut key, mut value) = (Dbt::of(key)?, Dbt::of(value)?);
        // SAFETY: the method at PUT is of this type; it reads both, and keeps neither.
        let error = unsafe {
            let put: DbPair = self.method(place::PUT);
            put(self.0.as_ptr(), ptr::null_mut(), &raw mut key, &raw mut value, 0)
        };
        if error == 0 { Ok(()) } else { Err(error) }
    }

    /// False: the key was not there.
    pub fn delete(&mut self, key: &[u8]) -> Answer<bool> {
        let mut key = Dbt::of(key)?;
        // SAFETY: the method at DEL is of this type; it reads the key.
        match unsafe {
            let del: DbKey = self.method(place::DEL);
            del(self.0.as_ptr(), ptr::null_mut(), &raw mut key, 0)
        } {
            0 => Ok(true),
            DB_NOTFOUND => Ok(false),
            error => Err(error),
        }
    }

    /// All keys and values, in the order of the file.
    pub fn pairs(&self) -> Answer<Pairs> {
        let mut cursor = ptr::null_mut();
        // SAFETY: the method at CURSOR is of this type, and gives a cursor of its own.
        let error = unsafe {
            let open: DbCursor = self.method(place::CURSOR);
            open(self.0.as_ptr(), ptr::null_mut(), &raw mut cursor, 0)
        };
        let Some(cursor) = NonNull::new(cursor).filter(|_| error == 0) else { return Err(error) };
        let mut all = Vec::new();
        // SAFETY: the cursor's methods at their places are of these types; what they find is copied before the next
        // call, and the cursor is used no more once it is closed.
        let error = unsafe {
            let methods = cursor.as_ptr().cast::<u8>();
            let get: CursorGet = methods.add(place::CURSOR_GET).cast::<CursorGet>().read();
            let close: CursorClose = methods.add(place::CURSOR_CLOSE).cast::<CursorClose>().read();
            let error = loop {
                let (mut key, mut value) = (Dbt::empty(), Dbt::empty());
                match get(cursor.as_ptr(), &raw mut key, &raw mut value, DB_NEXT) {
                    0 => all.push((
                        copied(key.data.cast(), key.size as usize),
                        copied(value.data.cast(), value.size as usize),
                    )),
                    error => break error,
                }
            };
            close(cursor.as_ptr());
            error
        };
        if error == DB_NOTFOUND { Ok(all) } else { Err(error) }
    }
}

impl Drop for Berkeley {
    fn drop(&mut self) {
        // SAFETY: the method at CLOSE is of this type; the handle is used no more, whatever it says.
        unsafe {
            let close: DbClose = self.method(place::CLOSE);
            close(self.0.as_ptr(), 0);
        }
    }
}

/// A key or value of GDBM (`datum`).
#[repr(C)]
#[derive(Clone, Copy)]
struct Datum {
    data: *mut c_char,
    size: c_int,
}

impl Datum {
    /// The library only reads what is given to it this way.
    fn of(octets: &[u8]) -> Answer<Datum> {
        let size = c_int::try_from(octets.len()).map_err(|_| libc::EINVAL)?;
        Ok(Datum { data: octets.as_ptr().cast_mut().cast(), size })
    }
    /// What the library gave away: copied and freed. None where there was nothing.
    ///
    /// # Safety
    /// The datum came from the library, and is used once.
    unsafe fn take(self) -> Option<Vec<u8>> {
        if self.data.is_null() {
            return None;
        }
        // SAFETY: it holds `size` octets that malloc made for whoever asked.
        unsafe {
            let octets = copied(self.data.cast(), usize::try_from(self.size).unwrap_or(0));
            libc::free(self.data.cast());
            Some(octets)
        }
    }
}

const GDBM_REPLACE: c_int = 1;
const GDBM_ITEM_NOT_FOUND: c_int = 15;

type GdbmOpen = unsafe extern "C" fn(*const c_char, c_int, c_int, c_int, *const Opaque) -> *mut Opaque;
type GdbmClose = unsafe extern "C" fn(*mut Opaque) -> c_int;
type GdbmFind = unsafe extern "C" fn(*mut Opaque, Datum) -> Datum;
type GdbmStore = unsafe extern "C" fn(*mut Opaque, Datum, Datum, c_int) -> c_int;
type GdbmDelete = unsafe extern "C" fn(*mut Opaque, Datum) -> c_int;
type GdbmFirst = unsafe extern "C" fn(*mut Opaque) -> Datum;
type GdbmError = unsafe extern "C" fn() -> *mut c_int;

/// The functions of libgdbm.
#[derive(Clone, Copy)]
struct Functions {
    open: GdbmOpen,
    close: GdbmClose,
    fetch: GdbmFind,
    store: GdbmStore,
    delete: GdbmDelete,
    first: GdbmFirst,
    next: GdbmFind,
    error: GdbmError,
}

impl Functions {
    fn found() -> Option<Functions> {
        static FOUND: OnceLock<Option<Functions>> = OnceLock::new();
        *FOUND.get_or_init(|| {
            let names = [
                c"gdbm_open",
                c"gdbm_close",
                c"gdbm_fetch",
                c"gdbm_store",
                c"gdbm_delete",
                c"gdbm_firstkey",
                c"gdbm_nextkey",
                c"gdbm_errno_location",
            ];
            let found = load(c"libgdbm.so.6", &names)?;
            let &[open, close, fetch, store, delete, first, next, error] = found.as_slice() else { return None };
            // SAFETY: these are the types that gdbm.h declares for soname 6.
            unsafe {
                Some(Functions {
                    open: std::mem::transmute::<*mut Opaque, GdbmOpen>(open.as_ptr()),
                    close: std::mem::transmute::<*mut Opaque, GdbmClose>(close.as_ptr()),
                    fetch: std::mem::transmute::<*mut Opaque, GdbmFind>(fetch.as_ptr()),
                    store: std::mem::transmute::<*mut Opaque, GdbmStore>(store.as_ptr()),
                    delete: std::mem::transmute::<*mut Opaque, GdbmDelete>(delete.as_ptr()),
                    first: std::mem::transmute::<*mut Opaque, GdbmFirst>(first.as_ptr()),
                    next: std::mem::transmute::<*mut Opaque, GdbmFind>(next.as_ptr()),
                    error: std::mem::transmute::<*mut Opaque, GdbmError>(error.as_ptr()),
                })
            }
        })
    }
    /// What went wrong last on this thread.
    fn error(&self) -> i32 {
        // SAFETY: the place lives as long as the thread.
        unsafe { *(self.error)() }
    }
}

/// Whether libgdbm can be loaded.
pub fn has_gdbm() -> bool {
    Functions::found().is_some()
}

/// An open GDBM file.
pub struct Gdbm {
    handle: NonNull<Opaque>,
    functions: Functions,
}

// SAFETY: a handle may be used by any thread, by one at a time.
unsafe impl Send for Gdbm {}

impl Gdbm {
    /// `mode` is that of a file that is made, under the umask.
    pub fn open(name: &Path, access: Access, mode: u32) -> Answer<Gdbm> {
        let name = path(name)?;
        let functions = Functions::found().ok_or(libc::ENOSYS)?;
        let how = match access {
            Access::Read => 0,
            Access::Write => 1,
            Access::Extend => 2,
            Access::Create => 3,
        };
        // SAFETY: the name is NUL-terminated; without a function of ours for fatal errors they are returned.
        let handle = unsafe { (functions.open)(name.as_ptr(), 0, how, mode as c_int, ptr::null()) };
        let handle = NonNull::new(handle).ok_or_else(|| functions.error())?;
        Ok(Gdbm { handle, functions })
    }

    pub fn fetch(&self, key: &[u8]) -> Answer<Option<Vec<u8>>> {
        let key = Datum::of(key)?;
        // SAFETY: the handle is open, the key lives as long as the call, and the value is taken once.
        let found = unsafe { (self.functions.fetch)(self.handle.as_ptr(), key).take() };
        match found {
            None => self.nothing().map(|()| None),
            found => Ok(found),
        }
    }

    /// Whether it was only that there is no such key.
    fn nothing(&self) -> Answer<()> {
        match self.functions.error() {
            0 | GDBM_ITEM_NOT_FOUND => Ok(()),
            error => Err(error),
        }
    }

    pub fn store(&mut self, key: &[u8], value: &[u8]) -> Answer<()> {
        let (key, value) = (Datum::of(key)?, Datum::of(value)?);
        // SAFETY: the handle is open; both are read within the call.
        let stored = unsafe { (self.functions.store)(self.handle.as_ptr(), key, value, GDBM_REPLACE) };
        if stored == 0 { Ok(()) } else { Err(self.functions.error()) }
    }

    /// False: the key was not there.
    pub fn delete(&mut self, key: &[u8]) -> Answer<bool> {
        let key = Datum::of(key)?;
        // SAFETY: the handle is open; the key is read within the call.
        let deleted = unsafe { (self.functions.delete)(self.handle.as_ptr(), key) };
        if deleted == 0 { Ok(true) } else { self.nothing().map(|()| false) }
    }

    /// All keys and values, in the order of the file.
    pub fn pairs(&self) -> Answer<Pairs> {
        let mut all = Vec::new();
        // SAFETY: the handle is open, and the key is taken once.
        let mut key = unsafe { (self.functions.first)(self.handle.as_ptr()).take() };
        while let Some(known) = key {
            let value = self.fetch(&known)?.unwrap_or_default();
            let before = Datum::of(&known)?;
            // SAFETY: as above; the key before is read within the call.
            key = unsafe { (self.functions.next)(self.handle.as_ptr(), before).take() };
            all.push((known, value));
        }
        self.nothing().map(|()| all)
    }
}

impl Drop for Gdbm {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and used no more.
        unsafe { (self.functions.close)(self.handle.as_ptr()) };
    }
}
