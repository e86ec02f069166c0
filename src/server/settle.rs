//! From the handler's answer to a finished response: errors, ErrorDocument, output filters (`ap_die`).

use super::subrequest::KeptBody;
use super::{error_page, name, phases, redirect};
use crate::config::{ErrorAction, Expression};
use crate::log::Level;
use crate::module::Answer;
use crate::request::{Body, Method, Request, Status};
use bstr::{BStr, BString, ByteSlice};

/// Runs every phase of a freshly read request and leaves the finished response in it: status, fields, body behind its
/// filters. What the client sees of it is the protocol's business.
pub async fn handle(r: &mut Request) {
    if let Err(status) = super::vhost::choose(r) {
        return die(r, status).await;
    }
    let chains = super::chains();
    let answer = match phases::run_all(&chains.post_read_request, r).await {
        Answer::Ok => process(r).await,
        other => other,
    };
    settle(r, answer).await;
}

/// The phases behind `post_read_request`, up to the handler's answer.
pub(crate) async fn process(r: &mut Request) -> Answer {
    let chains = super::chains();
    match phases::run_first(&chains.quick_handler, r).await {
        Answer::Declined => {}
        other => return other,
    }
    match phases::prepare(r, false).await {
        Ok(()) => phases::invoke_handler(r).await,
        Err(answer) => answer,
    }
}

/// Left with a request by a filter that failed: the request is to be answered once more, as it is now.
pub struct Again;

/// Turns an answer into the finished response.
pub(crate) async fn settle(r: &mut Request, answer: Answer) {
    let failed = match answer {
        Answer::Ok | Answer::Done => match phases::apply_output_filters(r).err() {
            Some(_) if r.extensions.take::<Again>().is_some() => {
                let target = r.unparsed_uri.clone();
                match Box::pin(redirect::internal_redirect(r, &target)).await {
                    Answer::Status(status) => Some(status),
                    _ => None,
                }
            }
            failed => failed,
        },
        Answer::Declined => Some(Status::NOT_FOUND),
        Answer::Status(status) => Some(status),
    };
    if let Some(status) = failed {
        r.forget_handler_by_type();
        die(r, status).await;
    }
}

/// Ends a request with an error or redirect status: by its ErrorDocument or by our own page.
pub async fn die(r: &mut Request, status: Status) {
    let mut status = if (100..600).contains(&status.0) { status } else { Status::INTERNAL_SERVER_ERROR };
    let mut recursive = None;
    let mut action = None;
    if r.status != Status::OK || failing(r) {
        // An error while answering an error: report the first one, give up on anything clever. The request that failed
        // last stands in the log with its own status, and without the answer.
        if failing(r) {
            r.failed_document = Some((status, r.content_type.take()));
        }
        recursive = r.prev.as_ref().map(|prev| prev.status).filter(|_| r.status == Status::OK).or(Some(r.status));
        let earliest = first_failure(r);
        if earliest.status != Status::OK && !std::ptr::eq(earliest, r) {
            status = earliest.status;
            r.allowed = earliest.allowed;
        }
    } else {
        let documents = &r.dir.core().error_documents;
        action = documents.iter().rfind(|(code, _)| *code == status.0).map(|(_, action)| action.clone());
    }
    r.status = status;
    if status.drops_connection() {
        r.keep_alive = Some(false);
    }
    let target = match action {
        Some(ErrorAction::Url(target)) => Some(target),
        Some(ErrorAction::Target(expression)) => match evaluated(r, &expression) {
            None => evaluated(r, &expression),
            target => target,
        },
        Some(ErrorAction::Expression(expression)) => {
            // Apache looks at the text first for a URL, then for the page: a failure is logged twice.
            evaluated(r, &expression);
            None
        }
        _ => None,
    };
    match target {
        None => send(r, status, recursive),
        Some(target) if name::is_url(target.as_bstr()) => {
            r.status = Status::FOUND;
            r.headers_out.set("Location", &target);
            send(r, Status::FOUND, recursive);
        }
        Some(target) if target.starts_with(b"/") => by_document(r, target.as_bstr()).await,
        Some(target) => {
            r.log(Level::Error, "core", format_args!("AH00077: Invalid error redirection directive: {target}"));
            send(r, status, Some(Status::INTERNAL_SERVER_ERROR));
        }
    }
}

/// The value of an ErrorDocument's expression.
fn evaluated(r: &mut Request, expression: &Expression) -> Option<BString> {
    let value = super::expression::text(expression, r);
    if let Err(error) = &value {
        let text = format_args!("AH02841: core: ErrorDocument: can't evaluate require expression: {error}");
        r.log(Level::Error, "core", text);
    }
    value.ok()
}

/// Whether an earlier request of the chain already ended in an error.
fn failing(r: &Request) -> bool {
    r.prev.as_ref().is_some_and(|prev| prev.status != Status::OK)
}

/// The request that failed first, of those that led here.
fn first_failure(r: &Request) -> &Request {
    let mut earliest = r;
    while let Some(prev) = earliest.prev.as_deref().filter(|prev| prev.status != Status::OK) {
        earliest = prev;
    }
    earliest
}

/// An answer that was sent in place of a document that failed too is the first failure's: logs tell it there.
pub(crate) fn attribute_answer(r: &mut Request) {
    let Some((status, kind)) = r.failed_document.take() else { return };
    r.status = status;
    let sent_kind = std::mem::replace(&mut r.content_type, kind);
    let sent = std::mem::take(&mut r.bytes_sent);
    let fields = (std::mem::take(&mut r.headers_out), std::mem::take(&mut r.err_headers_out));
    let mut earliest = r;
    while earliest.prev.as_ref().is_some_and(|prev| prev.status != Status::OK) {
        let Some(prev) = earliest.prev.as_deref_mut() else { return };
        earliest = prev;
    }
    (earliest.bytes_sent, earliest.content_type) = (sent, sent_kind);
    (earliest.headers_out, earliest.err_headers_out) = fields;
}

/// Answers by a document of this server, keeping the status.
async fn by_document(r: &mut Request, target: &BStr) {
    let status = r.status;
    r.no_local_copy = true;
    r.env.set("REQUEST_METHOD", r.method.name.clone());
    if let Some(notes) = r.notes.get("error-notes").map(BString::from) {
        r.env.set("ERROR_NOTES", notes);
    }
    r.body_out = Body::Empty;
    // What came with the request that failed is not for the document.
    r.body_in = Body::Empty;
    r.input_filters.clear();
    r.extensions.take::<KeptBody>();
    if let Err(limit) = redirect::begin(r, target) {
        return send(r, status, Some(limit));
    }
    r.method = Method::parse(b"GET");
    let chains = super::chains();
    let answer = match Box::pin(phases::run_all(&chains.post_read_request, r)).await {
        Answer::Ok => Box::pin(process(r)).await,
        other => other,
    };
    match answer {
        Answer::Ok | Answer::Done => {
            // The document keeps the error's status unless its handler chose another.
            if r.status == Status::OK {
                r.status = status;
            }
            if phases::apply_output_filters(r).is_err() {
                send(r, status, Some(Status::INTERNAL_SERVER_ERROR));
            }
        }
        Answer::Declined => Box::pin(die(r, Status::NOT_FOUND)).await,
        Answer::Status(other) => Box::pin(die(r, other)).await,
    }
}

/// The text that ErrorDocument gives for the status that goes out in the end, or our own page; always our own after an
/// ErrorDocument that failed.
fn send(r: &mut Request, status: Status, recursive: Option<Status>) {
    let documents = &r.dir.core().error_documents;
    let document = documents.iter().rfind(|(code, _)| recursive.is_none() && *code == status.0);
    let text = match document.map(|(_, action)| action.clone()) {
        Some(ErrorAction::Text(text)) => Some(text),
        Some(ErrorAction::Expression(expression)) => {
            error_page::set_type(r);
            evaluated(r, &expression)
        }
        _ => None,
    };
    error_page::respond(r, status, recursive, text);
    // Of the filters only those for errors see the page.
    r.output_filters.clear();
    phases::insert_error_filters(r);
    // A filter that fails here has no other answer to fall back on.
    if phases::apply_output_filters(r).is_err() {
        r.body_out = Body::Empty;
    }
}
