// Mirrors GatewaySettings.swift.

import ConfigModel
import ControlPlane
import Testing

@Suite struct GatewaySettingsTests {
    private func made(_ assignments: String...) throws -> GatewaySettings {
        var settings = GatewaySettings()
        for assignment in assignments { try settings.set(assignment) }
        return settings
    }

    @Test func everyNameInTheListCanBeSet() throws {
        for (name, _) in GatewaySettings.names {
            let isTime = name.hasSuffix("-timeout")
            let value = isTime ? "7s" : name.hasPrefix("header-") ? "7" : "5000"
            #expect(try made("\(name)=\(value)") != GatewaySettings(), "\(name)")
        }
    }

    @Test func readsUnits() throws {
        #expect(try made("connect-timeout=250ms").connectTimeout == 250)
        #expect(try made("connect-timeout=5").connectTimeout == 5_000)
        #expect(try made("upstream-idle-timeout=0").upstreamIdleTimeout == 0)
        #expect(try made("connection-idle-timeout=2h").limits.connectionIdleTimeout == 7_200_000)
        #expect(try made("request-headers-timeout=3m").limits.requestHeadersTimeout == 180_000)
        #expect(try made("memory-per-connection=512k").limits.memoryPerConnection == 524_288)
        #expect(try made("memory-per-loop=65536").limits.memoryPerLoop == 65_536)
        #expect(try made("memory-per-worker=3g").limits.memoryPerWorker == 3_221_225_472)
        #expect(try made("max-resets=0").limits.maxResets == 0)
    }

    /// Else no listener opens, which nobody asked for.
    @Test func theMostThatASettingTakesIsNoProblemOfAListener() throws {
        for (name, _) in GatewaySettings.names {
            let taken = (0...40).reversed().lazy.compactMap { try? made("\(name)=\(1 << $0)") }.first
            let settings = try #require(taken, "\(name)")
            let listener = Listener(name: "http", address: "::1", port: 80, tls: false, limits: settings.limits)
            #expect(ConfigObject.listener(listener).validate().isEmpty, "\(name)")
        }
    }

    @Test(arguments: [
        "connect-timeout", "connect-timeout=", "connect-timeout=5x", "connect-timeout=0", "connect-timeout=-1s",
        "connect-timeout=11m", "connect-timeout=99999999999s", "connect-timeout=1 s", "tls-handshake-timeout=25h",
        "max-concurrent-streams=0", "max-concurrent-streams=65536", "max-header-list-size=100", "max-connections=many",
        "memory-per-loop=5t",
        "memory-per-loop=m", "memory-per-loop=-1", "header-decode-factor=9999", "nonsense=1", "=1s", "",
    ])
    func refusesWhatItCannotRead(_ assignment: String) {
        #expect(throws: StartError.self, "\(assignment)") { try made(assignment) }
    }
}
