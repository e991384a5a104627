//! remote-signer
