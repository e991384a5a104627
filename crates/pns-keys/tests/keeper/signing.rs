//! Sealing, opening and deleting on behalf of others.

use std::slice::from_ref;

use event_index::{LocalId, MemoryDisk};
use pns_keys::keeper::{DeleteError, OpenBatch, SealBatch, SignDeletion, ToSeal};
use pns_keys::{OpenError, SealError, verify};

use crate::device::{Device, START, pass, simulate};
use crate::relay::{Fault, Relay};
use crate::signer::{Mood, TestSigner, keyring};

fn message(n: u8, rumor: &str) -> ToSeal {
    ToSeal {
        local: LocalId::from_bytes([n; 16]),
        rumor: rumor.into(),
        created_at: START + u64::from(n),
    }
}

#[test]
fn what_was_sealed_opens_byte_for_byte_and_in_order() {
    let relay = Relay::new("a");
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), TestSigner::new(1, Mood::Willing), &[relay]);
        let write = device.until_ready().await.write.unwrap();
        let batch = vec![
            message(1, "one"),
            message(2, ""),
            message(3, "{\"lone\":\"\\ud800\"}"),
        ];
        let sealed = device.keeper.seal.send(SealBatch(batch)).await.unwrap().unwrap();
        assert_eq!(
            sealed[1],
            Err(SealError::Empty),
            "one that cannot be sealed does not stop the rest"
        );

        let envelopes: Vec<_> = sealed.into_iter().flatten().collect();
        for (envelope, time) in envelopes.iter().zip([START + 1, START + 3]) {
            verify(envelope, &write.public, pns_keys::ENVELOPE).unwrap();
            assert_eq!(envelope.created_at.as_secs(), time);
        }
        let opened = device
            .keeper
            .open
            .send(OpenBatch(envelopes.clone()))
            .await
            .unwrap();
        let rumors: Vec<_> = opened
            .iter()
            .map(|opened| opened.rumor.clone().unwrap())
            .collect();
        assert_eq!(rumors, [b"one".to_vec(), b"{\"lone\":\"\\ud800\"}".to_vec()]);
        assert!(
            opened
                .iter()
                .zip(&envelopes)
                .all(|(opened, envelope)| opened.event == *envelope)
        );
        assert_eq!(device.signer.asked(), 2, "no message goes through the signer");
    });
}

#[test]
fn nothing_is_sealed_before_a_key_is_known() {
    let relay = Relay::new("a").with(Fault::Silent);
    simulate(async {
        let device = Device::boot(1, &MemoryDisk::new(), TestSigner::new(1, Mood::Willing), &[relay]);
        pass(60).await;
        let error = device
            .keeper
            .seal
            .send(SealBatch(vec![message(1, "one")]))
            .await
            .unwrap()
            .unwrap_err();
        assert!(error.to_string().contains("1 of 1 relays connected"), "{error}");
    });
}

#[test]
fn f44_an_envelope_that_came_before_its_keyring_opens_later() {
    let later = keyring(1, 9, START - 50);
    let (relay, hidden) = (Relay::new("a"), Relay::new("b").holding([&later]));
    simulate(async {
        let mut writer = Device::boot(
            1,
            &MemoryDisk::new(),
            TestSigner::new(1, Mood::Willing),
            &[hidden],
        );
        writer.until_ready().await;
        let sealed = writer
            .keeper
            .seal
            .send(SealBatch(vec![message(1, "early")]))
            .await
            .unwrap()
            .unwrap();
        let envelope = sealed[0].clone().unwrap();

        let mut reader = Device::boot(
            2,
            &MemoryDisk::new(),
            TestSigner::new(1, Mood::Willing),
            from_ref(&relay),
        );
        reader.until_ready().await;
        let opened = reader
            .keeper
            .open
            .send(OpenBatch(vec![envelope.clone()]))
            .await
            .unwrap();
        assert_eq!(
            opened[0].rumor,
            Err(OpenError::WrongAuthor {
                author: envelope.pubkey
            })
        );

        relay.holding([&later]);
        reader.restart_keeper();
        reader
            .until("the writer's key", |keys| keys.read.contains(&envelope.pubkey))
            .await;
        let opened = reader.keeper.open.send(OpenBatch(vec![envelope])).await.unwrap();
        assert_eq!(opened[0].rumor, Ok(b"early".to_vec()));
    });
}

#[test]
fn a_deletion_is_signed_by_the_author_of_what_it_deletes() {
    let relay = Relay::new("a");
    simulate(async {
        let mut device = Device::boot(1, &MemoryDisk::new(), TestSigner::new(1, Mood::Willing), &[relay]);
        let author = device.until_ready().await.write.unwrap().public;
        let sealed = device
            .keeper
            .seal
            .send(SealBatch(vec![message(1, "oops")]))
            .await
            .unwrap()
            .unwrap();
        let ids = vec![sealed[0].as_ref().unwrap().id];
        let command = SignDeletion {
            author,
            ids: ids.clone(),
            created_at: START + 9,
        };
        let deletion = device.keeper.sign_deletion.send(command).await.unwrap().unwrap();
        assert_eq!(pns_keys::open_deletion(&author, &deletion), Ok(ids.clone()));

        let author = device.now().account;
        let command = SignDeletion {
            author,
            ids,
            created_at: START + 9,
        };
        let refused = device.keeper.sign_deletion.send(command).await.unwrap();
        assert_eq!(refused, Err(DeleteError::UnknownAuthor { author }));
    });
}
