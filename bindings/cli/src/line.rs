//! One JSON value a line, each of bounded length.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Reads a value, or nothing at the end. A line over the limit is refused as soon as the limit is passed.
pub(crate) async fn read_line<T: DeserializeOwned>(
    reader: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let mut bounded = reader.take(limit as u64);
    bounded.read_until(b'\n', &mut line).await?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(b'\n') {
        let what = if line.len() + 1 >= limit { "a line is too long" } else { "a line was cut short" };
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    serde_json::from_slice(&line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Writes a value.
pub(crate) async fn write_line<T: Serialize>(
    writer: &mut (impl AsyncWrite + Unpin),
    value: &T,
    limit: usize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    if line.len() > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the answer is too long"));
    }
    writer.write_all(&line).await?;
    writer.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8], limit: usize) -> io::Result<Option<Vec<u32>>> {
        read_line(&mut io::Cursor::new(bytes), limit).await
    }

    #[tokio::test]
    async fn values_come_back() {
        let mut bytes = Vec::new();
        write_line(&mut bytes, &vec![1, 2], 100).await.unwrap();
        assert_eq!(bytes, b"[1,2]\n");
        assert_eq!(read(&bytes, 100).await.unwrap(), Some(vec![1, 2]));
        assert_eq!(read(b"", 100).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_is_long_cut_or_nonsense_is_refused() {
        for (bytes, limit) in [(&b"[1,2]\n"[..], 5), (b"[1,2]", 100), (b"nonsense\n", 100), (b"\n", 100)] {
            let error = read(bytes, limit).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{bytes:?}");
        }
        assert!(write_line(&mut Vec::new(), &vec![1; 100], 100).await.is_err());
    }
}
