//! Writing switches into the configuration file: the rest of the file, comments included, stays as a person wrote it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, Item, Table, Value};

use super::{SWITCHES, SettingsError, Turn, text_of};

/// Has the file say how these switches stand. It is made where there is none, readable by its owner alone, and is whole
/// at any moment.
pub(crate) fn save_switches(file: &Path, turned: &[Turn]) -> Result<(), SettingsError> {
    let unwritten = |source| SettingsError::Unwritten {
        file: file.to_owned(),
        source,
    };
    let text = text_of(file)?.unwrap_or_default();
    let text = with_switches(&text, turned).ok_or_else(|| SettingsError::Malformed {
        file: file.to_owned(),
        line: 1,
        reason: format!("`{SWITCHES}` is no table, or this is no TOML"),
    })?;
    // A file that lies elsewhere, as with dotfiles that are kept together, is written there.
    let place = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    replace(&place, text.as_bytes()).map_err(unwritten)
}

/// `None` for what is no configuration.
fn with_switches(text: &str, turned: &[Turn]) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let switches = document
        .entry(SWITCHES)
        .or_insert_with(|| Item::Table(Table::new()))
        .as_table_like_mut()?;
    for turn in turned {
        let (name, said) = (turn.name(), said(*turn));
        if let Some(known) = switches.get_mut(name).and_then(Item::as_value_mut) {
            // The line keeps what stands around the value.
            let around = known.decor().clone();
            *known = said;
            *known.decor_mut() = around;
        } else {
            switches.insert(name, Item::Value(said));
        }
    }
    Some(document.to_string())
}

fn said(turn: Turn) -> Value {
    match turn {
        Turn::Switch(_, on) => on.into(),
        Turn::Forget(Some(days)) => i64::from(days.get()).into(),
        Turn::Forget(None) => false.into(),
    }
}

fn replace(place: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = place.parent().filter(|folder| !folder.exists()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)?;
    }
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished: PathBuf = place.with_file_name(name);
    let _ = fs::remove_file(&unfinished);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(text)?;
    if let Ok(before) = fs::metadata(place) {
        file.set_permissions(before.permissions())?;
    }
    file.sync_all()?;
    fs::rename(&unfinished, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Flags, Settings};

    #[test]
    fn a_file_keeps_what_a_person_wrote_in_it() {
        let before = "# mine\nlog_days = 3   # short\n\n[switches]\n# while travelling\nlive = false  # expensive\nsync = true\n";
        let after = with_switches(
            before,
            &[Turn::Switch("live", true), Turn::Switch("uploads", false)],
        )
        .unwrap();
        assert_eq!(
            after,
            "# mine\nlog_days = 3   # short\n\n[switches]\n# while travelling\nlive = true  # expensive\nsync = true\nuploads = false\n"
        );
        assert_eq!(
            with_switches("switches = { live = false }\n", &[Turn::Switch("live", true)]).unwrap(),
            "switches = { live = true }\n"
        );
        assert_eq!(
            with_switches("log_days = 3\n", &[Turn::Switch("live", false)]).unwrap(),
            "log_days = 3\n\n[switches]\nlive = false\n"
        );
        let month = Turn::Forget(Some(chat_sync::Days::new(30).unwrap()));
        let kept = with_switches("[switches]\nlive = false\n", &[month]).unwrap();
        assert_eq!(kept, "[switches]\nlive = false\nforget_after_days = 30\n");
        assert_eq!(
            with_switches(&kept, &[Turn::Forget(None)]).unwrap(),
            "[switches]\nlive = false\nforget_after_days = false\n"
        );
        for broken in ["switches = 3", "log_days = ", "[switches\n"] {
            assert_eq!(
                with_switches(broken, &[Turn::Switch("live", true)]),
                None,
                "{broken}"
            );
        }
    }

    #[test]
    fn what_is_saved_is_read() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("new/folder/config.toml");
        save_switches(&file, &[Turn::Switch("live", false)]).unwrap();
        save_switches(&file, &[Turn::Switch("auth", false), Turn::Switch("live", true)]).unwrap();
        let read = Settings::read(Some(file.clone()), &|_| None, &Flags::default()).unwrap();
        assert!(!read.switches.auth && read.switches.live);
        fs::write(&file, "nonsense").unwrap();
        assert!(save_switches(&file, &[Turn::Switch("live", true)]).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "nonsense");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_lies_elsewhere_is_written_there_and_keeps_its_rights() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let (kept, file) = (home.path().join("dotfiles.toml"), home.path().join("config.toml"));
        fs::write(&kept, "log_days = 3\n").unwrap();
        fs::set_permissions(&kept, fs::Permissions::from_mode(0o640)).unwrap();
        std::os::unix::fs::symlink(&kept, &file).unwrap();
        save_switches(&file, &[Turn::Switch("live", false)]).unwrap();
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
        assert!(fs::read_to_string(&kept).unwrap().contains("live = false"));
        let mode = fs::metadata(&kept).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}
