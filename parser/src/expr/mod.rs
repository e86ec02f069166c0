//! The expression language `ap_expr`: conditions (`<If>`, `Require expr`) and strings (`Header set X "expr=…"`).
//!
//! Manual: "Expressions in Apache HTTP Server". Which variables, functions and operators exist is the caller's
//! business: `check` is called with each [`Use`] as soon as it is complete and answers with an error text where it does
//! not know the name. Errors read as httpd's do, down to the token names of its generated parser.
//!
//! ```
//! use httpd_conf::expr::{ConditionKind, Part, Use, parse_condition};
//!
//! let condition = parse_condition(b"%{HTTP_HOST} == 'example.org' && -f '/x'", |_| Ok(())).unwrap();
//! let ConditionKind::And(both) = condition.kind else { unreachable!() };
//! let ConditionKind::Text { left, .. } = &both[0].kind else { unreachable!() };
//! assert!(matches!(&left.parts[0], Part::Variable { name, .. } if name == "HTTP_HOST"));
//!
//! let unknown = |used: Use<'_>| match used {
//!     Use::Variable(name) if name != "HTTP_HOST" => Err(used.does_not_exist()),
//!     _ => Ok(()),
//! };
//! let error = parse_condition(b"%{FOO} ==", unknown).unwrap_err();
//! assert_eq!(error.to_string(), "syntax error, unexpected $end: Variable 'FOO' does not exist");
//! ```

mod ast;
mod lexer;
mod parser;

pub use ast::{Comparison, Condition, ConditionKind, List, Part, Regex, Use, Word};
pub use parser::{MAX_DEPTH, ParseError, parse_condition, parse_string};

#[cfg(test)]
mod tests;
