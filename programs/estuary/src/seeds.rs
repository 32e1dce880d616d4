//! Seeds of the program-derived addresses. The client derives addresses from the same constants.

/// `["clearinghouse", id]`, the id as two little-endian bytes.
pub const CLEARINGHOUSE: &[u8] = b"clearinghouse";
/// `["bank", clearinghouse, mint]`.
pub const BANK: &[u8] = b"bank";
/// `["vault", bank]`, the token account that holds a bank's deposits.
pub const VAULT: &[u8] = b"vault";
/// `["market", clearinghouse, feed id]`.
pub const MARKET: &[u8] = b"market";
/// `["ledger", market]`.
pub const LEDGER: &[u8] = b"ledger";
/// `["margin", clearinghouse, owner, sub id]`, the sub id as two little-endian bytes.
pub const MARGIN: &[u8] = b"margin";
/// `["owner", clearinghouse, owner]`.
pub const OWNER: &[u8] = b"owner";
