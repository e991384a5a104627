//! The page: files that are compiled in. Nothing of the person is in them.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::{HttpResponse, web};

const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const PICTURE: &str = "image/svg+xml";

/// A file of the folder `page`: its path, its content type, and what is in it.
type File = (&'static str, &'static str, &'static [u8]);

/// Files of the folder `page`, by content type.
macro_rules! files {
    ($($kind:ident: $($name:literal)+;)+) => {
        &[$($((concat!("/", $name), $kind, include_bytes!(concat!("../../page/", $name)))),+),+]
    };
}

/// What is asked for first.
const FRONT: File = ("/", HTML, include_bytes!("../../page/index.html"));

const FILES: &[File] = files! {
    PICTURE: "icon.svg";
    STYLE: "base.css" "chats.css" "frame.css" "panels.css";
    SCRIPT:
        "announce.js" "app.js" "banner.js" "composer.js" "content.js" "conversation-list.js"
        "conversations.js" "daemon.js" "deletion.js" "dialog.js" "dom.js" "emitter.js" "event-stream.js" "events.js"
        "extension.js" "keys-view.js" "login-view.js" "markdown.js" "message.js" "messages.js" "panel.js"
        "queue-view.js" "receipts.js" "relays-view.js" "route.js" "search.js" "shortcuts.js" "status-bar.js"
        "status-view.js" "status-words.js" "switches-view.js" "thread.js" "token.js" "virtual-list.js" "words.js";
};

/// Whether exactly this path is a file of the page.
pub(super) fn is_file(path: &str) -> bool {
    FILES.iter().chain([&FRONT]).any(|(file, _, _)| *file == path)
}

pub(super) fn serve_files(config: &mut web::ServiceConfig) {
    for (path, kind, bytes) in FILES.iter().chain([&FRONT]) {
        let answer = move || async move {
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, *kind))
                // A page of an older daemon would not understand this one.
                .insert_header((CACHE_CONTROL, "no-cache"))
                .body(*bytes)
        };
        config.route(path, web::get().to(answer));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn folder() -> BTreeSet<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
        let names = fs::read_dir(folder).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn every_file_of_the_page_is_served() {
        let served = FILES.iter().map(|(path, _, _)| path[1..].to_owned());
        let served: BTreeSet<String> = served.chain(["index.html".to_owned()]).collect();
        assert_eq!(served, folder());
    }

    #[test]
    fn a_script_names_only_files_that_are_served_and_makes_no_markup_of_text() {
        for (path, kind, bytes) in FILES {
            let text = std::str::from_utf8(bytes).unwrap();
            for sink in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "new Function",
            ] {
                assert!(!text.contains(sink), "{path} uses {sink}");
            }
            if *kind != SCRIPT {
                continue;
            }
            let imports = text.lines().filter_map(|line| line.split_once(" from './"));
            for (_, import) in imports {
                let name = import.trim_end_matches(';').trim_end_matches('\'');
                assert!(folder().contains(name), "{path} names {name}");
            }
        }
    }

    #[test]
    fn nothing_comes_from_elsewhere() {
        for (path, _, bytes) in FILES.iter().chain([&FRONT]) {
            let text = std::str::from_utf8(bytes).unwrap();
            for foreign in [
                "src=\"http",
                "href=\"http",
                "url(http",
                "from 'http",
                "import(",
                "style=\"",
            ] {
                assert!(!text.contains(foreign), "{path} has {foreign}");
            }
        }
    }
}
