//! What the H2 directives say, and how they merge.

use crate::config::*;
use crate::log::Level;
use crate::module::PushResource;
use bstr::BString;
use std::time::Duration;

/// Per-server settings; None where not set.
#[derive(Clone, Default)]
pub struct H2Server {
    pub streams: Option<u32>,
    pub window: Option<u32>,
    pub buffer: Option<usize>,
    pub data_frame: Option<usize>,
    pub fields: Option<usize>,
    pub stream_errors: Option<u32>,
    pub buffering: Option<bool>,
    pub early_hints: Option<bool>,
    pub diary: Option<usize>,
    pub websockets: Option<bool>,
    pub direct: Option<bool>,
    pub stream_timeout: Option<Duration>,
}

impl Settings for H2Server {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        H2Server {
            streams: add.streams.or(base.streams),
            window: add.window.or(base.window),
            buffer: add.buffer.or(base.buffer),
            data_frame: add.data_frame.or(base.data_frame),
            fields: add.fields.or(base.fields),
            stream_errors: add.stream_errors.or(base.stream_errors),
            buffering: add.buffering.or(base.buffering),
            early_hints: add.early_hints.or(base.early_hints),
            diary: add.diary.or(base.diary),
            websockets: add.websockets.or(base.websockets),
            direct: add.direct.or(base.direct),
            stream_timeout: add.stream_timeout.or(base.stream_timeout),
        }
    }
}

/// Per-directory settings; those of a server are its defaults.
#[derive(Clone, Default)]
pub struct H2Dir {
    pub push: Option<bool>,
    pub upgrade: Option<bool>,
    pub proxy: Option<bool>,
    pub resources: Vec<PushResource>,
    /// Fields of 103 responses.
    pub hints: Vec<(BString, BString)>,
}

impl Settings for H2Dir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        H2Dir {
            push: add.push.or(base.push),
            upgrade: add.upgrade.or(base.upgrade),
            proxy: add.proxy.or(base.proxy),
            resources: [&base.resources[..], &add.resources[..]].concat(),
            hints: [&base.hints[..], &add.hints[..]].concat(),
        }
    }
}

fn on(word: Word<'_>) -> Result<bool, Complaint> {
    on_off(word).ok_or_else(|| "value must be On or Off".into())
}

fn at_least(word: Word<'_>, least: i64, complaint: &str) -> Result<i64, Complaint> {
    let number = atoi(word);
    if number < least { Err(complaint.into()) } else { Ok(number) }
}

pub fn streams(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().streams = Some(at_least(word, 1, "value must be > 0")? as u32);
    Ok(())
}

pub fn window(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().window = Some(at_least(word, 1024, "value must be >= 1024")? as u32);
    Ok(())
}

pub fn buffer(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().buffer = Some(at_least(word, 1024, "value must be >= 1024")? as usize);
    Ok(())
}

pub fn data_frame(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().data_frame = Some(at_least(word, 0, "value must be 0 or larger")? as usize);
    Ok(())
}

pub fn fields(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().fields = Some(at_least(word, 0, "value must be 0 or larger")? as usize);
    Ok(())
}

pub fn stream_errors(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().stream_errors = Some(at_least(word, 0, "value must be 0 or larger")? as u32);
    Ok(())
}

pub fn buffering(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().buffering = Some(on(word)?);
    Ok(())
}

pub fn early_hints(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().early_hints = Some(on(word)?);
    Ok(())
}

pub fn websockets(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().websockets = Some(on(word)?);
    Ok(())
}

pub fn direct(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<H2Server>().direct = Some(on(word)?);
    Ok(())
}

pub fn stream_timeout(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let micros = duration(word, b"s").and_then(|micros| u64::try_from(micros).ok());
    let Some(micros) = micros else { return Err("Invalid timeout value".into()) };
    cx.server::<H2Server>().stream_timeout = Some(Duration::from_micros(micros));
    Ok(())
}

pub fn diary(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let number = at_least(word, 0, "value must be >= 0")?;
    if number & (number - 1) != 0 && number > 0 {
        return Err("value must a power of 2".into());
    }
    if number > 1 << 15 {
        return Err("value must <= 65536".into());
    }
    cx.server::<H2Server>().diary = Some(number as usize);
    Ok(())
}

pub fn push(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<H2Dir>().push = Some(on(word)?);
    Ok(())
}

pub fn upgrade(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<H2Dir>().upgrade = Some(on(word)?);
    Ok(())
}

pub fn proxy(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<H2Dir>().proxy = Some(on(word)?);
    Ok(())
}

pub fn push_resource(cx: &mut Cx<'_>, first: Word<'_>, second: Option<Word<'_>>, third: Option<Word<'_>>) -> Outcome {
    let (path, last) = match second {
        Some(path) if first.eq_ignore_ascii_case(b"add") => (path, third),
        _ if third.is_some() => return Err("too many parameter".into()),
        last => (first, last),
    };
    let critical = match last {
        None => false,
        Some(word) if word.eq_ignore_ascii_case(b"critical") => true,
        Some(_) => return Err("unknown last parameter".into()),
    };
    cx.dir::<H2Dir>().resources.push(PushResource { path: path.into(), critical });
    Ok(())
}

pub fn early_hint(cx: &mut Cx<'_>, name: Word<'_>, value: Word<'_>) -> Outcome {
    let value = value.trim_ascii();
    if value.is_empty() {
        return Err("Early Hint header value must not be empty/only space".into());
    }
    if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
        return Err("Early Hint header value contains invalid characters".into());
    }
    cx.dir::<H2Dir>().hints.push((name.into(), value.into()));
    Ok(())
}

/// Directives that are checked as Apache does, and no more.
pub fn positive(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    at_least(word, 1, "value must be > 0").map(|_| ())
}

pub fn idle_seconds(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    match duration(word, b"s") {
        Some(_) => Ok(()),
        None => Err("Invalid idle limit value".into()),
    }
}

pub fn switch(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    on(word).map(|_| ())
}

pub fn any(_: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    Ok(())
}

pub fn serialize(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if word.eq_ignore_ascii_case(b"on") {
        let text = "this feature has been disabled and the directive to enable it is ignored.";
        cx.warn(Level::Warn, format!("AH10307: {}: {text}", cx.directive.name));
    }
    Ok(())
}

pub fn extra_files(cx: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    cx.warn(Level::Warn, "H2SessionExtraFiles is obsolete and will be ignored");
    Ok(())
}

pub fn padding(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    match atoi(word) {
        ..0 => Err("number of bits must be >= 0".into()),
        9.. => Err("number of bits must be <= 8".into()),
        _ => Ok(()),
    }
}

pub fn priority(_: &mut Cx<'_>, media: Word<'_>, how: Word<'_>, weight: Option<Word<'_>>) -> Outcome {
    if media.is_empty() {
        return Err("1st argument must be a mime-type, like 'text/css' or '*'".into());
    }
    let mut weight = weight;
    if how.eq_ignore_ascii_case(b"before") {
        if weight.is_some() {
            return Err("dependency 'Before' does not allow a weight".into());
        }
    } else if how.first().is_some_and(u8::is_ascii_digit) {
        weight = Some(how);
    } else if !how.eq_ignore_ascii_case(b"after") && !how.eq_ignore_ascii_case(b"interleaved") {
        return Err("dependency must be one of 'After', 'Before' or 'Interleaved'".into());
    }
    if weight.is_some_and(|weight| atoi(weight) < 1) {
        return Err("weight must be a number >= 1".into());
    }
    Ok(())
}
