//! Making a keyring.

use nostr::event::{Event, UnsignedEvent};
use nostr::types::Timestamp;
use zeroize::Zeroizing;

use crate::keyring::plaintext;
use crate::{DeviceSecret, KEYRING, Keyring, KeyringError, Signer, SignerError, check_keyring};

/// A keyring that does not exist yet. Whether one may be made at all is [`Discovery`](crate::Discovery)'s decision.
#[derive(Debug)]
pub struct NewKeyring {
    device: DeviceSecret,
}

impl NewKeyring {
    /// A keyring around `device`, a fresh random secret. Its salt is empty: the default one.
    pub fn new(device: DeviceSecret) -> Self {
        Self { device }
    }

    /// Has `signer` encrypt and sign the keyring, as of `created_at` in unix seconds: two questions to the signer.
    ///
    /// The event is checked to be exactly what was asked for. Nothing is sealed with the keyring before it was read
    /// back from a relay; both the event and the opened keyring must be on disk before the event is sent. A failed
    /// creation can be tried again with the same `NewKeyring`.
    pub async fn create(
        &self,
        signer: &dyn Signer,
        created_at: u64,
    ) -> Result<(Event, Keyring), KeyringError> {
        let account = signer.public_key();
        let text = plaintext(&self.device, "");
        let content = signer
            .nip44_encrypt_to_self(&text)
            .await
            .map_err(KeyringError::Signer)?;
        let unsigned = UnsignedEvent::new(
            account,
            Timestamp::from_secs(created_at),
            KEYRING,
            [],
            content.clone(),
        );
        let event = signer.sign(unsigned).await.map_err(KeyringError::Signer)?;

        if event.pubkey != account {
            let error = SignerError::WrongAccount {
                wanted: account,
                found: event.pubkey,
            };
            return Err(KeyringError::Signer(error));
        }
        let same =
            event.created_at.as_secs() == created_at && event.tags.is_empty() && event.content == content;
        if !same || check_keyring(&account, &event).is_err() {
            let reason = "it signed another event than the one it was given".to_owned();
            return Err(KeyringError::Signer(SignerError::BadAnswer { reason }));
        }
        let keyring = Keyring::assemble(&event, self.device.clone(), Zeroizing::default())?;
        Ok((event, keyring))
    }
}
