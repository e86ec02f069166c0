//! The tracing layer: what the engine and libraries report goes into the error log of the main server.
//!
//! Code that knows its request, connection or server does not come this way: their `log` methods check the level
//! before anything else happens.

use super::{Level, process_allows, process_errno};
use std::fmt::{self, Write};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// See the module text.
pub struct ErrorLogLayer;

/// `pinion::engine::event` and `mio::poll` are `core`'s; `pinion::modules::...::mod_ssl` is `ssl`'s.
fn module_of<'a>(metadata: &Metadata<'a>) -> &'a str {
    let target = metadata.target();
    target.rsplit("::").find_map(|part| part.strip_prefix("mod_")).unwrap_or("core")
}

fn level_of(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace1,
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    errno: i32,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        match field.name() {
            "errno" => self.errno = value as i32,
            _ => self.record_debug(field, &value),
        }
    }
}

impl<S: Subscriber> Layer<S> for ErrorLogLayer {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.is_event() && process_allows(level_of(metadata), module_of(metadata))
    }
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let (metadata, Text { message, fields, errno }) = (event.metadata(), text);
        process_errno(level_of(metadata), module_of(metadata), errno, format_args!("{message}{fields}"));
    }
}

/// Makes the layer the process's subscriber; a second call is without effect.
pub fn install_tracing() {
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(ErrorLogLayer));
}
