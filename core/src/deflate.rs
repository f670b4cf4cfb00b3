//! Deflate (RFC 1951) of bytes in memory. What it works in, a third of a megabyte, takes longer to make than most packs
//! take to go through it, so every thread keeps its own for the next call.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// How hard deflate tries: its middle. Harder gains a hundredth and takes three times as long.
const LEVEL: u32 = 6;

/// Room that is made at least when what comes out does not fit.
const ROOM: usize = 256;

thread_local! {
    static COMPRESS: RefCell<Compress> = RefCell::new(Compress::new(Compression::new(LEVEL), false));
    static DECOMPRESS: RefCell<Decompress> = RefCell::new(Decompress::new(false));
}

/// These bytes do not inflate, or something follows what does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Deflates all of `bytes`, behind what is there already.
pub(crate) fn append_deflated(bytes: &[u8], to: &mut Vec<u8>) {
    COMPRESS.with_borrow_mut(|compress| {
        compress.reset();
        let mut rest = bytes;
        loop {
            to.reserve(rest.len() / 2 + ROOM);
            let before = compress.total_in();
            let status = compress.compress_vec(rest, to, FlushCompress::Finish);
            let taken = usize::try_from(compress.total_in() - before).unwrap_or(rest.len());
            rest = rest.get(taken..).unwrap_or_default();
            // Where there is room to write to there is an end, and no error.
            if !matches!(status, Ok(Status::Ok | Status::BufError)) {
                return;
            }
        }
    });
}

/// Inflates all of `deflated`, or a little more than `limit` bytes of it. Memory follows what is there, never a claim.
pub(crate) fn inflate(deflated: &[u8], limit: usize) -> Result<Vec<u8>, Malformed> {
    DECOMPRESS.with_borrow_mut(|decompress| {
        decompress.reset(false);
        let mut inflated = Vec::new();
        let mut rest = deflated;
        loop {
            let (before, room) = (inflated.len(), inflated.len().max(2 * rest.len()) + ROOM);
            inflated.reserve(room.min(limit.saturating_add(1) - before));
            let taken_before = decompress.total_in();
            let status = decompress
                .decompress_vec(rest, &mut inflated, FlushDecompress::None)
                .map_err(|_| Malformed)?;
            let taken = usize::try_from(decompress.total_in() - taken_before).map_err(|_| Malformed)?;
            rest = rest.get(taken..).ok_or(Malformed)?;
            match status {
                _ if inflated.len() > limit => return Ok(inflated),
                Status::StreamEnd if rest.is_empty() => return Ok(inflated),
                Status::Ok | Status::BufError if taken > 0 || inflated.len() > before => {}
                Status::Ok | Status::BufError | Status::StreamEnd => return Err(Malformed),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut deflated = b"before".to_vec();
        append_deflated(bytes, &mut deflated);
        deflated.strip_prefix(b"before").unwrap().to_vec()
    }

    #[test]
    fn all_comes_back_whatever_its_size() {
        let mut state = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        })
        .take(300_000)
        .collect();
        let words = b"what compresses well ".repeat(20_000);
        for length in (0..600).chain([4_095, 4_096, 65_535, 65_536, 300_000]) {
            for bytes in [&noise[..length], &words[..length]] {
                assert_eq!(inflate(&deflate(bytes), length).as_deref(), Ok(bytes), "{length}");
            }
        }
        assert!(deflate(&words).len() < words.len() / 10);
    }

    #[test]
    fn no_more_is_inflated_than_allowed() {
        let bomb = deflate(&vec![0; 10_000_000]);
        assert!(bomb.len() < 20_000);
        assert_eq!(inflate(&bomb, 10_000_000).map(|bytes| bytes.len()), Ok(10_000_000));
        for limit in [0, 1, 1_000, 9_999_999] {
            let inflated = inflate(&bomb, limit).unwrap();
            assert!(inflated.len() > limit && inflated.capacity() <= 2 * limit + 2 * ROOM, "{limit}");
        }
    }

    #[test]
    fn nothing_may_follow_and_nothing_be_missing() {
        let mut good = deflate(b"a few words");
        for length in 0..good.len() {
            assert_eq!(inflate(&good[..length], 100), Err(Malformed), "{length}");
        }
        assert_eq!(
            inflate(&good, 100).as_deref(),
            Ok(&b"a few words"[..]),
            "a failure leaves nothing behind"
        );
        good.push(0);
        assert_eq!(inflate(&good, 100), Err(Malformed));
        assert_eq!(inflate(&[0xff; 40], 100), Err(Malformed));
    }
}
