// Files of endpoints: whatever a path of the worker's machine has in it.

import DataPlane
import FuzzDriver

private func read(_ bytes: [UInt8]) -> Result<[EndpointFile.Entry], EndpointFile.Problem> {
    do throws(EndpointFile.Problem) {
        return .success(try EndpointFile.read(bytes))
    } catch {
        return .failure(error)
    }
}

private func target(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let bytes = Array(UnsafeBufferPointer(start: start, count: count))
    let result = read(bytes)
    precondition(result == read(bytes), "one file is read in two ways")
    switch result {
    case .success(let entries):
        precondition(entries.count <= EndpointFile.mostEndpoints, "more endpoints than the bound")
        precondition(Set(entries.map(\.address.text)).count == entries.count, "an address that stands twice")
        precondition(entries.allSatisfy { (1...1_000).contains($0.weight) }, "a weight beyond its bounds")
        // What lacks its end is none: a file that is being written is not taken.
        let whole = bytes.lastIndex(of: 0x7d) ?? 0
        if case .success = read(Array(bytes[..<whole])) { preconditionFailure("half a file is read as a whole one") }
    case .failure(let problem):
        precondition(problem.line >= 1 && problem.column >= 1 && problem.column <= count + 1, "a place that is none")
    }
    return 0
}

@main
enum Main {
    static func main() {
        fuzz { target($0, $1) }
    }
}
