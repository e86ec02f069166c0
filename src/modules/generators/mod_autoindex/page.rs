//! The page: preamble, header, listing as list, text or table, readme.

use super::entries::{self, Entry};
use super::order::{self, Key, Wish};
use super::{IndexDir, NAME_WIDTH, Width, option};
use crate::engine;
use crate::log::Level;
use crate::log::clock::{Civil, append_strftime};
use crate::module::Answer;
use crate::request::{Body, FileKind, MethodNumber, Piece, Request, Status};
use crate::server::{self, conditional, error_page, escape};
use bstr::{BStr, BString, ByteSlice};
use std::collections::VecDeque;

/// Octets up to which Apache holds a page back and so knows its length.
const BUFFERED: usize = 8192;

pub(super) async fn answer(r: &mut Request) -> Answer {
    server::allow(r, &[MethodNumber::GET]);
    if !r.method.is(MethodNumber::GET) {
        return Answer::Declined;
    }
    if server::allowed_options(r) & crate::config::options::INDEXES == 0 {
        let names = r.notes.get("dir-index-names").map_or_else(|| "none".into(), BStr::to_owned);
        let text = format_args!(
            "AH01276: Cannot serve directory {}: No matching DirectoryIndex ({names}) found, and server-generated \
             directory index forbidden by Options directive",
            crate::log::raw(&r.filename)
        );
        r.log(Level::Error, "autoindex", text);
        return Answer::Status(Status::FORBIDDEN);
    }
    if !r.filename.ends_with(b"/") {
        r.filename.push(b'/');
    }
    let names = match entries::read(&r.filename) {
        Ok(names) => names,
        Err(error) => {
            r.log_errno(
                Level::Error,
                "autoindex",
                &error,
                format_args!("AH01275: Can't open directory for index: {}", crate::log::raw(&r.filename)),
            );
            return Answer::Status(Status::FORBIDDEN);
        }
    };
    let shared = r.dir.clone();
    let dir = shared.settings.of::<IndexDir>();
    let mut page = Page { dir, options: dir.options(), out: Vec::new(), pieces: VecDeque::new(), streamed: false };
    content_type(r, dir);
    if page.options & option::TRACK_MODIFIED != 0 {
        r.mtime = r.mtime.max(r.finfo.mtime);
        conditional::set_last_modified(r);
        conditional::set_etag(r);
    }
    if r.header_only {
        return Answer::Ok;
    }
    let wish = page.read_wish(r);
    page.head(r).await;
    let mut list = Vec::new();
    list.extend(entries::parent(r, dir, page.options));
    for entry in names {
        list.extend(entries::entry(r, dir, page.options, wish.pattern.as_ref().map(|p| p.as_slice()), entry).await);
    }
    let (default_key, default_direction) = dir.order.unwrap_or((Key::Name, true));
    let key = wish.key.unwrap_or(default_key);
    let ascending = wish.ascending.unwrap_or(default_direction || wish.key.is_some());
    list.sort_by(|a, b| order::compare(a, b, key, ascending, page.options));
    page.listing(&list, &wish, key, ascending);
    page.tail(r).await;
    page.flush();
    let whole: u64 = page.pieces.iter().map(Piece::len).sum();
    if page.streamed || whole > BUFFERED as u64 {
        // It goes out without its length being known first.
        page.pieces.push_front(Piece::Flush);
    }
    r.body_out = Body::Pieces(page.pieces);
    Answer::Ok
}

fn content_type(r: &mut Request, dir: &IndexDir) {
    let mut kind = dir.content_type.clone().unwrap_or_else(|| "text/html".into());
    let charset = dir.charset.as_ref().map_or(&b"ISO-8859-1"[..], |charset| charset);
    if !charset.is_empty() {
        kind.extend_from_slice(b";charset=");
        kind.extend_from_slice(charset);
    }
    r.set_content_type(kind);
}

struct Page<'a> {
    dir: &'a IndexDir,
    /// After the client's wishes.
    options: u32,
    out: Vec<u8>,
    pieces: VecDeque<Piece>,
    /// A header or readme went out in between.
    streamed: bool,
}

impl Page<'_> {
    fn has(&self, option: u32) -> bool {
        self.options & option != 0
    }
    fn text(&mut self, text: impl AsRef<[u8]>) {
        self.out.extend_from_slice(text.as_ref());
    }
    fn flush(&mut self) {
        if !self.out.is_empty() {
            self.pieces.push_back(Piece::Bytes(std::mem::take(&mut self.out).into()));
        }
    }

    /// The query's wishes, unless they are to be ignored; a wished format changes the options.
    fn read_wish(&mut self, r: &Request) -> Wish {
        if self.has(option::IGNORE_CLIENT) {
            self.options |= option::SUPPRESS_SORTING;
            return Wish::default();
        }
        let wish = order::wish(r.args.as_ref().map_or(b"", |args| args));
        let mut set = |bit: u32, on: bool| self.options = if on { self.options | bit } else { self.options & !bit };
        if let Some(format) = wish.format {
            set(option::FANCY, format > 0);
            set(option::TABLE, format > 1);
        }
        if let Some(version) = wish.version {
            set(option::VERSION_SORT, version);
        }
        wish
    }

    /// Preamble, then the header file or a heading.
    async fn head(&mut self, r: &mut Request) {
        let heading = match r.uri.trim_end_with(|c| c == '/') {
            b"" => escape::html(b"/"),
            uri => escape::html(uri),
        };
        let extra = match &self.dir.header {
            Some(name) => extra_file(r, name.as_ref()).await,
            None => None,
        };
        match extra {
            Some(Extra::Html(body)) => {
                if !self.has(option::SUPPRESS_PREAMBLE) {
                    self.preamble(&heading);
                }
                self.streamed = true;
                self.flush();
                self.pieces.extend(body);
            }
            Some(Extra::Plain(text)) => {
                self.preamble(&heading);
                self.plain(&text);
            }
            None => {
                self.preamble(&heading);
                let open: &[u8] = if self.dir.style_sheet.is_some() {
                    b"  <h1 id=\"indextitle\">Index of "
                } else {
                    b"<h1>Index of "
                };
                self.text(open);
                self.text(&heading);
                self.text("</h1>\n");
            }
        }
    }

    fn plain(&mut self, text: &[u8]) {
        self.text("<pre>\n");
        self.text(escape::html(text));
        self.text("</pre>\n");
    }

    fn preamble(&mut self, title: &[u8]) {
        if self.has(option::XHTML) {
            self.text("<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\"\n");
            self.text("\"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd\">\n");
            self.text("<html xmlns=\"http://www.w3.org/1999/xhtml\">\n");
        } else {
            self.text(
                "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\" \"http://www.w3.org/TR/html4/strict.dtd\">\n",
            );
            self.text("<html>\n");
        }
        self.text(" <head>\n  <title>Index of ");
        self.text(title);
        self.text("</title>\n");
        let dir = self.dir;
        if let Some(sheet) = &dir.style_sheet {
            self.text("  <link rel=\"stylesheet\" href=\"");
            self.text(sheet);
            self.text("\" type=\"text/css\"");
            self.close_empty();
            self.text("\n");
        }
        if let Some(insert) = &dir.head_insert {
            self.text(insert);
        }
        self.text(" </head>\n <body>\n");
    }

    /// Ends an element without content.
    fn close_empty(&mut self) {
        let end = if self.has(option::XHTML) { " />" } else { ">" };
        self.text(end);
    }

    /// The readme file or the signature, and the page's end.
    async fn tail(&mut self, r: &mut Request) {
        let extra = match &self.dir.readme {
            Some(name) => extra_file(r, name.as_ref()).await,
            None => None,
        };
        match extra {
            Some(Extra::Html(body)) => {
                self.streamed = true;
                self.flush();
                self.pieces.extend(body);
                if self.has(option::SUPPRESS_PREAMBLE) {
                    return;
                }
            }
            Some(Extra::Plain(text)) => self.plain(&text),
            None => self.text(error_page::signature("", r)),
        }
        self.text("</body></html>\n");
    }

    fn listing(&mut self, list: &[Entry], wish: &Wish, key: Key, ascending: bool) {
        if !self.has(option::FACTS) {
            self.text("<ul>");
            for entry in list {
                self.text("<li><a href=\"");
                self.text(href(entry));
                self.text("\"> ");
                self.text(shown(entry));
                self.text("</a></li>\n");
            }
            self.text("</ul>\n");
            return;
        }
        let columns = Columns { carried: order::carried(wish), key, ascending, name: self.name_width(list) };
        let limit = self.description_width(list);
        if self.has(option::TABLE) { self.table(list, &columns, limit) } else { self.lines(list, &columns, limit) }
    }

    fn name_width(&self, list: &[Entry]) -> usize {
        match self.dir.name_width {
            Some(Width::Fixed(width)) => width,
            None => NAME_WIDTH,
            Some(Width::Fit) => list.iter().map(|entry| entry.name.len()).fold(NAME_WIDTH, usize::max),
        }
    }

    /// Visible octets of a description; the room of columns that are not shown is its own.
    fn description_width(&self, list: &[Entry]) -> usize {
        match self.dir.description_width.flatten() {
            Some(Width::Fixed(width)) => width,
            Some(Width::Fit) => {
                list.iter().filter_map(|entry| entry.description.as_ref()).map(|text| text.len()).fold(23, usize::max)
            }
            None => {
                23 + if self.has(option::SUPPRESS_SIZE) { 7 } else { 0 }
                    + if self.has(option::SUPPRESS_DATE) { 19 } else { 0 }
            }
        }
    }

    /// A column's heading, a link where sorting by it is offered.
    fn heading(&mut self, columns: &Columns, key: Key, label: &str) {
        if self.has(option::SUPPRESS_SORTING) {
            return self.text(label);
        }
        // The column that sorts already offers the other direction.
        let direction = if key == columns.key && columns.ascending { b'D' } else { b'A' };
        self.text([b"<a href=\"?C=", &[key.letter()][..], b";O=", &[direction]].concat());
        self.text(&columns.carried);
        self.text("\">");
        self.text(label);
        self.text("</a>");
    }

    fn icon(&mut self, url: &[u8], alt: &[u8]) {
        self.text("<img src=\"");
        self.text(escape::html(url));
        self.text("\" alt=\"");
        self.text(alt);
        self.text("\"");
        let (width, height) = (self.dir.icon_width, self.dir.icon_height);
        if width != 0 {
            self.text(format!(" width=\"{width}\""));
        }
        if height != 0 {
            self.text(format!(" height=\"{height}\""));
        }
        self.close_empty();
    }

    fn entry_icon(&mut self, entry: &Entry) -> bool {
        let dir = self.dir;
        let Some(url) = entry.icon.as_ref().or(dir.default_icon.as_ref()) else { return false };
        let alt = entry.alt.as_ref().map_or(&b"   "[..], |alt| alt);
        self.icon(url, &[b"[", alt, b"]"].concat());
        true
    }

    fn blank_icon(&self) -> Option<BString> {
        entries::named(&self.dir.icons, entries::BLANK)
    }

    /// A name as link, cut where it is too wide; answers the octets left of the width.
    fn name(&mut self, entry: &Entry, width: usize) -> usize {
        self.text("<a href=\"");
        self.text(href(entry));
        self.text("\">");
        let name: &[u8] = if entry.parent { b"Parent Directory" } else { &entry.name };
        let left = if name.len() > width {
            self.text(escape::html(name.get(..width.saturating_sub(3)).unwrap_or_default()));
            self.text("..&gt;");
            0
        } else {
            self.text(escape::html(name));
            width - name.len()
        };
        self.text("</a>");
        left
    }

    fn pad(&mut self, count: usize) {
        self.out.resize(self.out.len() + count, b' ');
    }

    fn date(&mut self, mtime: i64) {
        let format: &[u8] = if self.has(option::OLD_DATE) { b"%d-%b-%Y %H:%M  " } else { b"%Y-%m-%d %H:%M  " };
        append_strftime(&mut self.out, format, &Civil::local(mtime));
    }

    fn rule(&mut self) {
        self.text("<hr");
        self.close_empty();
    }

    /// Fancy indexing without a table: columns by spaces.
    fn lines(&mut self, list: &[Entry], columns: &Columns, limit: usize) {
        self.text("<pre>");
        let icons = !self.has(option::SUPPRESS_ICON);
        if icons {
            match self.blank_icon() {
                Some(icon) => {
                    self.icon(&icon, b"Icon ");
                    self.text(" ");
                }
                None => self.pad(6),
            }
        }
        self.heading(columns, Key::Name, "Name");
        self.pad(columns.name.saturating_sub(4) + 1);
        if !self.has(option::SUPPRESS_DATE) {
            self.heading(columns, Key::Date, "Last modified");
            self.text("      ");
        }
        if !self.has(option::SUPPRESS_SIZE) {
            self.heading(columns, Key::Size, "Size");
            self.text("  ");
        }
        if !self.has(option::SUPPRESS_DESCRIPTION) {
            self.heading(columns, Key::Description, "Description");
        }
        if self.has(option::SUPPRESS_RULES) {
            self.text("\n")
        } else {
            self.rule()
        }
        for entry in list {
            if icons {
                self.line_icon(entry);
            }
            let left = self.name(entry, columns.name);
            self.pad(left + 1);
            if !self.has(option::SUPPRESS_DATE) {
                match entry.mtime {
                    Some(mtime) => self.date(mtime),
                    None => self.pad(19),
                }
            }
            if !self.has(option::SUPPRESS_SIZE) {
                self.text(server::short_size(entry.size));
                self.text("  ");
            }
            if let Some(text) = entry.description.as_ref().filter(|_| !self.has(option::SUPPRESS_DESCRIPTION)) {
                self.text(cut(text, limit));
            }
            self.text("\n");
        }
        if !self.has(option::SUPPRESS_RULES) {
            self.rule();
        }
        self.text("</pre>\n");
    }

    fn line_icon(&mut self, entry: &Entry) {
        let link = self.has(option::ICONS_ARE_LINKS);
        if link {
            self.text("<a href=\"");
            self.text(href(entry));
            self.text("\">");
        }
        if !self.entry_icon(entry) {
            self.text("     ");
        }
        self.text(if link { "</a> " } else { " " });
    }

    fn class(&self, plain: &'static str, css: &'static str) -> &'static str {
        if self.dir.style_sheet.is_some() { css } else { plain }
    }

    fn table(&mut self, list: &[Entry], columns: &Columns, limit: usize) {
        let icons = !self.has(option::SUPPRESS_ICON);
        let (dates, sizes) = (!self.has(option::SUPPRESS_DATE), !self.has(option::SUPPRESS_SIZE));
        let descriptions = !self.has(option::SUPPRESS_DESCRIPTION);
        let count = 1 + [icons, dates, sizes, descriptions].into_iter().filter(|shown| *shown).count();
        self.text(self.class("  <table>\n   <tr>", "  <table id=\"indexlist\">\n   <tr class=\"indexhead\">"));
        if icons {
            self.text(self.class("<th valign=\"top\">", "<th class=\"indexcolicon\">"));
            match self.blank_icon() {
                Some(icon) => self.icon(&icon, b"[ICO]"),
                None => self.text("&nbsp;"),
            }
            self.text("</th>");
        }
        let heads = [
            (true, "<th class=\"indexcolname\">", Key::Name, "Name"),
            (dates, "<th class=\"indexcollastmod\">", Key::Date, "Last modified"),
            (sizes, "<th class=\"indexcolsize\">", Key::Size, "Size"),
            (descriptions, "<th class=\"indexcoldesc\">", Key::Description, "Description"),
        ];
        for (_, css, key, label) in heads.into_iter().filter(|head| head.0) {
            self.text(self.class("<th>", css));
            self.heading(columns, key, label);
            self.text("</th>");
        }
        self.text("</tr>\n");
        self.table_rule(count);
        let fit = self.dir.name_width == Some(Width::Fit);
        for (row, entry) in list.iter().enumerate() {
            self.row_open(row, entry);
            if icons {
                self.text(self.class("<td valign=\"top\">", "<td class=\"indexcolicon\">"));
                self.table_icon(entry);
                self.text("</td>");
            }
            self.text(self.class("<td>", "<td class=\"indexcolname\">"));
            let left = self.name(entry, columns.name);
            self.pad(if fit { 0 } else { left });
            self.text("</td>");
            if dates {
                match entry.mtime {
                    Some(mtime) => {
                        self.text(self.class("<td align=\"right\">", "<td class=\"indexcollastmod\">"));
                        self.date(mtime);
                    }
                    None => self.text(self.class("<td>&nbsp;", "<td class=\"indexcollastmod\">&nbsp;")),
                }
                self.text("</td>");
            }
            if sizes {
                self.text(self.class("<td align=\"right\">", "<td class=\"indexcolsize\">"));
                self.text(server::short_size(entry.size));
                self.text("</td>");
            }
            if descriptions {
                self.text(self.class("<td>", "<td class=\"indexcoldesc\">"));
                match &entry.description {
                    Some(text) => self.text(cut(text, limit)),
                    None => self.text("&nbsp;"),
                }
                self.text("</td>");
            }
            self.text("</tr>\n");
        }
        self.table_rule(count);
        self.text("</table>\n");
    }

    fn row_open(&mut self, row: usize, entry: &Entry) {
        if self.dir.style_sheet.is_none() {
            return self.text("<tr>");
        }
        self.text("   <tr class=\"");
        self.text(if row.is_multiple_of(2) { "even" } else { "odd" });
        if let Some(alt) = entry.alt.as_ref().filter(|_| self.has(option::ALT_CLASS)) {
            self.text("-");
            let class: Vec<u8> = alt.to_ascii_lowercase().into_iter().filter(|byte| *byte != b' ').collect();
            self.text(class);
        }
        self.text("\">");
    }

    fn table_icon(&mut self, entry: &Entry) {
        let link = self.has(option::ICONS_ARE_LINKS);
        if link {
            self.text("<a href=\"");
            self.text(href(entry));
            self.text("\">");
        }
        if !self.entry_icon(entry) {
            self.text("&nbsp;");
        }
        if link {
            self.text("</a>");
        }
    }

    fn table_rule(&mut self, count: usize) {
        if self.has(option::SUPPRESS_RULES) {
            return;
        }
        self.text(self.class("   <tr>", "   <tr class=\"indexbreakrow\">"));
        self.text(format!("<th colspan=\"{count}\">"));
        self.rule();
        self.text("</th></tr>\n");
    }
}

/// How the columns are sorted, and the name's width.
struct Columns {
    carried: Vec<u8>,
    key: Key,
    ascending: bool,
    name: usize,
}

fn href(entry: &Entry) -> BString {
    escape::html(&escape::os_path(&entry.name, false))
}

fn shown(entry: &Entry) -> BString {
    if entry.parent { "Parent Directory".into() } else { escape::html(&entry.name) }
}

/// A description cut to `width` visible octets, the last of which is then `>`. Tags take no room, entities that of one.
fn cut(text: &[u8], width: usize) -> BString {
    let (mut at, mut used) = (0, 0);
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let (length, room) = match rest.first() {
            Some(b'<') => (rest.find_byte(b'>').map_or(rest.len(), |end| end + 1), 0),
            Some(b'&') => (rest.find_byte(b';').map_or(rest.len(), |end| end + 1), 1),
            _ => (1, 1),
        };
        if used + room >= width && room > 0 && rest.len() > length {
            return [text.get(..at).unwrap_or_default(), b">"].concat().into();
        }
        (at, used) = (at + length, used + room);
    }
    text.into()
}

/// A header or readme file.
enum Extra {
    /// The output of its own request.
    Html(Vec<Piece>),
    Plain(Vec<u8>),
}

/// Looks a header or readme file up and gets its text. It is asked for as plain or HTML text, not encoded.
async fn extra_file(r: &mut Request, name: &BStr) -> Option<Extra> {
    let kept = r.headers_in.clone();
    r.headers_in.set("Accept", "text/html, text/plain");
    r.headers_in.unset("Accept-Encoding");
    let mut sub = server::lookup_uri(r, name).await;
    r.headers_in = kept;
    if sub.status != Status::OK || sub.filename.is_empty() || sub.finfo.kind != FileKind::File {
        return None;
    }
    let kind = sub.content_type.clone()?;
    if entries::is_html(&kind) {
        let mut body = server::run_sub(r, &mut sub).await.ok()?;
        let mut pieces = Vec::new();
        while let Ok(Some(piece)) = body.next(&mut sub).await {
            pieces.push(piece);
        }
        return Some(Extra::Html(pieces));
    }
    if !kind.get(..5)?.eq_ignore_ascii_case(b"text/") {
        return None;
    }
    let text = engine::block(|| std::fs::read(sub.filename.to_os_str_lossy())).ok()?;
    Some(Extra::Plain(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_are_cut_by_what_is_seen() {
        assert_eq!(cut(b"0123456789 12345678", 12), "0123456789 >");
        assert_eq!(cut(b"a <b>desc</b> that is rather long", 23), "a <b>desc</b> that is rather >");
        assert_eq!(
            cut(b"0123456789 &lt;123456789 <a href=x>0123456789</a>", 23),
            "0123456789 &lt;123456789 <a href=x>>"
        );
        assert_eq!(cut(b"short", 23), "short");
    }
}
