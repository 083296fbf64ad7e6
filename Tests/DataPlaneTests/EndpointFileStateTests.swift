// Mirrors EndpointFileState.swift.

import DataPlane
import Testing

struct EndpointFileStateTests {
    private let first = entries("10.0.0.1")
    private let second = entries("10.0.0.1", "10.0.0.2")

    private static func entries(_ hosts: String...) -> [EndpointFile.Entry] {
        hosts.compactMap { host in
            SocketAddress(literal: host, port: 80).map { EndpointFile.Entry(address: $0, host: host) }
        }
    }

    @Test func whatIsReadIsToldOnce() {
        var file = EndpointFileState()
        let stamp = FileStamp(inode: 1)
        #expect(file.wantsReading(stamp))
        #expect(file.read(first, stamp) == .endpoints(first))
        #expect(file.read(first, FileStamp(inode: 2)) == .unchanged)
        #expect(file.read(second, FileStamp(inode: 3)) == .endpoints(second))
        #expect(file.entries == second && file.problem == nil)
    }

    /// What is written right after it was read may have the same time.
    @Test func aChangeIsReadOnceMore() {
        var file = EndpointFileState()
        let stamp = FileStamp(inode: 1)
        _ = file.read(first, stamp)
        #expect(file.wantsReading(stamp))
        #expect(file.read(second, stamp) == .endpoints(second))
        #expect(!file.wantsReading(stamp))
        #expect(file.wantsReading(FileStamp(inode: 2)) && file.wantsReading(FileStamp(inode: 1, size: 5)))
    }

    @Test func aFailureIsToldWhenItIsFoundAgainAndChangesNothing() {
        var file = EndpointFileState()
        _ = file.read(first, FileStamp(inode: 1))
        let half = FileStamp(inode: 2)
        #expect(file.failed("half", half) == .unchanged)
        #expect(file.problem == nil && file.wantsReading(half))
        #expect(file.failed("half", half) == .unchanged)
        #expect(file.problem == "half" && file.entries == first && !file.wantsReading(half))
        #expect(file.failed("gone", nil) == .unchanged)
        #expect(file.problem == "gone")
        // The very same file as before: it is read, because it was another one meanwhile.
        #expect(file.wantsReading(FileStamp(inode: 1)))
        #expect(file.read(first, FileStamp(inode: 1)) == .unchanged)
        #expect(file.problem == nil)
    }

    @Test func aWriterAtWorkIsNoProblem() {
        var file = EndpointFileState()
        _ = file.read(first, FileStamp(inode: 1))
        for inode: UInt64 in 2..<9 {
            _ = file.failed("half", FileStamp(inode: inode))
            #expect(file.problem == nil)
            _ = file.read(first, FileStamp(inode: inode, size: 9))
        }
    }

    /// Loops may still know what the file had when it was watched before.
    @Test func whatWasNeverReadHasNoEndpointsAndIsToldAtOnce() {
        var file = EndpointFileState()
        #expect(file.failed("gone", nil) == .endpoints([]))
        #expect(file.problem == "gone" && file.entries == nil)
        #expect(file.failed("gone", nil) == .unchanged)
        #expect(file.read([], FileStamp(inode: 1)) == .endpoints([]))
        #expect(file.problem == nil && file.entries == [])
    }
}
