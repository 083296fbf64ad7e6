// Which rows of a table that only grows are still to be told, whatever was told while they were read.

/// The last number that was told, of numbers without gaps.
package struct Backlog<Number: BinaryInteger & Sendable>: Sendable {
    package private(set) var last: Number

    /// What is to be told next.
    package enum OnRead<Row> {
        /// Oldest first.
        case rows([Row])
        /// Some between the last one and these are not here: they were too many, or are not kept any more.
        case gap
    }

    package init(last: Number) {
        self.last = last
    }

    /// `newest` are the newest rows, newest first; those that were told already may be among them.
    package mutating func read<Row>(_ newest: [Row], _ number: (Row) -> Number) -> OnRead<Row> {
        let rows = Array(newest.prefix { number($0) > last }.reversed())
        guard let first = rows.first, let final = rows.last else { return .rows([]) }
        let follows = number(first) == last + 1
        last = number(final)
        return follows ? .rows(rows) : .gap
    }
}
