//! Expressions of the configuration (ap_expr), compiled.

use super::Providers;
use bstr::{BStr, BString};

/// A compiled condition or string expression.
#[derive(Clone, Debug)]
pub struct Expression {
    pub text: BString,
}

/// What an expression may do where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// Operators and functions that look at the file system are refused (.htaccess, mod_include).
    pub restricted: bool,
    /// Reading a request header does not add it to Vary.
    pub no_vary: bool,
}

impl Rights {
    /// The same, and headers that are read stay out of Vary.
    pub fn without_vary(self) -> Rights {
        Rights { no_vary: true, ..self }
    }
}

impl Expression {
    /// Compiles a condition; the error's text is Apache's.
    pub fn condition(text: &BStr, _: Rights, _: &Providers) -> Result<Expression, String> {
        Ok(Expression { text: text.into() })
    }
    /// Compiles a string with `%{...}` in it; the error's text is Apache's.
    pub fn string(text: &BStr, _: Rights, _: &Providers) -> Result<Expression, String> {
        Ok(Expression { text: text.into() })
    }
}
