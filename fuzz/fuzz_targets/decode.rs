//! Bytes as a negentropy message. See `chat_sync_fuzz::decode`.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| chat_sync_fuzz::decode::run(bytes));
