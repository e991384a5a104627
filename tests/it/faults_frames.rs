//! F39: frames without an end and frames that inflate, over real sockets.

use std::time::Duration;

use chat_sync::{Handle, RelayState};
use relay_lab::{EmbeddedRelay, EmbeddedRelayConfig, HostileRelay, Hostility};

use crate::bench::{Device, assert_level, live, write};

/// What may be read of one message, and what waits in the buffers of both sockets meanwhile (6 MiB and 4 MiB at most with
/// Linux' usual settings).
const TAKEN_MAX: u64 = (4 + 6 + 4) << 20;

/// Why the relay is waited for, once it is.
async fn waits_because(device: &Handle, url: &str) -> String {
    loop {
        let status = device.status();
        let relay = status
            .relays
            .iter()
            .find(|relay| relay.url.as_str() == url)
            .unwrap();
        if let RelayState::Waiting { why, .. } = &relay.state {
            return why.clone();
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn costs_a_connection_and_nothing_else(hostility: Hostility, taken_max: u64, said: &'static str) {
    live(async move {
        let good = EmbeddedRelay::start(EmbeddedRelayConfig::default()).unwrap();
        let hostile = HostileRelay::start(hostility).unwrap();
        let (phone_disk, laptop_disk) = (
            Device::new(&[&good.url()]),
            Device::new(&[&hostile.url(), &good.url()]),
        );
        let phone = phone_disk.start();
        write(&phone, "phone", 10).await;
        assert!(phone.sync().await.unwrap().complete);

        let laptop = laptop_disk.start();
        let report = laptop.sync().await.unwrap();
        let good_report = report
            .relays
            .iter()
            .find(|relay| relay.url.as_str() == good.url());
        assert!(good_report.unwrap().complete, "{report:?}");
        assert!(!report.complete, "one relay was not compared with");
        write(&laptop, "laptop", 10).await;
        let why = waits_because(&laptop, &hostile.url()).await;
        assert!(why.contains(said), "{why}");
        while hostile.dials() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(
            hostile.most_taken() <= taken_max,
            "{} bytes were taken",
            hostile.most_taken()
        );
        laptop.sync().await.unwrap();
        phone.sync().await.unwrap();
        assert_level(&laptop, &phone, 20).await;
        laptop.shutdown().await;
        phone.shutdown().await;
    });
}

#[test]
fn f39_a_frame_of_a_hundred_megabytes_is_not_read() {
    // Its length is known from its first bytes.
    costs_a_connection_and_nothing_else(
        Hostility::LongFrame(100_000_000),
        TAKEN_MAX - (4 << 20),
        "over 4 MiB",
    );
}

#[test]
fn f39_a_message_without_an_end_is_given_up_at_four_mebibytes() {
    costs_a_connection_and_nothing_else(Hostility::EndlessMessage, TAKEN_MAX, "over 4 MiB");
}

#[test]
fn f39_frames_that_inflate_are_not_inflated() {
    costs_a_connection_and_nothing_else(
        Hostility::Bomb,
        TAKEN_MAX - (4 << 20),
        "broke the websocket protocol",
    );
}

#[test]
fn f38_a_sign_in_page_is_not_taken_for_data() {
    costs_a_connection_and_nothing_else(Hostility::Portal, 0, "not a Nostr relay: HTTP 200");
}
