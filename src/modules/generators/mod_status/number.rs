//! Numbers as the status page writes them.

/// `%g` as APR prints it: up to `digits` significant digits, no trailing zeros, no zero before the point.
pub(super) fn g(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return "0".to_owned();
    }
    let scientific = format!("{:.*e}", digits.saturating_sub(1), value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let all: String = mantissa.chars().filter(|digit| *digit != '.').collect();
    let all = all.trim_end_matches('0');
    // Position of the decimal point behind the first digit of `all`.
    let point = exponent + 1;
    let sign = if value < 0.0 { "-" } else { "" };
    if point < -3 || point > digits as i32 {
        let (first, rest) = all.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{dot}{rest}e{mark}{:02}", exponent.abs());
    }
    if point <= 0 {
        return format!("{sign}.{}{all}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    if all.len() <= point {
        return format!("{sign}{all}{}", "0".repeat(point - all.len()));
    }
    let (whole, fraction) = all.split_at(point);
    format!("{sign}{whole}.{fraction}")
}

const KILO: f64 = 1024.0;

/// A rate or size in octets.
pub(super) fn bytes(value: f64) -> String {
    if value < 5.0 * KILO {
        format!("{} B", value as u64)
    } else if value < 5.0 * KILO * KILO {
        format!("{:.1} kB", value / KILO)
    } else if value < 5.0 * KILO * KILO * KILO {
        format!("{:.1} MB", value / KILO / KILO)
    } else {
        format!("{:.1} GB", value / KILO / KILO / KILO)
    }
}

/// A size in kilobytes.
pub(super) fn kilobytes(value: u64) -> String {
    if value < 1024 {
        format!("{value} kB")
    } else if value < 1024 * 1024 {
        format!("{:.1} MB", value as f64 / KILO)
    } else {
        format!("{:.1} GB", value as f64 / KILO / KILO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_apr_prints_them() {
        for (value, digits, text) in [
            (0.0, 6, "0"),
            (1.0 / 3.0, 6, ".333333"),
            (1024.0, 6, "1024"),
            (2_389.333_3, 6, "2389.33"),
            (0.012, 6, ".012"),
            (0.00001, 6, "1e-05"),
            (1_234_567.0, 6, "1.23457e+06"),
            (99.96, 3, "100"),
            (12.0, 6, "12"),
        ] {
            assert_eq!(g(value, digits), text);
        }
    }
}
