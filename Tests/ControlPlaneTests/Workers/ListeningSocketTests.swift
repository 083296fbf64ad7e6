// The socket's file: its mode, what it may replace, and when it goes.

import ControlPlane
import Foundation
import Testing

@Suite struct ListeningSocketTests {
    private func facts(_ path: String) -> [FileAttributeKey: Any]? {
        try? FileManager.default.attributesOfItem(atPath: path)
    }

    @Test func isMadeForOwnerAndGroupOnly() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/channel.sock"
        let socket = try ListeningSocket(path: path, group: getegid())
        defer { close(socket.descriptor) }
        #expect(facts(path)?[.posixPermissions] as? Int == 0o660)
        #expect(facts(path)?[.type] as? FileAttributeType == .typeSocket)
        socket.remove()
        #expect(facts(path) == nil)
    }

    @Test func replacesWhatACrashLeft() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/channel.sock"
        let crashed = try ListeningSocket(path: path)
        close(crashed.descriptor)
        let socket = try ListeningSocket(path: path)
        defer { close(socket.descriptor) }
        #expect(facts(path) != nil)
        crashed.remove()
        #expect(facts(path) != nil, "the file is another's by now")
        socket.remove()
        #expect(facts(path) == nil)
    }

    @Test func refusesToReplaceALivingOne() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/channel.sock"
        let living = try ListeningSocket(path: path)
        defer { close(living.descriptor) }
        #expect(listen(living.descriptor, 0) == 0)
        let error = #expect(throws: ListeningSocketError.self) { try ListeningSocket(path: path) }
        #expect(error?.description == "socket \(path): another process listens on it")
        // The first try still stands in the queue, which is full now.
        #expect(throws: ListeningSocketError.self) { try ListeningSocket(path: path) }
        living.remove()
    }

    @Test func refusesToReplaceAFileThatIsNoSocket() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/file"
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        #expect(throws: ListeningSocketError.self) { try ListeningSocket(path: path) }
        #expect(facts(path) != nil)
    }

    @Test(arguments: ["", "/tmp/" + String(repeating: "x", count: 120), "/nowhere/at/all/channel.sock", "/tmp/a\u{0}b"])
    func namesThePathThatCannotBe(_ path: String) {
        let error = #expect(throws: ListeningSocketError.self) { try ListeningSocket(path: path) }
        #expect(error?.path == path)
    }
}
