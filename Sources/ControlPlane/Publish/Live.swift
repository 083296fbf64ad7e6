// Whether a saved version is served: the answer to `?wait=live`, and who is asked.

/// How far the workers are with a version. Raw values stand in the header `Causeway-Live`.
package enum Live: String, Hashable, Sendable, Codable, CaseIterable {
    /// Every worker asked serves it, or a later one.
    case yes = "true"
    /// Not yet.
    case no = "false"
    /// A worker refused it, or an object that it brought.
    case rejected
    case timeout
    /// Nobody who serves is connected.
    case noWorker = "no-worker"
}
