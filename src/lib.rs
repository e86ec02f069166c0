//! Pinion
