//! `daemon install`: writes what a service manager reads, and says how it is told.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::background::LOG;
use super::service_file::{LABEL, Started, property_list, unit};
use crate::cli::Install;
use crate::context::{Context, configuration_of};
use crate::exit::Failure;

/// Whose service manager it is.
struct Service {
    path: PathBuf,
    text: String,
    next: String,
}

pub(super) fn install(context: &Context, args: &Install) -> Result<(), Failure> {
    super::saved_relays_are_meant(context)?;
    let unknown = |error: std::io::Error| Failure::Failed(format!("a path is not known: {error}"));
    let program = std::env::current_exe().map_err(unknown)?;
    let data_dir = std::path::absolute(context.data_dir.root()).map_err(unknown)?;
    let config = configuration_of(&data_dir);
    let config = config.as_deref().and_then(Path::parent);
    let config = config.filter(|config| !config.starts_with(&data_dir));
    let started = Started {
        program: &program,
        data_dir: &data_dir,
        config_dir: config,
        account: context.data_dir.chosen().map(|account| chat_sync::npub(&account)),
    };
    let service = if args.launchd || cfg!(target_os = "macos") {
        agent(&started)?
    } else {
        user_unit(&started)?
    };
    let output = context.output;
    if !args.print {
        // A unit may write there, and nothing makes it then.
        context.data_dir.create()?;
        if let Some(config) = config {
            create_private(config)?;
        }
        write(&service.path, &service.text)?;
    }
    if output.is_json() {
        return output.json(&json!({ "path": service.path, "written": !args.print, "text": service.text }));
    }
    if args.print {
        return output.line(service.text.trim_end());
    }
    output.line(&service.path.display().to_string())?;
    output.talk(&service.next);
    Ok(())
}

fn user_unit(started: &Started<'_>) -> Result<Service, Failure> {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let config = config.map_or_else(|| Ok(home()?.join(".config")), Ok::<_, Failure>)?;
    Ok(Service {
        path: config.join("systemd/user/chat-sync.service"),
        text: unit(started),
        next: "start it now and with every login: `systemctl --user daemon-reload && systemctl --user enable --now \
               chat-sync`; also while nobody is logged in to this machine: `loginctl enable-linger`"
            .to_owned(),
    })
}

fn agent(started: &Started<'_>) -> Result<Service, Failure> {
    let path = home()?.join(format!("Library/LaunchAgents/{LABEL}.plist"));
    Ok(Service {
        text: property_list(started, &started.data_dir.join(LOG)),
        next: format!(
            "start it now and with every login: `launchctl bootstrap gui/$(id -u) {}`",
            path.display()
        ),
        path,
    })
}

fn home() -> Result<PathBuf, Failure> {
    std::env::home_dir().ok_or_else(|| Failure::Usage("there is no home directory; use --print".to_owned()))
}

/// Makes a folder that only its owner reads, where there is none.
fn create_private(folder: &Path) -> Result<(), Failure> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|error| {
        Failure::Failed(format!(
            "{} could not be made: {error}; check the path and its permissions",
            folder.display()
        ))
    })
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let made = path.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(path, text)).map_err(|error| {
        Failure::Failed(format!(
            "{} could not be written: {error}; use --print and put it where it belongs",
            path.display()
        ))
    })
}
