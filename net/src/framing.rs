//! Frames on a stream: four bytes of length, the most significant first, then as many bytes.
//!
//! A length is only a claim: memory grows with the bytes that have come, never ahead of them.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a frame that has begun may make no progress.
pub(crate) const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How much room is made at a time for the bytes of a frame.
const STEP_BYTES: usize = 16 << 10;

/// Why no frame could be read.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    #[error("a frame of {found} bytes, where {limit} are allowed")]
    TooLarge { found: usize, limit: usize },
    #[error("a frame of no bytes")]
    Empty,
    #[error("the stream ended inside a frame")]
    Cut,
    #[error("a frame stopped coming half-way")]
    Stalled,
    #[error("{0}")]
    Lost(#[from] io::Error),
}

/// Reads the next frame; nothing if the stream ended where a frame would begin. Waits for its first byte for as
/// long as it takes.
///
/// # Cancel safety
/// None: a frame of which a part was read is lost.
pub(crate) async fn read_frame(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Option<Vec<u8>>, FrameError> {
    let mut header = [0; 4];
    let (first, rest) = header.split_at_mut(1);
    if stream.read(first).await? == 0 {
        return Ok(None);
    }
    match timeout(STALL_TIMEOUT, stream.read_exact(rest)).await {
        Err(_) => return Err(FrameError::Stalled),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(FrameError::Cut),
        Ok(result) => result?,
    };
    let length = u32::from_be_bytes(header) as usize;
    if length > limit {
        return Err(FrameError::TooLarge { found: length, limit });
    }
    if length == 0 {
        return Err(FrameError::Empty);
    }
    let mut frame = Vec::new();
    while frame.len() < length {
        let missing = length - frame.len();
        frame.reserve(missing.min(STEP_BYTES));
        let mut part = (&mut *stream).take(missing as u64);
        match timeout(STALL_TIMEOUT, part.read_buf(&mut frame)).await {
            Err(_) => return Err(FrameError::Stalled),
            Ok(Ok(0)) => return Err(FrameError::Cut),
            Ok(result) => result?,
        };
    }
    Ok(Some(frame))
}

/// Writes one frame.
pub(crate) async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(frame).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_as_they_were_sent() {
        let mut bytes = Vec::new();
        let large = vec![7; 100_000];
        write_frame(&mut bytes, b"one").await.unwrap();
        write_frame(&mut bytes, &large).await.unwrap();
        let mut stream = bytes.as_slice();
        assert_eq!(read_frame(&mut stream, 1 << 20).await.unwrap().unwrap(), b"one");
        assert_eq!(read_frame(&mut stream, 1 << 20).await.unwrap().unwrap(), large);
        assert!(read_frame(&mut stream, 1 << 20).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused() {
        let mut huge: &[u8] = &[0xff; 8];
        assert!(matches!(read_frame(&mut huge, 1 << 20).await, Err(FrameError::TooLarge { .. })));
        let mut empty: &[u8] = &[0; 4];
        assert!(matches!(read_frame(&mut empty, 1 << 20).await, Err(FrameError::Empty)));
        for cut in [&[0u8, 0][..], &[0, 0, 0, 9, 1, 2]] {
            let mut stream = cut;
            assert!(matches!(read_frame(&mut stream, 1 << 20).await, Err(FrameError::Cut)));
        }
    }
}
