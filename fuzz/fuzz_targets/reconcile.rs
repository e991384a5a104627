//! Two sets, compared in every way. See `chat_sync_fuzz::reconcile`.

#![no_main]

use chat_sync_fuzz::reconcile::Input;

libfuzzer_sys::fuzz_target!(|input: Input| chat_sync_fuzz::reconcile::run(&input));
