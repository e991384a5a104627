//! What a relay says, as text. See `chat_sync_fuzz::frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_sync_fuzz::frames::run(bytes));
