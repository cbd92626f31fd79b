//! Server-sent events, as the HTML standard has a browser read them ("Server-sent events", 9.2.6). Pure: bytes in, events
//! out. It knows no connection and no chat.

use super::lines::{Lines, TooLong};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` when it says none.
    pub name: String,
    /// Its lines of data.
    pub data: String,
    /// What a browser would send as `Last-Event-ID` from here on; empty when there is nothing to send.
    pub last_id: String,
}

/// A stream of events over one connection.
#[derive(Debug)]
pub struct Parser {
    lines: Lines,
    first: bool,
    name: String,
    data: String,
    id: String,
}

impl Parser {
    /// A stream that goes on after this id.
    pub fn new(last_id: &str) -> Self {
        Self { lines: Lines::default(), first: true, name: String::new(), data: String::new(), id: last_id.to_owned() }
    }

    /// More came.
    ///
    /// # Errors
    /// When a line has no end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        self.lines.push(bytes)
    }

    /// The next whole event. What has no data is none, but its id counts from then on.
    pub fn next(&mut self) -> Option<Event> {
        while let Some(line) = self.lines.next() {
            let line = if std::mem::take(&mut self.first) { line.trim_start_matches('\u{feff}') } else { &line };
            if line.is_empty() {
                let (name, data) = (std::mem::take(&mut self.name), std::mem::take(&mut self.data));
                if let Some(data) = data.strip_suffix('\n') {
                    let name = if name.is_empty() { "message".to_owned() } else { name };
                    return Some(Event { name, data: data.to_owned(), last_id: self.id.clone() });
                }
                continue;
            }
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut self.name),
                "data" => {
                    self.data.push_str(value);
                    self.data.push('\n');
                }
                "id" if !value.contains('\0') => value.clone_into(&mut self.id),
                // Comments, `retry`, and what nobody knows. When to come back is the person's own choice here.
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &str) -> Vec<(String, String, String)> {
        let mut parser = Parser::new("");
        parser.push(stream.as_bytes()).unwrap();
        std::iter::from_fn(|| parser.next()).map(|event| (event.name, event.data, event.last_id)).collect()
    }

    fn event(name: &str, data: &str, id: &str) -> (String, String, String) {
        (name.to_owned(), data.to_owned(), id.to_owned())
    }

    #[test]
    fn fields_are_read_as_browsers_read_them() {
        let stream = "\u{feff}retry: 1000\n\n: comment\n\nid: e:1\nevent: message\ndata: {\"a\":1}\n\n\
                      data:one\ndata: two\n\nevent: gap\nid\ndata\n\n";
        let expected =
            [event("message", "{\"a\":1}", "e:1"), event("message", "one\ntwo", "e:1"), event("gap", "", "")];
        assert_eq!(events(stream), expected);
    }

    #[test]
    fn an_id_without_data_counts_for_what_follows() {
        assert_eq!(events("id: e:7\n\ndata: x\n\n"), [event("message", "x", "e:7")]);
    }

    #[test]
    fn what_was_cut_off_before_its_empty_line_is_no_event() {
        assert!(events("id: e:1\ndata: half").is_empty());
        assert!(events("id: e:1\ndata: whole line\n").is_empty());
    }

    #[test]
    fn a_new_connection_goes_on_with_the_id_it_was_begun_with() {
        let mut parser = Parser::new("e:9");
        parser.push(b"data: x\n\n").unwrap();
        assert_eq!(parser.next().unwrap().last_id, "e:9");
    }
}
