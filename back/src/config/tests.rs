use super::*;

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = Config::from_args(&[]).unwrap();
    assert_eq!(config.listen, SocketAddr::from(([127, 0, 0, 1], 3000)));
    assert_eq!(config.patience.ping_after, Duration::from_secs(25));
    assert_eq!(config.hub.presence.interval, Duration::from_millis(250));
    assert_eq!((config.session.rates.sends, config.session.text_bytes), (10, 16_384));
    assert_eq!((config.session.rates.send_bytes, config.session.rates.requests), (65_536, 20));
    let Allowed { at_once, comes_per_second, acts_per_second, .. } = config.addresses;
    assert_eq!((at_once, comes_per_second, acts_per_second, config.arrivals), (100, 20, 100, 1_000));
    assert_eq!(config.arrival_wait, Duration::from_secs(5));
}

#[test]
fn zero_means_no_limit() {
    let config =
        Config::from_args(&["--rooms", "0", "--sessions", "0", "--history-mib", "0", "--sends-per-second", "0"])
            .unwrap();
    assert_eq!(
        (config.hub.rooms, config.hub.sessions, config.memory.bytes, config.session.rates.sends),
        (usize::MAX, usize::MAX, usize::MAX, 0)
    );
}

#[test]
fn who_may_say_as_much_as_they_like_may_say_as_many_bytes() {
    let bytes = |args: &[&str]| Config::from_args(args).unwrap().session.rates.send_bytes;
    assert_eq!(bytes(&["--sends-per-second", "0"]), 0);
    assert_eq!(bytes(&["--sends-per-second", "0", "--send-bytes-per-second", "9"]), 9);
    assert_eq!(bytes(&["--sends-per-second", "1"]), 65_536);
}

#[test]
fn nonsense_is_refused_with_a_sentence() {
    for (args, hint) in [
        (["--ping-after", "soon"], "give seconds"),
        (["--ping-after=-1", "--rooms=1"], "negative"),
        (["--presence-grace", "1e18"], "hundred years"),
        (["--allow-origin", "chat.example.org"], "scheme://host"),
        (["--listen", "3000"], "invalid socket address"),
        (["--ops", "3001"], "or off"),
        (["--log-format", "xml"], "text or json"),
        (["--worker-threads", "0"], "threads from 1 to 1024"),
        (["--worker-threads", "1025"], "threads from 1 to 1024"),
        (["--worker-threads", "all"], "threads from 1 to 1024"),
        (["--text-bytes", "65537"], "at most the 65536 of a whole message"),
        (["--text-bytes", "16K"], "give bytes"),
        (["--rest-ms", "1001"], "1001 is not in 0..=1000"),
        (["--tls-cert", "cert.pem"], "--tls-key <FILE>"),
        (["--tls-key", "key.pem"], "--tls-cert <FILE>"),
        #[cfg(feature = "jwt")]
        (["--jwt-key", "jwt.key"], "--ticket-key <FILE>"),
    ] {
        let error = Config::from_args(&args).unwrap_err();
        assert!(error.contains(hint), "{error}");
    }
}

#[test]
fn whoever_is_pinged_has_time_to_answer() {
    let agree = |args: &[&str]| Config::from_args(args).unwrap().agree();
    for args in [["--ping-after", "40"], ["--ping-after", "60"], ["--dead-after", "25"]] {
        assert!(agree(&args).unwrap_err().contains("longer than --ping-after"), "{args:?}");
    }
    for args in [&[][..], &["--ping-after", "0"], &["--dead-after", "0"], &["--ping-after", "0", "--dead-after", "0"]] {
        assert_eq!(agree(args), Ok(()), "{args:?}");
    }
}

#[test]
fn several_origins_may_be_allowed() {
    let config = Config::from_args(&[
        "--allow-origin",
        "https://a.example,https://b.example",
        "--allow-origin",
        "http://c.example",
    ]);
    assert_eq!(config.unwrap().origins.len(), 3);
}
