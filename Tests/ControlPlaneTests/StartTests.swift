// What stops the start of a control plane, with the setting to blame.

import ControlPlane
import Foundation
import Logging
import Seal
import Testing

struct StartTests {
    private let folder = NSTemporaryDirectory() + "causeway-start-\(Hex.encode(Random.bytes(8)))"

    private var options: ControlPlaneOptions {
        let migrations = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("migrations").path
        var options = ControlPlaneOptions(data: folder, migrations: migrations)
        options.allowsDumps = true
        return options
    }

    /// The text of the error; empty when it starts.
    private func start(_ options: ControlPlaneOptions) async -> String {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        do {
            _ = try await ControlPlane(options, logger: logger)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test(arguments: ["0.0.0.0", "10.0.0.1", "::", "example.test"])
    func passwordsAreNotSentInClearOverTheNetwork(address: String) async {
        var options = options
        options.adminAddress = address
        #expect(await start(options).contains("--admin-address \(address)"))
        #expect(!FileManager.default.fileExists(atPath: folder), "nothing is made before the settings are right")
    }

    @Test func itCanBeAllowed() async {
        var options = options
        options.adminAddress = "0.0.0.0"
        options.allowsInsecureAdmin = true
        #expect(await start(options) == "")
        try? FileManager.default.removeItem(atPath: folder)
    }

    @Test func aFolderWithoutPageIsNamed() async {
        var options = options
        options.staticFolder = "/proc"
        #expect(await start(options) == "--static /proc has no index.html.")
    }

    @Test func aMissingAPIDocumentIsNamed() async {
        var options = options
        options.apiDocument = "/nowhere.yaml"
        #expect(await start(options) == "--openapi /nowhere.yaml cannot be read.")
        try? FileManager.default.removeItem(atPath: folder)
    }

    @Test func aChannelThatCannotBeMadeIsNamed() async {
        var options = options
        options.channel = "/proc/nowhere/channel.sock"
        #expect(await start(options).contains("/proc/nowhere/channel.sock"))
        try? FileManager.default.removeItem(atPath: folder)
    }
}
