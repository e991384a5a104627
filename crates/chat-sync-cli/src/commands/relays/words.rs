//! What a relay says about itself, in words for a line.

use chat_sync::RelayInfo;

use crate::output::one_line;

/// Which program it runs, as `strfry 1.0.4`.
pub(super) fn program(info: &RelayInfo) -> Option<String> {
    let software = info.software.as_deref().map(|software| {
        // Mostly the address of a repository; its last part is the name.
        let software = software.trim_end_matches('/');
        let name = software.rsplit('/').next().unwrap_or(software);
        name.trim_end_matches(".git")
    });
    let words: Vec<&str> = software.into_iter().chain(info.version.as_deref()).collect();
    Some(one_line(&words.join(" "))).filter(|words| !words.is_empty())
}

/// What it wants before it serves anybody.
pub(super) fn demands(info: &RelayInfo) -> Option<String> {
    match (
        info.auth_required == Some(true),
        info.payment_required == Some(true),
    ) {
        (true, true) => Some("wants a login and money".to_owned()),
        (true, false) => Some("wants a login".to_owned()),
        (false, true) => Some("wants money".to_owned()),
        (false, false) => None,
    }
}

/// The limits it states.
pub(super) fn limits(info: &RelayInfo) -> Option<String> {
    let stated = [
        (info.max_limit, "events a page"),
        (info.max_message_length, "bytes a message"),
        (info.max_subscriptions, "requests at once"),
    ];
    let stated = stated
        .iter()
        .filter_map(|(limit, what)| limit.map(|limit| format!("{limit} {what}")));
    let limits = stated.collect::<Vec<_>>().join(", ");
    (!limits.is_empty()).then(|| format!("at most {limits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_named_as_people_name_it() {
        for (software, version, words) in [
            (
                Some("git+https://github.com/hoytech/strfry.git"),
                Some("1.0.4-1-gabc"),
                Some("strfry 1.0.4-1-gabc"),
            ),
            (Some("https://example.com/khatru/"), None, Some("khatru")),
            (Some("rnostr"), Some("0.4"), Some("rnostr 0.4")),
            (None, Some("2"), Some("2")),
            (None, None, None),
        ] {
            let info = RelayInfo {
                software: software.map(str::to_owned),
                version: version.map(str::to_owned),
                ..RelayInfo::default()
            };
            assert_eq!(program(&info).as_deref(), words);
        }
    }

    #[test]
    fn limits_that_are_not_stated_are_not_made_up() {
        assert_eq!(limits(&RelayInfo::default()), None);
        let info = RelayInfo {
            max_limit: Some(300),
            max_subscriptions: Some(20),
            ..RelayInfo::default()
        };
        assert_eq!(
            limits(&info).as_deref(),
            Some("at most 300 events a page, 20 requests at once")
        );
    }
}
