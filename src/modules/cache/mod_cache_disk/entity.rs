//! One response in its files.

use super::{DiskDir, DiskServer};
use crate::log::Level;
use crate::module::cache::GENERAL;
use crate::module::{CacheEntity, CacheInfo};
use crate::request::{Body, FileRange, OpenFile, Request, Status, Table};
use crate::server::disk_cache::{self, Head};
use bstr::{BStr, BString, ByteSlice};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Limits where CacheMinFileSize and CacheMaxFileSize say nothing.
const MIN_SIZE: u64 = 1;
const MAX_SIZE: u64 = 1_000_000;
/// The portable runtime's number of a file that ends too early.
const END_OF_FILE: i32 = 70014;
/// Most octets of a file with fields that are read: they are those of one response and its request.
const MOST_FIELDS: u64 = 4 << 20;

/// A file in the making; it goes when it is dropped.
struct Temporary {
    file: File,
    path: PathBuf,
    kept: bool,
}

impl Temporary {
    fn make(root: &Path) -> io::Result<Temporary> {
        let path = tempfile_name(root)?;
        Ok(Temporary { file: path.1, path: path.0, kept: false })
    }
    /// Gives it its name; the directories of that are made when they are missing.
    fn rename(&mut self, r: &Request, to: &Path) -> bool {
        let moved = fs::rename(&self.path, to).or_else(|_| {
            to.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::rename(&self.path, to)
        });
        if let Err(error) = &moved {
            let text =
                format_args!("AH00699: rename tempfile to file failed: {} -> {}", self.path.display(), to.display());
            r.log_errno(Level::Warn, "cache_disk", error, text);
        }
        self.kept = moved.is_ok();
        self.kept
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A new file of its own in `root`, as mkstemp(3) names them.
fn tempfile_name(root: &Path) -> io::Result<(PathBuf, File)> {
    let template = root.join(format!("{}XXXXXX", disk_cache::TEMPORARY));
    let (descriptor, path) = nix::unistd::mkstemp(&template)?;
    Ok((path, File::from(descriptor)))
}

pub(super) struct Entity {
    root: PathBuf,
    levels: usize,
    length: usize,
    key: BString,
    head: Head,
    response: Table,
    request: Table,
    /// Paths of the files; those of a response that varies stand below the first header file.
    header: PathBuf,
    data: PathBuf,
    /// The header file of all that vary.
    plain: PathBuf,
    /// The open content, with its size.
    content: Option<(Arc<OpenFile>, u64)>,
    temporary: Option<Temporary>,
    written: u64,
    /// What Content-Length announced.
    announced: Option<u64>,
    limits: (u64, u64),
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn settings(r: &Request) -> Option<(&'static DiskServer, PathBuf)> {
    let server = r.server::<DiskServer>();
    let Some(root) = &server.root else {
        static TOLD: AtomicBool = AtomicBool::new(false);
        if !TOLD.swap(true, Relaxed) {
            let text = format_args!("AH00703: Cannot cache files to disk without a CacheRoot specified.");
            r.log(Level::Error, "cache_disk", text);
        }
        return None;
    };
    Some((server, root.to_path_lossy().into_owned()))
}

impl Entity {
    fn new(r: &Request, server: &DiskServer, root: PathBuf, key: &BStr) -> Entity {
        let (levels, length) = (server.levels(), server.length());
        let path = root.join(disk_cache::name(key, levels, length));
        let header = with_end(&path, ".header");
        let dir = r.dir::<DiskDir>();
        Entity {
            root,
            levels,
            length,
            key: key.into(),
            head: Head::default(),
            response: Table::new(),
            request: Table::new(),
            data: with_end(&path, ".data"),
            plain: header.clone(),
            header,
            content: None,
            temporary: None,
            written: 0,
            announced: None,
            limits: (dir.min_size.unwrap_or(MIN_SIZE), dir.max_size.unwrap_or(MAX_SIZE)),
        }
    }

    /// Goes to the files of the response for these fields of a request.
    fn vary(&mut self, names: &[BString], request: &Table) {
        let varied = disk_cache::varied_key(self.key.as_bstr(), names, request);
        let name = disk_cache::name(&varied, self.levels, self.length);
        let path = with_end(&self.plain, ".vary").join(name);
        self.header = with_end(&path, ".header");
        self.data = with_end(&path, ".data");
    }

    /// Writes the header file, and that of all that vary where this one does.
    fn write_headers(&mut self, r: &Request) -> bool {
        self.header.clone_from(&self.plain);
        if let Some(vary) = self.response.get("Vary") {
            // Of several fields the first tells files apart; all of them tell whether a response fits.
            let names = disk_cache::vary_names(vary);
            let octets = disk_cache::encode_vary(self.head.info.expire, &names);
            let plain = self.plain.clone();
            if !self.put(
                r,
                &plain,
                &octets,
                "AH00721: could not create vary file",
                "AH00722: could not write to vary file",
            ) {
                return false;
            }
            let request = self.request.clone();
            self.vary(&names, &request);
        } else {
            self.data = with_end(&self.plain.with_extension(""), ".data");
        }
        self.head.key_length = self.key.len() as u64;
        let mut octets = self.head.encode().to_vec();
        octets.extend_from_slice(&self.key);
        disk_cache::append_fields(&mut octets, &self.response);
        disk_cache::append_fields(&mut octets, &self.request);
        let header = self.header.clone();
        self.put(
            r,
            &header,
            &octets,
            "AH00725: could not create header file",
            "AH00726: could not write info to header file",
        )
    }

    fn put(&self, r: &Request, path: &Path, octets: &[u8], creating: &str, writing: &str) -> bool {
        let mut made = match Temporary::make(&self.root) {
            Ok(made) => made,
            Err(error) => {
                r.log_errno(Level::Warn, "cache_disk", &error, format_args!("{creating} {}", path.display()));
                return false;
            }
        };
        if let Err(error) = made.file.write_all(octets) {
            r.log_errno(Level::Warn, "cache_disk", &error, format_args!("{writing} {}", path.display()));
            return false;
        }
        made.rename(r, path)
    }

    /// Moves the content to its place.
    fn place_content(&mut self, r: &Request) -> bool {
        if self.head.header_only {
            // What an earlier response left there is not that of this one.
            return fs::remove_file(&self.data).is_ok();
        }
        match self.temporary.take() {
            Some(mut made) => made.rename(r, &self.data),
            None => true,
        }
    }
}

/// Opens what is stored under `key`.
pub(super) fn open(r: &Request, key: &BStr) -> Option<Entity> {
    let (server, root) = settings(r)?;
    let mut entity = Entity::new(r, server, root, key);
    let mut octets = read(&entity.header)?;
    if format(&octets)? == disk_cache::VARY_FORMAT {
        let Some((_, names)) = disk_cache::decode_vary(&octets) else {
            r.log(Level::Error, "cache_disk", format_args!("AH00716: Premature end of vary array."));
            let text = format_args!("AH00704: Cannot parse vary header file: {}", entity.header.display());
            r.log_errno(Level::Error, "cache_disk", END_OF_FILE, text);
            return None;
        };
        entity.vary(&names, &r.headers_in);
        octets = read(&entity.header)?;
    }
    let format = format(&octets)?;
    if format != disk_cache::HEADER_FORMAT {
        let text = format_args!(
            "AH00705: File '{}' has a version mismatch. File had version: {format}.",
            entity.header.display()
        );
        r.log(Level::Error, "cache_disk", text);
        return None;
    }
    let head = Head::decode(&octets).ok_or(END_OF_FILE);
    let parsed = head.and_then(|head| {
        let rest = octets.get(disk_cache::HEAD..).unwrap_or_default();
        let length = usize::try_from(head.key_length).unwrap_or(usize::MAX);
        let (name, rest) = rest.split_at_checked(length).ok_or(END_OF_FILE)?;
        if name == key.as_bytes() { Ok((head, rest)) } else { Err(GENERAL) }
    });
    let (head, fields) = match parsed {
        Ok(parsed) => parsed,
        Err(errno) => {
            let text = format_args!("AH00706: Cannot read header file {}", entity.header.display());
            r.log_errno(Level::Error, "cache_disk", errno, text);
            return None;
        }
    };
    entity.head = head;
    if entity.head.header_only && !r.header_only {
        let text =
            format_args!("AH00707: HEAD request cached, non-HEAD requested, ignoring: {}", entity.header.display());
        r.log(Level::Debug, "cache_disk", text);
        return None;
    }
    if entity.head.has_body && !open_content(r, &mut entity) {
        return None;
    }
    if entity.head.has_body {
        r.log(Level::Debug, "cache_disk", format_args!("AH00709: Recalled cached URL info header {key}"));
    }
    let Some((response, rest)) = disk_cache::read_fields(fields) else {
        r.log(Level::Error, "cache_disk", format_args!("AH00717: Premature end of cache headers."));
        let text = format_args!("AH02987: Error reading response headers from {} for {key}", entity.header.display());
        r.log(Level::Debug, "cache_disk", text);
        return None;
    };
    let Some((request, _)) = disk_cache::read_fields(rest) else {
        r.log(Level::Error, "cache_disk", format_args!("AH00717: Premature end of cache headers."));
        let text = format_args!("AH02988: Error reading request headers from {} for {key}", entity.header.display());
        r.log(Level::Debug, "cache_disk", text);
        return None;
    };
    (entity.response, entity.request) = (response, request);
    r.log(Level::Debug, "cache_disk", format_args!("AH00720: Recalled headers for URL {key}"));
    Some(entity)
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    File::open(path).ok()?.take(MOST_FIELDS).read_to_end(&mut octets).ok()?;
    Some(octets)
}

fn format(octets: &[u8]) -> Option<u32> {
    octets.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

/// Opens the content, if it is the one that the header file speaks of.
fn open_content(r: &Request, entity: &mut Entity) -> bool {
    let opened = File::open(&entity.data).and_then(|file| Ok((file.metadata()?, file)));
    let (facts, file) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let text = format_args!("AH00708: Cannot open data file {}", entity.data.display());
            r.log_errno(Level::Error, "cache_disk", &error, text);
            return false;
        }
    };
    if (facts.dev(), facts.ino()) != (entity.head.device, entity.head.inode) {
        let text =
            format_args!("AH00710: Cached URL info header '{}' didn't match body, ignoring this entry", entity.key);
        r.log(Level::Debug, "cache_disk", text);
        return false;
    }
    entity.content = Some((Arc::new(OpenFile::from(file)), facts.len()));
    true
}

/// Room for a response, if its size is one that is kept.
pub(super) fn create(r: &Request, key: &BStr, size: Option<u64>) -> Option<Entity> {
    let (server, root) = settings(r)?;
    if r.status == Status::PARTIAL_CONTENT {
        let text = format_args!("AH00700: URL {key} partial content response not cached");
        r.log(Level::Debug, "cache_disk", text);
        return None;
    }
    let mut entity = Entity::new(r, server, root, key);
    let (least, most) = entity.limits;
    if let Some(size) = size {
        if size > most {
            r.log(
                Level::Debug,
                "cache_disk",
                format_args!("AH00701: URL {key} failed the size check ({size} > {most})"),
            );
            return None;
        }
        if size < least {
            r.log(
                Level::Debug,
                "cache_disk",
                format_args!("AH00702: URL {key} failed the size check ({size} < {least})"),
            );
            return None;
        }
    }
    entity.announced = size;
    Some(entity)
}

impl CacheEntity for Entity {
    fn info(&self) -> &CacheInfo {
        &self.head.info
    }
    fn response(&self) -> &Table {
        &self.response
    }
    fn request(&self) -> &Table {
        &self.request
    }
    fn body(&self) -> Body {
        match &self.content {
            Some((file, len)) => Body::File(FileRange { file: file.clone(), offset: 0, len: *len }),
            None => Body::Empty,
        }
    }

    fn store_headers(&mut self, r: &Request, info: &CacheInfo, response: &Table, request: &Table) -> bool {
        self.head.info = *info;
        self.head.header_only = r.header_only && self.content.is_none();
        self.response = response.clone();
        self.request = request.clone();
        true
    }

    fn read_ahead(&self, r: &Request) -> (u64, i64) {
        let dir = r.dir::<DiskDir>();
        let time = i64::try_from(dir.read_time.unwrap_or(0)).unwrap_or(0);
        (dir.read_size.unwrap_or(0), time.saturating_mul(1000))
    }

    fn store(&mut self, r: &Request, octets: &[u8]) -> Result<(), i32> {
        if self.head.header_only || octets.is_empty() {
            return Ok(());
        }
        if self.temporary.is_none() {
            // Content that never comes needs no file.
            let made = Temporary::make(&self.root).and_then(|made| Ok((made.file.metadata()?, made)));
            let (facts, made) = made.map_err(|error| error.raw_os_error().unwrap_or(GENERAL))?;
            (self.head.device, self.head.inode, self.head.has_body) = (facts.dev(), facts.ino(), true);
            self.temporary = Some(made);
        }
        let Some(made) = &mut self.temporary else { return Err(GENERAL) };
        if let Err(error) = made.file.write_all(octets) {
            let text = format_args!("AH00731: Error when writing cache file for URL {}", self.key);
            r.log_errno(Level::Error, "cache_disk", &error, text);
            self.temporary = None;
            return Err(error.raw_os_error().unwrap_or(GENERAL));
        }
        self.written += octets.len() as u64;
        let most = self.limits.1;
        if self.written > most {
            let text = format_args!("AH00732: URL {} failed the size check ({}>{most})", self.key, self.written);
            r.log(Level::Debug, "cache_disk", text);
            self.temporary = None;
            return Err(GENERAL);
        }
        Ok(())
    }

    fn complete(&mut self, r: &Request, aborted: bool) -> Result<(), i32> {
        if self.head.header_only {
            return Ok(());
        }
        let least = self.limits.0;
        if aborted || r.no_cache {
            let text =
                format_args!("AH00733: Discarding body for URL {} because connection has been aborted.", self.key);
            r.log(Level::Info, "cache_disk", text);
        } else if self.written < least {
            let text = format_args!("AH00734: URL {} failed the size check ({}<{least})", self.key, self.written);
            r.log(Level::Debug, "cache_disk", text);
        } else if self.announced.is_some_and(|announced| announced != self.written) {
            let text = format_args!("AH00735: URL {} didn't receive complete response, not caching", self.key);
            r.log(Level::Debug, "cache_disk", text);
        } else {
            return Ok(());
        }
        self.temporary = None;
        Err(GENERAL)
    }

    fn commit(&mut self, r: &Request) {
        if self.write_headers(r) && self.place_content(r) {
            let text = format_args!("AH00737: commit_entity: Headers and body for URL {} cached.", self.key);
            r.log(Level::Debug, "cache_disk", text);
        } else {
            self.remove(r);
            let text = format_args!("AH00736: commit_entity: URL '{}' not cached due to earlier disk error.", self.key);
            r.log(Level::Debug, "cache_disk", text);
        }
    }

    fn remove(&self, r: &Request) -> bool {
        let files = [
            (&self.header, "AH00711: Deleting", "AH00712: Failed to delete headers file"),
            (&self.data, "AH00713: Deleting", "AH00714: Failed to delete data file"),
        ];
        for (path, deleting, failed) in files {
            r.log(Level::Debug, "cache_disk", format_args!("{deleting} {} from cache.", path.display()));
            if let Err(error) = fs::remove_file(path)
                && error.kind() != io::ErrorKind::NotFound
            {
                let text = format_args!("{failed} {} from cache.", path.display());
                r.log_errno(Level::Warn, "cache_disk", &error, text);
                return false;
            }
        }
        // The directories that are empty now, up to the root.
        for directory in self.header.ancestors().skip(1).take_while(|directory| *directory != self.root) {
            let text = format_args!("AH00715: Deleting directory {} from cache", directory.display());
            r.log(Level::Debug, "cache_disk", text);
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        true
    }

    fn invalidate(&mut self, r: &Request) {
        self.head.info.control.flags |= crate::module::cache::flags::INVALIDATED;
        self.commit(r);
    }
}
