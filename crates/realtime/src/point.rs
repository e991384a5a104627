//! A point of the curve by its two coordinates, and the sum of two such points: cheap, where the slope through them is known.
//!
//! A slope is a quotient. One inversion costs as much as two hundred products, and many of them together cost three products
//! each, so whoever adds points adds many ([`Buckets`](crate::buckets::Buckets)). What `k256` offers carries a denominator along
//! instead, for twice the products.
//!
//! `k256` leaves a field element unreduced until it is told otherwise: a product takes factors of magnitude 8 at most and is of
//! magnitude 1, a sum has the sum of both, and a negation one more. Coordinates kept here are of magnitude 1.

use k256::elliptic_curve::hazmat::FieldArithmetic;
use k256::elliptic_curve::point::AffineCoordinates as _;
use k256::{AffinePoint, FieldBytes, Secp256k1};

/// A coordinate.
pub(crate) type Field = <Secp256k1 as FieldArithmetic>::FieldElement;

/// A point of the curve, never the one at infinity. No secret: additions take a time that depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    x: Field,
    y: Field,
}

impl Point {
    /// The point with these coordinates; `None` when one is no number below the prime. That both are on the curve is for the
    /// caller to know.
    pub(crate) fn new(x: [u8; 32], y: [u8; 32]) -> Option<Self> {
        let coordinate = |bytes: [u8; 32]| Option::from(Field::from_bytes(&FieldBytes::from(bytes)));
        Some(Self {
            x: coordinate(x)?,
            y: coordinate(y)?,
        })
    }

    /// The same for `k256`; `None` when it is not on the curve. A third of a microsecond.
    pub(crate) fn to_affine(self) -> Option<AffinePoint> {
        AffinePoint::from_coordinates(&self.x.to_bytes(), &self.y.to_bytes()).into()
    }

    pub(crate) fn negated(&self) -> Self {
        Self {
            x: self.x,
            y: self.y.negate(1).normalize_weak(),
        }
    }

    /// The denominator of the slope of the line through both points, or of the tangent where they are the same; `None` when
    /// their sum is the point at infinity. No point of this curve has a `y` of zero, so it is never zero.
    pub(crate) fn run(&self, other: &Self) -> Option<Field> {
        let run = other.x + self.x.negate(1);
        if !bool::from(run.normalizes_to_zero()) {
            return Some(run);
        }
        let opposite = bool::from((self.y + other.y).normalizes_to_zero());
        (!opposite).then(|| self.y.double())
    }

    /// The sum of both, where the inverse of their [`Self::run`] is known.
    pub(crate) fn plus(&self, other: &Self, inverse: &Field) -> Self {
        let run = other.x + self.x.negate(1);
        let rise = if bool::from(run.normalizes_to_zero()) {
            self.x.square().mul_single(3)
        } else {
            other.y + self.y.negate(1)
        };
        let slope = rise * inverse;
        let x = (slope.square() + self.x.negate(1) + other.x.negate(1)).normalize_weak();
        let y = (slope * (self.x + x.negate(1)) + self.y.negate(1)).normalize_weak();
        Self { x, y }
    }
}
