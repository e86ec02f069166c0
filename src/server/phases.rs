//! The phases of a request, in Apache's order, from the URL to the handler's answer.
//!
//! Source: "Request Processing in the Apache HTTP Server 2.x" (developer/request.html) and the order of hooks that the
//! real server shows at trace level.

use super::{chains, uri, walk};
use crate::config::Dir;
use crate::log::{Level, raw};
use crate::module::{Answer, Hook, Satisfaction};
use crate::request::{Body, FileKind, FilterInstance, FilterKind, Request, Status};

/// Runs hooks until one does not decline.
pub(super) async fn run_first(hooks: &'static [Hook], r: &mut Request) -> Answer {
    for hook in hooks {
        let answer = match hook {
            Hook::Now(run) => run(r),
            Hook::Later(run) => run(r).await,
        };
        if answer != Answer::Declined {
            return answer;
        }
    }
    Answer::Declined
}

/// Runs all hooks until one answers neither Ok nor Declined.
pub(super) async fn run_all(hooks: &'static [Hook], r: &mut Request) -> Answer {
    for hook in hooks {
        let answer = match hook {
            Hook::Now(run) => run(r),
            Hook::Later(run) => run(r).await,
        };
        if !matches!(answer, Answer::Ok | Answer::Declined) {
            return answer;
        }
    }
    Answer::Ok
}

/// Turns a phase's refusal to decide into an error.
fn decided(answer: Answer, phase: &str, r: &Request) -> Result<(), Answer> {
    match answer {
        Answer::Ok => Ok(()),
        Answer::Declined => {
            r.log(
                Level::Crit,
                "core",
                format_args!("AH00025: configuration error:  couldn't {phase}: {}", raw(&r.uri)),
            );
            Err(Answer::Status(Status::INTERNAL_SERVER_ERROR))
        }
        other => {
            r.log(Level::Trace3, "core", format_args!("auth phase '{phase}' gave status {other:?}: {}", raw(&r.uri)));
            Err(other)
        }
    }
}

fn status(result: Result<(), Status>) -> Result<(), Answer> {
    result.map_err(Answer::Status)
}

fn proceed(answer: Answer) -> Result<(), Answer> {
    match answer {
        Answer::Ok | Answer::Declined => Ok(()),
        other => Err(other),
    }
}

/// Everything up to the handler: mapping, access, types, fixups (`ap_process_request_internal`).
/// `by_file` is true for a subrequest whose file name is already known.
pub(super) async fn prepare(r: &mut Request, by_file: bool) -> Result<(), Answer> {
    let chains = chains();
    if !by_file && (!r.proxy_request || r.uri.starts_with(b"/")) {
        status(uri::normalize(r))?;
    }
    if !by_file {
        status(walk::location_walk(r))?;
        status(walk::if_walk(r))?;
        let early = run_first(&chains.pre_translate_name, r).await;
        let mapped = early == Answer::Done;
        if !mapped {
            proceed(early)?;
        }
        // What held for the path as it came holds no longer.
        r.dir = walk::defaults(r);
        if !mapped && !r.proxy_request {
            status(uri::decode(r))?;
        }
        status(walk::location_walk(r))?;
        status(walk::if_walk(r))?;
        if !mapped {
            let answer = run_first(&chains.translate_name, r).await;
            decided(answer, "translate", r)?;
        }
    }
    // What the location said up to here was for mapping; now everything is merged anew around the mapped file.
    r.dir = walk::defaults(r);
    let answer = run_first(&chains.map_to_storage, r).await;
    proceed(answer)?;
    status(walk::location_walk(r))?;
    status(walk::if_walk(r))?;
    if r.main.is_none() {
        let answer = run_all(&chains.header_parser, r).await;
        proceed(answer)?;
    }
    if !inherits_access(r) {
        authorize(r).await?;
    }
    let answer = run_first(&chains.type_checker, r).await;
    proceed(answer)?;
    let answer = run_all(&chains.fixups, r).await;
    proceed(answer)
}

/// Whether an earlier request of the same chain was let in under the very same settings; takes its user over.
fn inherits_access(r: &mut Request) -> bool {
    let same = |dir: &Dir, other: u64| dir.id == other;
    if let Some(prev) = r.prev.as_ref().filter(|prev| same(&r.dir, prev.dir.id)) {
        (r.user, r.auth_type) = (prev.user.clone(), prev.auth_type.clone());
        return true;
    }
    if let Some(main) = r.main.as_ref().filter(|main| same(&r.dir, main.dir_id)) {
        (r.user, r.auth_type) = (main.user.clone(), main.auth_type.clone());
        return true;
    }
    false
}

/// Access by address, then by user, combined as Satisfy has it.
async fn authorize(r: &mut Request) -> Result<(), Answer> {
    let chains = chains();
    let any = super::runtime::satisfy().is_some_and(|satisfy| satisfy.satisfaction(r) == Satisfaction::Any);
    let by_address = run_all(&chains.access_checker, r).await;
    if any && by_address == Answer::Ok {
        return Ok(());
    }
    if !any {
        decided(by_address, "check access (with Satisfy All)", r)?;
    }
    match run_first(&chains.access_checker_ex, r).await {
        Answer::Ok => return Ok(()),
        Answer::Declined => {}
        other => return decided(other, "check access", r),
    }
    let answer = run_first(&chains.check_user_id, r).await;
    decided(answer, "check user.  No user file?", r)?;
    if r.user.is_none() {
        let number = if any { "AH00028" } else { "AH00027" };
        let text = format_args!(
            "{number}: No authentication done but request not allowed without authentication for {}. \
             Authentication not configured?",
            raw(&r.uri)
        );
        r.log(Level::Error, "core", text);
        return Err(Answer::Status(Status::INTERNAL_SERVER_ERROR));
    }
    let answer = run_first(&chains.auth_checker, r).await;
    decided(answer, "check authorization.  No authz provider?", r)
}

/// Lets modules add filters to a response that has no handler of its own (a stored one).
pub async fn insert_filters(r: &mut Request) {
    run_all(&chains().insert_filter, r).await;
}

/// Chooses and runs the handler (`ap_invoke_handler`). Without one of its own the request has that of its type for as
/// long as the response is made, filters included.
pub(super) async fn invoke_handler(r: &mut Request) -> Answer {
    let chains = chains();
    run_all(&chains.insert_filter, r).await;
    if r.handler.is_none() {
        r.handler_by_type = true;
        let media = r.content_type.as_ref().map(|kind| kind.split(|byte| *byte == b';').next().unwrap_or_default());
        let from_type = media.filter(|media| !media.is_empty()).map(|media| media.trim_ascii_end().into());
        r.handler = Some(from_type.unwrap_or_else(|| "default-handler".into()));
    }
    let answer = run_first(&chains.handler, r).await;
    let answered = matches!(answer, Answer::Ok | Answer::Done);
    if !answered || r.content_type.is_none() {
        r.forget_handler_by_type();
    }
    if answered {
        return answer;
    }
    if answer == Answer::Declined {
        let handler = r.handler.as_ref().filter(|handler| *handler != "default-handler");
        if let Some(handler) = handler.filter(|_| r.finfo.kind != FileKind::None) {
            let text = format_args!("AH01106: handler \"{handler}\" not found for: {}", raw(&r.filename));
            r.log(Level::Warn, "core", text);
        }
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    }
    answer
}

/// Lets modules add filters to an error page. None of them waits.
pub fn insert_error_filters(r: &mut Request) {
    for hook in &chains().insert_error_filter {
        if let Hook::Now(run) = hook {
            run(r);
        }
    }
}

/// Wraps the response body into the filters of the chain, innermost kind first, in the order of insertion.
pub(super) fn apply_output_filters(r: &mut Request) -> Result<(), Status> {
    if r.output_filters.is_empty() {
        return Ok(());
    }
    let mut filters = std::mem::take(&mut r.output_filters);
    filters.sort_by_key(|instance| instance.filter.kind);
    let first = filters.partition_point(|instance| instance.filter.kind < FilterKind::Network);
    r.output_filters = filters.split_off(first);
    wrap(r, &filters)
}

/// Wraps what is left of the response once ranges are cut into the filters that see it as it goes out.
pub fn apply_network_filters(r: &mut Request) -> Result<(), Status> {
    if r.output_filters.is_empty() {
        return Ok(());
    }
    let filters = std::mem::take(&mut r.output_filters);
    wrap(r, &filters)
}

fn wrap(r: &mut Request, filters: &[FilterInstance]) -> Result<(), Status> {
    for instance in filters {
        let body: Body = std::mem::take(&mut r.body_out);
        r.body_out = (instance.filter.wrap)(r, body, &instance.context)?;
    }
    Ok(())
}
