//! risk
#![no_std]
