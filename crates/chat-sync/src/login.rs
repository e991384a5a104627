//! How an account's key is reached: what a login keeps, and the signer that comes of it.

use std::fmt;
use std::sync::Arc;

use nostr::prelude::PublicKey;
use pns_keys::{DeviceSecret, LocalSigner, NoSigner, Profile, Signer};
use remote_signer::{Bunker, BunkerUri, ClientKey};
use serde::{Deserialize, Serialize};
use supervision::Entropy;
use zeroize::{Zeroize, Zeroizing};

use crate::config::RemoteLogin;
use crate::extension::Extension;

/// How the account's key is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LoginMethod {
    /// The secret key was typed, pasted or made here.
    RawKey,
    /// The secret key came encrypted (NIP-49).
    EncryptedKey,
    /// The secret key came as words (NIP-06).
    Mnemonic,
    /// The key is at a remote signer (NIP-46).
    RemoteSigner,
    /// The key is in an extension of a browser (NIP-07), reached through the page.
    Extension,
    /// There is no account key here: a key card gave the history keys.
    HistoryKeys,
}

impl LoginMethod {
    /// The method as one word, as in `whoami --json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::RawKey => "raw-key",
            Self::EncryptedKey => "encrypted-key",
            Self::Mnemonic => "mnemonic",
            Self::RemoteSigner => "remote-signer",
            Self::Extension => "extension",
            Self::HistoryKeys => "history-keys",
        }
    }
}

/// What an account is logged in with. `Debug` shows no secret.
#[derive(Clone)]
pub struct Login {
    account: PublicKey,
    method: LoginMethod,
    /// What new envelopes are sealed under; `None` keeps what was chosen before, and is [`Profile::Routstr`] for a new
    /// account.
    pub profile: Option<Profile>,
    means: Means,
}

#[derive(Clone)]
enum Means {
    Key(DeviceSecret),
    Remote { uri: BunkerUri, client: ClientKey },
    Extension,
    Nothing,
}

impl Login {
    /// With the secret key itself, which came by `method`. It is kept sealed in the account's store.
    pub fn with_key(secret: DeviceSecret, method: LoginMethod) -> Self {
        Self {
            account: secret.public(),
            method,
            profile: None,
            means: Means::Key(secret),
        }
    }

    /// With the remote signer at `uri`, which knows this device by `client` and signs for `account`. A secret in the
    /// address was used up and is not kept.
    pub fn with_remote(account: PublicKey, uri: &BunkerUri, client: ClientKey) -> Self {
        Self {
            account,
            method: LoginMethod::RemoteSigner,
            profile: None,
            means: Means::Remote {
                uri: uri.without_secret(),
                client,
            },
        }
    }

    /// With an extension of a browser that holds the key of `account`.
    pub fn with_extension(account: PublicKey) -> Self {
        Self {
            account,
            method: LoginMethod::Extension,
            profile: None,
            means: Means::Extension,
        }
    }

    /// Without any key of the account: history keys are all there is.
    pub fn without_key(account: PublicKey) -> Self {
        Self {
            account,
            method: LoginMethod::HistoryKeys,
            profile: None,
            means: Means::Nothing,
        }
    }

    /// Whose login it is.
    pub fn account(&self) -> PublicKey {
        self.account
    }

    /// How the key is reached.
    pub fn method(&self) -> LoginMethod {
        self.method
    }

    /// The signer, and how it is reached.
    pub(crate) fn signer(&self, entropy: &Arc<dyn Entropy>) -> Reached {
        let (signer, remote): (Arc<dyn Signer>, _) = match &self.means {
            Means::Key(secret) => {
                let entropy = Arc::clone(entropy);
                let signer = LocalSigner::with_secret(secret.clone(), move || entropy.draw_32());
                (Arc::new(signer), None)
            }
            Means::Extension => {
                let extension = Extension::new(self.account, Arc::clone(entropy));
                return Reached {
                    signer: Arc::new(extension.signer()),
                    remote: None,
                    extension: Some(extension),
                };
            }
            Means::Remote { uri, client } => {
                let bunker = Bunker::new(true);
                let signer = bunker.signer_for(self.account);
                let remote = RemoteLogin {
                    bunker,
                    uri: uri.clone(),
                    client: client.clone(),
                };
                (Arc::new(signer), Some(remote))
            }
            Means::Nothing => (Arc::new(NoSigner::history_keys_only(self.account)), None),
        };
        Reached {
            signer,
            remote,
            extension: None,
        }
    }

    /// What is kept, to be sealed by the store.
    pub(crate) fn to_record(&self, profile: Option<Profile>) -> Zeroizing<Vec<u8>> {
        let (nsec, bunker, client) = match &self.means {
            Means::Key(secret) => (Some(secret.to_nsec().to_string()), None, None),
            Means::Remote { uri, client } => {
                let (uri, client) = (uri.to_text().to_string(), client.to_hex().to_string());
                (None, Some(uri), Some(client))
            }
            Means::Extension | Means::Nothing => (None, None, None),
        };
        let record = Record {
            method: self.method,
            profile,
            nsec,
            bunker,
            client,
        };
        Zeroizing::new(serde_json::to_vec(&record).expect("strings and words always serialize"))
    }

    /// Reads what [`Login::to_record`] wrote for `account`; `None` when it is incomplete or another account's.
    pub(crate) fn from_record(account: PublicKey, record: &[u8]) -> Option<Self> {
        let record: Record = serde_json::from_slice(record).ok()?;
        let means = match record.method {
            LoginMethod::RawKey | LoginMethod::EncryptedKey | LoginMethod::Mnemonic => {
                let secret = DeviceSecret::from_nsec(record.nsec.as_deref()?).ok()?;
                (secret.public() == account).then_some(Means::Key(secret))?
            }
            LoginMethod::RemoteSigner => Means::Remote {
                uri: record.bunker.as_deref()?.parse().ok()?,
                client: ClientKey::from_hex(record.client.as_deref()?).ok()?,
            },
            LoginMethod::Extension => Means::Extension,
            LoginMethod::HistoryKeys => Means::Nothing,
        };
        Some(Self {
            account,
            method: record.method,
            profile: record.profile,
            means,
        })
    }
}

/// A signer, and how it is reached when it is not here.
pub(crate) struct Reached {
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) remote: Option<RemoteLogin>,
    pub(crate) extension: Option<Extension>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("account", &self.account.to_hex())
            .field("method", &self.method)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// A login as it lies in the store.
#[derive(Serialize, Deserialize)]
struct Record {
    method: LoginMethod,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nsec: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bunker: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<String>,
}

impl Drop for Record {
    fn drop(&mut self) {
        self.nsec.zeroize();
        self.client.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use remote_signer::new_client_key;
    use supervision::SystemEntropy;

    use super::*;

    fn secret() -> DeviceSecret {
        DeviceSecret::parse(&"01".repeat(32)).unwrap()
    }

    #[test]
    fn every_login_reads_back_as_it_was() {
        let account = secret().public();
        let uri: BunkerUri = format!(
            "bunker://{}?relay=wss://relay.example.com&secret=once",
            account.to_hex()
        )
        .parse()
        .unwrap();
        let client = new_client_key(&SystemEntropy);
        let mut nip_pns = Login::with_key(secret(), LoginMethod::Mnemonic);
        nip_pns.profile = Some(Profile::NipPns);
        for login in [
            Login::with_key(secret(), LoginMethod::RawKey),
            nip_pns,
            Login::with_remote(account, &uri, client),
            Login::with_extension(account),
            Login::without_key(account),
        ] {
            let record = login.to_record(login.profile);
            let read = Login::from_record(account, &record).unwrap();
            assert_eq!(read.to_record(read.profile), record);
            assert_eq!((read.method(), read.profile), (login.method(), login.profile));
            let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy);
            assert_eq!(read.signer(&entropy).signer.public_key(), account);
            assert!(
                !String::from_utf8_lossy(&record).contains("once"),
                "a used secret is not kept"
            );
        }
    }

    #[test]
    fn a_key_of_another_account_is_no_login() {
        let other = DeviceSecret::parse(&"02".repeat(32)).unwrap().public();
        let record = Login::with_key(secret(), LoginMethod::RawKey).to_record(None);
        assert!(Login::from_record(other, &record).is_none());
    }

    #[test]
    fn a_login_of_the_first_release_is_read() {
        let nsec = secret().to_nsec();
        let record = format!(r#"{{"method":"raw-key","nsec":"{}"}}"#, nsec.as_str());
        let login = Login::from_record(secret().public(), record.as_bytes()).unwrap();
        assert_eq!((login.method(), login.profile), (LoginMethod::RawKey, None));
    }
}
