//! Fetching a relay's document from real sockets that answer well, oddly, and not at all.

use std::time::Duration;

use relay_link::{Dial, DialError, InfoError, NotRelayInfo, RelayInfo, RelayUrl, WebSocketDialer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers one request with `answer` and returns what was asked and what was understood.
async fn fetched(path: &str, answer: Vec<u8>) -> (String, Result<RelayInfo, InfoError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: RelayUrl = format!("ws://{}{path}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let serving = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(socket.read_u8().await.unwrap());
        }
        // Whoever has heard enough may have left.
        let _ = socket.write_all(&answer).await;
        let _ = socket.shutdown().await;
        String::from_utf8(request).unwrap()
    };
    tokio::join!(serving, WebSocketDialer.info(&url))
}

fn answer(head: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn a_document_is_asked_for_at_the_relays_own_address() {
    let document = r#"{"name":"here","limitation":{"max_limit":300}}"#;
    let (request, info) = fetched("/path?key=a", answer("200 OK", document)).await;
    let request = request.to_ascii_lowercase();
    assert!(request.starts_with("get /path?key=a http/1.1\r\n"), "{request}");
    assert!(
        request.contains("accept: application/nostr+json\r\n"),
        "{request}"
    );
    assert!(request.contains("host: 127.0.0.1:"), "{request}");
    let info = info.unwrap();
    assert_eq!((info.name.as_deref(), info.max_limit), (Some("here"), Some(300)));
}

#[tokio::test]
async fn a_document_in_chunks_is_put_together() {
    let chunks =
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"name\":\r\n5\r\n\"in\"}\r\n0\r\n\r\n";
    let (_, info) = fetched("", chunks.to_vec()).await;
    assert_eq!(info.unwrap().name.as_deref(), Some("in"));
}

#[tokio::test]
async fn an_answer_that_points_elsewhere_is_not_followed() {
    let elsewhere = "302 Found\r\nLocation: http://127.0.0.1:1/";
    let (_, info) = fetched("", answer(elsewhere, "")).await;
    assert_eq!(info.unwrap_err(), InfoError::Http { status: 302 });
}

#[tokio::test]
async fn a_page_instead_of_a_document_is_none() {
    let (_, info) = fetched("", answer("200 OK", "<html>sign in here</html>")).await;
    assert_eq!(info.unwrap_err(), InfoError::NotRelayInfo(NotRelayInfo));
}

#[tokio::test]
async fn a_document_without_an_end_is_cut_off() {
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{{\"name\":\"{}", "x".repeat(70_000)).into_bytes();
    let (_, info) = fetched("", endless).await;
    assert_eq!(info.unwrap_err(), InfoError::Body);
}

#[tokio::test]
async fn a_document_that_breaks_off_is_none() {
    let (_, info) = fetched("", b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{}".to_vec()).await;
    assert_eq!(info.unwrap_err(), InfoError::Body);
}

#[tokio::test]
async fn something_that_is_no_web_server_has_no_document() {
    let (_, info) = fetched("", b"SSH-2.0-server\r\n".to_vec()).await;
    assert!(matches!(info, Err(InfoError::NotHttp { .. })), "{info:?}");
}

#[tokio::test]
async fn an_encrypted_relay_is_asked_over_an_encrypted_connection_only() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: RelayUrl = format!("wss://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let serving = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        // A TLS handshake record, and never the text of a request.
        assert_eq!(socket.read_u8().await.unwrap(), 22);
        let _ = socket.write_all(&answer("200 OK", "{}")).await;
    };
    let ((), info) = tokio::join!(serving, WebSocketDialer.info(&url));
    assert!(
        matches!(info, Err(InfoError::Dial(DialError::Tls { .. }))),
        "{info:?}"
    );
}

#[tokio::test]
async fn nobody_there_is_told_like_any_dial() {
    let url: RelayUrl = "ws://127.0.0.1:1".parse().unwrap();
    let info = WebSocketDialer.info(&url).await;
    assert_eq!(info.unwrap_err(), InfoError::Dial(DialError::Refused));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_ten_seconds() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: RelayUrl = format!("ws://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let before = tokio::time::Instant::now();
    let (accepted, info) = tokio::join!(listener.accept(), async {
        let fetching = WebSocketDialer.info(&url);
        let mut fetching = std::pin::pin!(fetching);
        // A real connection first: paused time would run while it is made.
        let connecting = tokio::time::timeout(Duration::from_millis(200), &mut fetching).await;
        assert!(connecting.is_err(), "nothing was said");
        tokio::time::pause();
        fetching.await
    });
    drop(accepted);
    assert_eq!(info.unwrap_err(), InfoError::TimedOut);
    assert!(before.elapsed() >= Duration::from_secs(10));
}
