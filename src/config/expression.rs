//! Expressions of the configuration (ap_expr), compiled.

use bstr::BString;

/// A compiled condition or string expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub text: BString,
}
