//! The dialer against a real websocket server on this machine, in real time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Seen, link_to};
use actix::prelude::*;
use futures_util::{SinkExt, StreamExt};
use relay_link::{
    ClientFrame, ConnectionError, Dial, DialError, FRAME_BYTES_MAX, Incoming, Outgoing, RelayFrame,
    RelayLinkActor, RelayUrl, WebSocketDialer,
};
use supervision::{Env, Lifeline, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

fn run(test: impl Future<Output = ()>) {
    System::new().block_on(async {
        tokio::time::timeout(Duration::from_secs(30), test)
            .await
            .expect("within 30 s");
    });
}

/// Serves one connection with `serve`, then stops listening.
async fn server<F, S>(serve: F) -> RelayUrl
where
    F: FnOnce(TcpStream) -> S + 'static,
    S: Future<Output = ()> + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    actix::spawn(async move {
        let (socket, _) = listener.accept().await.unwrap();
        drop(listener);
        serve(socket).await;
    });
    url.parse().unwrap()
}

async fn websocket(socket: TcpStream) -> WebSocketStream<TcpStream> {
    tokio_tungstenite::accept_async(socket).await.unwrap()
}

/// Answers a connection attempt with these bytes.
async fn answering(bytes: &'static str) -> RelayUrl {
    server(move |mut socket| async move {
        let _ = socket.read(&mut [0; 4096]).await;
        socket.write_all(bytes.as_bytes()).await.unwrap();
        let _ = socket.shutdown().await;
    })
    .await
}

#[test]
fn frames_go_both_ways() {
    run(async {
        let url = server(|socket| async {
            let mut socket = websocket(socket).await;
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    assert_eq!(text.as_str(), r#"["CLOSE","s"]"#);
                    socket.send(Message::text(r#"["EOSE","s"]"#)).await.unwrap();
                }
            }
        })
        .await;
        let mut connection = WebSocketDialer.dial(&url).await.unwrap();
        let close = ClientFrame::Close {
            sub: "s".parse().unwrap(),
        };
        for _ in 0..3 {
            connection
                .outgoing
                .send(Outgoing::Text(close.encode()))
                .await
                .unwrap();
            let answer = connection.incoming.next().await.unwrap().unwrap();
            assert_eq!(answer, Incoming::Text(r#"["EOSE","s"]"#.into()));
        }
        connection.outgoing.send(Outgoing::Ping).await.unwrap();
        assert_eq!(connection.incoming.next().await, Some(Ok(Incoming::Pong)));
        connection.outgoing.close().await.unwrap();
    });
}

#[test]
fn a_close_frame_ends_the_stream() {
    run(async {
        let url = server(|socket| async {
            let mut socket = websocket(socket).await;
            socket.close(None).await.unwrap();
            while socket.next().await.is_some() {}
        })
        .await;
        let mut connection = WebSocketDialer.dial(&url).await.unwrap();
        assert_eq!(connection.incoming.next().await, None);
    });
}

#[test]
fn f39_a_message_over_four_mebibytes_drops_the_connection() {
    run(async {
        let url = server(|socket| async {
            let mut socket = websocket(socket).await;
            socket
                .send(Message::text("x".repeat(FRAME_BYTES_MAX)))
                .await
                .unwrap();
            // The client hangs up somewhere inside this one.
            let _ = socket.send(Message::text("x".repeat(FRAME_BYTES_MAX + 1))).await;
            while let Some(Ok(_)) = socket.next().await {}
        })
        .await;
        let mut connection = WebSocketDialer.dial(&url).await.unwrap();
        let Some(Ok(Incoming::Text(largest))) = connection.incoming.next().await else {
            panic!("no message")
        };
        assert_eq!(largest.len(), FRAME_BYTES_MAX);
        assert_eq!(
            connection.incoming.next().await,
            Some(Err(ConnectionError::TooLong))
        );
    });
}

#[test]
fn small_frames_do_not_wait_for_each_other() {
    run(async {
        // Nagle's algorithm on our end would hold the second of two small writes back until the first is
        // acknowledged, which the other end delays by 40 ms; 100 such pairs would take 4 s.
        let url = server(|socket| async {
            let mut socket = websocket(socket).await;
            let mut heard = 0;
            while let Some(Ok(_)) = socket.next().await {
                heard += 1;
                if heard % 2 == 0 {
                    socket.send(Message::text("both")).await.unwrap();
                }
            }
        })
        .await;
        let mut connection = WebSocketDialer.dial(&url).await.unwrap();
        let rounds = async {
            for _ in 0..100 {
                connection
                    .outgoing
                    .send(Outgoing::Text("one".into()))
                    .await
                    .unwrap();
                connection
                    .outgoing
                    .send(Outgoing::Text("two".into()))
                    .await
                    .unwrap();
                connection.incoming.next().await.unwrap().unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(3), rounds)
            .await
            .expect("no write waits for an acknowledgement");
    });
}

#[test]
fn f38_what_is_no_relay_is_refused_in_words_a_person_understands() {
    run(async {
        for (answer, said) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                "not a Nostr relay: HTTP 200",
            ),
            ("HTTP/1.1 404 Not Found\r\n\r\n", "not a Nostr relay: HTTP 404"),
            (
                "HTTP/1.1 403 Forbidden\r\n\r\n",
                "does not let this device in (HTTP 403)",
            ),
            ("SSH-2.0-OpenSSH_9.6\r\n", "not a Nostr relay"),
            ("", "not a Nostr relay"),
        ] {
            let error = WebSocketDialer.dial(&answering(answer).await).await.unwrap_err();
            assert!(error.to_string().contains(said), "{answer:?}: {error}");
        }
        // Nobody listens on the port of a listener that is gone.
        let gone = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap();
        let error = WebSocketDialer
            .dial(&format!("ws://{gone}").parse().unwrap())
            .await
            .unwrap_err();
        assert_eq!(error, DialError::Refused);
        let nowhere: RelayUrl = "ws://nowhere.invalid".parse().unwrap();
        let error = WebSocketDialer.dial(&nowhere).await.unwrap_err();
        assert_eq!(
            error,
            DialError::NoAddress {
                host: "nowhere.invalid".into()
            }
        );
    });
}

#[test]
fn f32_a_busy_relay_says_when_to_come_back() {
    run(async {
        let busy = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\n\r\n";
        let error = WebSocketDialer.dial(&answering(busy).await).await.unwrap_err();
        assert_eq!(
            error,
            DialError::Http {
                status: 429,
                retry_after: Some(Duration::from_secs(120))
            }
        );
        let busy = "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n\r\n";
        let error = WebSocketDialer.dial(&answering(busy).await).await.unwrap_err();
        assert_eq!(
            error,
            DialError::Http {
                status: 503,
                retry_after: Some(Duration::from_secs(30))
            }
        );
    });
}

#[test]
fn an_encrypted_relay_is_dialled_without_a_panic_and_never_in_the_clear() {
    run(async {
        // A server that answers in the clear: TLS must fail, which it can only do when it has a crypto provider.
        let url = answering("HTTP/1.1 101 Switching Protocols\r\n\r\n").await;
        let encrypted: RelayUrl = url.as_str().replace("ws://", "wss://").parse().unwrap();
        let error = WebSocketDialer.dial(&encrypted).await.unwrap_err();
        assert!(matches!(error, DialError::Tls { .. }), "{error:?}");
    });
}

#[test]
fn the_actor_talks_over_a_real_socket() {
    run(async {
        let url = server(|socket| async {
            let mut socket = websocket(socket).await;
            while let Some(Ok(message)) = socket.next().await {
                if let Message::Text(text) = message {
                    let ClientFrame::Req { sub, .. } = ClientFrame::parse(&text).unwrap() else {
                        continue;
                    };
                    let eose = RelayFrame::Eose {
                        sub,
                        hints: vec!["finish".into()],
                    };
                    socket.send(Message::text(eose.encode())).await.unwrap();
                }
            }
        })
        .await;
        let link = link_to(url.as_str());
        let mut seen = Seen::start();
        let lifeline = Lifeline::unwatched(Role::Link(url.to_string()));
        let watchers = vec![seen.changes.clone()];
        RelayLinkActor::new(
            Env::production(),
            lifeline,
            &link,
            Arc::new(WebSocketDialer),
            watchers,
        )
        .start();
        seen.connected().await;
        let req = ClientFrame::Req {
            sub: "live-1".parse().unwrap(),
            filters: vec![],
        };
        link.try_send(req.clone(), seen.answers.clone()).unwrap();
        let eose = RelayFrame::Eose {
            sub: "live-1".parse().unwrap(),
            hints: vec!["finish".into()],
        };
        assert_eq!(seen.frame().await, eose);
        let traffic = link.traffic();
        assert_eq!((traffic.frames_in, traffic.frames_out), (1, 1));
        assert_eq!(traffic.bytes_out, req.encode().len() as u64);
        assert_eq!(traffic.bytes_in, eose.encode().len() as u64);
    });
}
