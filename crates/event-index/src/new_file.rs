//! Files that appear whole or not at all, and that only their owner can read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use supervision::{Side, crash_point};

/// Where a file is written before it gets its name.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

/// Removes what a run that was cut off here left behind; it never was anybody's file.
pub(crate) fn clear(unfinished: &Path) -> io::Result<()> {
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Gives a finished, synced file its name. Durable when this returns.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] when the name is taken: a link, unlike a rename, does not replace what is there.
pub(crate) fn publish(unfinished: &Path, path: &Path) -> io::Result<()> {
    let step = || format!("file:{}", path.file_name().unwrap_or_default().display());
    crash_point(Side::Before, step);
    let linked = fs::hard_link(unfinished, path);
    let cleared = clear(unfinished);
    linked.and(cleared)?;
    sync_directory(path)?;
    crash_point(Side::After, step);
    Ok(())
}

/// Makes files that `options` creates readable and writable by their owner alone.
#[cfg(unix)]
pub(crate) fn owner_only(options: &mut fs::OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600);
}

/// Elsewhere a profile directory already is its owner's.
#[cfg(not(unix))]
pub(crate) fn owner_only(_: &mut fs::OpenOptions) {}

/// Makes a new name survive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_: &Path) -> io::Result<()> {
    Ok(())
}
