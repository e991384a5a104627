//! The fingerprint index against a map. See `chat_sync_fuzz::index`.

#![no_main]

use chat_sync_fuzz::index::Input;

libfuzzer_sys::fuzz_target!(|input: Input| chat_sync_fuzz::index::run(&input));
