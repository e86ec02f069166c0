//! Values of expressions for a request.

use crate::config::Expression;
use crate::request::Request;
use bstr::BString;

/// The text of a string expression.
pub fn text(expression: &Expression, _: &Request) -> Result<BString, String> {
    Ok(expression.text.clone())
}

/// Whether a condition holds.
pub fn holds(expression: &Expression, _: &Request) -> Result<bool, String> {
    Err(format!("cannot evaluate {}", expression.text))
}
