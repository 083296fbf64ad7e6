// The rules of domains.

import ConsoleModel
import Testing

struct DomainTests {
    @Test(arguments: [
        "demo.kubesre.com", "*.kubesre.com", "localhost", "a-b.c_d.test", "127.0.0.1", "xn--bcher-kva.example",
        Console.Domain.anyHost,
    ])
    func acceptsHostNames(name: String) {
        #expect(Console.Domain(name: name, enableHttps: "off").check() == Findings())
    }

    @Test(arguments: [
        ("", "A host name is required."),
        ("Demo.test", "Must be in lower case."),
        ("a.test:8443", "Must be a host name without port."),
        ("https://a.test", "Must be a host name only, without scheme and path."),
        ("a..test", "Must not contain empty parts between dots."),
        ("a.test.", "Must not contain empty parts between dots."),
        ("-a.test", "No part between dots may begin or end with '-'."),
        ("a.*.test", "A '*' may only stand first, as in *.example.com."),
        ("*a.test", "A '*' may only stand first, as in *.example.com."),
        ("*.*.test", "A '*' may only stand first, as in *.example.com."),
        ("bücher.example", "Must be in ASCII: write an international name in its xn-- form."),
        ("a b.test", "May contain only letters, digits, '-' and dots."),
        ("a\u{7}.test", "Must not contain control characters."),
        ("1.2.3", "Looks like an IPv4 address but is not one."),
        ("*", "For any host use the name higress-default-domain."),
        (String(repeating: "a", count: 64) + ".test", "Each part between dots must have at most 63 characters."),
        (String(repeating: "abcdefg.", count: 32) + "test", "Must have at most 253 characters."),
    ])
    func refusesWhatIsNoHostName(name: String, message: String) {
        #expect(Console.Domain(name: name, enableHttps: "off").check().errors == [FieldError("name", message)])
    }

    @Test(
        arguments: [
            ("on", nil, ["certIdentifier: A certificate is required when enableHttps is on."]),
            ("force", "", ["certIdentifier: A certificate is required when enableHttps is force."]),
            ("force", "shop", []),
            ("ON", "shop", []),
            ("off", nil, []),
            (nil, nil, []),
            ("yes", nil, ["enableHttps: Must be one of off, on, force."]),
        ] as [(String?, String?, [String])])
    func httpsNeedsACertificate(mode: String?, certificate: String?, expected: [String]) {
        var domain = Console.Domain(name: "a.test", enableHttps: mode, certIdentifier: certificate)
        domain.normalize()
        #expect(domain.check().lines == expected)
    }

    @Test func defaultsAreFilledIn() {
        var domain = Console.Domain(name: "a.test", certIdentifier: "")
        domain.normalize()
        #expect(domain == Console.Domain(name: "a.test", enableHttps: "off"))
        #expect(domain.https == .off)
    }
}
