//! What this computer says of itself: the user, the host, the home directory.

use std::env;
use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};

/// Bytes of a name taken from the system: a host name is at most 64.
const MAX_NAME_BYTES: usize = 64;

/// `~/` at the beginning stands for the home directory.
pub(crate) fn expand_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), env::home_dir()) {
        (Ok(rest), Some(home)) => home.join(rest),
        (Ok(_) | Err(_), _) => path.to_owned(),
    }
}

/// Makes a directory and those above it, readable by its owner alone.
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The user.
pub(crate) fn person_name() -> String {
    first_name(["USER", "USERNAME", "LOGNAME"].map(|name| env::var(name).ok())).unwrap_or_else(|| "me".into())
}

/// The host.
pub(crate) fn device_name() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname");
    let written = || fs::read_to_string("/etc/hostname");
    first_name([kernel.or_else(|_| written()).ok(), env::var("HOSTNAME").ok(), env::var("COMPUTERNAME").ok()])
        .unwrap_or_else(|| "this device".into())
}

/// The first of these that can be a name: one line, not empty, not long.
fn first_name<const N: usize>(candidates: [Option<String>; N]) -> Option<String> {
    candidates
        .into_iter()
        .flatten()
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty() && name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tilde_at_the_beginning_is_the_home() {
        assert_eq!(expand_home(Path::new("/a/~/b")), Path::new("/a/~/b"));
        assert_eq!(expand_home(Path::new("~x/b")), Path::new("~x/b"));
        if let Some(home) = env::home_dir() {
            assert_eq!(expand_home(Path::new("~/b")), home.join("b"));
        }
    }

    #[test]
    fn a_name_is_one_short_line() {
        let names =
            [None, Some(" \n".into()), Some("a\nb".into()), Some("x".repeat(65)), Some(" box\n".into())];
        assert_eq!(first_name(names), Some("box".into()));
    }
}
