//! §10.2: which pages may connect.

use sansocket::handshake::{Answer, InvalidOrigin, OriginPolicy};

use super::offer;

/// Whether a policy lets a request for a host through; 403 is the only other verdict.
fn passes(host: &str, origin: &str, policy: OriginPolicy) -> bool {
    let origin = if origin == "absent" { String::new() } else { format!(" | +Origin: {origin}") };
    match offer(&format!("Host: {host}{origin}")).accept(&Answer::new().origin(policy)) {
        Ok(_) => true,
        Err(rejection) => {
            assert_eq!(
                (rejection.status(), rejection.to_string().as_str()),
                (403, "origin that is not allowed")
            );
            false
        }
    }
}

#[test]
fn same_host_is_the_default() {
    assert!(offer("+Origin: http://evil.example").accept(&Answer::default()).is_err());
    assert!(offer("+Origin: http://server.example.com").accept(&Answer::default()).is_ok());
}

#[test]
fn same_host() {
    for (host, origin, verdict) in [
        ("example.com", "absent", true),
        ("example.com", "https://example.com", true),
        ("example.com", "http://example.com", true),
        ("example.com", "https://EXAMPLE.com", true),
        ("Example.COM", "https://example.com", true),
        // Ports, with the default one of the origin's scheme.
        ("example.com:443", "https://example.com", true),
        ("example.com:80", "http://example.com", true),
        ("example.com", "https://example.com:443", true),
        ("example.com", "HTTP://example.com:80", true),
        ("example.com", "wss://example.com:443", true),
        ("example.com:8080", "https://example.com:8080", true),
        ("example.com:443", "http://example.com", false),
        ("example.com:80", "https://example.com", false),
        ("example.com:8080", "https://example.com", false),
        ("example.com", "https://example.com:8443", false),
        ("example.com:8080", "https://example.com:8081", false),
        // Addresses.
        ("[::1]:8080", "http://[::1]:8080", true),
        ("[0:0:0:0:0:0:0:1]", "http://[::1]", true),
        ("[2001:DB8::1]", "http://[2001:db8::1]", true),
        ("[::1]", "http://[::2]", false),
        ("[::1]", "http://::1", false),
        ("127.0.0.1", "http://127.0.0.1", true),
        ("127.0.0.1", "http://127.1", false),
        ("xn--bcher-kva.example", "https://xn--bcher-kva.example", true),
        // What looks alike.
        ("example.com", "https://evil-example.com", false),
        ("example.com", "https://example.com.evil.org", false),
        ("example.com", "https://sub.example.com", false),
        ("sub.example.com", "https://example.com", false),
        ("example.com", "https://example.com.", false),
        ("example.com", "https://example.co", false),
        ("example.com", "https://evil.org@example.com", false),
        ("example.com", "https://example.com@evil.org", false),
        ("example.com", "https://evil.org#example.com", false),
        ("example.com", "https://evil.org/example.com", false),
        // What is no origin.
        ("example.com", "null", false),
        ("null", "null", false),
        ("example.com", "", false),
        ("example.com", "example.com", false),
        ("example.com", "//example.com", false),
        ("example.com", "://example.com", false),
        ("example.com", "1https://example.com", false),
        ("example.com", "ht tps://example.com", false),
        ("example.com", "https:example.com", false),
        ("example.com", "https://example.com/", false),
        ("example.com", "https://example.com:", false),
        ("example.com", "https://example.com:0443", true),
        ("example.com", "https://example.com:x", false),
        ("example.com", "https://example.com https://example.com", false),
        ("example.com", "https://", false),
        // A scheme without a default port.
        ("example.com", "app+x.y-z://example.com", true),
        ("example.com:80", "app://example.com", false),
    ] {
        assert_eq!(passes(host, origin, OriginPolicy::same_host()), verdict, "{host} from {origin}");
    }
}

/// RFC 9112 §3.2.2: the host is the one of the target, if that is a whole URI.
#[test]
fn same_host_of_an_absolute_target() {
    let absolute = "> GET http://a.example/ HTTP/1.1 | Host: b.example | +Origin: ";
    assert!(offer(&format!("{absolute}http://a.example")).accept(&Answer::new()).is_ok());
    assert!(offer(&format!("{absolute}http://b.example")).accept(&Answer::new()).is_err());
}

#[test]
fn listed() {
    let list = ["https://example.com", "http://dev.example.com:8080", "https://other.example:443", "app://x"];
    for (origin, verdict) in [
        ("absent", true),
        ("https://example.com", true),
        ("https://example.com:443", true),
        ("HTTPS://Example.com", true),
        ("http://example.com", false),
        ("http://example.com:443", false),
        ("https://example.com:8443", false),
        ("http://dev.example.com:8080", true),
        ("http://dev.example.com", false),
        ("https://other.example", true),
        ("app://x", true),
        ("app2://x", false),
        ("https://evil-example.com", false),
        ("https://example.com.evil.org", false),
        ("https://example.com.", false),
        ("null", false),
        ("", false),
        // Not even the server's own host, if it is not in the list.
        ("https://server.example", false),
    ] {
        assert_eq!(
            passes("server.example", origin, OriginPolicy::listed(list).unwrap()),
            verdict,
            "{origin}"
        );
    }
    for wrong in [
        "example.com",
        "null",
        "*",
        "https://example.com/",
        "https://*.example.com/x",
        "https://",
        "",
        "https://a b",
    ] {
        assert_eq!(
            OriginPolicy::listed(["https://example.com", wrong]).unwrap_err(),
            InvalidOrigin,
            "{wrong}"
        );
    }
    assert!(!passes("a", "http://a", OriginPolicy::listed([""; 0]).unwrap()));
}

#[test]
fn any_and_predicate() {
    for origin in ["absent", "https://evil.example", "null", "", "garbage and more"] {
        assert!(passes("example.com", origin, OriginPolicy::any()), "{origin}");
        assert!(!passes("example.com", origin, OriginPolicy::predicate(|_| false)), "{origin}");
    }
    let by_path = OriginPolicy::predicate(|offer| offer.path() == "/chat" && offer.origin() == Some("null"));
    assert!(passes("example.com", "null", by_path.clone()));
    assert!(!passes("example.com", "absent", by_path));
}
