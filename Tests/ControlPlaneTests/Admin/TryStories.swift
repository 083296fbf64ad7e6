// How long a try-out may last, against a listener that takes connections and says nothing.

import ConfigModel
import ConsoleModel
import ControlPlane
import Foundation
import HTTPTypes
import HummingbirdTesting
import Testing

struct TryStories {
    /// The port of a listener whose connections nobody accepts: the kernel completes their handshakes.
    private static func silentListener() -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                #expect(bind(descriptor, $0, length) == 0 && listen(descriptor, 8) == 0)
                #expect(getsockname(descriptor, $0, &length) == 0)
            }
        }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    private static let body = #"{"kind":"http","listener":"http","authority":"a.test"}"#

    @Test func endsWhenItsTimeIsOver() async throws {
        let silent = Self.silentListener()
        defer { close(silent.descriptor) }
        let listener = Console.Listener(name: "http", address: "0.0.0.0", port: Int(silent.port), protocol: .http)
        let harness = try await AdminHarness(listeners: [listener]) { parts in
            var limits = TryOuts.Limits()
            limits.lifetime = .seconds(5)
            limits.most = 1
            parts.tryOuts = TryOuts(limits)
        }
        try await harness.application.test(.live) { client in
            let made = try await client.call(.post, "/v1/try", Self.body)
            #expect(made.status == 201, "\(made.text)")
            guard case .string(let id)? = made["id"] else { return }
            #expect(try await client.call(.post, "/v1/try", Self.body).status == 429)
            let events = try await client.call(.get, "/v1/try/\(id)/events")
            #expect(events.text.hasPrefix("event: open\n"))
            #expect(events.text.contains("event: error\ndata: {\"reason\":\"It was open for 5 s"), "\(events.text)")
        }
        // The stream's connection ended with it.
        try await harness.application.test(.live) { client in
            let again = try await client.call(.post, "/v1/try", Self.body)
            #expect(again.status == 201, "\(again.text)")
        }
    }

    @Test(arguments: ["10.0.0.7", "192.0.2.1", "2001:db8::1"])
    func neverConnectsElsewhere(address: String) async throws {
        let listener = Console.Listener(name: "http", address: address, port: 80, protocol: .http)
        let harness = try await AdminHarness(listeners: [listener])
        try await harness.story { client in
            let refused = try await client.call(.post, "/v1/try", Self.body)
            #expect(refused.status == 400)
            #expect(refused.fields == ["listener"])
        }
    }
}
