//! Points and the figures that they may lie in.

use bstr::ByteSlice;

/// Most corners of a polygon.
const CORNERS: usize = 100;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Point {
    pub x: f64,
    pub y: f64,
}

/// The number at the front of a text, and what follows.
fn number(text: &[u8]) -> Option<(f64, &[u8])> {
    let text = text.trim_ascii_start();
    let digits = text.iter().position(|byte| !(byte.is_ascii_digit() || b"+-.".contains(byte)));
    let (number, rest) = text.split_at(digits.unwrap_or(text.len()));
    Some((number.to_str().ok()?.parse().ok()?, rest))
}

/// The coordinates of a query `x,y`. None: there are none, or they are those of a browser that has no pointer, `0,0`.
pub(super) fn asked(args: Option<&[u8]>) -> Option<Point> {
    let args = args?;
    let from = |text: &[u8]| {
        let at = text.iter().position(u8::is_ascii_digit)?;
        number(text.get(at..)?).map(|(number, _)| number)
    };
    let (first, second) = args.split_once_str(",")?;
    Some(Point { x: from(first)?, y: from(second)? }).filter(|point| point.x != 0.0 || point.y != 0.0)
}

/// The points at the front of `rest`, which is cut behind them.
pub(super) fn points(rest: &mut &[u8]) -> Vec<Point> {
    let mut points = Vec::new();
    while points.len() < CORNERS {
        let Some((x, behind)) = number(rest) else { break };
        let gap = behind.iter().take_while(|byte| matches!(byte, b',' | b' ')).count();
        let Some((y, behind)) = behind.get(gap..).filter(|_| gap > 0).and_then(number) else { break };
        points.push(Point { x, y });
        *rest = behind;
    }
    points
}

pub(super) fn square_distance(one: Point, other: Point) -> f64 {
    (one.x - other.x).powi(2) + (one.y - other.y).powi(2)
}

/// Two opposite corners; the border is inside.
pub(super) fn in_rectangle(point: Point, corners: &[Point]) -> bool {
    let [a, b, ..] = corners else { return false };
    let between = |value: f64, a: f64, b: f64| value >= a.min(b) && value <= a.max(b);
    between(point.x, a.x, b.x) && between(point.y, a.y, b.y)
}

/// The centre and a point of the circle.
pub(super) fn in_circle(point: Point, points: &[Point]) -> bool {
    let [centre, edge, ..] = points else { return false };
    square_distance(*centre, point) <= square_distance(*centre, *edge)
}

/// By the number of sides that a ray from the point crosses; the border is inside.
pub(super) fn in_polygon(point: Point, corners: &[Point]) -> bool {
    let sides = || corners.iter().zip(corners.iter().cycle().skip(1)).take(corners.len());
    let on = |(a, b): (&Point, &Point)| {
        let across = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
        across == 0.0 && in_rectangle(point, &[*a, *b])
    };
    let crossed = |(a, b): &(&Point, &Point)| {
        (a.y >= point.y) != (b.y >= point.y) && a.x + (point.y - a.y) * (b.x - a.x) / (b.y - a.y) > point.x
    };
    corners.len() > 2 && (sides().any(on) || sides().filter(crossed).count() % 2 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures() {
        let at = |x, y| Point { x, y };
        let square = [at(0.0, 0.0), at(0.0, 10.0), at(10.0, 10.0), at(10.0, 0.0)];
        assert!(in_polygon(at(5.0, 5.0), &square));
        assert!(!in_polygon(at(15.0, 5.0), &square));
        assert!(in_rectangle(at(0.0, 10.0), &[at(10.0, 10.0), at(0.0, 0.0)]));
        assert!(in_circle(at(3.0, 4.0), &[at(0.0, 0.0), at(5.0, 0.0)]));
        assert!(!in_circle(at(4.0, 4.0), &[at(0.0, 0.0), at(5.0, 0.0)]));
    }

    #[test]
    fn coordinates() {
        let mut rest = &b"1,2 3, 4 \"title\""[..];
        assert_eq!(points(&mut rest), [Point { x: 1.0, y: 2.0 }, Point { x: 3.0, y: 4.0 }]);
        assert_eq!(rest, b" \"title\"");
        assert_eq!(asked(Some(b"x=12,y=3.5")), Some(Point { x: 12.0, y: 3.5 }));
        assert_eq!(asked(Some(b"0,0")), None);
        assert_eq!(asked(Some(b"7")), None);
    }
}
