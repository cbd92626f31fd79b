//! A request's head, as it comes from the wire, and an answer to it that ends the connection.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    connection,
    handshake::{HEAD_BYTES, Reply, head_end},
    hub::Wire,
};

/// Why there is no head.
pub(crate) enum HeadError {
    /// The peer is gone.
    Lost,
    /// It is to be answered so.
    Refused(Reply),
}

/// Reads until the head ends and says where; what came behind it stays in `bytes`.
pub(crate) async fn read_head(wire: &Wire, bytes: &mut Vec<u8>) -> Result<usize, HeadError> {
    loop {
        let searched = bytes.len();
        let mut some = [0; 1024];
        match wire.read(&mut some).await {
            Ok(0) | Err(_) => return Err(HeadError::Lost),
            Ok(count) => bytes.extend_from_slice(&some[..count]),
        }
        // A method begins with a letter: who begins otherwise (TLS with 0x16) will never end a head.
        if !bytes.first().is_some_and(u8::is_ascii_alphabetic) {
            let sentence = "This is not HTTP. If it is TLS: this port speaks plain ws:// and http://.";
            return Err(HeadError::Refused(Reply::refuse(400, sentence)));
        }
        if let Some(end) = head_end(bytes, searched) {
            return Ok(end);
        }
        if bytes.len() > HEAD_BYTES {
            let sentence = format!("The request's head is longer than {HEAD_BYTES} bytes.");
            return Err(HeadError::Refused(Reply::refuse(431, &sentence)));
        }
    }
}

/// Writes an answer and ends the connection so that the peer can read it.
pub(crate) async fn answer(wire: &Wire, reply: &Reply, to_head: bool, goodbye: Duration) {
    let bytes = reply.to_bytes(to_head);
    if let Ok(Ok(())) = timeout(goodbye, wire.write_all(&bytes)).await
        && wire.finish().is_ok()
    {
        connection::discard(wire.stream(), goodbye).await;
    }
}
