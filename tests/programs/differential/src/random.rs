//! Inputs from a seed, biased towards the edges, and a digest of outputs.

/// SplitMix64: small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for case `case` of family `family`; neighbouring cases are unrelated.
    pub fn new(family: u64, case: u64) -> Self {
        let mut random = Self(case ^ family.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        random.word();
        Self(random.word())
    }

    /// Uniform 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform below `end`, which is not zero (the slight bias does not matter here).
    pub fn below(&mut self, end: u64) -> u64 {
        self.word() % end
    }

    /// A `u64` of random width: zero, one, powers of two and their neighbours, and the largest come up often.
    pub fn u64(&mut self) -> u64 {
        let shape = self.word();
        let width = (shape >> 8) as u32 & 63;
        let body = self.word();
        match shape & 7 {
            0 => 1u64 << width,
            1 => (1u64 << width).wrapping_sub(1),
            2 => !0u64 << width,
            3 => body & 0xFF,
            4 => body,
            _ => body >> width,
        }
    }

    /// An `i64`, either sign, biased like [`Self::u64`].
    pub fn i64(&mut self) -> i64 {
        let value = self.u64() as i64;
        if self.word() & 1 == 0 {
            value
        } else {
            value.wrapping_neg()
        }
    }

    /// A `u128` whose two words are each biased.
    pub fn u128(&mut self) -> u128 {
        let high = if self.word() & 1 == 0 { 0 } else { self.u64() };
        u128::from(high) << 64 | u128::from(self.u64())
    }

    /// An `i128`, either sign, biased like [`Self::u128`].
    pub fn i128(&mut self) -> i128 {
        let value = self.u128() as i128;
        if self.word() & 1 == 0 {
            value
        } else {
            value.wrapping_neg()
        }
    }
}

/// Folds outputs into 64 bits so that one differing bit changes the result.
#[derive(Clone, Debug)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0x243F_6A88_85A3_08D3)
    }
}

impl Digest {
    /// Adds a word.
    pub fn u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9FB2_1C65_1E98_DF25);
        self.0 = mixed ^ (mixed >> 29);
    }

    /// Adds a signed word.
    pub fn i64(&mut self, value: i64) {
        self.u64(value as u64);
    }

    /// Adds two words.
    pub fn u128(&mut self, value: u128) {
        self.u64(value as u64);
        self.u64((value >> 64) as u64);
    }

    /// Adds two words.
    pub fn i128(&mut self, value: i128) {
        self.u128(value as u128);
    }

    /// Adds a yes or no.
    pub fn bool(&mut self, value: bool) {
        self.u64(u64::from(value));
    }

    /// Adds an optional word; `None` differs from every `Some`.
    pub fn option(&mut self, value: Option<u64>) {
        self.bool(value.is_some());
        self.u64(value.unwrap_or_default());
    }

    /// Adds an optional double word; `None` differs from every `Some`.
    pub fn wide_option(&mut self, value: Option<u128>) {
        self.bool(value.is_some());
        self.u128(value.unwrap_or_default());
    }

    /// Adds bytes and their number.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u64(bytes.len() as u64);
        for byte in bytes {
            self.u64(u64::from(*byte));
        }
    }

    /// The digest so far.
    pub fn finish(&self) -> u64 {
        self.0
    }
}
