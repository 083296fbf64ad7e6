// What the command line last said of the two listeners that a new instance begins with.

import Foundation
import GRDB

/// `--gateway-address`, `--http-port` and `--https-port` as they were given; `nil`: they were not.
package struct ListenerFlags: Codable, Hashable, Sendable {
    package var address: String?
    package var httpPort: UInt16?
    package var httpsPort: UInt16?

    package init(address: String? = nil, httpPort: UInt16? = nil, httpsPort: UInt16? = nil) {
        self.address = address
        self.httpPort = httpPort
        self.httpsPort = httpsPort
    }
}

extension Store {
    /// `nil`: the listeners were never made.
    package func listenerFlags() async throws -> ListenerFlags? {
        try await reading { db in
            guard let text = try String.fetchOne(db, sql: "SELECT listener_flags FROM installation") else { return nil }
            do {
                return try JSONDecoder().decode(ListenerFlags.self, from: Data(text.utf8))
            } catch {
                throw StoreError(.damaged, "The database's note of the listeners' flags cannot be read: \(error)")
            }
        }
    }

    package func remember(_ flags: ListenerFlags) async throws {
        let text = String(decoding: try JSONEncoder().encode(flags), as: UTF8.self)
        try await writing { try $0.execute(sql: "UPDATE installation SET listener_flags = ?", arguments: [text]) }
    }
}
