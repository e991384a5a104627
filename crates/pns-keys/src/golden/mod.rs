//! The golden data made with the web app's own libraries, and what the tests over it share.

mod envelopes;
mod keyrings;
mod keys;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde_json::Value;

use crate::{DeviceSecret, LocalSigner, PnsKey, Profile};

fn golden(name: &str) -> Value {
    let path = format!("{}/../../tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_slice(&text).expect("golden data is JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no text under {name}"))
}

fn bytes(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0);
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex"))
        .collect()
}

fn bytes_32(hex: &str) -> [u8; 32] {
    bytes(hex).try_into().expect("32 bytes")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

/// The key that an entry with `profile`, `device_secret_hex` and `salt` describes.
fn derived(entry: &Value) -> PnsKey {
    let profile: Profile = text(entry, "profile").parse().expect("a known profile");
    let device = DeviceSecret::from_bytes(&bytes_32(text(entry, "device_secret_hex"))).expect("a secret key");
    PnsKey::derive(profile, &device, text(entry, "salt")).expect("derives")
}

fn signer(secret_hex: &str) -> LocalSigner {
    LocalSigner::parse(secret_hex, || [3; 32]).expect("a secret key")
}

/// The answer of a future that waits for nothing, as those of a [`LocalSigner`] do.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("waited for something"),
    }
}
