// What is asked of a list: words that are looked for, a column that is sorted by, and a page. Without words and column only the
// rows of the page are touched: there may be 100,000.

import ConsoleModel
import Foundation
import Hummingbird
import Persistence

/// `q`, `sort`, `pageNum` and `pageSize` of a request.
struct ListQuery<Row: Sendable>: Sendable {
    private static var longestSearch: Int { 256 }
    /// Rows between which others get their turn.
    private static var turn: Int { 4_096 }

    private let shape: ListShape<Row>
    private let words: [[UInt8]]
    private let column: ListShape<Row>.Column?
    private let descends: Bool
    private let page: PageRequest

    init(_ request: Request, _ shape: ListShape<Row>) throws(Problem) {
        self.shape = shape
        page = try PageRequest(request)
        let search = request.search
        guard search.unicodeScalars.count <= Self.longestSearch else {
            throw .invalidQuery("q", "Must have at most \(Self.longestSearch) characters.")
        }
        words = search.split(whereSeparator: \.isWhitespace).map { SearchText.folded($0) }
        guard let sort = request.text("sort") else {
            (column, descends) = (nil, false)
            return
        }
        descends = sort.hasPrefix("-")
        let name = sort.dropFirst(descends ? 1 : 0)
        guard let found = shape.columns.first(where: { $0.name == name }) else {
            let names = shape.columns.map(\.name).joined(separator: ", ")
            throw .invalidQuery("sort", "Must be one of \(names), with - before it for the largest first.")
        }
        column = found.column
    }

    /// Whether rows come in the order in which they are, all of them.
    private var isPlain: Bool { words.isEmpty && column == nil }

    /// The page of rows that are in the list's own order, in which those stay that are equal.
    func page<Value>(of rows: [Row], _ transform: (Row) throws -> Value) async throws -> Page<Value> {
        if isPlain { return try Page(of: rows, page, transform) }
        return try Page(of: await places(rows.count) { rows[$0] }, page) { try transform(rows[$0]) }
    }

    /// The page of resources, by name, or of those that are named, in that order.
    func page<Value>(
        of table: ResourceTable<Row>, named names: [String]? = nil, _ transform: (Row) -> Value
    ) async -> Page<Value> where Row: Resource {
        // The table is one state of the configuration: names are of resources that are there.
        let names = names ?? table.sortedNames
        let places = isPlain ? nil : await places(names.count) { table[names[$0]]?.value }
        let shown = page.range(of: places?.count ?? names.count).map { names[places?[$0] ?? $0] }
        return Page(
            items: shown.compactMap { table[$0].map { transform($0.value) } }, total: places?.count ?? names.count, page
        )
    }

    /// Where the rows are that are found, in the order that is asked for.
    private func places(_ count: Int, _ row: (Int) -> Row?) async -> [Int] {
        let found = words.isEmpty ? Array(0..<count) : await search(count, row)
        switch column {
        case nil: return found
        case .text(let text): return await sort(found, row) { TextOrder(text($0)) }
        case .number(let number): return await sort(found, row, by: number)
        }
    }

    private func search(_ count: Int, _ row: (Int) -> Row?) async -> [Int] {
        var found: [Int] = []
        var text = SearchText()
        for place in 0..<count {
            if place % Self.turn == Self.turn - 1 { await Task.yield() }
            guard let row = row(place) else { continue }
            text.removeAll()
            for each in shape.searched(row) { text.append(each) }
            if words.allSatisfy({ text.contains($0) }) { found.append(place) }
        }
        return found
    }

    private func sort<Key: Comparable>(
        _ places: [Int], _ row: (Int) -> Row?, by key: (Row) -> Key
    ) async -> [Int] {
        var keyed: [(key: Key, place: Int)] = []
        keyed.reserveCapacity(places.count)
        for (index, place) in places.enumerated() {
            if index % Self.turn == Self.turn - 1 { await Task.yield() }
            if let row = row(place) { keyed.append((key(row), place)) }
        }
        keyed.sort { a, b in
            if a.key == b.key { return a.place < b.place }
            return (a.key < b.key) != descends
        }
        return keyed.map(\.place)
    }
}

extension Request {
    /// `q` as forms write it: between words there may be `+`, too, and a plus sign is `%2B`.
    fileprivate var search: String {
        guard let pair = uri.query?.split(separator: "&").first(where: { $0.hasPrefix("q=") }) else { return "" }
        let text = pair.dropFirst(2).replacing("+", with: " ")
        return text.removingPercentEncoding ?? String(text)
    }
}
