//! Where a store lies: one folder, with the database and the hub's socket.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The variable that names the store's folder.
const VARIABLE: &str = "KATORI_STORE";
/// The folder in one's home, where nothing else is said.
const DEFAULT: &str = ".katori";
/// The longest path of a socket that every Unix takes: the smallest limit is 104 bytes with the end.
const MAX_SOCKET_PATH: usize = 100;

/// The folder of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDirectory(PathBuf);

impl StoreDirectory {
    /// The folder that was asked for, or `$KATORI_STORE`, or `~/.katori`.
    pub fn find(asked: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = asked {
            return Self::at(path);
        }
        if let Some(path) = std::env::var_os(VARIABLE).filter(|path| !path.is_empty()) {
            return Self::at(Path::new(&path));
        }
        let home = std::env::home_dir().ok_or_else(|| {
            Failure::usage(format!("there is no home folder; name a folder with --store or ${VARIABLE}"))
        })?;
        Self::at(&home.join(DEFAULT))
    }

    /// This folder.
    pub fn at(path: &Path) -> Result<Self, Failure> {
        std::path::absolute(path).map(Self).map_err(|error| Failure::file(path, &error))
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder, closed to others, unless it is there.
    pub fn create(&self) -> Result<(), Failure> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.0).map_err(|error| {
            Failure::store(format!("the store's folder {} cannot be made: {error}", self.0.display()))
        })
    }

    /// Where the hub's socket is, if a hub may be running.
    #[must_use]
    pub fn socket(&self) -> Option<PathBuf> {
        let near = self.0.join("hub.sock");
        if near.as_os_str().len() <= MAX_SOCKET_PATH {
            return Some(near);
        }
        let noted = fs::read_to_string(self.elsewhere()).ok()?;
        Some(PathBuf::from(noted.trim_end()))
    }

    /// Chooses where the hub's socket goes. In a folder with a long path that is a new private folder for
    /// temporary files, noted in a file here, which nobody else can write.
    pub(crate) fn place_socket(&self) -> io::Result<PathBuf> {
        let near = self.0.join("hub.sock");
        if near.as_os_str().len() <= MAX_SOCKET_PATH {
            return Ok(near);
        }
        let place = tempfile::Builder::new().prefix("katori-").tempdir()?.keep().join("hub.sock");
        let mut note = tempfile::NamedTempFile::new_in(&self.0)?;
        writeln!(note, "{}", place.display())?;
        note.persist(self.elsewhere())?;
        Ok(place)
    }

    /// Removes what [`Self::place_socket`] left, once no hub listens there.
    pub(crate) fn remove_socket(&self) {
        let Some(socket) = self.socket() else { return };
        // What is gone already is as good as removed.
        let _ = fs::remove_file(&socket);
        if fs::remove_file(self.elsewhere()).is_ok()
            && let Some(folder) = socket.parent()
        {
            let _ = fs::remove_dir(folder);
        }
    }

    fn elsewhere(&self) -> PathBuf {
        self.0.join("hub.at")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_lies_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreDirectory::at(folder.path()).unwrap();
        assert_eq!(store.place_socket().unwrap(), folder.path().join("hub.sock"));
        assert_eq!(store.socket(), Some(folder.path().join("hub.sock")));
    }

    #[test]
    fn a_long_path_puts_the_socket_elsewhere_and_everybody_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = StoreDirectory::at(&folder.path().join("long".repeat(30))).unwrap();
        store.create().unwrap();
        assert_eq!(store.socket(), None);
        let socket = store.place_socket().unwrap();
        assert!(socket.as_os_str().len() <= MAX_SOCKET_PATH, "{}", socket.display());
        assert_eq!(store.socket().as_ref(), Some(&socket));
        store.remove_socket();
        assert!(!socket.parent().unwrap().exists());
    }

    #[test]
    fn a_new_folder_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = StoreDirectory::at(&folder.path().join("new")).unwrap();
        store.create().unwrap();
        store.create().unwrap();
        assert_eq!(fs::metadata(store.path()).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
