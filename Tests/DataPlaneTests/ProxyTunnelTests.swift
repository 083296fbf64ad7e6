// What counts as an answer to CONNECT.

import Testing

import DataPlane

struct ProxyTunnelTests {
    private func answer(_ text: String) -> ProxyTunnel.Answer {
        Array(text.utf8).withUnsafeBufferPointer(ProxyTunnel.answer)
    }

    /// Whatever the parts that it comes in: incomplete before its last byte, open with it, and the rest left alone.
    @Test(arguments: [
        "HTTP/1.1 200 Connection established\r\n\r\n", "HTTP/1.0 200 OK\r\nVia: a\r\nX-B: c\r\n\r\n",
        "HTTP/1.1 299 \n\n",
        "HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 100 Go\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ])
    func opensWithItsLastByte(_ text: String) {
        let bytes = Array(text.utf8)
        for end in 0..<bytes.count {
            let found = bytes[..<end].withUnsafeBufferPointer(ProxyTunnel.answer)
            #expect(found == .incomplete, "after \(end) bytes")
        }
        #expect(answer(text) == .open(bytes.count))
        #expect(answer(text + "\u{0}\u{1}more\r\n\r\n") == .open(bytes.count))
    }

    @Test(arguments: [
        ("HTTP/1.1 407 No\r\n\r\n", 407), ("HTTP/1.1 502 Bad Gateway\r\n\r\n", 502),
        ("HTTP/1.1 302 Found\r\n\r\n", 302),
        ("HTTP/1.1 100 Go\r\n\r\nHTTP/1.1 403 No\r\n\r\n", 403),
    ])
    func refuses(_ text: String, _ status: Int) {
        #expect(answer(text) == .refused(status))
    }

    @Test(arguments: [
        "SSH-2.0-x", "HTTP/2 200", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/1.1  20 OK\r\n\r\n", "HTTP/1.1 099 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n", "\r\nHTTP/1.1 200 OK\r\n\r\n",
    ])
    func isNone(_ text: String) {
        #expect(answer(text) == .malformed)
    }

    @Test func aHeadHasABound() {
        let start = "HTTP/1.1 200 OK\r\n"
        let filler = String(repeating: "X-A: 1\r\n", count: ProxyTunnel.longestHead / 8)
        #expect(answer(start + filler) == .malformed)
        #expect(answer(start + filler + "\r\n") == .malformed)
        #expect(answer(start + filler.dropLast(filler.count / 2)) == .incomplete)
        let interim = String(repeating: "HTTP/1.1 100 Go\r\n\r\n", count: ProxyTunnel.longestHead / 10)
        #expect(answer(interim) == .malformed)
    }
}
