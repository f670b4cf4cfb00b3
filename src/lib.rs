//! Katori.
