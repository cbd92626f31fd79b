//! What pages complain of in their consoles: broken rules of the content security policy, uncaught errors, parts that are
//! missing. That a network or a server was away is no complaint: tests cut and kill them on purpose.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

/// How the browser says that a network, or a server behind another one, was away.
const AWAY: &[&str] = &["net::ERR_", "WebSocket connection to ", "status of 502", "status of 503"];

/// All pages of the driver's session, since this was last asked.
pub(super) fn gather(driver: u16, session: &str) -> Vec<String> {
    let log = ask_driver(driver, &format!("/session/{session}/se/log"), &json!({ "type": "browser" }));
    let Value::Array(entries) = log.expect("the browser's log") else { panic!("the log is a list") };
    let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
    let said = severe.filter_map(|entry| entry["message"].as_str());
    said.filter(|said| !AWAY.iter().any(|words| said.contains(words))).map(str::to_owned).collect()
}

/// Asks the driver for what its library has no method for. Blocks.
///
/// # Errors
/// What the driver said instead.
pub(super) fn ask_driver(driver: u16, path: &str, body: &Value) -> Result<Value, String> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", driver)).expect("the driver");
    stream.write_all(request.as_bytes()).expect("the driver listens");
    // The driver keeps the connection, whatever it is asked.
    let mut lines = BufReader::new(stream);
    let (mut status, mut length) = (String::new(), 0);
    lines.read_line(&mut status).expect("the driver answers");
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).expect("a head");
        match line.trim_end().to_ascii_lowercase().split_once(':') {
            Some(("content-length", value)) => length = value.trim().parse().expect("a length"),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body).expect("a whole answer");
    if !status.contains(" 200 ") {
        return Err(String::from_utf8_lossy(&body).into_owned());
    }
    Ok(serde_json::from_slice::<Value>(&body).expect("the driver speaks JSON")["value"].take())
}
