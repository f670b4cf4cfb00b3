//! What nobody can be faster than here and now: the wire, the disk, Automerge and the signatures, each by itself.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use automerge::transaction::Transactable;
use automerge::{Automerge, AutomergeError, ROOT, ReadDoc};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use iroh::endpoint::presets;
use iroh::{Endpoint, RelayMode, TransportAddr};
use redb::{Database, TableDefinition};
use tokio::time::sleep_until;

use crate::protocol::{TEXT, key};

const PROTOCOL: &[u8] = b"katori-bench/ping";
/// About what one edit leaves in a store: a change and a signature over it.
const COMMIT_BYTES: usize = 400;
/// Records that come with a document: the one it begins with, and one by which its writer stands behind its content.
const RECORDS: u64 = 2;
/// About the bytes of a record.
const RECORD_BYTES: usize = 200;
/// About the bytes of a small document.
const DOCUMENT_BYTES: usize = 400;
const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");

/// How long so many edits take at the least, each so much time after the one before: a byte to another iroh endpoint over
/// loopback, and two commits, one after the other. Processors that have nothing to do fall asleep, and waking them takes
/// longer than the byte, so this depends on the pause as much as everything else does. Sorted.
pub(crate) async fn edits(folder: &Path, count: u64, pause: Duration) -> Result<Vec<Duration>> {
    let (pings, commits) = (pings(count, pause).await?, commits(folder, 2 * count, pause).await?);
    let (pairs, _) = commits.as_chunks();
    let mut edits: Vec<Duration> =
        pings.iter().zip(pairs).map(|(ping, [here, there])| *ping / 2 + *here + *there).collect();
    edits.sort_unstable();
    Ok(edits)
}

/// In which time a byte goes to another endpoint and back.
async fn pings(count: u64, pause: Duration) -> Result<Vec<Duration>> {
    let endpoint = || {
        let builder = Endpoint::builder(presets::Minimal).relay_mode(RelayMode::Disabled);
        builder.alpns(vec![PROTOCOL.to_vec()]).clear_ip_transports().bind_addr("127.0.0.1:0")
    };
    let (here, there) = (endpoint()?.bind().await?, endpoint()?.bind().await?);
    let address = there.bound_sockets().into_iter().map(TransportAddr::Ip);
    let address = iroh::EndpointAddr::from_parts(there.id(), address);
    let echo = tokio::spawn(async move {
        let connection = there.accept().await.context("a connection")?.await?;
        let (mut send, mut receive) = connection.accept_bi().await?;
        let mut byte = [0];
        while receive.read_exact(&mut byte).await.is_ok() {
            send.write_all(&byte).await?;
        }
        anyhow::Ok(())
    });
    let connection = here.connect(address, PROTOCOL).await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    let mut times = Vec::new();
    for _ in 0..count {
        sleep_until(tokio::time::Instant::now() + pause).await;
        let mut byte = [7];
        let started = Instant::now();
        send.write_all(&byte).await?;
        receive.read_exact(&mut byte).await?;
        times.push(started.elapsed());
    }
    send.finish()?;
    echo.await??;
    here.close().await;
    Ok(times)
}

/// In which time one small row is on the disk.
async fn commits(folder: &Path, count: u64, pause: Duration) -> Result<Vec<Duration>> {
    let database = Database::create(folder.join("limit-commit.redb"))?;
    let mut times = Vec::new();
    for number in 0..count {
        sleep_until(tokio::time::Instant::now() + pause).await;
        let started = Instant::now();
        let transaction = database.begin_write()?;
        let (key, value) = (number.to_be_bytes(), [7; COMMIT_BYTES]);
        transaction.open_table(ROWS)?.insert(key.as_slice(), value.as_slice())?;
        transaction.commit()?;
        times.push(started.elapsed());
    }
    Ok(times)
}

/// Writing so many small documents with their records in one commit, and checking every signature on all cores.
pub(crate) fn documents(folder: &Path, count: u64) -> Result<Duration> {
    let signing = SigningKey::from_bytes(&[7; 32]);
    let record = |number: u64| {
        let mut message = [0; RECORD_BYTES];
        message.iter_mut().zip(number.to_be_bytes()).for_each(|(to, from)| *to = from);
        (message, signing.sign(&message))
    };
    let records: Vec<([u8; RECORD_BYTES], Signature)> = (0..count * RECORDS).map(record).collect();
    let verifying = signing.verifying_key();
    let database = Database::create(folder.join(format!("limit-documents-{count}.redb")))?;

    let started = Instant::now();
    verify(&records, &verifying)?;
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ROWS)?;
        let per_document = usize::try_from(RECORDS)?;
        for (number, records) in records.chunks(per_document).enumerate() {
            let id = *blake3::hash(&number.to_be_bytes()).as_bytes();
            table.insert(id.as_slice(), [7; DOCUMENT_BYTES].as_slice())?;
            for (place, (message, _)) in records.iter().enumerate() {
                let key = [id.as_slice(), &place.to_be_bytes()].concat();
                table.insert(key.as_slice(), message.as_slice())?;
            }
        }
    }
    transaction.commit()?;
    Ok(started.elapsed())
}

fn verify(records: &[([u8; RECORD_BYTES], Signature)], key: &VerifyingKey) -> Result<()> {
    let cores = std::thread::available_parallelism()?.get();
    let check = |records: &[([u8; RECORD_BYTES], Signature)]| {
        records.iter().try_for_each(|(message, signature)| key.verify_strict(message, signature))
    };
    let all_good = std::thread::scope(|scope| {
        let parts = records.chunks(records.len().div_ceil(cores).max(1));
        let threads: Vec<_> = parts.map(|part| scope.spawn(move || check(part).is_ok())).collect();
        threads.into_iter().all(|thread| thread.join().unwrap_or(false))
    });
    anyhow::ensure!(all_good, "what was signed is verified");
    Ok(())
}

/// What Automerge alone takes for a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextAlone {
    pub(crate) load: Duration,
    pub(crate) save: Duration,
    pub(crate) save_bytes: usize,
    /// Taking in so many keys, each a change, in one call.
    pub(crate) apply_burst: Duration,
    /// Taking in one key.
    pub(crate) apply_one: Duration,
}

/// Measures Automerge alone on a text: the median of three.
pub(crate) fn text(bytes: &[u8], keys: u64) -> Result<TextAlone> {
    let (mut loads, mut saves, mut bursts, mut ones) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut save_bytes = 0;
    for _ in 0..3 {
        let (document, took) = timed(|| Automerge::load(bytes));
        let document = document?;
        loads.push(took);
        let (written, took) = timed(|| document.save());
        saves.push(took);
        save_bytes = written.len();
        for (count, times) in [(keys, &mut bursts), (1, &mut ones)] {
            let mut typist = document.fork();
            for n in 0..count {
                type_key(&mut typist, n)?;
            }
            let changes = typist.get_changes(&document.get_heads());
            let mut reader = document.clone();
            let (applied, took) = timed(|| reader.apply_changes(changes));
            applied?;
            times.push(took);
        }
    }
    let (load, save) = (median(loads), median(saves));
    Ok(TextAlone { load, save, save_bytes, apply_burst: median(bursts), apply_one: median(ones) })
}

fn type_key(document: &mut Automerge, n: u64) -> Result<()> {
    let (_, text) = document.get(ROOT, TEXT)?.context("the document has a text")?;
    let middle = document.length(&text) / 2;
    let typed = document.transact::<_, _, AutomergeError>(|edit| {
        edit.splice_text(&text, middle, 0, key(n).encode_utf8(&mut [0; 4]))
    });
    typed.map_err(|failure| failure.error)?;
    Ok(())
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let started = Instant::now();
    let result = black_box(work());
    (result, started.elapsed())
}

pub(crate) fn median<T: Ord + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
